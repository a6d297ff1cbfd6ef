"""Samplers in turn: when one has proposed all its points the next goes on, and knows what came before.

For the later ones, the points of the earlier ones are given: `Grid(5) >> Hypergradient()` descends from the best
points of the grid, `Sobol(20) >> TPE()` models them.
"""

from collections.abc import Sequence
from typing import Protocol

from search.engines.guarded import Proposer
from search.engines.history import History
from search.space import Flat


class Ending(Protocol):
    """A sampler that has a last point."""

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        """A point, or None at the end."""

    def proposed(self, history: History) -> int:
        """How many of the first own trials were its own."""


class Until:
    """A sampler with a last point.

    Args:
        engine: proposes.
        n: how many points.
    """

    def __init__(self, engine: Proposer, n: int):
        self._engine, self._n = engine, n

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        return None if len(history.mine) >= self._n else self._engine.propose(number, history, attempt)

    def proposed(self, history: History) -> int:
        """How many of the first own trials were its own."""
        return min(self._n, len(history.mine))


class Turns:
    """A chain at work.

    Args:
        earlier: all samplers but the last, in their order.
        last: the one that goes on to the end.
    """

    def __init__(self, earlier: Sequence[Ending], last: "Ending"):
        self._earlier, self._last = list(earlier), last

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        for engine in self._earlier:
            point = engine.propose(number, history, attempt)
            if point is not None:
                return point
            history = history.since(engine.proposed(history))
        return self._last.propose(number, history, attempt)

    def proposed(self, history: History) -> int:
        """All of them."""
        return len(history.mine)
