"""A grid read by index: point k of 10^12 costs no more than point 0, and nothing is written out.

A leaf counts its values; a choice counts the sum over its options of the points of their own
parameters; a group counts the product. The last parameter turns fastest, as in nested loops.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.domains import Choice
from search.space import Flat, Space


class Lattice:
    """`Grid(points)` at work: trial n is point n - 1."""

    def __init__(self, space: Space, points: int | None):
        self._space, self._points = space, points
        self.size = _size(space, points)

    def propose(self, number: int) -> Flat | None:
        if number > self.size:
            return None
        return _at(self._space, "", self._points, number - 1)

    def adopt(self, number: int, params: Flat) -> None:
        """Nothing to learn: the number says it all."""

    def observe(self, number: int, epoch: int, loss: float) -> None:
        """Nothing to learn."""

    def fail(self, number: int) -> None:
        """Nothing to learn."""


def grid_size(space: Space, points: int | None) -> int:
    """How many points a grid has; raises ValueError where a continuous domain has no number of points."""
    return _size(space, points)


def _size(space: Space, points: int | None) -> int:
    return math.prod(_count(domain, points) for domain in space.values())


def _count(domain: Any, points: int | None) -> int:
    match domain:
        case Space():
            return _size(domain, points)
        case Choice(spaces=spaces):
            return sum(_size(inner, points) if inner else 1 for inner in map(_inner, spaces))
    return len(domain.grid(points))


def _at(space: Space, prefix: str, points: int | None, index: int) -> Flat:
    digits: dict[str, int] = {}
    for name, domain in reversed(list(space.items())):
        index, digits[name] = divmod(index, _count(domain, points))
    flat: Flat = {}
    for name, domain in space.items():
        _place(domain, f"{prefix}{name}", points, digits[name], flat)
    return flat


def _place(domain: Any, path: str, points: int | None, digit: int, flat: Flat) -> None:
    match domain:
        case Space():
            flat.update(_at(domain, f"{path}.", points, digit))
        case Choice(options=options, spaces=spaces):
            for option, inner in zip(options, map(_inner, spaces), strict=True):
                size = _size(inner, points) if inner else 1
                if digit < size:
                    flat[path] = option
                    if inner:
                        flat.update(_at(inner, f"{path}.", points, digit))
                    return
                digit -= size
        case _:
            values: Sequence[Any] = domain.grid(points)
            flat[path] = values[digit]


def _inner(space: Mapping[str, Any] | None) -> Space | None:
    return Space(space) if space else None
