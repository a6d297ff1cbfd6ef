"""A part of a space that is there several times, such as the layers of a network.

    repeat(integer(1, 4), {"width": logint(8, 64), "act": ["relu", "gelu"]})

A flat point names the copies by their places, `{"layers": 2, "layers.0.width": 16, "layers.1.width": 32}`, as
PyTorch names the layers of a network; the trainable is given a list, `[{"width": 16}, {"width": 32}]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from search.domains import Int
from search.number import is_whole
from search.options import written

MOST = 1_000  # copies; each adds its parameters to the space


@dataclass(frozen=True, eq=True, slots=True)
class Repeat:
    """Copies of a domain, or of a group of parameters.

    Attributes:
        n: how many, or the `Int` from which their number is searched.
        each: what every copy has of its own: a domain, or names and domains.
    """

    n: Int | int
    each: Any

    @property
    def most(self) -> int:
        """The largest number of copies."""
        return self.n.clip(self.n.high) if isinstance(self.n, Int) else self.n

    @property
    def least(self) -> int:
        """The smallest number of copies."""
        return self.n.low if isinstance(self.n, Int) else self.n

    def __hash__(self) -> int:
        return hash((Repeat, self.n))

    def __str__(self) -> str:
        return f"repeat({self.n}, {written(self.each)})"


def repeat(n: Int | int, each: Any) -> Repeat:
    """`n` copies of `each`; `n` is a number, or an `integer(low, high)` that is searched with the rest.

    >>> from search.domains import integer, logint
    >>> print(repeat(n=integer(1, 4), each={"width": logint(8, 64)}))
    repeat(integer(1, 4), {'width': logint(8, 64)})
    """
    if not is_whole(n, 1) and not isinstance(n, Int):
        seen = repr(n) if isinstance(n, str) else n
        raise ValueError(
            f"repeat(n={seen}) is no number of copies. "
            f"Give one, repeat(3, ...), or search it: repeat(integer(1, 4), ...)."
        )
    found = Repeat(n, each)
    if found.least < 0 or found.most > MOST:
        raise ValueError(
            f"repeat(n={n}) goes from {found.least} to {found.most} copies. Stay between 0 and {MOST}: integer(1, 4)."
        )
    if isinstance(each, Mapping) and not each:
        raise ValueError("repeat(each={}) repeats nothing. Name what a copy has: each={'width': logint(8, 64)}.")
    return found
