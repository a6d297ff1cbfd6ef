"""A cluster examined from within: each machine's versions, clock, disk and name, and whether it sees the storage."""

import os
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cluster.checkup import Checkup, examine, findings
from orchestrator.folder import root_of
from orchestrator.nodes import check_nodes
from orchestrator.outliving import JOB
from orchestrator.submission import A440, job_name

ANSWER_S = 30.0


@dataclass(frozen=True)
class Diagnosis:
    """What was found.

    Attributes:
        machines: of each that answered, its name and what it says of itself.
        wrong: two sentences each.
        storage: that was tried; empty for none.
    """

    machines: dict[str, Checkup]
    wrong: tuple[str, ...]
    storage: str = ""

    def lines(self) -> Iterator[str]:
        """The whole of it in lines."""
        for name, checkup in self.machines.items():
            versions = " ".join(f"{package} {found}" for package, found in checkup.versions.items() if found)
            yield f"{name}: {versions}"
            yield (
                f"  {checkup.free_gib:.0f} GiB of disk free, {checkup.shm_gib:.1f} GiB of shared memory, "
                f"looks itself up in {checkup.dns_s * 1000:.0f} ms"
            )
        if self.storage:
            yield f"storage {self.storage}"
        yield from self.wrong
        many = f"{len(self.machines)} machine{'s' * (len(self.machines) != 1)}"
        yield f"{many} examined, {len(self.wrong)} thing{'s' * (len(self.wrong) != 1)} to mend"


def diagnose(address: str | None, storage: str | None) -> Diagnosis:
    """Examines all machines of a cluster, from a machine of it.

    Args:
        address: HOST:PORT of its head; None for the Ray of this host.
        storage: to be tried from every machine; None for none.

    Raises:
        ConnectionError: no such cluster answers.
    """
    from cluster.to_ray import connect, on_every_node

    with connect(address or "auto"):
        began, here = time.monotonic(), examine()
        answers = on_every_node(examine, timeout_s=ANSWER_S)
        asked_s = time.monotonic() - began
        good = {node: answer for node, answer in answers.items() if isinstance(answer, Checkup)}
        wrong = [
            f"{node} did not answer: {' '.join(str(answer).split())[:200]}. Look at it: ray status"
            for node, answer in answers.items()
            if node not in good
        ]
        wrong += [text for node, there in good.items() for text in findings(node, there, here, asked_s)]
        if storage is not None:
            wrong += _tried(storage)
    return Diagnosis(good, tuple(dict.fromkeys(wrong)), storage or "")


def send(file: str, storage: str | None, say: Callable[[str], None]) -> int:
    """Looks at what leads to a cluster from here, then has one of its own machines examine all; the exit code.

    Args:
        file: the cluster's launch file.
        storage: to be tried from every machine; None for the launch file's, if it has one.
        say: is told line by line what is looked at here.
    """
    from cluster.auth_token import private_token_file
    from cluster.jobs import Jobs
    from cluster.launcher import Cluster

    found = Cluster(file)
    say(f"token    {private_token_file(os.environ)}, readable by its owner alone")
    if not found.kuberay:
        head = found.head()
        head.check()
        say(f"ssh      {head.host} answers")
    where = storage or found.file.storage
    words = [*A440, "cluster", "doctor", *(["--storage", where] if where else [])]
    with found.jobs_address() as address:
        jobs = Jobs(address)
        name = jobs.submit(shlex.join(words), job_name("doctor"), None, variables={JOB: "yes"})
        return jobs.follow(name).exit_code


def _tried(storage: str) -> list[str]:
    """What is wrong with a storage, from the driver or from a machine."""
    try:
        check_nodes(root_of(storage))
    except (ValueError, OSError) as error:
        return [str(error)]
    return []
