"""The best point of a function over a space: many points at first, then the best of them to their tops.

Numbers, and whole numbers of a long range as if they were, follow slopes (L-BFGS-B); steps and choices go to the best
neighbour, one parameter at a time, until none is better.
"""

import itertools
from typing import Protocol

import numpy as np
from scipy.optimize import minimize

from search.engines.cube import Cube
from search.engines.genetics import mirrored
from search.room import pulled

DRAWN = 1_024  # points all over the space
NEAR = 64  # points around each one that is known to be good
SIGMAS = (0.02, 0.1)  # standard deviations of how far, in shares of a range
CLIMBED = 3  # of the best are followed to their tops
ROUNDS = 4  # of numbers and neighbours in turn
STEPS = 15  # along slopes, in one of them
ENOUGH = 1e-2  # a round that gains less is the last: what is climbed are logarithms
OTHERS = 256  # options of a choice that are looked at in one step
FINE = 24  # steps, from which on a number counts as continuous


class Height(Protocol):
    """What is climbed."""

    def __call__(self, units: np.ndarray) -> np.ndarray:
        """`[Q]` at `[Q, D]`."""

    def look(self, unit: np.ndarray) -> tuple[float, np.ndarray]:
        """At one point `[D]`, and `[D]` derivatives there."""


class Climb:
    """Where a function of a space may be highest.

    Args:
        cube: the space's coordinates.
    """

    def __init__(self, cube: Cube):
        self._cube = cube
        searched = cube.searched
        is_number = np.array([not cube.options[d] and _is_fine(cube.edges[d]) for d in range(cube.size)])
        self._numbers = is_number & searched
        self._middles = {int(d): cube.middles(int(d)) for d in np.flatnonzero(searched & ~is_number)}
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
        starts = self._first_kept(drawn, order)
        tops = [self._climbed(height, drawn[place], float(heights[place])) for place in starts]
        tops.sort(key=lambda top: -top[1])
        found: np.ndarray = np.concatenate([np.array([top for top, _ in tops]), drawn[order]])
        return found

    def _first_kept(self, drawn: np.ndarray, order: np.ndarray) -> list[int]:
        """The places of the highest points that keep the space's limits."""
        kept = (int(place) for place in order if self._is_kept(drawn[place]))
        return list(itertools.islice(kept, CLIMBED)) or order[:CLIMBED].tolist()

    def _is_kept(self, point: np.ndarray) -> bool:
        return not self._cube.space.limits or self._cube.space.allows(self._cube.point(point))

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
        moved = mirrored(near[rows, sites] + steps)
        near[rows, sites] = np.where(self._cube.options[sites] > 0, fresh[rows, sites], moved)
        return near

    def _climbed(self, height: Height, start: np.ndarray, reached: float) -> tuple[np.ndarray, float]:
        point = start
        for _ in range(ROUNDS):
            before = reached
            point, reached = self._along(height, point, reached)
            point, reached = self._stepped(height, point, reached)
            if reached <= before + ENOUGH:
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
            value, slopes = height.look(at)
            return -value, -slopes[moved]

        found = minimize(
            down,
            point[moved],
            jac=True,
            method="L-BFGS-B",
            bounds=[(0, 1)] * len(moved),
            options={"maxiter": STEPS, "ftol": 1e-5},
        )
        if not -found.fun > reached:
            return point, reached
        better = point.copy()
        better[moved] = found.x
        better = self._held(better, point)
        top = float(height(better[None])[0])
        return (better, top) if top > reached else (point, reached)

    def _held(self, units: np.ndarray, anchor: np.ndarray) -> np.ndarray:
        """A point on its steps; one that breaks the space's limits, pulled back towards an anchor that keeps them."""
        [units] = self._cube.snapped(units[None])
        if self._is_kept(units) or not self._is_kept(anchor):
            return units
        return self._cube.units(pulled(self._cube.space, self._cube.point(units), self._cube.point(anchor)))

    def _stepped(self, height: Height, point: np.ndarray, reached: float) -> tuple[np.ndarray, float]:
        """The best neighbour in steps and choices, as long as one is better."""
        while len(neighbours := self._neighbours(point)):
            heights = height(neighbours)
            better = [k for k in np.argsort(-heights, kind="stable").tolist() if heights[k] > reached + 1e-9]
            best = next((k for k in better if self._is_kept(neighbours[k])), None)
            if best is None:
                break
            point, reached = neighbours[best], float(heights[best])
        return point, reached

    def _neighbours(self, point: np.ndarray) -> np.ndarray:
        """`[Q, D]` with another option or step in one parameter."""
        others = {
            d: _some(middles[middles != point[d]]) for d, middles in self._middles.items() if not np.isnan(point[d])
        }
        sites = np.repeat(list(others), [len(values) for values in others.values()]).astype(int)
        rows = np.repeat(np.where(np.isnan(point), 0.5, point)[None], len(sites), axis=0)
        rows[np.arange(len(sites)), sites] = np.concatenate([*others.values(), []])
        return self._cube.masked(self._cube.snapped(rows))


def _some(values: np.ndarray) -> np.ndarray:
    """All of the values, or so many of them that are spread evenly."""
    return values if len(values) <= OTHERS else values[np.linspace(0, len(values) - 1, OTHERS).astype(int)]


def _is_fine(edges: np.ndarray | None) -> bool:
    return edges is None or len(edges) > FINE + 1
