"""A grid read by index: point k of 10^12 costs no more than point 0, and nothing is written out.

A leaf counts its values; a choice counts the sum over its options of the points of their own
parameters; a group counts the product. The last parameter turns fastest, as in nested loops.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.domains import Choice, Int
from search.repeat import Repeat
from search.space import Flat, Space


class Lattice:
    """All points of a grid, each under its index.

    Args:
        space: whose points they are.
        points: values per continuous parameter.

    Attributes:
        size: how many points there are, limits aside.
    """

    def __init__(self, space: Space, points: int | None):
        self._grid = _group(space, "", points)
        self.size = self._grid.size

    def point(self, index: int) -> Flat:
        """The point at `index`, counted from 0."""
        if not 0 <= index < self.size:
            raise IndexError(f"there is no point {index} among {self.size}. Count from 0.")
        flat: Flat = {}
        self._grid.place(index, flat)
        return flat


def grid_size(space: Space, points: int | None) -> int:
    """How many points a grid has; raises ValueError where a continuous domain has no number of points."""
    return _group(space, "", points).size


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of a leaf; where it is a choice, each option with the points that hang on it."""

    path: str
    values: Sequence[Any]
    inner: "tuple[_Product, ...] | None"
    size: int

    def place(self, digit: int, flat: Flat) -> None:
        if self.inner is None:
            flat[self.path] = self.values[digit]
            return
        for option, inner in zip(self.values, self.inner, strict=True):
            if digit < inner.size:
                flat[self.path] = option
                inner.place(digit, flat)
                return
            digit -= inner.size


@dataclass(frozen=True, slots=True)
class _Product:
    """Every combination of its parts, the last turning fastest; no parts have one combination."""

    parts: "tuple[_Values | _Product, ...]"
    size: int

    def place(self, digit: int, flat: Flat) -> None:
        digits = []
        for part in reversed(self.parts):
            digit, own = divmod(digit, part.size)
            digits.append(own)
        for part, own in zip(self.parts, reversed(digits), strict=True):
            part.place(own, flat)


def _group(params: Mapping[str, Any], prefix: str, points: int | None) -> _Product:
    parts = tuple(_part(domain, f"{prefix}{name}", points) for name, domain in params.items())
    return _Product(parts, math.prod(part.size for part in parts))


def _part(domain: Any, path: str, points: int | None) -> "_Values | _Product":
    match domain:
        case Mapping():
            return _group(domain, f"{path}.", points)
        case Repeat(n=n, each=each):
            most = tuple(_part(each, f"{path}.{copy}", points) for copy in range(domain.most))
            if not isinstance(n, Int):
                return _Product(most, math.prod(part.size for part in most))
            numbers = n.grid(points)
            inner = tuple(_Product(most[:k], math.prod(part.size for part in most[:k])) for k in numbers)
            return _Values(path, numbers, inner, sum(product.size for product in inner))
        case Choice(options=options, spaces=spaces) if any(spaces):
            inner = tuple(_group(space or {}, f"{path}.", points) for space in spaces)
            return _Values(path, options, inner, sum(product.size for product in inner))
        case Choice(options=options):
            return _Values(path, options, None, len(options))
    values = domain.grid(points)
    return _Values(path, values, None, values.size)
