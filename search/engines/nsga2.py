"""NSGA-II: parents are the best fronts of all trials, and of the last of these the least crowded.

Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II. Steady state instead of generations:
each child is bred from what is known when it is asked for, so that no place on the machine waits for a generation's
last trial. Limits on outcomes come before objectives, as in its section VI.
"""

import numpy as np

from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.genetics import Genetics
from search.engines.history import History
from search.samplers import NSGA2
from search.space import Flat, Space


class Fronts:
    """`NSGA2()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: NSGA2, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube = Cube(space)
        self._genetics = Genetics(self._cube, settings.sigma)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        if not evidence.carries(self._settings.population):
            return draw(self._space, self._seed, number, attempt)
        rng = generator(self._seed, number, attempt)
        alive = evidence.order()[: self._settings.population]
        parents = [alive[self._winner(len(alive), rng)]]
        child = evidence.units[parents[0]]
        if rng.random() < self._settings.crossover:
            parents.append(alive[self._winner(len(alive), rng)])
            child = self._genetics.crossed(child, evidence.units[parents[1]], rng)
        return self._cube.point(self._genetics.mutated(child, rng), *(evidence.pasts[k].params for k in parents))

    @staticmethod
    def _winner(parents: int, rng: np.random.Generator) -> int:
        """The better of two; parents are in their order."""
        return int(rng.integers(parents, size=2).min())
