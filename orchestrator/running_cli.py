"""`a440 cluster up, down, status, attach, submit, simulate, explain`: clusters at work."""

import sys
from collections.abc import Sequence

import click

from orchestrator.cluster_cli import cluster
from orchestrator.jobs_cli import submit
from orchestrator.mends import Mends, printable

__all__ = ["cluster"]


@cluster.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--force", is_flag=True, help="Start it although lint finds errors.")
def up(file: str, force: bool) -> None:
    """Start a cluster, or bring a running one to what its file says."""
    with Mends():
        from cluster.launcher import Cluster, describe
        from cluster.lint import lint

        errors = [finding for finding in lint(file) if finding.severity == "error"]
        for finding in errors:
            click.echo(printable(finding.line_of(file)), err=True)
        if errors and not force:
            click.echo(f"{file} was not started. Mend it, or start it all the same: --force", err=True)
            sys.exit(2)
        found = Cluster(file)
        click.echo(describe(found.file))
        code = found.up()
        if not code:
            click.echo(f"it is up. Run a study on it: a440 submit study.yaml -c {file}")
        sys.exit(code)


def _with_launcher(verb: str, said: str) -> None:
    """A command that hands a launch file to Ray's launcher, or to kubectl."""

    @cluster.command(name=verb, help=said)
    @click.argument("file", type=click.Path(dir_okay=False))
    def command(file: str) -> None:
        with Mends():
            from cluster.launcher import Cluster

            sys.exit(getattr(Cluster(file), verb)())


_with_launcher("down", "End a cluster: its machines, or what runs of Ray on those that are yours.")
_with_launcher("status", "Show a cluster's machines and what they do.")
_with_launcher("attach", "Open a shell on a cluster's head.")


@cluster.command(name="submit", context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(dir_okay=False))
@click.argument("study")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def submit_there(context: click.Context, file: str, study: str, options: Sequence[str]) -> None:
    """Run a study on a cluster: `a440 submit STUDY -c FILE` in the words of these commands, with its options."""
    with submit.make_context("submit", [study, "--cluster", file, *options], parent=context) as inner:
        submit.invoke(inner)


@cluster.command()
@click.argument("file", type=click.Path(dir_okay=False))
@click.argument("study", type=click.Path(dir_okay=False))
@click.option("--trials", type=int, help="How many trials, in place of the file's.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key of the study file.")
@click.option("--machines", type=click.IntRange(min=1), default=4, show_default=True, help="At most so many at once.")
@click.option("--idle-seconds", type=float, default=10, show_default=True, help="After which an idle machine goes.")
@click.option("--boot-seconds", type=float, default=0, help="How long a machine takes to come.")
@click.option("--exhausted", multiple=True, metavar="TYPE", help="A type of which the cloud has none.")
@click.option("--spot-seconds", type=float, help="How long to wait for spot machines, in place of the file's minutes.")
def simulate(file: str, study: str, trials: int | None, settings: Sequence[str], **cloud: float) -> None:
    """Run a study on this machine as if it were the cluster: machines that come and go are only pretended.

    Trials really train, as processes of this machine, and Ray's own autoscaler starts and ends the machines.
    """
    with Mends():
        from cluster.launch_file import read
        from orchestrator.rehearsal import Weather, rehearse
        from orchestrator.spec import load

        results = rehearse(load(study, settings).with_budget(trials), read(file), Weather(**cloud))  # type: ignore[arg-type]
        sys.exit(0 if results.outcome == "done" else 1)


@cluster.command()
@click.argument("study", required=False, type=click.Path(dir_okay=False))
@click.option("-c", "--cluster", "file", type=click.Path(dir_okay=False), help="The cluster's launch file.")
@click.option("--address", help="HOST:PORT of its head; otherwise the Ray of this host.")
def explain(study: str | None, file: str | None, address: str | None) -> None:
    """Say why nothing runs: what is asked for, what there is, and what the autoscaler waits for.

    With a study file it is about that study's trials, otherwise about all that waits.
    """
    with Mends():
        from orchestrator.explanation import explanations

        for line in explanations(study, file, address):
            click.echo(line)


@cluster.command()
@click.option("-c", "--cluster", "file", type=click.Path(dir_okay=False), help="The cluster's launch file.")
@click.option("--address", help="HOST:PORT of its head; otherwise the Ray of this host.")
@click.option("--storage", help="To be written and read from every machine; the launch file's where that has one.")
def doctor(file: str | None, address: str | None, storage: str | None) -> None:
    """Examine a cluster's machines: versions, clocks, disks, names, tokens, and whether all see the storage.

    With a launch file it is sent there as a job, after SSH and the token have been looked at from here. Exit code 1
    where something is to be mended.
    """
    with Mends():
        from orchestrator.doctor import diagnose, send

        if file is not None:
            sys.exit(send(file, storage, click.echo))
        from orchestrator.launched import as_launched

        launched = as_launched()
        found = diagnose(address, storage or (launched.storage if launched else None))
        for line in found.lines():
            click.echo(printable(line))
        sys.exit(1 if found.wrong else 0)
