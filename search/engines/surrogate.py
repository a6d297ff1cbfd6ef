"""What a study knows, as Gaussian processes: one of its loss, and one of each limit on its outcomes."""

import numpy as np

from search.engines.belief import Belief
from search.engines.features import Features
from search.engines.improvement import Improvement
from search.engines.ladder import Ladder
from search.engines.process import fitted, some_of
from search.engines.warping import bilogs, deviation, half_ranked, standardised

MOST = 300  # sightings in the model: the first half of so many, and some of each kind of the rest
IMAGINED = 16  # ways in which the trials that run may end


class Surrogate:
    """A model of what was seen, and of what may still come.

    Args:
        features: of the space.
        known: what was seen, the longest trials first, and of each length the best first.
        failed: `[N, D]` points that failed: they count as the worst, and as beyond all limits that any broke.
        exact: whether the same point surely gives the same loss.
    """

    def __init__(self, features: Features, known: Ladder, failed: np.ndarray, *, exact: bool):
        rows, count = some_of(len(known), MOST), len(failed)
        self._features = features
        self._units = np.concatenate([known.units[rows], failed])
        self._is_trial = np.concatenate([known.is_longest[rows], np.ones(count, dtype=bool)])
        is_kept = (known.margins[rows] <= 0).all(axis=1) & known.is_longest[rows]
        self._is_kept = np.concatenate([is_kept, np.zeros(count, dtype=bool)])[:, None]
        at = features.of(self._units, np.concatenate([known.stages[rows], np.ones(count)]))
        losses = standardised(_with_worst(half_ranked(known.losses[rows]), count))
        self._loss = fitted(features, at, losses, exact=exact)
        self._margins = []
        for column in range(known.margins.shape[1]):
            margins = _with_worst(bilogs(known.margins[rows, column]), count)
            bound = -float(margins.mean()) / (deviation(margins) or 1.0)  # zero, on the scale of the process
            self._margins.append((fitted(features, at, standardised(margins), exact=exact), bound))

    def best(self, count: int) -> np.ndarray:
        """`[count, D]` at most: the points of the trials whose loss at full length is believed to be the least."""
        units = self._units[self._is_trial]
        means = self._loss.believe(self._features.of(units))
        best: np.ndarray = units[np.argsort(means, kind="stable")[:count]]
        return best

    def imagine(self, running: np.ndarray, rng: np.random.Generator) -> None:
        """Takes in what trials at `[P, D]` may bring, in `IMAGINED` ways."""
        at = self._features.of(running)
        self._loss = self._loss.imagined(at, rng, IMAGINED)
        self._margins = [(margin.imagined(at, rng, IMAGINED), bound) for margin, bound in self._margins]
        is_kept = np.ones((len(running), IMAGINED), dtype=bool)
        for margin, bound in self._margins:
            is_kept &= margin.values[-len(running) :] <= bound
        self._units = np.concatenate([self._units, running])
        self._is_kept = np.concatenate([np.repeat(self._is_kept, IMAGINED, axis=1), is_kept])

    def improvement(self, belief: Belief | None) -> Improvement:
        """On the least loss that is believed of the trials that keep the limits."""
        believed = self._loss.believe(self._features.of(self._units)).reshape(len(self._units), -1)
        best = np.where(self._is_kept if self._margins else True, believed, np.inf).min(axis=0)
        return Improvement(self._features, self._loss, best, self._margins, belief)


def _with_worst(values: np.ndarray, count: int) -> np.ndarray:
    """Values, and as many of the worst as trials failed: worse than any where all are equal."""
    worst = values.max() if deviation(values) else values.max() + 1.0
    return np.concatenate([values, np.full(count, worst)])
