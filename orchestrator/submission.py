"""A study as a job of a cluster: the command that runs or resumes it there, and what is refused before it is sent."""

import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.outliving import JOB

ON_THE_HEAD = "~/runs"  # a job's own folder is thrown away when it ends
A440 = ("python", "-m", "orchestrator.cli")


def new_command(
    study: str,
    cluster: str | None,
    settings: Sequence[str] = (),
    *,
    trials: str | None = None,
    hours: str | None = None,
    storage: str | None = None,
) -> str:
    """The command of a study that begins.

    Args:
        study: path of its file, in the working folder.
        cluster: path of the cluster's launch file, or None.
        settings: `key=value` changes.
        trials: overrides the file's.
        hours: overrides the file's.
        storage: where it lies; None for where the study says, if that outlasts a job, or else the launch file.

    Raises:
        ValueError: it could not run, or would lose its results; nothing was sent.
    """
    from cluster.launch_file import read
    from orchestrator.spec import load

    changes = list(settings)
    if storage is None and _lies_in_the_working_folder(study, changes):
        storage = (read(cluster).storage if cluster else None) or ON_THE_HEAD
    if storage is not None:
        changes.append(f"storage={storage}")
    many = None if trials is None else _count(trials)
    load(study, changes).with_budget(many, hours).check_budget()  # what is wrong is told here, at once
    words = [*A440, "run", _inside(study)]
    words += [word for change in changes for word in ("--set", change)]
    words += ["--trials", str(many)] if many is not None else []
    words += ["--hours", hours] if hours else []
    words += ["--cluster", _inside(cluster)] if cluster else []
    return shlex.join(words)


def resuming_command(folder: str, trials: str | None = None, hours: str | None = None) -> str:
    """The command that goes on with a study, by its folder on the cluster or its address."""
    words = [*A440, "resume", folder]
    words += ["--trials", trials] if trials else []
    return shlex.join([*words, *(["--hours", hours] if hours else [])])


def is_resumed(study: str) -> bool:
    """Whether what a user names is a study that has begun: an address, or a folder, here or on the cluster."""
    return "://" in study or Path(study).is_dir() or not Path(study).suffix


def job_name(study: str) -> str:
    """A name for a study's job that no other has."""
    return f"{Path(study.rstrip('/')).stem}-{time.strftime('%Y%m%d-%H%M%S')}"


def variables_of(settings: Sequence[str], more: Mapping[str, str]) -> dict[str, str]:
    """`KEY=VALUE` words as the variables of a job, with those of ours."""
    found = {JOB: "yes", **more}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise ValueError(f"--env {setting!r} sets nothing. Write a name and a value: --env WANDB_MODE=offline")
        found[name] = value
    return found


def _count(trials: str) -> int:
    if not trials.isdigit():
        raise ValueError(f"--trials {trials!r} is no number of trials. Write how many: --trials 64")
    return int(trials)


def _inside(file: str) -> str:
    """A file's path in the folder that travels; raises ValueError where it would stay behind."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        raise ValueError(
            f"{file} lies outside of {Path.cwd()}, which is what travels to the cluster. "
            f"Go where all that it needs is: cd {Path(file).resolve().parent}"
        ) from None


def _lies_in_the_working_folder(study: str, changes: Sequence[str]) -> bool:
    """Whether the study's storage is a relative path, or none."""
    from orchestrator import strict_yaml

    said = strict_yaml.read(Path(study).read_text(encoding="utf-8"), study).data.get("storage", "runs")
    for change in changes:
        said = change.removeprefix("storage=") if change.startswith("storage=") else said
    return "://" not in str(said) and not str(said).startswith(("/", "~"))
