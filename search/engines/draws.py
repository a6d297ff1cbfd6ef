"""Independent random draws: trial n gets the same params whatever happened before it."""

import random

from search.space import Flat, Space


def draw(space: Space, seed: int, number: int, attempt: int = 0) -> Flat:
    """The random point of trial `number`; another `attempt` is another point."""
    return space.sample(random.Random(f"{seed}/{number}/{attempt}"))


class Draws:
    """`Random()` at work."""

    def __init__(self, space: Space, seed: int):
        self._space, self._seed = space, seed

    def propose(self, number: int) -> Flat | None:
        return draw(self._space, self._seed, number)

    def adopt(self, number: int, params: Flat) -> None:
        """Nothing to learn: draws are independent."""

    def observe(self, number: int, epoch: int, loss: float) -> None:
        """Nothing to learn."""

    def fail(self, number: int) -> None:
        """Nothing to learn."""
