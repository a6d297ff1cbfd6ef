"""Bayesian optimisation with a Gaussian process over the whole tree.

Log expected improvement (Ament et al. 2023, arXiv:2310.20708) under a Matern kernel that knows numbers, choices and
conditions (`features`), of losses that are warped (`warping`), over what the trials that run may still bring
(`improvement`). Where trials are stopped early, how far one was trained is one more dimension of the model, which is
asked for the best at full length (`ladder`). Every fourth proposal is another's: TPE's, or where trials are stopped
early a Sobol point, for there a mistaken model costs much and a bad point little. Beliefs multiply the acquisition
(`belief`).
"""

import math

import numpy as np

from search.engines.belief import Belief
from search.engines.climb import Climb
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.features import Features
from search.engines.history import Evidence, History
from search.engines.ladder import Ladder, ladder
from search.engines.parzen import Parzen
from search.engines.sobol import Sequence
from search.engines.surrogate import Surrogate
from search.samplers import TPE, Bayes
from search.space import Flat, Space
from search.threads import on_one_thread

MOST_FAILED = 100  # of the trials that failed, the newest
MOST_PENDING = 200  # of the trials that run, the newest
LOOKED_NEAR = 5  # of the best points


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
        if not enough or (is_staged and self._is_others(number)):
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
        failed = history.stacked(history.failed()[-MOST_FAILED:])
        surrogate = Surrogate(features, known, failed, exact=not self._settings.noisy)
        near = surrogate.best(LOOKED_NEAR)
        if known.unseen:
            surrogate.imagine(history.stacked(known.unseen[-MOST_PENDING:]), rng)
        belief = Belief(self._space, heard) if self._space.prior else None
        return self._climb.tops(surrogate.improvement(belief), near, rng)


def _alike(evidence: Evidence, history: History) -> Ladder:
    """The trials that were seen at one length, the best first."""
    order = np.argsort(evidence.losses[:, 0], kind="stable")
    losses, margins = evidence.losses[order, 0], evidence.margins[order]
    ones = np.ones(len(order))
    return Ladder(evidence.units[order], ones, losses, margins, ones.astype(bool), history.pending())
