"""Forecasts a trial's last loss from its learning curve, and stops it when it will hardly be the best.

Domhan, Springenberg & Hutter 2015, Speeding up automatic hyperparameter optimization of deep neural networks by
extrapolation of learning curves: an average over families of curves, weighed by how well they explain what was seen,
and the chance that the last point beats the best trial. Each of our families, c + a * f(t) with f(t) = t^-p, exp(-r
t) or 1 / log(t + 1), is linear in c and a, which are integrated out together with the noise in closed form (Murphy
2012, Machine learning: a probabilistic perspective, section 7.6.3) instead of by their Markov chain: a forecast takes
a fraction of a millisecond and no draws.
"""

import math
from collections.abc import Container, Sequence
from itertools import islice

import numpy as np
from scipy.special import gammaln, stdtr

from search.protocol import Decision, Exploit, Go, Score, Stop
from search.schedulers import Extrapolate
from search.space import Flat

POWERS = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
RATES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # per length of a whole trial
NOISE = 0.05  # expected, in standard deviations of all losses
NOISE_SHAPE = 2.0  # of its inverse gamma distribution
PEERS = 200  # newest trials that tell where losses lie
REACH = 40.0  # of c and a, in units of the noise: two standard deviations of all losses


class Forecasting:
    """`Extrapolate()` at work; trials are known by id."""

    def __init__(self, pace: Extrapolate):
        self._pace, self._forecast = pace, Forecast(pace.max_epochs)
        self._curves: dict[str, dict[int, float]] = {}
        self._best: dict[str, float] = {}
        self._leaders: list[tuple[float, str]] = []  # the two best trials

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        """Nothing to note before its first report."""

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        for score in batch:
            if not math.isnan(score.loss):
                self._curves.setdefault(score.trial, {})[score.epoch] = score.loss
                best = self._best[score.trial] = min(score.loss, self._best.get(score.trial, math.inf))
                leaders = {other: loss for loss, other in self._leaders} | {score.trial: best}
                self._leaders = sorted((loss, other) for other, loss in leaders.items())[:2]
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score in batch:
            if math.isnan(score.loss):
                decisions[score.trial] = Stop(f"diverged at epoch {score.epoch}")
            elif isinstance(decisions[score.trial], Go) and score.epoch >= self._pace.grace_epochs:
                chance = self._chance(score.trial)
                if chance < self._pace.chance:
                    decisions[score.trial] = Stop(f"will be the best with a chance of {100 * chance:.2g} %")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("forecasts never exploit")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        """What it reported still counts."""

    def _chance(self, trial: str) -> float:
        """That a trial ends better than the best of the others so far; 1 where it is better already."""
        bar = min((loss for loss, other in self._leaders if other != trial), default=math.inf)
        if self._best[trial] <= bar:
            return 1.0
        curve = self._curves[trial]
        ends = [next(reversed(self._curves[other].values())) for other in islice(reversed(self._curves), PEERS)]
        scale = max(float(np.std(ends)), float(np.std(list(curve.values()))), 1e-12)
        return self._forecast.chance(list(curve), list(curve.values()), bar, float(np.median(ends)), scale)


class Forecast:
    """An average over families of curves.

    Args:
        last: the epoch that is forecast.
    """

    def __init__(self, last: int):
        self._last = last

    def chance(
        self, epochs: Sequence[int], losses: Sequence[float], bar: float, center: float = 0.0, scale: float = 1.0
    ) -> float:
        """The chance that the last loss lies below `bar`.

        Args:
            epochs: at which losses were seen.
            losses: one for each.
            bar: what is to be beaten.
            center: where losses of other trials lie.
            scale: how far they lie apart.
        """
        z = (bar - center) / scale
        weights, means, scales, degrees = self.mixture(epochs, (np.asarray(losses) - center) / scale)
        return float((weights * stdtr(degrees, (z - means) / scales)).sum())

    def mixture(self, epochs: Sequence[int], losses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
        """The forecast as Student distributions, one per family: `[F]` weights, means, scales, and the degrees."""
        seen, last = self._families(np.asarray(epochs, dtype=float)), self._families(np.array([float(self._last)]))
        count = len(losses)
        prior = np.eye(2) / REACH**2  # precision, in units of the noise
        shape = NOISE_SHAPE + count / 2
        logs, means, scales = np.empty(len(seen)), np.empty(len(seen)), np.empty(len(seen))
        for k, (basis, end) in enumerate(zip(seen, last, strict=True)):
            design = np.stack([np.ones(count), basis], axis=1)
            precision = prior + design.T @ design
            mean = np.linalg.solve(precision, design.T @ losses)
            rate = NOISE_SHAPE * NOISE**2 + 0.5 * max(float(losses @ losses - mean @ precision @ mean), 0.0)
            row = np.array([1.0, end[0]])
            means[k] = row @ mean
            scales[k] = math.sqrt(rate / shape * (1 + row @ np.linalg.solve(precision, row)))
            logs[k] = -0.5 * np.linalg.slogdet(precision)[1] - shape * math.log(rate) + gammaln(shape)
        weights = np.exp(logs - logs.max())
        return weights / weights.sum(), means, scales, 2 * shape

    def _families(self, epochs: np.ndarray) -> np.ndarray:
        """`[F, T]` what each family falls by, from 1 at the first epoch."""
        powers = [epochs**-p for p in POWERS]
        rates = [np.exp(-r * (epochs - 1) / self._last) for r in RATES]
        return np.stack([*powers, *rates, math.log(2) / np.log(epochs + 1)])
