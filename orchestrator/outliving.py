"""A driver started over SSH on a cluster's head is sent to the cluster as a job, so that it outlives the connection.

`ray submit` ties a driver to its SSH session: a dead laptop, or 25 seconds without a link, ends the study.
"""

import os
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Mapping
from pathlib import Path

JOB = "A440_JOB"  # set in every driver that is a job; A440_JOB=no keeps a driver where it was started
KEPT = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "HOME")


def outlive(name: str, address: str | None) -> None:
    """Runs this very program again as a job, follows it, and exits as it does; returns where that is not called for.

    It is where this process came over SSH, on the head of a cluster that `ray up` made, and is no job itself.

    Args:
        name: of the study, for the job's.
        address: that the user gave for Ray; a driver sent to another place stays what it is.
    """
    if not is_tied(os.environ, address) or threading.current_thread() is not threading.main_thread():
        return
    from cluster.autoscaler import jobs_address_here
    from cluster.jobs import Jobs

    command = this_program()
    try:
        server = jobs_address_here()
        if command is None or server is None:
            raise ConnectionError("there is no jobs server here. Start the head with --include-dashboard=true")
        jobs = Jobs(server)
        variables = {word: os.environ[word] for word in KEPT if word in os.environ}
        job = f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
        jobs.submit(
            f"cd {shlex.quote(str(Path.cwd()))} && exec {command}", job, None, variables={**variables, JOB: "yes"}
        )
    except (ConnectionError, ValueError) as error:
        warnings.warn(f"this study ends with its SSH connection: {error}", stacklevel=3)
        return
    print(f"job {job} goes on if this connection ends. Come back: a440 watch {job}", file=sys.stderr)
    raise SystemExit(jobs.follow(job).exit_code)


def is_tied(environment: Mapping[str, str], address: str | None) -> bool:
    """Whether this process would end with an SSH connection, on the head of a launched cluster."""
    launched = (Path(environment.get("HOME", "/")) / "ray_bootstrap_config.yaml").exists()
    over_ssh = "SSH_CONNECTION" in environment and JOB not in environment
    return over_ssh and launched and address in (None, "", "auto")


def this_program() -> str | None:
    """The command that runs this program; None where there is none, as in a notebook or at a prompt."""
    words = list(getattr(sys, "orig_argv", ()))
    if len(words) < 2 or words[1:2] == ["-c"] or hasattr(sys, "ps1"):
        return None
    return shlex.join([sys.executable, *words[1:]])
