"""What a user believes, as a weight on what a model proposes.

Hvarfner et al. 2022, piBO: augmenting acquisition functions with user beliefs (arXiv:2204.11051, eq. 6): an acquisition
is multiplied by pi(x)^(beta / n), so that a belief counts ever less as trials come in.
"""

import numpy as np

from search.space import Space

BELIEF = 5.0  # piBO's beta, in trials: with ten, a wrong belief still ruled after twelve
CELL = 2e-3  # over which a density is told to change


class Belief:
    """What to add to the logarithm of an acquisition.

    Args:
        space: whose prior it is.
        known: how many trials were heard of.
    """

    def __init__(self, space: Space, known: int):
        densities = [(place, space.prior.density(place)) for place in range(len(space.leaves))]
        self._densities = [(place, density) for place, density in densities if density is not None]
        self._share = BELIEF / known

    def logs(self, units: np.ndarray) -> np.ndarray:
        """`[N]` at `[N, D]` points."""
        total = np.zeros(len(units))
        for place, density in self._densities:
            active = ~np.isnan(units[:, place])
            total[active] += [density.log(u) for u in units[active, place]]
        return total * self._share

    def slopes(self, unit: np.ndarray) -> np.ndarray:
        """`[D]` derivatives at a point `[D]`, over the width of a density's cells."""
        slopes = np.zeros(len(unit))
        for place, density in self._densities:
            if not np.isnan(unit[place]):
                low, high = max(unit[place] - CELL, 0.0), min(unit[place] + CELL, 1 - 1e-9)
                slopes[place] = self._share * (density.log(high) - density.log(low)) / (high - low)
        return slopes
