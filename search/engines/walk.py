"""A sequence of points walked from its first to its last: a grid, a grid in shuffled order, or Sobol's points.

The shuffle is a permutation of the indices by a Feistel network of four rounds over the next even power of two,
walked until it lands inside (Black & Rogaway 2002, Ciphers with arbitrary finite domains), so that 10^12 points are
visited in random order, each once, in constant memory.
"""

import hashlib
import json
from collections.abc import Callable

from search.engines.history import History
from search.engines.lattice import Lattice
from search.protocol import Drawn
from search.space import Flat, Space

ROUNDS = 4
MOST_SKIPPED = 20_000  # points in a row that were tried or break the limits

Sequence = Callable[[int], Flat]


class Walk:
    """`Grid()` and `Sobol()` at work: every point of a sequence once, those aside that were tried or break limits.

    Args:
        space: whose points they are.
        point: the point at a place, counted from 0.
        size: places; None for no end.
        n: proposals; None for as many as there are.
    """

    def __init__(self, space: Space, point: Sequence, size: int | None = None, n: int | None = None):
        self._space, self._point, self._size, self._n = space, point, size, n
        self._next = 0  # the place of the next point
        self._followed = 0  # own trials that were points of this walk, in their order
        self._left = False  # whether an own trial came that was not

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        if self._n is not None and len(history.mine) >= self._n:
            return None
        self._follow(history)
        point: Flat | None = None
        for place in self._ahead(1 if attempt else MOST_SKIPPED):
            point = self._point(place)
            if history.is_new(point):
                break
        else:
            return None if self._is_over() else point
        return point

    def proposed(self, history: History) -> int:
        """How many of the first own trials are points of this walk."""
        if self._n is not None:
            return min(self._n, len(history.mine))
        self._follow(history)
        return self._followed

    def _follow(self, history: History) -> None:
        """Goes on behind the points that were proposed."""
        while not self._left and self._followed < len(history.mine):
            wanted = self._key(history.mine[self._followed].params)
            place = next((p for p in self._ahead(MOST_SKIPPED) if self._key(self._point(p)) == wanted), None)
            if place is None:
                self._left = True
            else:
                self._next, self._followed = place + 1, self._followed + 1

    def _is_over(self) -> bool:
        return self._size is not None and self._next + MOST_SKIPPED >= self._size

    def _ahead(self, most: int) -> range:
        end = self._next + most
        return range(self._next, end if self._size is None else min(end, self._size))

    def _key(self, params: Flat) -> str:
        return json.dumps(self._space.encode(params))


def grid(space: Space, points: int | None, shuffle: bool, seed: int) -> Walk:
    """`Grid(points)` at work; with `shuffle`, in an order that the seed decides."""
    lattice = Lattice(space, points)
    size = lattice.size

    def point(place: int) -> Drawn:
        return Drawn(lattice.point(shuffled(place, size, seed) if shuffle else place))

    return Walk(space, point, size)


def shuffled(place: int, size: int, seed: int) -> int:
    """Where `place` of `size` lies in a random order; each place lies somewhere else."""
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = place >> half, place & mask
        for turn in range(ROUNDS):
            digest = hashlib.blake2b(f"{seed}/{turn}/{right}".encode(), digest_size=16).digest()
            left, right = right, left ^ (int.from_bytes(digest) & mask)
        place = left << half | right
        if place < size:
            return place
