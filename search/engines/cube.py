"""A space as the unit cube: one coordinate per leaf, whatever its type, and NaN where a leaf is not active."""

from collections.abc import Sequence

import numpy as np

from search.domains import Choice
from search.space import Flat, Space

MOST_CELLS = 1_024  # a domain with more values counts as continuous


class Cube:
    """The coordinates of a space, for algorithms that compute with them.

    Args:
        space: whose leaves are the coordinates, in their order.

    Attributes:
        size: D, how many there are.
        options: `[D]` how many options a choice without an order has; 0 for anything else.
        edges: per coordinate, where the cells of its values end, from 0 to 1; None where it is continuous.
    """

    def __init__(self, space: Space):
        self.space, self.size = space, len(space.leaves)
        self.options = np.array([_options(leaf.domain) for leaf in space.leaves])
        self.edges = [_edges(leaf.domain) for leaf in space.leaves]
        parents = space.parents.items()  # which come before their children
        self._parents = [(i, parent, self._opens(parent, places)) for i, (parent, places) in parents]

    @property
    def searched(self) -> np.ndarray:
        """`[D]` whether there is more than one value."""
        return np.array([leaf.domain.size > 1 for leaf in self.space.leaves])

    def point(self, units: Sequence[float] | np.ndarray, *relatives: Flat) -> Flat:
        """The flat point at `[D]` coordinates; those of leaves that are not active there do not matter.

        Args:
            units: the coordinates.
            relatives: points from which some were taken: their values come back as they are, to the last digit.
        """
        point = self.space.at([0.5 if u != u else min(max(float(u), 0.0), _BELOW_ONE) for u in units])
        active = {place for place, _ in self.space.walk(point)} if relatives else set()
        for relative in relatives:
            for place, leaf in self.space.walk(relative):
                if place in active and units[place] == leaf.domain.unit(relative[leaf.name]):
                    point[leaf.name] = relative[leaf.name]
        return point

    def units(self, params: Flat) -> np.ndarray:
        """`[D]` the coordinates of a flat point: the middles of its values' cells, NaN where a leaf is not active."""
        units = np.full(self.size, np.nan)
        for place, leaf in self.space.walk(params):
            units[place] = leaf.domain.unit(params[leaf.name])
        return units

    def masked(self, units: np.ndarray) -> np.ndarray:
        """`[N, D]` a copy with NaN where the chosen parents make a leaf inactive."""
        units = units.copy()
        for i, parent, is_open in self._parents:
            above = units[:, parent]
            cells = self.cells(parent, np.where(np.isnan(above), 0.0, above))
            units[np.isnan(above) | ~is_open[cells], i] = np.nan
        return units

    def cells(self, place: int, units: np.ndarray) -> np.ndarray:
        """`[N]` in which of its cells each share of a coordinate lies."""
        edges = self.edges[place]
        assert edges is not None
        cells: np.ndarray = np.clip(np.searchsorted(edges, units, side="right") - 1, 0, len(edges) - 2)
        return cells

    def middles(self, place: int) -> np.ndarray:
        """The middles of a coordinate's cells."""
        edges = self.edges[place]
        assert edges is not None
        middles: np.ndarray = (edges[:-1] + edges[1:]) / 2
        return middles

    def snapped(self, units: np.ndarray) -> np.ndarray:
        """`[N, D]` a copy with the middles of the cells, where a coordinate has cells; NaN stays."""
        units = units.copy()
        for place, edges in enumerate(self.edges):
            if edges is not None:
                known = ~np.isnan(units[:, place])
                units[known, place] = self.middles(place)[self.cells(place, units[known, place])]
        return units

    def _opens(self, parent: int, places: Sequence[int]) -> np.ndarray:
        """Per cell of a parent, whether its values let the child exist."""
        leaf = self.space.leaves[parent]
        return np.array([leaf.place(leaf.domain.at(float(middle))) in places for middle in self.middles(parent)])


_BELOW_ONE = float(np.nextafter(1.0, 0.0))


def _options(domain: object) -> int:
    return domain.size if isinstance(domain, Choice) and not domain.ordered else 0


def _edges(domain: object) -> np.ndarray | None:
    if isinstance(domain, Choice):
        return np.linspace(0, 1, domain.size + 1)
    size = domain.size  # type: ignore[attr-defined]
    if size > MOST_CELLS:
        return None
    ends = [domain.cell(value)[1] for value in domain.grid(None)]  # type: ignore[attr-defined]
    return np.array([0.0, *ends[:-1], 1.0])
