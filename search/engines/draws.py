"""Independent random draws: trial n gets the same params whatever happened before it."""

import random

import numpy as np

from search.engines.history import History
from search.space import Flat, Space


def draw(space: Space, seed: int, number: int, attempt: int = 0) -> Flat:
    """The random point of trial `number`, which keeps the limits; another `attempt` is another point."""
    return space.sample(random.Random(f"{seed}/{number}/{attempt}"))


class Draws:
    """`Random()` at work.

    Args:
        space: that is searched.
        seed: of the draws.
        n: how many; None for no end.
    """

    def __init__(self, space: Space, seed: int, n: int | None = None):
        self._space, self._seed, self._n = space, seed, n

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        if self._n is not None and len(history.mine) >= self._n:
            return None
        return draw(self._space, self._seed, number, attempt)

    def proposed(self, history: History) -> int:
        """How many of the first own trials were drawn here."""
        return len(history.mine) if self._n is None else min(self._n, len(history.mine))


def generator(seed: int, number: int, attempt: int = 0) -> np.random.Generator:
    """The random numbers of one proposal: they depend on nothing but the seed, the trial and the attempt."""
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, number, attempt])
