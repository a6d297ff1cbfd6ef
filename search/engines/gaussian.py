"""Bayesian optimisation with a Gaussian process over the whole tree.

Log expected improvement (Ament et al. 2023, arXiv:2310.20708) under a Matern kernel that knows numbers, choices and
conditions (`features`), of losses that are warped (`warping`), over what the trials that run may still bring
(`improvement`). Where trials are stopped early, how far one was trained is one more dimension of the model, which is
asked for the best at full length (`ladder`). Beliefs multiply the acquisition (`belief`).
"""

import math
from collections.abc import Callable

import numpy as np

from search.engines.belief import log_belief
from search.engines.climb import Climb
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.features import Features
from search.engines.history import Evidence, History
from search.engines.improvement import Improvement
from search.engines.ladder import Ladder, ladder
from search.engines.parzen import Parzen
from search.engines.process import Process, fitted
from search.engines.sobol import Sequence
from search.engines.warping import half_ranked, standardised
from search.samplers import TPE, Bayes
from search.space import Flat, Space
from search.threads import on_one_thread

MOST = 300  # sightings in the model: the best half of so many, and some of each kind of the rest
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
        self._plain, self._staged = Features(self._cube), Features(self._cube, staged=True)
        self._climb = Climb(self._cube)
        self._coarse = Sequence(space, seed)
        self._other = Parzen(space, TPE(), seed)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        is_staged = len(history.levels()) > 1 and not history.lessons
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
            tops = self._tops(known, history, evidence.known, rng)
        points = map(self._cube.point, tops)
        return next((point for point in points if history.is_new(point)), None) or self._cube.point(tops[0])

    def _is_others(self, number: int) -> bool:
        """Whether a trial is among those that are spread evenly over the study for the other model."""
        return math.floor(number * self._settings.hedge) > math.floor((number - 1) * self._settings.hedge)

    def _tops(self, known: Ladder, history: History, trials: int, rng: np.random.Generator) -> np.ndarray:
        """`[Q, D]` points of high acquisition, the highest first."""
        features = self._staged if len(set(known.stages.tolist())) > 1 else self._plain
        rows = _thinned(len(known))
        failed = history.stacked(history.failed()[-MOST:])
        units = np.concatenate([known.units[rows], failed])
        at = features.of(units, np.concatenate([known.stages[rows], np.ones(len(failed))]))
        losses = half_ranked(_with_worst(known.losses[rows], len(failed)))
        exact = not self._settings.noisy
        process = fitted(features, at, losses, exact=exact)
        margins = [
            _margin(features, at, _with_worst(known.margins[rows, c], len(failed)), exact)
            for c in range(known.margins.shape[1])
        ]
        means = process.predict(features.of(units))[0]
        near = units[np.argsort(means, kind="stable")[:LOOKED_NEAR]]
        unseen = known.unseen[-MOST_PENDING:]
        if unseen:
            there = history.stacked(unseen)
            process = process.imagined(features.of(there), rng, IMAGINED)
            units = np.concatenate([units, there])
        is_kept = np.zeros(len(units), dtype=bool)
        is_kept[: len(rows)] = (known.margins[rows] <= 0).all(axis=1)
        best = _best(process, features.of(units[is_kept] if margins else units))
        return self._climb.tops(Improvement(features, process, best, margins, self._belief(trials)), near, rng)

    def _belief(self, known: int) -> Callable[[np.ndarray], np.ndarray] | None:
        return (lambda units: log_belief(self._space, units, known, BELIEF)) if self._space.prior else None


def _alike(evidence: Evidence, history: History) -> Ladder:
    """The trials that were seen at one length, the best first."""
    order = np.argsort(evidence.losses[:, 0], kind="stable")
    losses, margins = evidence.losses[order, 0], evidence.margins[order]
    return Ladder(evidence.units[order], np.ones(len(order)), losses, margins, history.pending())


def _best(process: Process, at: np.ndarray) -> np.ndarray | None:
    """`[M]` what has to be beaten: the least that is believed of the losses at `[N, F]`; None where N is 0."""
    if not len(at):
        return None
    least: np.ndarray = process.predict(at)[0].reshape(len(at), -1).min(axis=0)
    return least


def _margin(features: Features, at: np.ndarray, margins: np.ndarray, exact: bool) -> tuple[Process, float]:
    """What is known of how far trials lie beyond a limit, and what stands for the limit itself there."""
    deviation = float(margins.std()) or 1.0
    return fitted(features, at, standardised(margins), exact=exact), -float(margins.mean()) / deviation


def _with_worst(values: np.ndarray, count: int) -> np.ndarray:
    """Values, and as many of the worst as trials failed."""
    return np.concatenate([values, np.full(count, values.max())])


def _thinned(count: int) -> np.ndarray:
    """Places of the sightings in the model: all, or the first half of so many and every so-manieth of the rest."""
    if count <= MOST:
        return np.arange(count)
    return np.concatenate([np.arange(MOST // 2), np.linspace(MOST // 2, count - 1, MOST - MOST // 2).astype(int)])
