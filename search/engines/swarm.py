"""Particle swarm: x(t+1) = x + w (x - x(t-1)) + c1 r1 (own best - x) + c2 r2 (swarm's best - x).

Kennedy & Eberhart 1995, Particle swarm optimization; Clerc & Kennedy 2002. Particles take turns by the number of
their trials and never wait: one whose last trial still runs moves on with what is known. A choice is drawn: the
option that the particle has, its own best or the swarm's, by the same weights, and now and then any.
"""

import numpy as np

from search.engines.cube import Cube
from search.engines.draws import generator
from search.engines.genetics import Genetics
from search.engines.history import History, Past
from search.engines.sobol import Sequence
from search.samplers import Swarm
from search.space import Flat, Space

FASTEST = 0.3  # of the range in one step
ANY_OPTION = 0.1


class Particles:
    """`Swarm()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: Swarm, seed: int):
        self._settings, self._seed = settings, seed
        self._cube = Cube(space)
        self._genetics, self._coarse = Genetics(self._cube, 0.1), Sequence(space, seed)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        turn, count = len(history.mine), self._settings.particles
        path = history.mine[turn % count :: count]
        evidence = history.evidence()
        if not path or not evidence.carries(count):
            return self._coarse(number - 1 + 4_096 * attempt)
        rng = generator(self._seed, number, attempt)
        here = self._full(history.units(path[-1]), rng)
        before = self._full(history.units(path[-2]), rng) if len(path) > 1 else here
        own = self._full(history.units(self._best_of(path, history)), rng)
        swarm = self._full(history.units(evidence.best), rng)
        moved = self._moved(here, before, own, swarm, rng)
        if attempt:  # what stands still is stirred
            moved = self._genetics.mutated(moved, rng)
        return self._cube.point(moved)

    def _moved(
        self, here: np.ndarray, before: np.ndarray, own: np.ndarray, swarm: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        settings, size = self._settings, self._cube.size
        pulls = settings.own * rng.random(size) * (own - here) + settings.others * rng.random(size) * (swarm - here)
        step = np.clip(settings.inertia * (here - before) + pulls, -FASTEST, FASTEST)
        moved: np.ndarray = 1 - np.abs(1 - np.abs(here + step) % 2)  # mirrored at the walls
        total = settings.inertia + settings.own + settings.others
        weights = np.array([settings.inertia, settings.own, settings.others]) / total
        for place in np.flatnonzero(self._cube.options > 1):
            options = [here[place], own[place], swarm[place]]
            moved[place] = rng.random() if rng.random() < ANY_OPTION else options[rng.choice(3, p=weights)]
        return moved

    @staticmethod
    def _best_of(path: list[Past], history: History) -> Past:
        """The best place that a particle has seen; its first one while nothing is known."""
        return history.order(path)[0]

    def _full(self, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return np.where(np.isnan(units), self._genetics.fresh(rng), units)
