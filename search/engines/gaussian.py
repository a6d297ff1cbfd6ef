"""Bayesian optimisation with a Gaussian process over the whole tree.

Log expected improvement (Ament et al. 2023, arXiv:2310.20708) under a Matern kernel that knows numbers, choices and
conditions (`features`), of losses that are warped (`warping`), over what the trials that run may still bring
(`improvement`). Where trials are stopped early, how far one was trained is one more dimension of the model, which is
asked for the best at full length (`ladder`). Beliefs multiply the acquisition (`belief`).
"""

import math

import numpy as np

from search.engines.belief import Belief
from search.engines.climb import Climb
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.features import Features
from search.engines.history import Evidence, History, Past
from search.engines.improvement import Improvement
from search.engines.ladder import Ladder, ladder
from search.engines.parzen import Parzen
from search.engines.process import Process, fitted
from search.engines.sobol import Sequence
from search.engines.warping import bilogs, deviation, half_ranked, standardised
from search.samplers import TPE, Bayes
from search.space import Flat, Space
from search.threads import on_one_thread

MOST = 300  # sightings in the model: the best half of so many, and some of each kind of the rest
MOST_FAILED = 100  # of the trials that failed, the newest
MOST_PENDING = 200  # of the trials that run, the newest
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
        self._plain, self._staged = Features(self._cube), Features(self._cube, staged=True)
        self._climb = Climb(self._cube)
        self._coarse = Sequence(space, seed)
        self._other = Parzen(space, TPE(), seed)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        is_staged = len(history.levels()) > 1 and evidence.lessons == 0
        enough = evidence.heard >= self._settings.startup if is_staged else evidence.carries(self._settings.startup)
        if not enough:
            return self._coarse(number - 1 + 4_096 * attempt)
        if not len(self._plain):
            return draw(self._space, self._seed, number, attempt)
        if self._is_others(number):
            return self._other.propose(number, history, attempt)
        known = ladder(history) if is_staged else _alike(evidence, history)
        rng = generator(self._seed, number, attempt)
        with on_one_thread():
            tops = self._tops(known, history, evidence.heard, rng)
        points = map(self._cube.point, tops)
        return next((point for point in points if history.is_new(point)), None) or self._cube.point(tops[0])

    def _is_others(self, number: int) -> bool:
        """Whether a trial is among those that are spread evenly over the study for the other model."""
        return math.floor(number * self._settings.hedge) > math.floor((number - 1) * self._settings.hedge)

    def _tops(self, known: Ladder, history: History, heard: int, rng: np.random.Generator) -> np.ndarray:
        """`[Q, D]` points of high acquisition, the highest first."""
        features = self._staged if len(set(known.stages.tolist())) > 1 else self._plain
        rows = _thinned(len(known))
        failed = history.stacked(history.failed()[-MOST_FAILED:])
        units = np.concatenate([known.units[rows], failed])
        at = features.of(units, np.concatenate([known.stages[rows], np.ones(len(failed))]))
        exact = not self._settings.noisy
        losses = standardised(_with_worst(half_ranked(known.losses[rows]), len(failed)))
        processes, bounds = [fitted(features, at, losses, exact=exact)], [0.0]
        for column in range(known.margins.shape[1]):
            margins = _with_worst(bilogs(known.margins[rows, column]), len(failed))
            processes.append(fitted(features, at, standardised(margins), exact=exact))
            bounds.append(-float(margins.mean()) / (deviation(margins) or 1.0))
        is_kept = np.zeros((len(units), 1), dtype=bool)
        is_kept[: len(rows), 0] = (known.margins[rows] <= 0).all(axis=1) & known.is_longest[rows]
        means = processes[0].predict(features.of(units))[0]
        shown = np.flatnonzero(np.concatenate([known.is_longest[rows], np.ones(len(failed), dtype=bool)]))
        near = units[shown[np.argsort(means[shown], kind="stable")[:LOOKED_NEAR]]]
        if unseen := known.unseen[-MOST_PENDING:]:
            there = history.stacked(unseen)
            processes = [process.imagined(features.of(there), rng, IMAGINED) for process in processes]
            units = np.concatenate([units, there])
            is_kept = np.concatenate([np.repeat(is_kept, IMAGINED, axis=1), _imagined_kept(processes, bounds, unseen)])
        loss, *others = processes
        believed = loss.predict(features.of(units))[0].reshape(len(units), -1)
        best = np.where(is_kept if others else True, believed, np.inf).min(axis=0)
        belief = Belief(self._space, heard, BELIEF) if self._space.prior else None
        height = Improvement(features, loss, best, list(zip(others, bounds[1:], strict=True)), belief)
        return self._climb.tops(height, near, rng)


def _alike(evidence: Evidence, history: History) -> Ladder:
    """The trials that were seen at one length, the best first."""
    order = np.argsort(evidence.losses[:, 0], kind="stable")
    losses, margins = evidence.losses[order, 0], evidence.margins[order]
    ones = np.ones(len(order))
    return Ladder(evidence.units[order], ones, losses, margins, ones.astype(bool), history.pending())


def _imagined_kept(processes: list[Process], bounds: list[float], unseen: list[Past]) -> np.ndarray:
    """`[P, M]` whether the trials that run keep the limits, in each of the ways in which they may end."""
    is_kept = np.ones((len(unseen), IMAGINED), dtype=bool)
    for process, bound in zip(processes[1:], bounds[1:], strict=True):
        is_kept &= process.values[-len(unseen) :] <= bound
    return is_kept


def _with_worst(values: np.ndarray, count: int) -> np.ndarray:
    """Values, and as many of the worst as trials failed: worse than any where all are equal."""
    worst = values.max() if deviation(values) else values.max() + 1.0
    return np.concatenate([values, np.full(count, worst)])


def _thinned(count: int) -> np.ndarray:
    """Places of the sightings in the model: all, or the first half of so many and every so-manieth of the rest."""
    if count <= MOST:
        return np.arange(count)
    return np.concatenate([np.arange(MOST // 2), np.linspace(MOST // 2, count - 1, MOST - MOST // 2).astype(int)])
