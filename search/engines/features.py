"""A space's coordinates as features whose distances a kernel can take: numbers, choices, and what is not active.

Two points differ by a sum over parameters. A number that both have differs by the square of its shares' difference; a
choice by 1 where the options differ (Hamming). A parameter that exists only under a condition lies on an arc, Swersky
et al. 2014, Raiders of the lost architecture (arXiv:1409.4011): two points that both have it are at most 1 apart, one
that has it and one that has it not are exactly 1 apart, and two that have it not do not differ. All of these are
distances between features, so that every kernel of distances stays one.
"""

import math

import numpy as np

from search.engines.cube import Cube

ARC = math.pi / 3  # of the unit circle: its ends are as far from each other as from the middle


class Features:
    """Points `[N, D]` of a unit cube as `[N, F]` features.

    Args:
        cube: the coordinates; those with one value alone are no features.
        staged: whether points are told apart by how far they were trained, too, as if that were a parameter.

    Attributes:
        sites: `[G]` places of the parameters that are searched.
        owner: `[F]` which of the G parameters each feature belongs to; the stage is one more, and the last.
    """

    def __init__(self, cube: Cube, *, staged: bool = False):
        self._options = cube.options
        self.sites: list[int] = np.flatnonzero(cube.searched).tolist()
        self._is_conditional = [place in cube.space.parents for place in self.sites]
        widths = [*(self._width(g) for g in range(len(self.sites))), *([1] if staged else [])]
        self.owner = np.repeat(np.arange(len(widths)), widths)
        self._firsts = np.concatenate([[0], np.cumsum(widths)]).astype(int)
        self._others = [(g, s) for g, s in enumerate(self.sites) if self._options[s] or self._is_conditional[g]]
        plain = sorted({*enumerate(self.sites)} - {*self._others})  # numbers that are always there
        self._plain_sites, self._plain_columns = [s for _, s in plain], [int(self._firsts[g]) for g, _ in plain]

    def __len__(self) -> int:
        return len(self._firsts) - 1

    def of(self, units: np.ndarray, stages: np.ndarray | float = 1.0) -> np.ndarray:
        """`[N, F]` features of `[N, D]` points; NaN where a leaf is not active.

        Args:
            units: the points.
            stages: `[N]` how far they were trained, in shares of the whole length.
        """
        features = np.zeros((len(units), len(self.owner)))
        if len(self) > len(self.sites):
            features[:, -1] = stages
        features[:, self._plain_columns] = units[:, self._plain_sites]
        for g, site in self._others:
            columns = features[:, self._firsts[g] : self._firsts[g + 1]]
            values = units[:, site]
            is_active = ~np.isnan(values)
            options = int(self._options[site])
            if options:
                place = np.where(is_active, np.minimum(np.nan_to_num(values) * options, options - 1), options)
                columns[np.arange(len(units)), place.astype(int)] = math.sqrt(0.5)
            else:
                angle = ARC * values[is_active]
                columns[is_active] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return features

    def slopes(self, units: np.ndarray, by_feature: np.ndarray) -> np.ndarray:
        """`[N, D]` derivatives by the numbers that are active, of what has these `[N, F]` derivatives by features."""
        slopes = np.zeros_like(units)
        slopes[:, self._plain_sites] = by_feature[:, self._plain_columns]
        for g, site in self._others:
            if not self._options[site]:
                part = by_feature[:, self._firsts[g] : self._firsts[g + 1]]
                angle = ARC * units[:, site]
                along = ARC * (part[:, 1] * np.cos(angle) - part[:, 0] * np.sin(angle))
                slopes[:, site] = np.nan_to_num(along, nan=0.0)
        return slopes

    def gaps(self, features: np.ndarray) -> np.ndarray:
        """`[G, N (N - 1) / 2]` squared distances, parameter by parameter, of each point to those before it."""
        later, earlier = np.tril_indices(len(features), -1)
        gaps = np.zeros((len(self), len(later)))
        for f, g in enumerate(self.owner):
            gaps[g] += (features[later, f] - features[earlier, f]) ** 2
        return gaps

    def _width(self, g: int) -> int:
        options = int(self._options[self.sites[g]])
        if options:
            return options + self._is_conditional[g]
        return 2 if self._is_conditional[g] else 1
