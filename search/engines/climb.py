"""The best point of a function over a space: many points at first, then the best of them to their tops.

Numbers follow slopes (L-BFGS-B); steps and choices go to the best neighbour, one parameter at a time, until none is
better.
"""

from typing import Protocol

import numpy as np
from scipy.optimize import minimize

from search.engines.cube import Cube

DRAWN = 1_024  # points all over the space
NEAR = 64  # points around each one that is known to be good
SIGMAS = (0.02, 0.1)  # standard deviations of how far, in shares of a range
CLIMBED = 4  # of the best are followed to their tops
ROUNDS = 8  # of numbers and neighbours in turn
STEPS = 25  # along slopes, in one of them
NEIGHBOURS = 16  # of a parameter with many steps: that many at most to each side


class Height(Protocol):
    """What is climbed."""

    def __call__(self, units: np.ndarray) -> np.ndarray:
        """`[Q]` at `[Q, D]`."""

    def slopes(self, unit: np.ndarray) -> np.ndarray:
        """`[D]` at `[D]`."""


class Climb:
    """Where a function of a space may be highest.

    Args:
        cube: the space's coordinates.
    """

    def __init__(self, cube: Cube):
        self._cube = cube
        searched = cube.searched
        self._steps: list[int] = [d for d in range(cube.size) if searched[d] and cube.edges[d] is not None]
        self._numbers = np.array([bool(searched[d]) and cube.edges[d] is None for d in range(cube.size)])
        self._sites = np.flatnonzero(searched)

    def tops(self, height: Height, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`[R, D]` high points, the highest first.

        Args:
            height: the function.
            known: `[K, D]` points near which it may be high.
            rng: of the points that are drawn.
        """
        drawn = self._drawn(known, rng)
        heights = height(drawn)
        order = np.argsort(-heights, kind="stable")
        starts = drawn[order[:CLIMBED]]
        tops = [
            self._climbed(height, start, float(heights[place])) for start, place in zip(starts, order, strict=False)
        ]
        tops.sort(key=lambda top: -top[1])
        found: np.ndarray = np.concatenate([np.array([top for top, _ in tops]), drawn[order]])
        return found

    def _drawn(self, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        prior = self._cube.space.prior
        even = rng.random((DRAWN, self._cube.size))
        if prior:
            even = np.array([[prior.draw(place, share) for place, share in enumerate(row)] for row in even])
        points = np.concatenate([even, self._near(known, rng)])
        return self._cube.masked(self._cube.snapped(points))

    def _near(self, known: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """`[K * NEAR, D]` with one parameter changed, and numbers that are not active drawn anew."""
        parents = np.repeat(known, NEAR, axis=0)
        fresh = rng.random(parents.shape)
        near = np.where(np.isnan(parents), fresh, parents)
        rows, sites = np.arange(len(near)), rng.choice(self._sites, size=len(near))
        steps = rng.choice(SIGMAS, size=len(near)) * rng.standard_normal(len(near))
        moved = 1 - abs(1 - abs(near[rows, sites] + steps) % 2)  # mirrored at the walls
        near[rows, sites] = np.where(self._cube.options[sites] > 0, fresh[rows, sites], moved)
        return near

    def _climbed(self, height: Height, start: np.ndarray, reached: float) -> tuple[np.ndarray, float]:
        point = start
        for _ in range(ROUNDS):
            before = reached
            point, reached = self._along(height, point, reached)
            point, reached = self._stepped(height, point, reached)
            if reached <= before + 1e-6:
                break
        return point, reached

    def _along(self, height: Height, point: np.ndarray, reached: float) -> tuple[np.ndarray, float]:
        """The numbers that are active at a point, along the slopes."""
        moved = np.flatnonzero(self._numbers & ~np.isnan(point))
        if not len(moved):
            return point, reached

        def down(values: np.ndarray) -> tuple[float, np.ndarray]:
            at = point.copy()
            at[moved] = values
            return -float(height(at[None])[0]), -height.slopes(at)[moved]

        found = minimize(
            down, point[moved], jac=True, method="L-BFGS-B", bounds=[(0, 1)] * len(moved), options={"maxiter": STEPS}
        )
        if not -found.fun > reached:
            return point, reached
        better = point.copy()
        better[moved] = found.x
        return better, float(-found.fun)

    def _stepped(self, height: Height, point: np.ndarray, reached: float) -> tuple[np.ndarray, float]:
        """The best neighbour in steps and choices, as long as one is better."""
        while len(neighbours := self._neighbours(point)):
            heights = height(neighbours)
            best = int(np.argmax(heights))
            if not heights[best] > reached + 1e-9:
                break
            point, reached = neighbours[best], float(heights[best])
        return point, reached

    def _neighbours(self, point: np.ndarray) -> np.ndarray:
        """`[Q, D]` with another option, or another of the nearest steps, in one parameter."""
        rows = []
        for d in self._steps:
            if np.isnan(point[d]):
                continue
            middles = self._cube.middles(d)
            here = int(np.argmin(np.abs(middles - point[d])))
            near = np.arange(len(middles))
            if not self._cube.options[d]:
                near = near[abs(near - here) <= NEIGHBOURS]
            for place in near[near != here]:
                row = np.where(np.isnan(point), 0.5, point)
                row[d] = middles[place]
                rows.append(row)
        return self._cube.masked(self._cube.snapped(np.array(rows))) if rows else np.empty((0, len(point)))
