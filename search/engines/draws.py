"""Independent random draws: trial n gets the same params whatever happened before it."""

import random

import numpy as np

from search.engines.history import History
from search.protocol import Drawn
from search.space import Flat, Space


def draw(space: Space, seed: int, number: int, attempt: int = 0) -> Drawn:
    """The random point of trial `number`, which keeps the limits; another `attempt` is another point."""
    return Drawn(space.sample(random.Random(f"{seed}/{number}/{attempt}")))


class Draws:
    """`Random()` at work.

    Args:
        space: that is searched.
        seed: of the draws.
    """

    def __init__(self, space: Space, seed: int):
        self._space, self._seed = space, seed

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        return draw(self._space, self._seed, number, attempt)


def generator(seed: int, number: int, attempt: int = 0) -> np.random.Generator:
    """The random numbers of one proposal: they depend on nothing but the seed, the trial and the attempt."""
    return np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, number, attempt])
