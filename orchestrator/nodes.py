"""Whether every node of a cluster can work in a study's folder, asked before the first trial.

A path that is not shared would be found at the first checkpoint, perhaps hours in.
"""

import warnings
from pathlib import Path

from trainables.probe import leave_word, look, take_word
from trainables.remote import Remote

ANSWER_S = 20.0


def check_nodes(place: Path | Remote) -> None:
    """Has each node that is alive read, write, list and remove in a folder or a store, all at the same time.

    A node that does not answer is told as a warning: it may be about to leave, and nothing that is known is against it.

    Raises:
        ValueError: some cannot; the message names them, and has the mend.
    """
    from cluster.to_ray import on_every_node

    word = leave_word(place)
    try:
        answers = on_every_node(look, place, word, timeout_s=ANSWER_S)
    finally:
        take_word(place, word)
    silent = [node for node, answer in answers.items() if isinstance(answer, TimeoutError)]
    if silent:
        warnings.warn(
            f"{_listed(silent)} did not say within {ANSWER_S:.0f} s whether it can work in {place}. "
            f"Look at it, for its trials may not be able to save: ray status",
            stacklevel=2,
        )
    nodes_of: dict[str, list[str]] = {}
    for node, answer in answers.items():
        if answer is not None and node not in silent:
            nodes_of.setdefault(str(answer), []).append(node)
    if nodes_of:
        raise ValueError(_told(place, nodes_of))


def _told(place: Path | Remote, nodes_of: dict[str, list[str]]) -> str:
    said = [f"{_listed(nodes)}: {answer}" for answer, nodes in nodes_of.items()]
    if isinstance(place, Remote):
        return f"{place} cannot be worked in from every node of the cluster. " + "\n".join(said)
    return (
        f"{place} is not shared by all nodes of the cluster ({'; '.join(sorted(said))}). "
        f"Choose a path that all hosts mount, or an object store: storage: /mnt/runs, or storage: s3://bucket/runs"
    )


def _listed(names: list[str]) -> str:
    return ", ".join(sorted(names))
