"""The command line: `a440 run study.yaml`, and what one does with a study afterwards.

Exit codes: 0 well, 1 some trials failed, 2 bad input (nothing was started), 130 interrupted (resumable).
Every command imports only what it needs: `list`, `best` and `table` load neither ray nor torch.
"""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.jobs_cli import jobs, stop, submit, watch
from orchestrator.mends import Commands, Mends
from orchestrator.running_cli import cluster
from orchestrator.simulate_cli import simulate

if TYPE_CHECKING:
    from orchestrator.results import Results

SET = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key: --set space.lr='uniform(0, 1)'."
)
ADDRESS = click.option(
    "--address", help="HOST:PORT of a Ray cluster; otherwise the one this host is on, or a local one."
)
CLUSTER = click.option(
    "-c", "--cluster", type=click.Path(dir_okay=False), help="The cluster's launch file: what an autoscaler may start."
)
TRUST = click.option("--trust", is_flag=True, help="Go on although the folder belongs to another user.")
HOURS = click.option("--hours", help="Time for the whole study: 2, or '90 min'.")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="a440", prog_name="a440")
def main() -> None:
    """Describe a study once; run it anywhere; get a DataFrame."""
    told: set[str] = set()

    def show(message: Warning | str, *_: Any) -> None:
        if str(message) not in told:
            click.echo(f"note: {message}", err=True)
        told.add(str(message))

    warnings.showwarning = show  # type: ignore[assignment]


@main.command()
@click.argument("study", type=click.Path(dir_okay=False))
@click.option("--trials", type=int, help="How many trials, in place of the file's.")
@HOURS
@SET
@ADDRESS
@CLUSTER
def run(study: str, settings: Sequence[str], **how: Any) -> None:
    """Run a study file in a new folder."""
    with Mends():
        from orchestrator.spec import load

        results = load(study, settings).run(**how)
    _exit(results)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--trials", help="The new total, or +32 for so many more.")
@HOURS
@ADDRESS
@CLUSTER
@click.option("--accept-changes", is_flag=True, help="Go on although the trainable's code has changed.")
@TRUST
def resume(folder: str, **how: Any) -> None:
    """Go on with a study that was interrupted, killed or finished."""
    with Mends():
        from orchestrator.saved import check_owner, reopen

        path = _folder(folder)
        if not how["trust"]:
            check_owner(path)  # before its code is imported
        study = reopen(path)
        results = study.resume(folder, **how)
    _exit(results)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--epochs", type=click.IntRange(min=1), help="How long; the winner's best epoch otherwise.")
@click.option("--top", type=click.IntRange(min=1), default=1, help="Train so many of the best, as an ensemble.")
@click.option("--trial", help="Train this one instead of the best: t00012.")
@ADDRESS
@TRUST
def retrain(folder: str, epochs: int | None, top: int, trial: str | None, address: str | None, trust: bool) -> None:
    """Train a study's winner on all rows, to the end, and score it on the test rows once."""
    with Mends():
        from orchestrator.drive import drive
        from orchestrator.results import Results
        from orchestrator.retrain import retraining
        from orchestrator.saved import check_owner, reopen

        path = _folder(folder)
        if not trust:
            check_owner(path, "retrain")
        study = reopen(path)
        again = retraining(study, Results(path, study.space), epochs=epochs, top=top, trial=trial)
        results = drive(again, None, address=address, progress=True)
    _exit(results)


@main.command()
@click.argument("study", type=click.Path(dir_okay=False))
@click.option("--trials", type=int, help="How many trials, in place of the file's.")
@HOURS
@SET
@ADDRESS
@CLUSTER
@click.option("--epoch-seconds", "epoch_s", type=float, help="How long an epoch takes, for hours and cost.")
def check(study: str, trials: int | None, hours: str | None, settings: Sequence[str], **where: Any) -> None:
    """Validate a study file and show what it would do and cost; run nothing."""
    with Mends():
        from orchestrator.drive import NestedParams
        from orchestrator.lessons import lessons_of
        from orchestrator.spec import load
        from orchestrator.width import fuse_told
        from trainables.shipping import pack

        found = load(study, settings).with_budget(trials, hours)
        found.check_budget()
        _, earlier = lessons_of(found.learn_from, found.space, found.goal)
        dealt = found.deal()
        size = len(pack(found.train, NestedParams(found.space)))
        outlook = found.plan(**where)
        click.echo(f"study    {found.name}: {found.goal}")
        click.echo(f"space    {'  '.join(f'{name} {domain}' for name, domain in found.space.items())}")
        for name, held in (("limits", found.space.limits), ("prior", found.space.prior.beliefs)):
            if held:
                click.echo(f"{name:<8} {'  '.join(map(str, held))}")
        for note in earlier:
            click.echo(f"earlier  {note}")
        if dealt is not None:
            click.echo(f"data     {found.data}: {dealt}")
        click.echo(f"strategy {found.strategy}")
        click.echo(f"budget   {found.budget}")
        click.echo(f"bundle   {found.bundle}")
        if found.fuse:
            click.echo(f"fuse     {fuse_told(found.fuse)}")
        click.echo(outlook)
        click.echo(f"code     {size / 1024:.0f} KiB travel to each worker")
        if not outlook.fits:
            raise ValueError(outlook.why)


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def best(folder: str, as_json: bool) -> None:
    """Show the best trial of a study."""
    with Mends():
        results = _results(folder)
        found = results.best
        if as_json:
            click.echo(found.as_json())
            return
        click.echo(f"{found.metric} {found.value:g}  {found.trial}, epoch {found.epoch}")
        for name, value in found.params.items():
            click.echo(f"  {name} = {value!r}")
        if found.checkpoint is not None:
            click.echo(f"  checkpoint {found.checkpoint}")
        for name, value in (results.tested or {}).items():
            click.echo(f"  {name} {value:g} on rows that no trial saw")


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--reference", multiple=True, metavar="METRIC=VALUE", help="What bounds the hypervolume, per objective.")
def front(folder: str, as_json: bool, reference: Sequence[str]) -> None:
    """Show the Pareto front of a study with several objectives."""
    with Mends():
        from orchestrator.screen import print_rows
        from trainables.uri import name_of

        found = _results(folder).front(_values(reference) or None)
        if as_json:
            click.echo(found.as_json())
            return
        rows = found.rows()
        if not rows:
            raise LookupError(f"no trial of {name_of(folder)} is on a front yet. See why: a440 table {folder}")
        print_rows(list(dict.fromkeys(name for row in rows for name in row)), rows)
        click.echo(str(found))


@main.command()
@click.argument("folder", type=click.Path(file_okay=False))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A .parquet or .csv file.")
@click.option("--curves", is_flag=True, help="One row per report instead of one per trial.")
@click.option(
    "--params", is_flag=True, help="With --curves: the trial's params in each row, as a440 simulate reads it."
)
def table(folder: str, out: Path | None, curves: bool, params: bool) -> None:
    """Show a study's trials, or write them to a file."""
    with Mends():
        found = _results(folder)
        if out is not None:
            from orchestrator.results import write_table

            write_table(found.curves(params) if curves else found.frame(), out)
            click.echo(f"wrote {out}")
            return
        from orchestrator.screen import print_rows

        if curves:
            frame = found.curves(params)
            print_rows(
                [str(c) for c in frame], [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
            )
        else:
            print_rows(found.columns(), found.rows())


@main.command(name="list")
@click.argument("root", default="runs", type=click.Path(file_okay=False))
def list_(root: str) -> None:
    """List the studies in a folder (runs, unless another is given)."""
    with Mends():
        from orchestrator.folder import resolve
        from orchestrator.screen import print_rows, studies

        found = studies(root)
        if not found:
            click.echo(f"no studies in {resolve(root)}. Run one: a440 run study.yaml")
            return
        print_rows(list(found[0]), found)


for command in (simulate, submit, watch, stop, jobs, cluster):
    main.add_command(command)


def _results(folder: str) -> "Results":
    from orchestrator.results import Results

    found = Results(folder)
    for problem in found.problems:
        click.echo(f"note: {problem}", err=True)
    return found


def _folder(place: str) -> Path:
    """A study's folder on this host, up to date."""
    from orchestrator.home import local
    from orchestrator.working_copy import refresh

    folder = local(place)
    refresh(folder)
    return folder


def _values(settings: Sequence[str]) -> dict[str, float]:
    """`accuracy=0.5` words as numbers by name."""
    found = {}
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise ValueError(f"--reference {setting!r} gives no number. Write: --reference accuracy=0.5") from None
    return found


def _exit(results: "Results") -> None:
    from orchestrator.record import BAD

    time_is_up = (results.record.ended or "").startswith("the budget of")
    if results.outcome == "interrupted" and not time_is_up:
        sys.exit(130)
    bad = results.outcome == "broken" or any(trial.status in BAD for trial in results.record.trials.values())
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
