"""Points that keep a space's limits: a first one, and one as near as can be to one that breaks them."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from search.domains import Choice
from search.points import Flat

if TYPE_CHECKING:
    from search.space import Space

TRIES = 20_000  # at a first point, when the space is made: about a second
HALVINGS = 24


def first_kept(space: "Space") -> Flat:
    """Some point that keeps the limits.

    Raises:
        ValueError: none was found, or a limit compares what cannot be compared.
    """
    rng, point = random.Random(0), Flat()
    for k in range(TRIES):
        point = space.drawn(rng)
        for limit in space.limits if k < 8 else ():
            limit.check(point)
        if space.allows(point):
            return point
    broken = next(limit for limit in space.limits if not limit.holds(point))
    raise ValueError(
        f"no point of {TRIES:,} keeps the limits; the last one broke {str(broken)!r}. "
        f"Loosen it, or give its parameters other bounds."
    )


def pulled(space: "Space", point: Mapping[str, Any], anchor: Mapping[str, Any]) -> Flat:
    """The point nearest to `point`, on the way from an `anchor` that keeps the limits, that keeps them too."""
    near, low, high = dict(anchor), 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        step = _between(space, anchor, point, middle)
        if space.allows(step):
            near, low = step, middle
        else:
            high = middle
    return near


def _between(space: "Space", a: Mapping[str, Any], b: Mapping[str, Any], share: float) -> Flat:
    """A point so far on the way from `a` to `b`; from the middle on, options are those of `b`."""
    middle: Flat = {}
    for _, leaf in space.walk(middle):
        ends = [end[leaf.name] for end in (a, b) if leaf.name in end and leaf.domain.holds(end[leaf.name])]
        if len(ends) == 2 and not isinstance(leaf.domain, Choice):
            start, goal = map(leaf.domain.unit, ends)
            middle[leaf.name] = leaf.domain.at(start + share * (goal - start))
        elif ends:
            middle[leaf.name] = ends[-1 if share >= 0.5 else 0]
        else:
            middle[leaf.name] = leaf.domain.at(0.5)
    return middle
