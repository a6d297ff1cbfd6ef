"""One driver at work on one study: from a value and a folder to results.

lease -> ledger -> conductor (replayed) -> Ray -> Ray Tune <-> lanes <-> conductor -> tables
"""

import dataclasses
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
from orchestrator.lessons import lessons_of
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
from search import Space
from search.notation import STRATEGIES, parse
from search.protocol import Lesson
from search.schedulers import compared_epochs, judged_epochs, last_epoch, needs_checkpoints, rungs
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
                    _Before.of(study, folder).check_data(dealt)
                    score_test(study, Results(folder, study.space), dealt)
                return _shown(Results(folder, study.space), progress)
        elif isinstance(study.storage, str):
            probe_store(study.storage)
        before = _Before.of(study, folder)
        dealt = study.deal()
        before.check_data(dealt)
        connection, fleet = stack.enter_context(_connected(address, may_come))
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
        driver = _Driver(study, folder, packed, outlook, before, dealt, progress, hold, cluster)
        driver.run(lambda: 2 if hold.lost else len(stops))
        score_test(study, Results(folder, study.space), dealt)
        return _shown(Results(folder, study.space), progress)


@dataclass(frozen=True)
class _Before:
    """What a study knows before its first trial, or was decided when it began.

    Attributes:
        lessons: trials of earlier studies; none where the ledger has them already.
        notes: what was learned from each.
        picked: the sampler that `Auto` was settled to, as it was written down; None in a new study.
        data: the digest of the study's data when it began; None in a new study, or without data.
    """

    lessons: tuple[Lesson, ...] = ()
    notes: tuple[str, ...] = ()
    picked: str | None = None
    data: str | None = None

    @staticmethod
    def of(study: Study, folder: Path | None) -> "_Before":
        """Reads the studies to learn from; of a study that has begun, what its ledger says.

        Raises:
            ValueError: nothing can be learned from one of them; no trial was started.
        """
        events = ledger.read(folder / "ledger").events if folder is not None else []
        if any(event["event"] == "trial_proposed" for event in events):
            started = [event for event in events if event["event"] == "study_started"]
            picked, data = (next((e[name] for e in started if e.get(name)), None) for name in ("picked", "data"))
            return _Before(picked=picked, data=data)
        lessons, notes = lessons_of(study.learn_from, study.space, study.goal)
        return _Before(tuple(lessons), tuple(notes))

    def check_data(self, dealt: Dealt | None) -> None:
        """Raises ValueError where the data are not those that the study began with."""
        if self.data is not None and dealt is not None and dealt.digest != self.data:
            raise ValueError(
                f"the data have changed since the study began (their digest was {self.data}, and is {dealt.digest}). "
                f"Put the old ones back, or begin a new study with them: a440 run"
            )

    def kept(self, outlook: Plan) -> Plan:
        """The plan with the sampler that the study began with, whatever the machine is now."""
        if self.picked is None or not outlook.picked:
            return outlook
        sampler = parse(self.picked, STRATEGIES)
        strategy = dataclasses.replace(outlook.strategy, sampler=sampler)
        return dataclasses.replace(outlook, strategy=strategy, picked=f"{sampler}, as when the study began")


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


class _Driver:
    """What one run of a driver holds together."""

    def __init__(
        self,
        study: Study,
        folder: Path,
        packed: bytes,
        outlook: Plan,
        before: _Before,
        dealt: Dealt | None,
        progress: bool,
        hold: Hold,
        fleet: Fleet | None,
    ):
        self._hold, self._fleet = hold, fleet
        self._study, self._folder, self._packed, self._outlook = study, folder, packed, outlook
        self._before, self._dealt, self._progress = before, dealt, progress

    def run(self, stopped: Callable[[], int]) -> None:
        """Replays the ledger, runs Ray Tune's loop, and writes the end."""
        reading = ledger.read(self._folder / "ledger")
        before_s = max((event["t"] for event in reading.events), default=0.0)
        next_seq = reading.events[-1]["seq"] + 1 if reading.events else 1
        clock = Clock(before_s)
        with ExitStack() as stack:
            hold = self._hold
            book = Ledger(self._folder / "ledger", clock, next_seq, hold.segment_bytes, hold.hurry)
            stack.callback(book.close)
            book.quarantine(reading)
            conductor = self._conductor(book, clock)
            self._open(conductor, reading)
            view = stack.enter_context(Progress.of(self._study, self._folder, conductor, self._outlook, self._progress))
            try:
                self._fit(conductor, view, stopped)
                conductor.finish()
            except Exception as error:
                if book.failure is None:
                    conductor.close(f"the driver failed: {type(error).__name__}: {error}")
                    conductor.finish()
                    raise DriverError(
                        f"the driver of {self._folder.name} failed: {type(error).__name__}. "
                        f"What was recorded is safe; go on with: a440 resume {address_of(self._folder)}"
                    ) from error
                raise StorageError(
                    f"the ledger in {self._folder} cannot be written any more: {book.failure.strerror}. "
                    f"Free space there, then: a440 resume {address_of(self._folder)}"
                ) from error
            view.draw(last=True)

    def _conductor(self, book: Ledger, clock: Clock) -> Conductor:
        from search.to_ray import engines

        study = self._study
        terms = Terms(
            space=study.space,
            goal=study.goal,
            seed=study.seed,
            trials=study.budget.trials,
            seconds=study.budget.seconds,
            last_epoch=last_epoch(study.strategy.scheduler),
            judged=judged_epochs(study.strategy.scheduler, at_cost=study.goal.per is not None),
            compared=compared_epochs(study.strategy.scheduler),
            replaces=study.strategy.scheduler.mutates,
            retries=study.retries,
            start=tuple(dict(point) for point in study.start),
            lessons=self._before.lessons,
        )

        def warn(text: str) -> None:
            conductor.note(text)

        strategy = self._outlook.strategy
        pair = engines(strategy, study.space, seed=study.seed, goal=study.goal, trials=terms.trials, warn=warn)
        conductor = Conductor(terms, *pair, book.append, clock)
        return conductor

    def _open(self, conductor: Conductor, reading: ledger.Reading) -> None:
        """Reads back what there is, and writes that a driver is at work."""
        study = self._study
        changes = _accepted_changes(study, self._folder) if reading.events else []
        conductor.begin_study(
            reading.events,
            format=ledger.FORMAT,
            name=study.name,
            goal=str(study.goal),
            strategy=str(study.strategy),
            budget=str(study.budget),
            study=saved.document(study),
            at=time.time(),
            **({"picked": str(self._outlook.strategy.sampler)} if self._outlook.picked else {}),
            **({"by_last": True} if study.by_last else {}),
            **({"lineage": dict(study.lineage)} if study.lineage else {}),
            **(self._dealt.told() if self._dealt is not None else {}),
        )
        told = set(conductor.record.notes)
        for note in [
            *(f"ledger: {problem}" for problem in reading.problems),
            *changes,
            *self._before.notes,
            *self._hold.told,
        ]:
            if note not in told:
                conductor.note(note)

    def _fit(self, conductor: Conductor, view: Progress, stopped: Callable[[], int]) -> None:
        from cluster import autoscaler, to_ray
        from orchestrator import launch
        from trainables.to_ray import tune_trainable

        study, terms = self._study, conductor.terms
        brief = Brief(
            terms.goal.metric,
            terms.goal.metrics,
            self._dealt.given if self._dealt else None,
            study.whole,
            terms.goal.mode,
        )

        hung_s = study.budget.trial_minutes and study.budget.trial_minutes * 60
        at_once = self._outlook.at_once
        waiting = Waiting(study.bundle, self._fleet or Fleet(()), at_once, autoscaler)

        def watch() -> None:
            for text in self._hold.news():
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
            ahead=2 if self._outlook.strategy.sampler.learns else 8,
            trial_s=hung_s,
            stopped=stopped,
        )
        trainable = tune_trainable(self._packed, self._session(terms), study.repeats, brief)
        with waiting if self._fleet is not None else nullcontext():
            launch.fit(trainable, to_ray.placement(study.bundle), lanes, at_once + 8)

    def _session(self, terms: Terms) -> dict[str, Any]:
        """What is the same for all trials of the study."""
        scheduler = self._study.strategy.scheduler
        return {
            "folder": home_of(self._folder) or self._folder,
            "aim": terms.goal,
            "judged": terms.judged,
            "musts": rungs(scheduler) if needs_checkpoints(scheduler) else (),
            "last_epoch": terms.last_epoch,
            "by_last": self._study.by_last,
        }


@contextmanager
def _connected(address: str | None, may_come: Fleet | None) -> "Iterator[tuple[Connection, Fleet]]":
    from cluster.to_ray import connect

    with ExitStack() as stack:
        try:
            connection = stack.enter_context(connect(address))
        except SystemExit as end:  # while it starts, Ray turns SIGTERM into sys.exit(15)
            if end.code == signal.SIGTERM:
                raise KeyboardInterrupt from end
            raise
        if may_come is None and not connection.embedded and (launched := as_launched()):
            may_come = launched.fleet()
        yield connection, replace(may_come or Fleet(()), machines=connection.machines)


def _accepted_changes(study: Study, folder: Path) -> list[str]:
    """What a resumed study does otherwise than before, for its record."""
    old, new = saved.read(folder), saved.document(study)
    settings = saved.changes(old, new, (*saved.SETTINGS, "retries", "bundle"))
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
