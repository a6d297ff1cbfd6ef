"""Sobol's sequence with Owen's scrambling: points that leave no part of the space empty.

Sobol 1967, On the distribution of points in a cube and the approximate evaluation of integrals; Owen 1998,
Scrambling Sobol and Niederreiter-Xing points; scipy's generator. A choice takes its option from its share of [0, 1],
a conditional parameter its own dimension whether it is active or not, so that all types are covered alike.
"""

import warnings

import numpy as np

from search.engines.walk import Walk
from search.protocol import Drawn
from search.space import Space

BLOCK = 64


class Sequence:
    """Sobol's points in a space, by their place.

    Args:
        space: with at most 21,201 parameters.
        seed: of the scrambling.
    """

    def __init__(self, space: Space, seed: int):
        self._space, self._seed = space, seed
        self._blocks: dict[int, np.ndarray] = {}

    def __call__(self, place: int) -> Drawn:
        block, row = divmod(place, BLOCK)
        if block not in self._blocks:
            self._blocks[block] = self._block(block * BLOCK)
        return Drawn(self._space.believed_at(self._blocks[block][row].tolist()))

    def _block(self, first: int) -> np.ndarray:
        from scipy.stats import qmc

        sobol = qmc.Sobol(len(self._space.leaves), scramble=True, rng=self._seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scipy, that a part of the sequence is less balanced
            if first:
                sobol.fast_forward(first)
            block: np.ndarray = sobol.random(BLOCK)
        below: np.ndarray = np.minimum(block, np.nextafter(1.0, 0.0))
        return below


def sobol(space: Space, seed: int, n: int | None) -> Walk:
    """`Sobol(n)` at work."""
    return Walk(space, Sequence(space, seed), n=n)
