"""What a user believes before anything was tried: `believed(lr=3e-3, within="3x")`.

A belief is a density over a parameter's values. Random draws and the first points of every sampler follow it
four times out of five; models weigh it against what they see, ever less as trials come in (Hvarfner et al.
2022, piBO, arXiv:2204.11051), so that a wrong belief costs a few trials and not the study.
"""

import bisect
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Any

from search.domains import Choice, Float, Int
from search.number import is_number
from search.spelling import did_you_mean
from search.tree import Leaf

OPEN_SHARE = 0.2  # of all draws, which follow no belief
OWN_WORDS = ("within", "chance")  # of `believed`: parameters of these names are given in a dict
CELLS = 512  # into which the unit interval of a continuous parameter is cut


@dataclass(frozen=True, slots=True)
class Belief:
    """Where good values probably lie.

    Attributes:
        centers: names of parameters and the value believed best for each.
        within: how far the good ones lie from it, in two of three cases: "3x" is a factor, a number a
            distance; for a choice in order, so many places. None means 3x over orders of magnitude, and else
            a tenth of the range.
        chance: that the best option of a choice without an order is the one named, (0, 1).
    """

    centers: tuple[tuple[str, Any], ...]
    within: str | float | None = None
    chance: float = 0.7

    def __post_init__(self) -> None:
        if not self.centers:
            raise ValueError("believed() names no parameter. Name one and its value: believed(lr=3e-3, within='3x').")
        if self.within is not None:
            _factor_or_distance(self.within)
        if not is_number(self.chance) or not 0 < self.chance < 1:
            raise ValueError(f"believed(chance={self.chance!r}) is no chance. Set one between 0 and 1: chance=0.7.")

    def __str__(self) -> str:
        plain = {name: value for name, value in self.centers if name.isidentifier() and name not in OWN_WORDS}
        words = [f"{name}={value!r}" for name, value in plain.items()]
        dotted = {name: value for name, value in self.centers if name not in plain}
        words = ([repr(dotted)] if dotted else []) + words
        if self.within is not None:
            words.append(f"within={self.within!r}")
        if self.chance != 0.7:
            words.append(f"chance={self.chance!r}")
        return f"believed({', '.join(words)})"


def believed(
    centers: Mapping[str, Any] | None = None,
    /,
    *,
    within: str | float | None = None,
    chance: float = 0.7,
    **values: Any,
) -> Belief:
    """A belief about parameters of the space; dotted names are given in a dict.

    >>> print(believed(lr=3e-3, within="3x"))
    believed(lr=0.003, within='3x')
    >>> print(believed({"optimizer.momentum": 0.9}, within=0.05))
    believed({'optimizer.momentum': 0.9}, within=0.05)
    """
    if centers is not None and not isinstance(centers, Mapping):
        raise ValueError(f"believed({centers!r}) names no parameter. Name one and its value: believed(lr=3e-3).")
    return Belief((*(centers or {}).items(), *values.items()), within, chance)


class Prior:
    """Beliefs laid over the parameters of a space.

    Args:
        leaves: of the space.
        beliefs: about some of them; a later one about the same parameter takes the place of an earlier one.

    Raises:
        ValueError: an unknown parameter, a value outside its domain, a factor for what may be negative.
    """

    def __init__(self, leaves: Sequence[Leaf], beliefs: Iterable[Belief]):
        self.beliefs = tuple(beliefs)
        self._densities: dict[int, Density] = {}
        self._bells: dict[int, tuple[Any, bool, float]] = {}
        for belief in self.beliefs:
            if not isinstance(belief, Belief):
                raise ValueError(f"the prior holds {belief!r}. Write what you believe: believed(lr=3e-3, within='3x').")
            for name, center in belief.centers:
                places = [i for i, leaf in enumerate(leaves) if leaf.name == name]
                if not places:
                    raise ValueError(f"{belief} names {name!r}. {did_you_mean(name, [leaf.name for leaf in leaves])}")
                for i in places:
                    self._densities[i] = _density(leaves[i], center, belief)
                    self._bells[i] = (center, *_width(leaves[i], belief))

    def __bool__(self) -> bool:
        return bool(self._densities)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prior) and self.beliefs == other.beliefs

    def __hash__(self) -> int:
        return hash(self.beliefs)

    def draw(self, place: int, share: float) -> float:
        """The share of [0, 1] of a leaf that an even draw becomes under the belief about it."""
        density = self._densities.get(place)
        return share if density is None else density.quantile(share)

    def share(self, place: int, unit: float) -> float:
        """The even draw that becomes `unit`: the inverse of `draw`."""
        density = self._densities.get(place)
        return unit if density is None else density.share(unit)

    def density(self, place: int) -> "Density | None":
        """The belief about the leaf at a place, if there is one."""
        return self._densities.get(place)

    def bell(self, place: int) -> tuple[Any, bool, float] | None:
        """The same as a center, whether its width is a factor, and the width: one standard deviation.

        For a choice without an order the width is the chance of its center.
        """
        return self._bells.get(place)


@dataclass(frozen=True)
class Density:
    """A density over [0, 1] in steps.

    Attributes:
        edges: from 0 to 1, rising.
        heights: of each step between two edges; the area is 1.
    """

    edges: tuple[float, ...]
    heights: tuple[float, ...]

    @cached_property
    def _reached(self) -> list[float]:
        widths = (b - a for a, b in zip(self.edges, self.edges[1:], strict=False))
        return list(accumulate((w * h for w, h in zip(widths, self.heights, strict=True)), initial=0.0))

    def quantile(self, share: float) -> float:
        """Where so large a share of all draws lies below."""
        total = self._reached[-1]
        k = min(bisect.bisect_right(self._reached, share * total), len(self.heights)) - 1
        inside = (share * total - self._reached[k]) / max(self._reached[k + 1] - self._reached[k], 1e-300)
        return self.edges[k] + min(max(inside, 0.0), 1.0) * (self.edges[k + 1] - self.edges[k])

    def share(self, value: float) -> float:
        """How large a share of all draws lies below: the inverse of `quantile`."""
        k = max(min(bisect.bisect_right(self.edges, value), len(self.heights)) - 1, 0)
        return (self._reached[k] + (value - self.edges[k]) * self.heights[k]) / self._reached[-1]

    def log(self, share: float) -> float:
        """The logarithm of the density at `share`."""
        k = min(bisect.bisect_right(self.edges, share), len(self.heights)) - 1
        return math.log(self.heights[max(k, 0)])


def _density(leaf: Leaf, center: Any, belief: Belief) -> Density:
    domain = leaf.domain
    if not domain.holds(center):
        raise ValueError(f"{belief} lies outside {leaf.name}: {domain}. Choose a value inside.")
    values, edges = _cells(domain)
    if isinstance(domain, Choice) and not domain.ordered:
        others = (1 - belief.chance) / max(len(values) - 1, 1)
        weights = [belief.chance if domain.index(v) == domain.index(center) else others for v in values]
    else:
        weigh = _weigher(leaf, center, belief)
        weights = [weigh(v) for v in values]
    widths = [b - a for a, b in pairwise(edges)]
    area = sum(weight * width for weight, width in zip(weights, widths, strict=True))
    area = area if area > 0 else 1.0
    return Density(tuple(edges), tuple(OPEN_SHARE + (1 - OPEN_SHARE) * weight / area for weight in weights))


def _cells(domain: Float | Int | Choice) -> tuple[list[Any], list[float]]:
    """Values that stand for steps of the unit interval, and where the steps end."""
    if domain.size <= CELLS:
        values = list(domain.grid(None)) if not isinstance(domain, Choice) else list(domain.options)
        return values, [0.0, *(domain.cell(value)[1] for value in values[:-1]), 1.0]
    edges = [k / CELLS for k in range(CELLS + 1)]
    return [domain.at((k + 0.5) / CELLS) for k in range(CELLS)], edges


def _weigher(leaf: Leaf, center: Any, belief: Belief) -> Any:
    """A bell around the center: over factors, over distances, or over places of a choice in order."""
    is_factor, width = _width(leaf, belief)
    if isinstance(leaf.domain, Choice):  # in order: its width is a number of places, factor or not
        middle = leaf.domain.index(center)
        return lambda value: _bell((leaf.domain.index(value) - middle) / width)
    if not is_factor:
        return lambda value: _bell((value - center) / width)
    if leaf.domain.low < 0 or center <= 0:
        raise ValueError(
            f"{belief} gives a factor for {leaf.name}, which may be zero or less. Give a distance: within=0.1."
        )
    return lambda value: _bell(math.log(value / center) / math.log(width)) if value > 0 else 0.0


def _width(leaf: Leaf, belief: Belief) -> tuple[bool, float]:
    """Whether the belief's width is a factor, and one standard deviation of it."""
    if isinstance(leaf.domain, Choice) and not leaf.domain.ordered:
        return False, belief.chance
    if belief.within is not None:
        return _factor_or_distance(belief.within)
    match leaf.domain:
        case Choice():
            return False, 1.0
        case Float(log=True) | Int(log=True):
            return True, 3.0
    return False, (leaf.domain.high - leaf.domain.low) / 10


def _bell(deviations: float) -> float:
    return math.exp(-0.5 * deviations**2)


def _factor_or_distance(within: object) -> tuple[bool, float]:
    """Whether `within` is a factor, and how large."""
    if is_number(within) and within > 0:
        return False, float(within)
    if isinstance(within, str):
        form = re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*x\s*", within)
        if form and float(form[1]) > 1:
            return True, float(form[1])
    raise ValueError(
        f"believed(within={within!r}) says no distance. Give a factor above 1, within='3x', or a number, within=0.1."
    )
