"""A tree as a sequence of decisions, for controllers that learn to decide: options as they are, numbers in bins."""

import numpy as np

from search.engines.cube import Cube
from search.space import Space


class Decisions:
    """The leaves of a space, each with a few actions.

    Args:
        space: whose leaves they are.
        bins: into which a number with more values than that is cut.

    Attributes:
        cube: the coordinates.
        actions: `[D]` how many actions each leaf has.
    """

    def __init__(self, space: Space, bins: int):
        self.cube = Cube(space)
        self.actions = np.array([
            int(options) if options else self._bins(edges, bins)
            for options, edges in zip(self.cube.options, self.cube.edges, strict=True)
        ])  # fmt: skip

    def taken(self, units: np.ndarray) -> np.ndarray:
        """`[N, D]` the actions that points took; -1 where a leaf was not active."""
        shares = np.nan_to_num(units, nan=0.0)
        places = np.minimum((shares * self.actions).astype(int), self.actions - 1)
        found: np.ndarray = np.where(np.isnan(units), -1, places)
        return found

    def unit(self, place: int, action: int, rng: np.random.Generator) -> float:
        """A share of [0, 1] within an action's part, drawn evenly."""
        return float((action + rng.random()) / self.actions[place])

    @staticmethod
    def _bins(edges: np.ndarray | None, bins: int) -> int:
        equal = edges is not None and np.allclose(np.diff(edges), edges[1])
        return len(edges) - 1 if edges is not None and equal and len(edges) - 1 <= bins else bins
