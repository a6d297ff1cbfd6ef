"""Mutation and crossover on the tree, in coordinates of the unit cube; what evolves builds on these.

A coordinate that is not active in a parent is drawn anew, so that a child which takes another branch of the tree
finds that branch's parameters in place.
"""

from typing import Any

import numpy as np

from search.engines.cube import Cube


class Genetics:
    """How children come from parents.

    Args:
        cube: the coordinates.
        sigma: standard deviation of a number's mutation, in shares of its range.
    """

    def __init__(self, cube: Cube, sigma: float):
        self._cube, self._sigma = cube, sigma
        self._searched = cube.searched

    def fresh(self, rng: np.random.Generator) -> np.ndarray:
        """`[D]` a new individual, which follows what is believed."""
        prior = self._cube.space.prior
        return np.array([prior.draw(place, share) for place, share in enumerate(rng.random(self._cube.size))])

    def mutated(self, parent: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`[D]` a child that differs from its parent in one active parameter, and in what hangs on it."""
        child = np.where(np.isnan(parent), self.fresh(rng), parent)
        sites = np.flatnonzero(self._searched & ~np.isnan(parent))
        if len(sites):
            site = int(rng.choice(sites))
            child[site] = self.changed(site, parent[site], self._sigma * rng.standard_normal(), rng)
        return child

    def crossed(self, one: np.ndarray, other: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`[D]` a child that has each parameter from either parent; NaN where neither has it."""
        child = np.where(rng.random(self._cube.size) < 0.5, one, other)
        return np.where(np.isnan(child), np.where(np.isnan(one), other, one), child)

    def changed(self, site: int, unit: float, step: float, rng: np.random.Generator) -> float:
        """Another value of one coordinate: another option of a choice, or a step away, and at least one value."""
        options = int(self._cube.options[site])
        if options:
            place = int(unit * options)
            return float((place + rng.integers(1, options)) % options + 0.5) / options
        moved = mirrored(unit + step)
        edges = self._cube.edges[site]
        if edges is None:
            return float(moved)
        last = len(edges) - 2
        before, after = (int(np.clip(np.searchsorted(edges, u, side="right") - 1, 0, last)) for u in (unit, moved))
        if after == before:
            after = before + (1 if step > 0 else -1)
            after = after if 0 <= after <= last else before - (1 if step > 0 else -1)
        after = min(max(after, 0), last)
        return float(edges[after] + edges[after + 1]) / 2


def mirrored(units: Any) -> Any:
    """Shares that may lie outside of [0, 1], mirrored at its walls."""
    return 1 - abs(1 - abs(units) % 2)
