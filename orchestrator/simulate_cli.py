"""`a440 simulate`: a study file on recorded curves, and several strategies side by side."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from orchestrator.mends import Mends, printable

if TYPE_CHECKING:
    from orchestrator.curves import Recording
    from orchestrator.record import Record
    from orchestrator.simulation import Simulation
    from orchestrator.study import Study


@click.command()
@click.argument("study", type=click.Path(dir_okay=False))
@click.option("--table", required=True, help="Curves: .csv, .parquet, a study's folder, or surrogate.py:function.")
@click.option("--workers", type=click.IntRange(min=1), help="Trials at once.  [as many as this machine would run]")
@click.option("--trials", type=int, help="How many trials, in place of the file's.")
@click.option("--hours", help="Simulated time for the whole study: 2, or '90 s'.")
@click.option("--seed", type=click.IntRange(min=0), help="In place of the file's.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, help="Repeat with so many seeds; medians are shown.")
@click.option("--strategy", "strategies", multiple=True, help="In place of the file's; several are compared.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a key, as in a440 run.")
@click.option("--out", type=click.Path(), help="Keep the simulated study in this new folder.")
def simulate(
    study: str, table: str, workers: int | None, strategies: Sequence[str], settings: Sequence[str], **how: Any
) -> None:
    """Run a study file on recorded learning curves instead of training: which strategy would find what, and when?

    The curves have a row per epoch: a column per parameter, `epoch`, `seconds` since the trial's start, the metrics.
    Nothing is trained and Ray is not started; the time is simulated.
    """
    with Mends():
        from orchestrator.recordings import read_curves
        from orchestrator.simulated import check_free, check_recording, workers_here, written

        out, seeds = how["out"], how["seeds"]
        if how["seed"] is not None:
            settings = [*settings, f"seed={how['seed']}"]
        studies = [one.with_budget(how["trials"], how["hours"]) for one in _loaded(study, settings, strategies)]
        if out is not None and (seeds > 1 or len(studies) > 1):
            raise ValueError(f"{out} holds one study, and several are simulated. Keep one strategy and one seed.")
        path = None if out is None else check_free(out)
        recording = read_curves(table, studies[0].space, studies[0].goal)
        for one in studies:
            one.check_budget()
            check_recording(one, recording)
        here = workers or workers_here(studies[0])
        _print_facts(studies, recording, here, seeds, chosen=workers is not None)
        found = _simulated(studies, recording, here, seeds)
        _print_comparison({str(study.strategy): one for study, one in zip(studies, found, strict=True)})
        if len(studies) == seeds == 1:
            _print_best(found[0][0].conductor.record)
        _print_notes([simulation for one in found for simulation in one], recording)
        if path is not None:
            written(found[0][0], studies[0], path)
            click.echo(f"results in {path}")
            click.echo(f"see them:  a440 table {shlex.quote(str(path))}")


def _loaded(study: str, settings: Sequence[str], strategies: Sequence[str]) -> "list[Study]":
    """The study of a file with each of the strategies, which may be spelt in several ways; or with its own."""
    from orchestrator.spec import load
    from orchestrator.untrained import STAND_IN

    found: list[Study] = []
    for change in [[f"strategy={text}"] for text in dict.fromkeys(strategies)] or [[]]:
        one = load(study, [*settings, *change], STAND_IN)
        if all(one.strategy != other.strategy for other in found):
            found.append(one)
    return found


def _simulated(
    studies: "Sequence[Study]", recording: "Recording", workers: int, seeds: int
) -> "list[list[Simulation]]":
    """Each study from each seed."""
    from rich.console import Console

    from orchestrator.simulated import simulate

    found: list[list[Simulation]] = []
    console = Console(stderr=True, highlight=False)
    with console.status("") as status:
        for study in studies:
            found.append([])
            for seed in range(study.seed, study.seed + seeds):
                status.update(f"{study.strategy}, seed {seed}")
                found[-1].append(simulate(dataclasses.replace(study, seed=seed), recording, workers))
    return found


def _print_facts(studies: "Sequence[Study]", recording: "Recording", workers: int, seeds: int, *, chosen: bool) -> None:
    from orchestrator.simulated import settled

    study = studies[0]
    as_here = "" if chosen else ", as many as this machine would run at once"
    seeded = f"{study.seed}" if seeds == 1 else f"{study.seed} to {study.seed + seeds - 1}"
    facts = [
        ("study", f"{study.name}: {study.goal}"),
        ("curves", recording.source),
        ("workers", f"{workers}{as_here}"),
        ("budget", f"{study.budget}, of simulated time" if study.budget.hours is not None else str(study.budget)),
        ("seed", seeded),
        *(("auto", str(pick)) for pick in [settled(one, workers) for one in studies] if pick.why),
    ]
    for name, fact in facts:
        click.echo(printable(f"{name:<8} {fact}"))
    click.echo()


def _print_comparison(found: "Mapping[str, Sequence[Simulation]]") -> None:
    from orchestrator.comparison import MATCH, Outcome, rows
    from orchestrator.screen import print_numbers

    outcomes = {strategy: [Outcome.of(simulation) for simulation in one] for strategy, one in found.items()}
    table = rows(outcomes, next(iter(found.values()))[0].conductor.record.goal.metric)
    print_numbers(list(table[0]), table)
    click.echo()
    if len(found) > 1:
        click.echo(f"{MATCH}: time until the first strategy's best was reached, over the time that it took itself")


def _print_best(record: "Record") -> None:
    from orchestrator.front import front_of
    from orchestrator.screen import number
    from search.space import shown_params

    best, metric = record.best(), record.goal.metric
    if best is None:
        click.echo(f"no trial has reported a usable {metric}")
        return
    limits = "" if best.keeps_limits else f", beyond {', '.join(map(str, record.goal.limits))}"
    click.echo(f"best {metric} {number(best.best)}  {best.id}, epoch {best.best_epoch}{limits}")
    params = shown_params(best.point)
    click.echo(printable("     " + "  ".join(f"{name}={number(value)}" for name, value in params.items())))
    if record.goal.others:
        click.echo(f"front: {front_of(record)}")


def _print_notes(found: "Sequence[Simulation]", recording: "Recording") -> None:
    """What was looked up in all of them, and what else they noted, each thing once."""
    known = {note for simulation in found for note in recording.told(simulation.distances)}
    noted = (note for simulation in found for note in simulation.conductor.record.notes[1:])
    said = recording.told([distance for simulation in found for distance in simulation.distances])
    for note in [*said, *(note for note in dict.fromkeys(noted) if note not in known)]:
        click.echo(printable(f"note: {note}"))
