"""Log expected improvement: how much better than the best so far a point may be.

Jones et al. 1998; its logarithm without underflow by Ament et al. 2023, Unexpected improvements to expected improvement
(arXiv:2310.20708, eq. 8 to 10). Where trials run, it is the mean over what they may still bring (Snoek et al. 2012);
with limits on outcomes it is weighted by the chance that they are kept (Gardner et al. 2014), and where no trial keeps
them that chance is all there is.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import erfcx, log_ndtr

from search.engines.belief import Belief
from search.engines.features import Features
from search.engines.logs import log_sum
from search.engines.process import Process

_HALF_LOG_2PI, _HALF_LOG_PI_2 = math.log(2 * math.pi) / 2, math.log(math.pi / 2) / 2


class Improvement:
    """The acquisition function.

    Args:
        features: of the space.
        loss: what is known of the loss: with M columns, M ways in which the trials that run may end.
        best: `[M]` what has to be beaten in each; infinite where no trial keeps the limits, whose chance is all then.
        margins: what is known of how far points lie beyond each limit, in as many ways, and what it has to stay below.
        belief: about the space; None where there is none.
    """

    def __init__(
        self,
        features: Features,
        loss: Process,
        best: np.ndarray,
        margins: Sequence[tuple[Process, float]] = (),
        belief: Belief | None = None,
    ):
        self._features, self._loss = features, loss
        self._best, self._is_known = np.nan_to_num(best, posinf=0.0), np.isfinite(best)
        self._margins, self._belief = margins, belief

    def __call__(self, units: np.ndarray) -> np.ndarray:
        """`[Q]` its logarithm at `[Q, D]` points."""
        at = self._features.of(units)
        means, deviations = self._loss.predict(at)
        z = (self._best - means.reshape(len(at), -1)) / deviations[:, None]
        logs = np.where(self._is_known, log_h(z) + np.log(deviations)[:, None], 0.0)
        for margin, bound in self._margins:
            means, deviations = margin.predict(at)
            logs = logs + log_ndtr((bound - means.reshape(len(at), -1)) / deviations[:, None])
        total = log_sum(logs) - math.log(logs.shape[1])
        return total if self._belief is None else total + self._belief.logs(units)

    def look(self, unit: np.ndarray) -> tuple[float, np.ndarray]:
        """Its logarithm at a point `[D]`, and `[D]` derivatives by the numbers that are active there."""
        [at] = self._features.of(unit[None])
        there = self._loss.look(at)
        z = (self._best - there.means) / there.deviation
        heights = log_h(z)
        logs = np.where(self._is_known, heights + math.log(there.deviation), 0.0)
        steep = np.exp(log_ndtr(z) - heights)[:, None]  # h'(z) = Phi(z)
        along = (steep * (-there.down - z[:, None] * there.wider) + there.wider) / there.deviation
        by_feature = np.where(self._is_known[:, None], along, 0.0)  # [M, F]
        for margin, bound in self._margins:
            there = margin.look(at)
            z = (bound - there.means) / there.deviation
            logs = logs + log_ndtr(z)
            hazard = (math.sqrt(2 / math.pi) / erfcx(-z * math.sqrt(0.5)))[:, None]  # phi(z) / Phi(z)
            by_feature = by_feature + hazard * (-there.down - z[:, None] * there.wider) / there.deviation
        [whole] = log_sum(logs[None])
        slopes: np.ndarray = self._features.slopes(unit[None], (np.exp(logs - whole) @ by_feature)[None])[0]
        total = float(whole) - math.log(len(logs))
        if self._belief is None:
            return total, slopes
        return total + float(self._belief.logs(unit[None])[0]), slopes + self._belief.slopes(unit)


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
