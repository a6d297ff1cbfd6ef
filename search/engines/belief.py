"""What a user believes, as a weight on what a model proposes.

Hvarfner et al. 2022, piBO: augmenting acquisition functions with user beliefs (arXiv:2204.11051, eq. 6): an acquisition
is multiplied by pi(x)^(beta / n), so that a belief counts ever less as trials come in.
"""

import numpy as np

from search.space import Space

BELIEF = 10.0  # piBO's beta: a belief weighs as much as ten trials


def log_belief(space: Space, units: np.ndarray, known: int, weight: float = BELIEF) -> np.ndarray:
    """`[N]` what to add to the logarithm of an acquisition at `[N, D]` points, with so many trials known."""
    total = np.zeros(len(units))
    for place in range(units.shape[1]):
        density = space.prior.density(place)
        if density is not None:
            active = ~np.isnan(units[:, place])
            total[active] += [density.log(u) for u in units[active, place]]
    return total * weight / known
