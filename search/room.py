"""Points that keep a space's limits: a first one, and one as near as can be to one that breaks them."""

import random
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from search.domains import Choice
from search.points import Flat

if TYPE_CHECKING:
    from search.space import Space

TRIES = 20_000  # at a first point, when the space is made: about a second
DESCENTS, SWEEPS = 10, 40  # from random points to one that keeps the limits, where no draw does
HALVINGS = 24
WANDERED = 30  # times along every parameter
SHRUNK = 40  # times, a parameter's range towards where it is


def first_kept(space: "Space") -> Flat:
    """Some point that keeps the limits: a random one, or where those are rare, one that was led there.

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
    for _ in range(DESCENTS):
        if (found := _descended(space, rng)) is not None:
            return found
    broken = next(limit for limit in space.limits if not limit.holds(point))
    trouble = f" ({trouble})" if (trouble := broken.trouble(point)) else ""
    raise ValueError(
        f"no point of {TRIES:,} keeps the limits; the last one broke {str(broken)!r}{trouble}. "
        f"Loosen it, or give its parameters other bounds."
    )


def _descended(space: "Space", rng: random.Random) -> Flat | None:
    """A point that keeps the limits, reached from a random one along one parameter at a time; None where it gets stuck.

    A step goes to an end of the parameter's range, anywhere in it, or nearby at some order of magnitude.
    """
    units = [rng.random() for _ in space.leaves]
    gap = _gap(space, space.at(units))
    for _ in range(SWEEPS):
        for place in rng.sample(range(len(units)), len(units)):
            near = [units[place] + rng.gauss(0, 10 ** -rng.uniform(0, 6)) for _ in range(4)]
            for unit in (0.0, 1 - 1e-12, rng.random(), *near):
                moved = [*units]
                moved[place] = min(max(unit, 0.0), 1 - 1e-12)
                found = _gap(space, point := space.at(moved))
                if found == 0:
                    return point
                if found < gap:
                    units, gap = moved, found
    return None


def _gap(space: "Space", point: Flat) -> float:
    return sum(limit.gap(point) for limit in space.limits)


def wandered(space: "Space", anchor: Flat, rng: random.Random) -> Flat:
    """A random point that keeps the limits, reached from an `anchor` that keeps them without ever leaving them.

    Each parameter in turn is drawn anew from the part of its range that keeps them, as far as it hangs together with
    where it is: slice sampling with shrinkage, Neal 2003, Slice sampling, section 5. What is believed weighs as ever.
    """
    shares = [rng.random() for _ in space.leaves]
    for place, leaf in space.walk(anchor):
        shares[place] = space.prior.share(place, leaf.domain.unit(anchor[leaf.name]))
    point = anchor
    for _ in range(WANDERED):
        for place in rng.sample(range(len(shares)), len(shares)):
            here, low, high = shares[place], 0.0, 1.0
            for _ in range(SHRUNK):
                shares[place] = rng.uniform(low, high)
                if space.allows(moved := space.believed_at(shares)):
                    point = moved
                    break
                low, high = (shares[place], high) if shares[place] < here else (low, shares[place])
            else:
                shares[place] = here
    return point


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
