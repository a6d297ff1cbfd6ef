"""Whether every node of a cluster can work in a study's folder, asked before the first trial.

A path that is not shared would be found at the first checkpoint, perhaps hours in.
"""

import warnings
from pathlib import Path

from orchestrator.home import address_of, home_of
from trainables.probe import leave_word, look, take_word

ANSWER_S = 20.0


def check_nodes(folder: Path) -> None:
    """Has each node that is alive read, write, list and remove in a study's folder or home, all at the same time.

    A node that does not answer is told as a warning: it may be about to leave, and none of what is known is against it.

    Raises:
        ValueError: some cannot; the message names them, and has the mend.
    """
    from cluster.to_ray import on_every_node

    place = home_of(folder) or folder
    word = leave_word(place)
    try:
        answers = on_every_node(look, place, word, timeout_s=ANSWER_S)
    finally:
        take_word(place, word)
    silent = [node for node, answer in answers.items() if isinstance(answer, TimeoutError)]
    if silent:
        warnings.warn(
            f"{_listed(silent)} did not say within {ANSWER_S:.0f} s whether it can work in {address_of(folder)}. "
            f"Look at it, for its trials may not be able to save: ray status",
            stacklevel=2,
        )
    wrong = {node: answer for node, answer in answers.items() if answer is not None and node not in silent}
    if wrong:
        raise ValueError(_told(folder, wrong))


def _told(folder: Path, wrong: dict[str, object]) -> str:
    said = "; ".join(f"{node}: {answer}" for node, answer in sorted(wrong.items()))
    if home_of(folder) is not None:
        return (
            f"{address_of(folder)} cannot be worked in from every node ({said}). "
            f"Give those nodes what this host has: a role or credentials, and AWS_ENDPOINT_URL for a store of your own."
        )
    return (
        f"{folder} is not shared by all nodes of the cluster ({said}). "
        f"Choose a path that all hosts mount, or an object store: storage: /mnt/runs, or storage: s3://bucket/runs"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names))
