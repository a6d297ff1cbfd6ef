"""Values spread over a domain for a grid: read by place and never written out, however many there are."""

import bisect
import operator
from collections.abc import Callable, Sequence
from typing import Any


class Spread(Sequence[Any]):
    """`size` values, of which number k is `at(k)`.

    Attributes:
        size: how many; `len` stops at 2 ** 63.
    """

    def __init__(self, size: int, at: Callable[[int], Any]):
        self.size, self._at = size, at

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, place: Any) -> Any:
        k = operator.index(place)
        k += self.size if k < 0 else 0
        if not 0 <= k < self.size:
            raise IndexError(f"there is no value {place} among {self.size}. Count from 0.")
        return self._at(k)


def thinned(points: int, steps: int, place: Callable[[int], float]) -> tuple[int, Callable[[int], int]]:
    """`points` places of a lattice of more `steps`, each once: how many remain, and the place of number k.

    Places that lie closer than one step fall together; as they never draw nearer again (evenly spread, or
    evenly over orders of magnitude), all steps up to there are taken, and beyond it one for each point.

    Args:
        points: how many are asked for, at least 2 and fewer than `steps`.
        steps: of the lattice.
        place: where point k would lie if the lattice were dense, from 0 to `steps - 1`, ever faster.
    """
    apart = bisect.bisect_left(range(points - 1), True, key=lambda k: place(k + 1) - place(k) > 1 + 1e-12)
    dense = round(place(apart))

    def at(k: int) -> int:
        return k if k <= dense else min(round(place(apart + k - dense)), steps - 1)

    return dense + points - apart, at
