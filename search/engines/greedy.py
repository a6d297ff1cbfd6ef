"""Coordinate search around the best trial, in steps that halve after each sweep without an improvement.

Hooke & Jeeves 1961, Direct search solution of numerical and statistical problems: exploratory moves along one
parameter at a time, and after an improvement a pattern move, once more in the direction that led to it.
"""

import numpy as np

from search.engines.cube import Cube
from search.engines.draws import generator
from search.engines.genetics import Genetics
from search.engines.history import Evidence, History
from search.engines.sobol import Sequence
from search.samplers import Greedy
from search.space import Flat, Space


class Coordinate:
    """`Greedy()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: Greedy, seed: int):
        self._settings, self._seed = settings, seed
        self._cube = Cube(space)
        self._genetics, self._coarse = Genetics(self._cube, settings.radius), Sequence(space, seed)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        if not evidence.carries(self._settings.startup):
            return self._coarse(number - 1 + 4_096 * attempt)
        rng = generator(self._seed, number, attempt)
        best = evidence.best
        units = history.units(best)
        since = [past for past in history.pasts.values() if past.number > best.number]
        if not since and attempt == 0 and (before := self._former_best(evidence, best.number)) is not None:
            return self._cube.point(self._pattern(units, before), best.params)
        sites = np.flatnonzero(self._cube.searched & ~np.isnan(units))
        if not len(sites):
            return self._cube.point(self._genetics.fresh(rng))
        sweep, turn = divmod(len(since), 2 * len(sites))
        order = generator(self._seed, best.number, 1_000 + sweep).permutation(2 * len(sites))
        site, sign = sites[order[turn] // 2], 1 if order[turn] % 2 else -1
        if attempt:
            site, sign = rng.choice(sites), rng.choice([-1, 1])
        radius = max(self._settings.radius * 0.5 ** (sweep - attempt / 4), 1e-6)
        child = np.where(np.isnan(units), self._genetics.fresh(rng), units)
        child[site] = self._genetics.changed(int(site), units[site], sign * radius * rng.uniform(0.5, 1), rng)
        return self._cube.point(child, best.params)

    @staticmethod
    def _former_best(evidence: Evidence, number: int) -> np.ndarray | None:
        """`[D]` the best of the trials before the best one."""
        for k in evidence.order():
            if 0 < evidence.pasts[k].number < number:
                former: np.ndarray = evidence.units[k]
                return former
        return None

    def _pattern(self, best: np.ndarray, before: np.ndarray) -> np.ndarray:
        """`[D]` as far beyond the best as it lies from the one before; options stay."""
        moved = np.clip(2 * best - before, 0, 1)
        moved = np.where(np.isnan(moved) | (self._cube.options > 0), best, moved)
        return np.where(np.isnan(moved), 0.5, moved)
