"""A study on a simulated clock: learning curves that are known already in place of training, and no Ray.

    worker 1   t00001 epoch 1 | t00001 epoch 2 | t00003 epoch 1 | ...
    worker 2   t00002 epoch 1        | t00004 epoch 1  | ...
               ----------------------- simulated seconds ----->

Workers train asynchronously, each epoch as long as its curve says. Sampler, scheduler, conductor and ledger events are
those of a live study. Simulation on recorded curves as in Syne Tune, Salinas et al. 2022 (AutoML-Conf).
"""

import collections
import heapq
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from orchestrator.conductor import Conductor, Leg
from orchestrator.ledger import Event
from orchestrator.terms import Report, Terms
from search import Strategy
from search.points import Flat
from search.protocol import Go


class Curve(Protocol):
    """One learning curve; epochs count from 1."""

    @property
    def distance(self) -> float:
        """How far the params it was recorded with are from those that were wanted; 0 where they are the same."""

    def seconds_at(self, epoch: int) -> float | None:
        """Seconds since the trial's start at the end of an epoch; None where the trial has ended by itself before."""

    def metrics_at(self, epoch: int) -> dict[str, float]:
        """What is reported then."""


class Curves(Protocol):
    """What knows how any trial would train."""

    def curve(self, params: Flat) -> Curve:
        """The learning curve of a flat point."""


@runtime_checkable
class Draws(Protocol):
    """Curves of which a point may have several, as a configuration that was trained from several seeds has."""

    def draw(self, params: Flat, seed: int) -> Curve:
        """One of the curves of a flat point; equal seeds draw equal ones."""


class Book:
    """A ledger in memory; events pass through JSON as real ones do."""

    def __init__(self, clock: Callable[[], float], events: Iterable[Event] = ()):
        self.events = list(events)
        self._clock = clock

    def append(self, event: str, **fields: Any) -> Event:
        """Writes one event and returns it, with its number and time."""
        body = {"seq": len(self.events) + 1, "t": self._clock(), "event": event, **fields}
        self.events.append(json.loads(json.dumps(body)))
        return self.events[-1]


@dataclass(frozen=True)
class _Run:
    """One leg on a worker.

    Attributes:
        origin: the simulated time at which its curve's seconds are 0.
        before: seconds that the trial trained before its curve's seconds were 0, on other curves.
        epoch: the one under way.
    """

    worker: int
    trial: str
    curve: Curve
    origin: float
    before: float
    epoch: int


class Simulation:
    """A conductor, its ledger in memory, and a clock that nothing else moves.

    Args:
        terms: of the study.
        strategy: whose sampler is settled.
        events: of a ledger to go on from.
        warn: is told what the engines have to say; None puts it into the ledger.
        opening: fields of the study's first event.

    Attributes:
        now: simulated study seconds.
        book: the ledger.
        conductor: of the study.
        distances: for every set of params that was trained, how far its curve's params were from them.
    """

    def __init__(
        self,
        terms: Terms,
        strategy: Strategy,
        events: Iterable[Event] = (),
        warn: Callable[[str], None] | None = None,
        opening: Mapping[str, Any] = MappingProxyType({}),
    ):
        from search.to_ray import engines

        self.book = Book(lambda: self.now, events)
        self.now = max((event["t"] for event in self.book.events), default=0.0)
        told = warn or (lambda text: self.conductor.note(text))
        pair = engines(strategy, terms.space, seed=terms.seed, goal=terms.goal, trials=terms.trials, warn=told)
        self.conductor = Conductor(terms, *pair, self.book.append, lambda: self.now)
        self.conductor.begin_study(list(self.book.events), **opening)
        self.distances: list[float] = []
        self._curves: dict[str, tuple[dict[str, Any], Curve]] = {}
        self._tokens = itertools.count(1)

    def run(self, curves: Curves, workers: int = 1) -> None:
        """Runs the study to its end, or to that of its time."""
        collections.deque(self.steps(curves, workers), maxlen=0)

    def steps(self, curves: Curves, workers: int = 1) -> Iterator[None]:
        """Runs the study to its end or to that of its time, a report after another; pauses before each of them.

        Trials that are under way when the time is up are interrupted at that moment, with what they have reported.
        """
        end = self.conductor.terms.seconds
        idle, queue = list(range(workers)), list[tuple[float, int, _Run]]()
        while True:
            self.conductor.check_time()
            self._hand_out(curves, idle, queue)
            yield
            if not queue:
                return
            if end is not None and queue[0][0] > end:
                self.now = end
                self.conductor.check_time()
                return
            self.now, _, run = heapq.heappop(queue)
            if not self._report(run, queue):
                idle.append(run.worker)

    def _hand_out(self, curves: Curves, idle: list[int], queue: list[tuple[float, int, _Run]]) -> None:
        """Begins legs on workers that have none, until there are no more legs or no more workers."""
        while idle and (legs := self.conductor.ask(f"worker{idle[0]}", str(next(self._tokens)))):
            worker = idle.pop(0)
            self.conductor.begin(legs[0]["trial"])
            if not self._next_epoch(self._begun(worker, legs[0], curves), queue):
                idle.append(worker)

    def _begun(self, worker: int, leg: Leg, curves: Curves) -> _Run:
        """A leg at the epoch at which the trial was paused; the epochs before it cost no time again."""
        trial, done = leg["trial"], leg["upto"]
        coded, curve = self._curves.get(trial, (None, None))
        if curve is None or coded != leg["params"]:
            point = self.conductor.terms.space.decode(leg["params"])
            curve = curves.draw(point, leg["seed"]) if isinstance(curves, Draws) else curves.curve(point)
            self._curves[trial] = leg["params"], curve
            self.distances.append(curve.distance)
        seconds = (curve.seconds_at(done) or 0.0) if done else 0.0
        return _Run(worker, trial, curve, self.now - seconds, leg["seconds"] - seconds, done + 1)

    def _next_epoch(self, run: _Run, queue: list[tuple[float, int, _Run]]) -> bool:
        """Lets an epoch end when its time has come; False where the curve has none."""
        seconds = run.curve.seconds_at(run.epoch)
        if seconds is None:
            known = self.conductor.record.trials[run.trial]
            status = ("ended", "the curve is over") if known.epoch else ("failed", "the curve has no epochs")
            self.conductor.end(run.trial, *status)
            return False
        heapq.heappush(queue, (run.origin + seconds, next(self._tokens), run))
        return True

    def _report(self, run: _Run, queue: list[tuple[float, int, _Run]]) -> bool:
        """Tells the conductor of an epoch; whether the leg goes on."""
        seconds = run.curve.seconds_at(run.epoch)
        assert seconds is not None
        report = Report(run.trial, run.epoch, run.curve.metrics_at(run.epoch), run.before + seconds)
        if not isinstance(self.conductor.tell(f"worker{run.worker}", [report])[run.trial], Go):
            return False
        after = _Run(run.worker, run.trial, run.curve, run.origin, run.before, run.epoch + 1)
        return self._next_epoch(after, queue)
