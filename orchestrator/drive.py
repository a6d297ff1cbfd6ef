"""One driver at work on one study: from a value and a folder to results.

lease -> ledger -> conductor (replayed) -> Ray -> Ray Tune <-> lanes <-> conductor -> tables
"""

import signal
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import Fleet
from orchestrator import ledger, saved
from orchestrator.before import Before
from orchestrator.budget import span
from orchestrator.conductor import Conductor
from orchestrator.floors import check_workers, worker_folders
from orchestrator.folder import DriverError, StorageError, new_folder, probe, root_of
from orchestrator.hold import Hold, held
from orchestrator.home import address_of, home_of
from orchestrator.home import probe as probe_store
from orchestrator.lanes import Lanes
from orchestrator.launched import as_launched
from orchestrator.ledger import Ledger
from orchestrator.nodes import check_nodes
from orchestrator.outliving import outlive
from orchestrator.plan import Plan, plan
from orchestrator.progress import Progress
from orchestrator.results import Results
from orchestrator.retrain import score_test
from orchestrator.stops import counted_stops
from orchestrator.study import Study
from orchestrator.terms import Terms
from orchestrator.waiting import Waiting
from orchestrator.watchdog import Watchdog
from orchestrator.width import Width
from search import Space
from search.schedulers import needs_checkpoints, rungs
from trainables.contract import Brief
from trainables.data import Dealt
from trainables.shipping import pack

if TYPE_CHECKING:
    from cluster.to_ray import Connection


def drive(
    study: Study, folder: Path | None, *, address: str | None, progress: bool, may_come: Fleet | None = None
) -> Results:
    """Runs or resumes a study; `folder` is None for a new one, `may_come` what an autoscaler may start.

    Raises:
        ValueError: the study can never run like this; no trial was started.
        BusyError: another driver is at work in the folder.
    """
    study.check_budget()
    outlive(study.name, address)
    check_workers(worker_folders())
    packed = pack(study.train, NestedParams(study.space))
    with ExitStack() as stack:
        stops = stack.enter_context(counted_stops())
        if folder is not None:  # a held lease refuses us before Ray is started
            hold = stack.enter_context(held(folder))
            if _nothing_left(study, folder):
                if study.whole:  # its driver may have been killed between its end and its test
                    dealt = study.deal()
                    Before.of(study, folder).check_data(dealt)
                    score_test(study, Results(folder, study.space), dealt)
                return _shown(Results(folder, study.space), progress)
        elif isinstance(study.storage, str):
            probe_store(study.storage)
        before = Before.of(study, folder)
        dealt = study.deal()
        before.check_data(dealt)
        dog = stack.enter_context(Watchdog())  # before Ray, whose end may hang
        connection, fleet = stack.enter_context(_connected(address, may_come, dog))
        outlook = before.kept(plan(study, fleet))
        if not outlook.fits:
            raise ValueError(outlook.why)
        if len(connection.machines) > 1:  # a Ray of one is on this host, which is probed anyway
            check_nodes(root_of(study.storage) if folder is None else home_of(folder) or folder)
        if folder is None:
            folder = new_folder(study.storage, study.name)
            hold = stack.enter_context(held(folder))
        probe(folder)
        saved.save(study, folder)
        cluster = None if connection.embedded else fleet
        dog.resume = f"Go on with: a440 resume {address_of(folder)}"
        driver = _Driver(study, folder, packed, outlook, before, dealt, hold, cluster, dog, progress)
        driver.run(lambda: 2 if hold.lost or dog.gone else len(stops))
        score_test(study, Results(folder, study.space), dealt)
        return _shown(Results(folder, study.space), progress)


class NestedParams:
    """Coded params from the ledger as a trainable is given them; travels to the workers."""

    def __init__(self, space: Space):
        self._space = space

    def __call__(self, coded: dict[str, Any]) -> dict[str, Any]:
        return self._space.nest(self._space.decode(coded))


class Clock:
    """Study seconds over all its drivers; only the first two words of a ledger look at the calendar."""

    def __init__(self, before_s: float):
        self._before_s, self._began = before_s, time.monotonic()

    def __call__(self) -> float:
        return self._before_s + time.monotonic() - self._began


@dataclass(frozen=True)
class _Driver:
    """What one run of a driver holds together.

    Attributes:
        packed: the trainable, as it travels.
        fleet: of the cluster that it runs on; None for a Ray of its own.
    """

    study: Study
    folder: Path
    packed: bytes
    outlook: Plan
    before: Before
    dealt: Dealt | None
    hold: Hold
    fleet: Fleet | None
    dog: Watchdog
    progress: bool

    def run(self, stopped: Callable[[], int]) -> None:
        """Replays the ledger, runs Ray Tune's loop, and writes the end."""
        reading = ledger.read(self.folder / "ledger")
        before_s = max((event["t"] for event in reading.events), default=0.0)
        next_seq = reading.events[-1]["seq"] + 1 if reading.events else 1
        clock = Clock(before_s)
        with ExitStack() as stack:
            hold = self.hold
            book = Ledger(self.folder / "ledger", clock, next_seq, hold.segment_bytes, hold.hurry)
            stack.callback(book.close)
            book.quarantine(reading)
            conductor = self._conductor(book, clock)
            self._open(conductor, reading)
            view = stack.enter_context(Progress.of(self.study, self.folder, conductor, self.outlook, self.progress))
            try:
                self._fit(conductor, view, stopped)
                conductor.finish()
            except Exception as error:
                if book.failure is None:
                    gone = self.dog.why()
                    conductor.close(gone or f"the driver failed: {type(error).__name__}: {error}")
                    conductor.finish()
                    if gone:
                        raise ConnectionError(f"{gone} What was recorded is safe. {self.dog.resume}") from error
                    raise DriverError(
                        f"the driver of {self.folder.name} failed: {type(error).__name__}. "
                        f"What was recorded is safe; go on with: a440 resume {address_of(self.folder)}"
                    ) from error
                raise StorageError(
                    f"the ledger in {self.folder} cannot be written any more: {book.failure.strerror}. "
                    f"Free space there, then: a440 resume {address_of(self.folder)}"
                ) from error
            view.draw(last=True)

    def _conductor(self, book: Ledger, clock: Clock) -> Conductor:
        from search.to_ray import engines

        study = self.study
        terms = Terms.of(study, self.before.lessons)

        def warn(text: str) -> None:
            conductor.note(text)

        strategy = self.outlook.strategy
        pair = engines(strategy, study.space, seed=study.seed, goal=study.goal, trials=terms.trials, warn=warn)
        conductor = Conductor(terms, *pair, book.append, clock)
        return conductor

    def _open(self, conductor: Conductor, reading: ledger.Reading) -> None:
        """Reads back what there is, and writes that a driver is at work."""
        study = self.study
        changes = _accepted_changes(study, self.folder) if reading.events else []
        conductor.begin_study(
            reading.events,
            **saved.opening(study, self.outlook.strategy.sampler if self.outlook.picked else None),
            **(self.dealt.told() if self.dealt is not None else {}),
        )
        told = set(conductor.record.notes)
        for note in [
            *(f"ledger: {problem}" for problem in reading.problems),
            *changes,
            *self.before.notes,
            *self.hold.told,
        ]:
            if note not in told:
                conductor.note(note)

    def _fit(self, conductor: Conductor, view: Progress, stopped: Callable[[], int]) -> None:
        from cluster import autoscaler, to_ray
        from orchestrator import launch
        from trainables.to_ray import tune_trainable

        study, terms = self.study, conductor.terms
        brief = Brief(
            terms.goal.metric,
            terms.goal.metrics,
            self.dealt.given if self.dealt else None,
            study.whole,
            terms.goal.mode,
        )

        hung_s = study.budget.trial_minutes and study.budget.trial_minutes * 60
        at_once = self.outlook.at_once
        waiting = Waiting(study.bundle, self.fleet or Fleet(()), at_once, autoscaler)

        def watch() -> None:
            self.dog.moved()
            if self.dog.gone:
                conductor.close(self.dog.gone)
            for text in self.hold.news():
                conductor.note(text)
            for text in waiting.look(lanes.waiting, lanes.running):
                conductor.note(text)
                view.tell(text)
            view.draw()

        lanes = Lanes(
            conductor,
            launch.RayActors(),
            watch,
            at_once,
            ahead=2 if self.outlook.strategy.sampler.learns else 8,
            trial_s=hung_s,
            stopped=stopped,
            width=Width(study.fuse, at_once, terms.trials, self.outlook.strategy.sampler.learns),
        )
        trainable = tune_trainable(self.packed, self._session(terms), study.repeats, brief)
        with ExitStack() as stack:
            stack.callback(self.dog.rest)
            stack.enter_context(waiting if self.fleet is not None else nullcontext())
            launch.fit(trainable, to_ray.placement(study.bundle), lanes, at_once + 8)

    def _session(self, terms: Terms) -> dict[str, Any]:
        """What is the same for all trials of the study."""
        scheduler = self.study.strategy.scheduler
        return {
            "folder": home_of(self.folder) or self.folder,
            "aim": terms.goal,
            "judged": terms.judged,
            "musts": rungs(scheduler) if needs_checkpoints(scheduler) else (),
            "last_epoch": terms.last_epoch,
            "by_last": self.study.by_last,
            "fuse": self.study.fuse,
        }


@contextmanager
def _connected(address: str | None, may_come: Fleet | None, dog: Watchdog) -> "Iterator[tuple[Connection, Fleet]]":
    from cluster import autoscaler
    from cluster.to_ray import connect

    with ExitStack() as stack:
        try:
            connection = stack.enter_context(connect(address))
        except SystemExit as end:  # while it starts, Ray turns SIGTERM into sys.exit(15)
            if end.code == signal.SIGTERM:
                raise KeyboardInterrupt from end
            raise
        if not connection.embedded:
            dog.watch(autoscaler.session)
            if may_come is None and (launched := as_launched()):
                may_come = launched.fleet()
        yield connection, replace(may_come or Fleet(()), machines=connection.machines)


def _accepted_changes(study: Study, folder: Path) -> list[str]:
    """What a resumed study does otherwise than before, for its record."""
    old, new = saved.read(folder), saved.document(study)
    settings = saved.changes(old, new, (*saved.SETTINGS, "retries", "bundle", "fuse"))
    code = saved.changed_code(old, new)
    return [f"resumed with {line}" for line in settings] + [f"resumed with changed code in {name}" for name in code]


def _nothing_left(study: Study, folder: Path) -> bool:
    """Whether a study is over and its budget asks for no more."""
    if not (folder / "ledger").is_dir():
        return False
    record = Results(folder).record
    if study.budget.seconds is not None and record.elapsed_s >= study.budget.seconds:
        spent = f"{span(record.elapsed_s)} of its {span(study.budget.seconds)}"
        warnings.warn(f"{folder.name} has run {spent}: nothing more was started. Give more: --hours 2.", stacklevel=3)
        return True
    if record.outcome != "done" or any(not trial.over for trial in record.trials.values()):
        return False
    trials = study.budget.trials
    return trials is not None and len(record.trials) >= trials


def _shown(results: Results, progress: bool) -> Results:
    """Writes the derived tables and, where wanted, prints the summary."""
    from orchestrator.progress import print_summary

    if results.record.trials:
        try:
            results.write_tables()
        except (OSError, ValueError) as error:  # they are derived; the ledger has it all
            results.problems.append(f"the tables were not written: {error}")
    if progress:
        print_summary(results)
    return results
