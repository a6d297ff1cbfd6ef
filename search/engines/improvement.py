"""Log expected improvement: how much better than the best so far a point may be.

Jones et al. 1998; its logarithm without underflow by Ament et al. 2023, Unexpected improvements to expected improvement
(arXiv:2310.20708, eq. 8 to 10). Where trials run, it is the mean over what they may still bring (Snoek et al. 2012);
with limits on outcomes it is weighted by the chance that they are kept (Gardner et al. 2014), and where no trial keeps
them that chance is all there is.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import erfcx, log_ndtr

from search.engines.features import Features
from search.engines.logs import log_sum
from search.engines.process import Process

_HALF_LOG_2PI, _HALF_LOG_PI_2 = math.log(2 * math.pi) / 2, math.log(math.pi / 2) / 2


class Improvement:
    """The acquisition function.

    Args:
        features: of the space.
        loss: what is known of the loss: with M columns, M ways in which the trials that run may end.
        best: `[M]` what has to be beaten in each; None where no trial keeps the limits.
        margins: what is known of how far points lie beyond each limit, and what it has to stay below.
        belief: `[Q]` logarithms at `[Q, D]` points, which are added.
    """

    def __init__(
        self,
        features: Features,
        loss: Process,
        best: np.ndarray | None,
        margins: Sequence[tuple[Process, float]] = (),
        belief: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        self._features, self._loss, self._best = features, loss, best
        self._margins, self._belief = margins, belief

    def __call__(self, units: np.ndarray) -> np.ndarray:
        """`[Q]` its logarithm at `[Q, D]` points."""
        at = self._features.of(units)
        total = np.zeros(len(units))
        if self._best is not None:
            means, deviations = self._loss.predict(at)
            z = (self._best - means.reshape(len(at), -1)) / deviations[:, None]
            total = log_sum(log_h(z)) - math.log(z.shape[1]) + np.log(deviations)
        for margin, bound in self._margins:
            means, deviations = margin.predict(at)
            total = total + log_ndtr((bound - means) / deviations)
        return total if self._belief is None else total + self._belief(units)

    def look(self, unit: np.ndarray) -> tuple[float, np.ndarray]:
        """Its logarithm at a point `[D]`, and `[D]` derivatives by the numbers that are active there."""
        [at] = self._features.of(unit[None])
        total, by_feature = 0.0, np.zeros(len(at))
        if self._best is not None:
            there = self._loss.look(at)
            z = (self._best - there.means) / there.deviation
            logs = log_h(z)
            [whole] = log_sum(logs[None])
            steep = np.exp(log_ndtr(z) - whole)  # h'(z) = Phi(z), over the sum of all
            total += float(whole) + math.log(there.deviation / len(z))
            by_feature += ((1 - steep @ z) * there.wider - steep @ there.down) / there.deviation
        for margin, bound in self._margins:
            there = margin.look(at)
            z = (bound - there.means[0]) / there.deviation
            chance = float(log_ndtr(z))
            total += chance
            steep = math.exp(-z * z / 2 - _HALF_LOG_2PI - chance)
            by_feature += steep * (-there.down[0] - z * there.wider) / there.deviation
        total += 0.0 if self._belief is None else float(self._belief(unit[None])[0])
        return total, self._features.slopes(unit[None], by_feature[None])[0]


def log_h(z: np.ndarray) -> np.ndarray:
    """The logarithm of phi(z) + z Phi(z), Ament et al. 2023, eq. 9."""
    found = np.empty_like(z)
    near = z > -1
    y = z[near]
    found[near] = np.log(np.exp(-y * y / 2 - _HALF_LOG_2PI) + y * np.exp(log_ndtr(y)))
    y = -z[~near]
    with np.errstate(divide="ignore"):
        rest = np.log(erfcx(y * math.sqrt(0.5)) * y) + _HALF_LOG_PI_2
        inner = np.where(y < 1e5, np.log(-np.expm1(np.minimum(rest, -1e-300))), -2 * np.log(y))
    found[~near] = -y * y / 2 - _HALF_LOG_2PI + inner
    return found
