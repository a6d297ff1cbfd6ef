"""`a440 submit`, `watch`, `stop` and `jobs`: a study whose driver the cluster keeps alive."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.mends import Mends, printable

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
        from orchestrator import submission

        budget = {key: options[key] for key in ("trials", "hours")}
        if submission.is_resumed(study):
            command = submission.resuming_command(study, **budget)
        else:
            settings, storage = options["settings"], options["storage"]
            command = submission.new_command(study, cluster, settings, storage=storage, **budget)
        variables = submission.variables_of(options["variables"], _screen(options["detach"]))
        name, again = options["name"] or submission.job_name(study), _again(cluster, address)
        with _jobs(cluster, address) as jobs:
            packages, excluded = options["packages"], options["excluded"]
            jobs.submit(command, name, Path.cwd(), variables=variables, packages=packages, excluded=excluded)
            click.echo(f"job {name} goes on if this terminal ends. Come back: a440 watch {name}{again}", err=True)
            if not options["detach"]:
                _end_as(jobs.follow(name), again)


@click.command()
@click.argument("job", required=False)
@where
def watch(job: str | None, cluster: str | None, address: str | None) -> None:
    """Follow a job's log again; the newest one's where none is named."""
    with Mends(), _jobs(cluster, address) as jobs:
        name = job or _newest(jobs.list())
        _end_as(jobs.follow(name, tail=SHOWN), _again(cluster, address))


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
        found = jobs.follow(job, tail=0)
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


def _end_as(job: "Job", again: str) -> None:
    """Exits as the job did, with what Ray said of its end."""
    if job.exit_code:
        said = " ".join(job.said.split())[:300]
        words = f"{job.name} {job.status.lower()}: {said}. Its log: a440 watch {job.name}{again}"
        click.echo(printable(words), err=True)
    sys.exit(job.exit_code)
