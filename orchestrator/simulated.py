"""A study that is simulated from its start to its end, and the folder that it may leave."""

import dataclasses
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import saved
from orchestrator.curves import Recording
from orchestrator.ledger import Ledger
from orchestrator.lessons import lessons_of
from orchestrator.results import Results
from orchestrator.simulation import Simulation
from orchestrator.terms import Terms
from search import FullLength, Scheduler
from search.auto import Pick, settle
from search.schedulers import last_epoch
from trainables.uri import is_uri

if TYPE_CHECKING:
    from orchestrator.study import Study

INHERITED = "weights are not simulated: a trial that takes over another's goes on on the curve of its new params"


def simulate(study: "Study", recording: Recording, workers: int) -> Simulation:
    """Runs a study on recorded curves, to its end or to that of its simulated time.

    Args:
        study: with what ends it.
        recording: how its trials train.
        workers: how many do at the same time.

    Raises:
        ValueError: nothing ends it, or its trials would be longer than any curve.
    """
    study = study.with_budget()  # which a grid brings along
    study.check_budget()
    check_recording(study, recording)
    lessons, learned = lessons_of(study.learn_from, study.space, study.goal)
    pick = settled(study, workers)
    simulated = {"curves": recording.source, "workers": workers}
    opening = saved.opening(study, pick.strategy.sampler if pick.why else None, simulated=simulated)
    simulation = Simulation(Terms.of(study, lessons), pick.strategy, opening=opening)
    conductor = simulation.conductor
    conductor.note(f"simulated, nothing was trained: {_workers(workers)} on {recording.source}")
    for note in [*learned, *([INHERITED] if study.strategy.scheduler.mutates else [])]:
        conductor.note(note)
    simulation.run(recording, workers)
    for note in recording.told(simulation.distances):
        conductor.note(note)
    conductor.finish()
    return simulation


def settled(study: "Study", workers: int) -> Pick:
    """The strategy with what `Auto` stands for, as in a study that runs so many trials at once."""
    trials = study.budget.trials
    at_once = workers if trials is None else min(workers, trials)
    return settle(study.strategy, study.space, study.goal, trials, at_once, informed=bool(study.learn_from))


def check_recording(study: "Study", recording: Recording) -> None:
    """Raises ValueError where a strategy wants more epochs than any curve has, or time alone would never end it."""
    if study.budget.trials is None and not recording.takes_time:
        raise ValueError(
            "only time ends the study, and there are curves that take none. Say how many trials: --trials 64"
        )
    wanted, longest = last_epoch(study.strategy.scheduler), recording.longest
    if wanted is not None and longest is not None and wanted > longest:
        shorter = str(dataclasses.replace(study.strategy, scheduler=_shorter(study.strategy.scheduler, longest)))
        raise ValueError(
            f"{study.strategy} trains for {wanted} epochs, and the curves have {longest}. "
            f"Write: --strategy {shorter!r}, or record longer curves."
        )


def _shorter(scheduler: Scheduler, epochs: int) -> Scheduler:
    """A scheduler for so few epochs; where it has no room in them, none that judges."""
    if isinstance(scheduler, FullLength):
        return FullLength(epochs)
    try:
        return dataclasses.replace(scheduler, max_epochs=epochs)  # type: ignore[type-var]
    except ValueError:
        return FullLength(epochs)


def workers_here(study: "Study") -> int:
    """How many trials of a study this machine would run at once; 1 where it cannot run them."""
    from cluster import Fleet
    from cluster.to_ray import local_machine
    from orchestrator.plan import plan

    return max(1, plan(study, Fleet((local_machine(),))).at_once)


def check_workers(workers: Any) -> int:
    """A number of workers; raises ValueError for anything else."""
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is {workers!r}. Give how many trials run at the same time: workers=8")
    return workers


def check_free(folder: str | Path) -> Path:
    """Where a simulated study may be written; raises ValueError where there is something, or not on this host."""
    if is_uri(folder):
        raise ValueError(
            f"{folder} is not on this host, where a simulated study is written. Give a path: --out runs/if"
        )
    path = Path(folder).expanduser()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} is there already. Give a new folder: --out {path}-2")
    return path


def written(simulation: Simulation, study: "Study", folder: Path | None = None) -> Results:
    """A simulated study as the folder of any other; without one, in a folder that goes with the results."""
    path = Path(tempfile.mkdtemp(prefix="a440-simulated-")) if folder is None else folder
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(simulation, path)
    except OSError as error:
        raise ValueError(
            f"{path} cannot be written: {error.strerror or error}. Give another folder: --out runs/if"
        ) from None
    results = Results(path, study.space)
    if folder is None:
        weakref.finalize(results, shutil.rmtree, path, ignore_errors=True)
    elif results.record.trials:
        results.write_tables()
    return results


def _write(simulation: Simulation, folder: Path) -> None:
    now = 0.0
    book = Ledger(folder / "ledger", lambda: now)
    for event in simulation.book.events:
        now = event["t"]
        book.append(event["event"], **{k: v for k, v in event.items() if k not in ("seq", "t", "event")})
    book.close()
    saved.write(folder, simulation.book.events[0]["study"])


def _workers(workers: int) -> str:
    return f"{workers} worker{'s' if workers != 1 else ''}"
