"""Bayesian optimisation with a Gaussian process over the whole tree.

Log expected improvement (Ament et al. 2023, arXiv:2310.20708) under a Matern kernel that knows numbers, choices and
conditions (`features`), of losses that are warped (`warping`), over what the trials that run may still bring
(`improvement`). Beliefs multiply it by pi(x)^(beta / n), Hvarfner et al. 2022, piBO (arXiv:2204.11051, eq. 6).
"""

from collections.abc import Callable

import numpy as np

from search.engines.belief import log_belief
from search.engines.climb import Climb
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.features import Features
from search.engines.history import Evidence, History
from search.engines.improvement import Improvement
from search.engines.process import Process, fitted
from search.engines.sobol import Sequence
from search.engines.warping import half_ranked, standardised
from search.samplers import Bayes
from search.space import Flat, Space
from search.threads import on_one_thread

MOST = 300  # trials in the model: the best half of so many, and the newest
MOST_PENDING = 64  # of the trials that run, the newest
IMAGINED = 16  # ways in which the trials that run may end
LOOKED_NEAR = 5  # of the best points
BELIEF = 5.0  # piBO's beta: with ten, a wrong belief cost six trials more


class Gaussian:
    """`Bayes()` at work on one objective.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides the random part of that trial's proposal.
    """

    def __init__(self, space: Space, settings: Bayes, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube = Cube(space)
        self._features, self._climb = Features(self._cube), Climb(self._cube)
        self._coarse = Sequence(space, seed)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        if not evidence.carries(self._settings.startup):
            return self._coarse(number - 1 + 4_096 * attempt)
        if not len(self._features):
            return draw(self._space, self._seed, number, attempt)
        rng = generator(self._seed, number, attempt)
        with on_one_thread():
            rows = _kept(evidence)
            height = self._height(evidence, rows, history, rng)
            near = evidence.units[evidence.order()[:LOOKED_NEAR]]
            tops = self._climb.tops(height, near, rng)
        points = map(self._cube.point, tops)
        return next((point for point in points if history.is_new(point)), None) or self._cube.point(tops[0])

    def _height(self, evidence: Evidence, rows: np.ndarray, history: History, rng: np.random.Generator) -> Improvement:
        failed = history.failed()[-MOST:]
        at = self._features.of(np.concatenate([evidence.units[rows], history.stacked(failed)]))
        losses = half_ranked(_with_worst(evidence.losses[rows, 0], len(failed)))
        process = fitted(self._features, at, losses, exact=not self._settings.noisy)
        margins = [
            self._margin(at, _with_worst(evidence.margins[rows, c], len(failed)))
            for c in range(evidence.margins.shape[1])
        ]
        pending = history.pending()[-MOST_PENDING:]
        if pending:
            process = process.imagined(self._features.of(history.stacked(pending)), rng, IMAGINED)
        best = self._best(process, evidence.excess[rows] <= 0, has_limits=bool(margins))
        return Improvement(self._features, process, best, margins, self._belief(evidence.known))

    @staticmethod
    def _best(process: Process, is_kept: np.ndarray, *, has_limits: bool) -> np.ndarray | None:
        """`[M]` what has to be beaten: of trials that keep the limits, the least that is believed of their losses."""
        fitted_losses = process.fitted.reshape(len(process.at), -1)
        if not has_limits:
            least: np.ndarray = fitted_losses.min(axis=0)
            return least
        rows = np.flatnonzero(is_kept)
        return fitted_losses[rows].min(axis=0) if len(rows) else None

    def _belief(self, known: int) -> Callable[[np.ndarray], np.ndarray] | None:
        return (lambda units: log_belief(self._space, units, known, BELIEF)) if self._space.prior else None

    def _margin(self, at: np.ndarray, margins: np.ndarray) -> tuple[Process, float]:
        deviation = float(margins.std()) or 1.0
        process = fitted(self._features, at, standardised(margins), exact=not self._settings.noisy)
        return process, -float(margins.mean()) / deviation


def _with_worst(values: np.ndarray, count: int) -> np.ndarray:
    """Values, and as many of the worst as trials failed."""
    return np.concatenate([values, np.full(count, values.max())])


def _kept(evidence: Evidence) -> np.ndarray:
    """Places of the trials in the model: all, or where there are too many the best half and the newest half."""
    if len(evidence) <= MOST:
        return np.arange(len(evidence))
    best = evidence.order()[: MOST // 2]
    others = np.setdiff1d(np.arange(len(evidence)), best)
    return np.sort(np.concatenate([best, others[-(MOST - len(best)) :]]))
