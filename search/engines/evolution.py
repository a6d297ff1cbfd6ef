"""Regularized evolution: a few of the newest trials compete to be the parent of the next.

Real et al. 2019, Regularized evolution for image classifier architecture search (arXiv:1802.01548), algorithm 1: the
population is the newest P trials, so that the oldest die and not the worst, and a lucky result is not kept for ever.
With `crossover`, a child has two parents, as in a genetic algorithm. It never waits: while the first P trials run,
what is known of them breeds already.
"""

import numpy as np

from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.genetics import Genetics
from search.engines.history import History
from search.samplers import Evolution
from search.space import Flat, Space


class Ageing:
    """`Evolution()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: Evolution, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube = Cube(space)
        self._genetics = Genetics(self._cube, settings.sigma)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        if not evidence.carries(self._settings.population):
            return draw(self._space, self._seed, number, attempt)
        rng = generator(self._seed, number, attempt)
        standing = np.empty(len(evidence), dtype=int)
        standing[evidence.order()] = np.arange(len(evidence))
        newest = np.argsort([past.number for past in evidence.pasts])[-self._settings.population :]
        parents = [self._winner(newest, standing, rng)]
        child = evidence.units[parents[0]]
        if rng.random() < self._settings.crossover:
            parents.append(self._winner(newest, standing, rng))
            child = self._genetics.crossed(child, evidence.units[parents[1]], rng)
        return self._cube.point(self._genetics.mutated(child, rng), *(evidence.pasts[k].params for k in parents))

    def _winner(self, alive: np.ndarray, standing: np.ndarray, rng: np.random.Generator) -> int:
        """The best of a tournament among those alive."""
        rivals = rng.choice(alive, size=min(self._settings.tournament, len(alive)), replace=False)
        return int(rivals[np.argmin(standing[rivals])])
