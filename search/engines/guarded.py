"""What stands between a sampler and the study: its history, the limits, and random points where it fails.

An algorithm only proposes. Here its proposals are checked: one that leaves the space, or an exception, is replaced
by a random point with one warning, for a study of days shall not end because a model could not be fitted; one
that was tried before or breaks a limit is asked for again, then moved, then replaced; and where no point is left
that was not tried, the sampler is exhausted, and says so.
"""

import math
import random
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.genetics import Genetics
from search.engines.history import History
from search.engines.lattice import Lattice
from search.protocol import Drawn, Lesson, Seen
from search.room import pulled
from search.space import Flat, Space

ASKED_AGAIN = 8  # for a point that was not tried and keeps the limits
NEARBY = 16  # mutations, one after another, at a point near the one that was proposed
TESTS = 8  # first trials of a study that learns from others, half of which test what it learned
STEP = 0.05  # of a number's range in one mutation
DRAWN = 64  # at random, before every point of a small space is looked at
WALK = 2_000_000  # points of the space that are looked at in turn over a study, at most: some twenty seconds


class Proposer(Protocol):
    """An algorithm: what it proposes follows from the history, the trial's number and the attempt alone."""

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        """A point for trial `number`, or None when there will never be another; another attempt, another point."""


class Guarded:
    """A sampler at work.

    Args:
        engine: proposes.
        space: what its proposals are checked against.
        seed: of the random points.
        name: of the sampler, for the warning.
        objectives: how many losses a trial has.
        repeat: whether a point may be tried again.
        tests: whether what was learned from earlier studies is put to the test by points of its own.
        warn: is told of the first proposal that had to be replaced, and of the end.
    """

    def __init__(
        self,
        engine: Proposer,
        space: Space,
        seed: int,
        name: str,
        *,
        objectives: int = 1,
        repeat: bool = False,
        tests: bool = False,
        warn: Callable[[str], None] = warnings.warn,
    ):
        self.engine, self.history = engine, History(space, objectives)
        self._space, self._seed, self._name, self._repeat = space, seed, name, repeat
        self._tests = tests
        self._warn_once = warn
        self._cube = Cube(space)
        self._genetics = Genetics(self._cube, STEP)
        self._warned = self._ended = False
        self._passed = 0  # points of a small space, in its order, that were tried or break the limits

    def propose(self, number: int) -> Flat | None:
        if self._is_test():
            return self._random(number)
        point: Flat | None = None
        for attempt in range(ASKED_AGAIN):
            try:
                point = self.engine.propose(number, self.history, attempt)
                if point is None:
                    self._end(f"{self._name} has proposed all its points")
                    return None
                within = self._space.within(point)
                point = Drawn(within) if isinstance(point, Drawn) else within
            except Exception as error:  # noqa: BLE001 - whatever a model may raise
                self._warn(f"failed at trial {number} ({type(error).__name__}: {error})")
                return self._random(number)
            if self._may_try(point):
                return point
        if point is not None and self._space.allows(point) and self._space.size == math.inf:
            self._warn(f"proposed for trial {number} what was tried before, {ASKED_AGAIN} times")
        return self._moved(point) or self._near(point, number) or self._random(number)

    def adopt(self, number: int, params: Flat, given: bool = False) -> None:
        self.history.adopt(number, params, given)

    def observe(self, number: int, seen: Seen) -> None:
        self.history.observe(number, seen)

    def end(self, number: int) -> None:
        self.history.end(number)

    def fail(self, number: int) -> None:
        self.history.fail(number)

    def learn(self, lessons: Sequence[Lesson]) -> None:
        self.history.learn(lessons)

    def _is_test(self) -> bool:
        """Whether a trial shall tell what earlier studies are worth: every second one of the first, from the second on.

        Those that they propose themselves lie where they believe the best to be, and one cannot tell such points apart.
        """
        asked = len(self.history.mine)
        return self._tests and bool(self.history.lessons) and asked < TESTS and asked % 2 == 1

    def _may_try(self, point: Flat) -> bool:
        return self._space.allows(point) and (self._repeat or not self.history.was_tried(point))

    def _moved(self, point: Flat | None) -> Flat | None:
        """A point that breaks a limit, moved towards the best one that keeps them all."""
        if point is None or self._space.kept is None or self._space.allows(point):
            return None
        evidence = self.history.evidence()
        anchor = self._space.kept
        if len(evidence):
            anchor = evidence.best.params
        moved = pulled(self._space, point, anchor)
        return moved if self._may_try(moved) else None

    def _near(self, point: Flat | None, number: int) -> Flat | None:
        """A point that was not tried, some mutations away from one that was: a model that is sure is not far off."""
        if point is None:
            return None
        rng, units = generator(self._seed, number, NEARBY), self._cube.units(point)
        for _ in range(NEARBY):
            units = self._cube.masked(self._genetics.mutated(units, rng)[None])[0]
            near = self._cube.point(units, point)
            if self._may_try(near):
                return near
        return None

    def _random(self, number: int) -> Flat | None:
        """A random point that was not tried; None where there is none left."""
        for attempt in range(1, DRAWN + 1):
            point = draw(self._space, self._seed, number, attempt)
            if self._may_try(point):
                return point
        if self._space.size == math.inf:
            return point  # it keeps the limits, and in a space without end equals by chance alone
        return self._next_untried()

    def _next_untried(self) -> Flat | None:
        """The first point that was not tried, in the order of the space, from a random place on.

        What was passed once is passed for good: a point that was tried stays tried.
        """
        grid = Lattice(self._space, None)
        first = random.Random(self._seed).randrange(grid.size)
        while self._passed < min(grid.size, WALK):
            point = grid.point((first + self._passed) % grid.size)
            if self.history.is_new(point):
                return Drawn(point)
            self._passed += 1
        kept = f" that keeps {', '.join(map(str, self._space.limits))}" if self._space.limits else ""
        if self._passed == grid.size:
            self._end(f"every point of the space{kept} was tried, {len(self.history)} in all")
        else:
            self._end(f"no untried point{kept} is among {self._passed:,} of the {grid.size:,} in the space")
        return None

    def _end(self, what: str) -> None:
        if not self._ended:
            self._ended = True
            self._warn_once(f"{what}: no more trials are proposed.")

    def _warn(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn_once(f"{self._name} {what}. Random points take its place where that happens.")
