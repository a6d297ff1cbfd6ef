"""`a440 submit`, `watch`, `stop` and `jobs`: a study whose driver the cluster keeps alive."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.mends import Mends, printable
from orchestrator.outliving import JOB

if TYPE_CHECKING:
    from cluster.jobs import Job

DEFAULT = "http://127.0.0.1:8265"
SHOWN = 40  # lines of a log that `watch` begins with
SCREEN = "A440_SCREEN"

WHERE = [
    click.option("-c", "--cluster", type=click.Path(dir_okay=False), help="The cluster's launch file."),
    click.option("--address", help=f"Its jobs server, where it is reached already: {DEFAULT}."),
]


def where(command: Any) -> Any:
    """The options that say which cluster."""
    for option in reversed(WHERE):
        command = option(command)
    return command


@click.command()
@click.argument("study")
@where
@click.option("--name", help="Of the job, by which it is watched and stopped; the same name is never run twice.")
@click.option("--trials", help="How many trials, in place of the file's; +32 for so many more of a study to resume.")
@click.option("--hours", help="Time for the whole study: 2, or '90 min'.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key of the study file.")
@click.option("--storage", help="Where the study lies: s3://bucket/studies, or a folder that all machines share.")
@click.option("--env", "variables", multiple=True, metavar="KEY=VALUE", help="A variable of the driver and its trials.")
@click.option("--pip", "packages", multiple=True, metavar="PACKAGE", help="What the cluster's machines lack.")
@click.option("--exclude", "excluded", multiple=True, metavar="PATTERN", help="Files that are not sent along.")
@click.option("--detach", is_flag=True, help="Send it, and do not follow its log.")
def submit(study: str, cluster: str | None, address: str | None, **options: Any) -> None:
    """Run a study file on a cluster, or resume a study there, as a job that outlives this terminal.

    The working folder travels along, without what .gitignore names, secrets (.env, keys) and results.
    """
    with Mends():
        variables = _variables(options["variables"])
        resumed = "://" in study or Path(study).is_dir() or not Path(study).suffix
        command = _resume(study, options) if resumed else _run(study, cluster, options)
        name = options["name"] or f"{Path(study.rstrip('/')).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
        with _jobs(cluster, address) as jobs:
            jobs.submit(
                command,
                name,
                Path.cwd(),
                variables={JOB: "yes", **_screen(options["detach"]), **variables},
                packages=options["packages"],
                excluded=options["excluded"],
            )
            again = _again(cluster, address)
            click.echo(f"job {name} goes on if this terminal ends. Come back: a440 watch {name}{again}", err=True)
            if options["detach"]:
                return
            _followed(jobs.follow(name, _say), again)


@click.command()
@click.argument("job", required=False)
@where
def watch(job: str | None, cluster: str | None, address: str | None) -> None:
    """Follow a job's log again; the newest one's where none is named."""
    with Mends(), _jobs(cluster, address) as jobs:
        name = job or _newest(jobs.list())
        _followed(jobs.follow(name, _say, tail=SHOWN), _again(cluster, address))


@click.command()
@click.argument("job")
@where
def stop(job: str, cluster: str | None, address: str | None) -> None:
    """End a job: its trials write their checkpoints, and the study can be resumed."""
    with Mends(), _jobs(cluster, address) as jobs:
        if not jobs.stop(job):
            click.echo(f"{job} is over already")
            return
        click.echo(f"{job} was asked to stop; it writes its checkpoints", err=True)
        found = jobs.follow(job, _say, tail=0)
        click.echo(f"{job} {found.status.lower()}", err=True)


@click.command()
@where
def jobs(cluster: str | None, address: str | None) -> None:
    """List the jobs of a cluster."""
    with Mends(), _jobs(cluster, address) as server:
        from orchestrator.screen import print_rows

        found = server.list()
        if not found:
            click.echo("no jobs. Send one: a440 submit study.yaml -c cluster.yaml")
            return
        rows = [
            {
                "job": each.name,
                "status": each.status.lower(),
                "began": time.strftime("%Y-%m-%d %H:%M", time.localtime(each.began_at)) if each.began_at else "",
                "command": each.command,
            }
            for each in found
        ]
        print_rows(list(rows[0]), rows)


def _run(study: str, cluster: str | None, options: dict[str, Any]) -> str:
    """The command of a new study; raises ValueError where it could not run or its results would be lost."""
    from cluster.launch_file import read
    from orchestrator.spec import load

    inside = _inside(study)
    settings = list(options["settings"])
    storage = options["storage"] or (read(cluster).storage if cluster else None)
    if storage:
        settings.append(f"storage={storage}")
    trials = None if options["trials"] is None else _count(options["trials"])
    load(study, settings).with_budget(trials, options["hours"]).check_budget()  # what is wrong is told here, at once
    if not any(setting.startswith("storage=") for setting in settings) and _relative_storage(study):
        settings.append("storage=~/runs")  # a job's own folder is thrown away when it ends
    words = ["python", "-m", "orchestrator.cli", "run", inside]
    words += [word for setting in settings for word in ("--set", setting)]
    words += ["--trials", str(trials)] if trials is not None else []
    words += ["--hours", options["hours"]] if options["hours"] else []
    words += ["--cluster", _inside(cluster)] if cluster else []
    return shlex.join(words)


def _resume(folder: str, options: dict[str, Any]) -> str:
    given = {key: options[key] for key in ("trials", "hours") if options[key]}
    words = ["python", "-m", "orchestrator.cli", "resume", folder]
    return shlex.join([*words, *(word for key, value in given.items() for word in (f"--{key}", value))])


def _inside(file: str) -> str:
    """A file's path in the folder that travels; raises ValueError where it would stay behind."""
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except ValueError:
        raise ValueError(
            f"{file} lies outside of {Path.cwd()}, which is what travels to the cluster. "
            f"Go where all that it needs is: cd {Path(file).resolve().parent}"
        ) from None


def _relative_storage(study: str) -> bool:
    from orchestrator import strict_yaml

    storage = strict_yaml.read(Path(study).read_text(encoding="utf-8"), study).data.get("storage", "runs")
    return "://" not in str(storage) and not str(storage).startswith(("/", "~"))


def _count(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"--trials {text!r} is no number. Write how many: --trials 64") from None


def _variables(settings: Sequence[str]) -> dict[str, str]:
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise ValueError(f"--env {setting!r} sets nothing. Write a name and a value: --env WANDB_MODE=offline")
        found[name] = value
    return found


def _screen(detached: bool) -> dict[str, str]:
    """The size of this terminal, so that the driver's live table fits it; nothing where nobody looks."""
    if detached or not sys.stdout.isatty():
        return {}
    size = shutil.get_terminal_size()
    return {SCREEN: f"{size.columns}x{size.lines}"}


@contextmanager
def _jobs(cluster: str | None, address: str | None) -> Iterator[Any]:
    from cluster.jobs import Jobs

    if cluster and not address:
        from cluster.launcher import Cluster

        with Cluster(cluster).jobs_address() as reached:
            yield Jobs(reached)
    else:
        yield Jobs(address or os.environ.get("RAY_API_SERVER_ADDRESS") or DEFAULT)


def _again(cluster: str | None, address: str | None) -> str:
    return f" -c {shlex.quote(cluster)}" if cluster else f" --address {address}" if address else ""


def _newest(found: "list[Job]") -> str:
    if not found:
        raise LookupError("this cluster has no jobs. Send one: a440 submit study.yaml -c cluster.yaml")
    return found[0].name


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _followed(job: "Job", again: str) -> None:
    """Exits as the job did."""
    if job.status == "SUCCEEDED":
        return
    said = " ".join(job.said.split())[:300]
    click.echo(printable(f"{job.name} {job.status.lower()}: {said}. Its log: a440 watch {job.name}{again}"), err=True)
    sys.exit(130 if job.status == "STOPPED" else 1)
