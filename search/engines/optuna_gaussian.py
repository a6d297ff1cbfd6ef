"""Bayesian optimisation by Optuna's Gaussian process, over a tree made flat.

Matern 5/2 with a length per parameter, noise learned, log expected improvement that knows what runs: Ament et al.
2023, Unexpected improvements to expected improvement (arXiv:2310.20708); for several objectives expected hypervolume
improvement, Daulton et al. 2020 (arXiv:2006.05078); for limits on outcomes the probability of keeping them, Gardner
et al. 2014. A parameter that is not active lies at the middle of its range. Beliefs multiply the acquisition by
pi(x)^(beta / n), Hvarfner et al. 2022, piBO (arXiv:2204.11051, eq. 6).
"""

from typing import Any

import numpy as np

from search.engines.belief import BELIEF
from search.engines.cube import Cube
from search.engines.draws import draw
from search.engines.history import History
from search.engines.optunas import Coordinates, filled, quiet, seed_of
from search.engines.sobol import Sequence
from search.samplers import Bayes
from search.space import Flat, Space
from search.threads import on_one_thread

MOST = 400  # trials in the model: a fit of so many takes about a second
KNOTS = 64  # of a belief over a number


class OptunaGaussian:
    """`Bayes()` at work on several objectives, and `Bayes(engine="optuna")`.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: Bayes, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube, self._coordinates = Cube(space), Coordinates(space)
        self._coarse = Sequence(space, seed)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence = history.evidence()
        if not evidence.carries(self._settings.startup):
            return self._coarse(number - 1 + 4_096 * attempt)
        if not self._cube.searched.any():
            return draw(self._space, self._seed, number, attempt)
        with quiet(), on_one_thread():
            sampler = self._sampler(seed_of(self._seed, number, attempt), evidence.heard)
            study = filled(evidence, history.failed(), history, sampler, self._coordinates.padded, most=MOST)
            trial = study.ask()
            return self._cube.point([self._coordinates.asked(trial, place) for place in range(self._cube.size)])

    def _sampler(self, seed: int, known: int) -> Any:
        import optuna

        class Guided(optuna.samplers.GPSampler):
            """Its acquisition, weighted by what is believed."""

            def _optimize_acqf(self, acqf: Any, best: Any) -> Any:
                return super()._optimize_acqf(believed(acqf), best)

        believed = self._believed(known)
        kind = Guided if self._space.prior else optuna.samplers.GPSampler
        return kind(
            seed=seed,
            n_startup_trials=0,
            deterministic_objective=not self._settings.noisy,
            warn_independent_sampling=False,
        )

    def _believed(self, known: int) -> Any:
        """Turns an acquisition function into one that is weighted by the beliefs."""
        from optuna._gp.acqf import BaseAcquisitionFunc

        searched: list[int] = np.flatnonzero(self._cube.searched).tolist()
        tables = [
            (column, self._table(place), bool(self._cube.options[place]))
            for column, place in enumerate(searched)
            if self._space.prior.density(place) is not None
        ]

        class Believed(BaseAcquisitionFunc):
            """log a(x) + beta / n log pi(x)."""

            def __init__(self, plain: Any):
                super().__init__(plain.length_scales, plain.search_space)
                self._plain = plain

            def eval_acqf(self, x: Any) -> Any:
                total = self._plain.eval_acqf(x)
                for column, table, is_choice in tables:
                    total = total + BELIEF / known * _looked_up(x[..., column], table, is_choice)
                return total

        return Believed

    def _table(self, place: int) -> np.ndarray:
        """`[K]` log densities at the middles of K equal cells: of options, or of the unit interval."""
        density = self._space.prior.density(place)
        assert density is not None
        cells = int(self._cube.options[place]) or KNOTS
        return np.array([density.log((k + 0.5) / cells) for k in range(cells)])


def _looked_up(x: Any, table: np.ndarray, is_choice: bool) -> Any:
    """A table at a tensor of places: of options as they are, of shares smoothly, for a search along gradients.

    Between knots it is Catmull & Rom's cubic, 1974.
    """
    heights, last = x.new_tensor(table), len(table) - 1
    if is_choice:
        return heights[x.detach().long().clamp(0, last)]
    place = (x * len(table) - 0.5).clamp(0, last)
    left = place.detach().floor().long().clamp(0, max(last - 1, 0))
    t = place - left
    before, here, there, after = (heights[(left + k).clamp(0, last)] for k in (-1, 0, 1, 2))
    slope, bend = there - before, 2 * before - 5 * here + 4 * there - after
    return here + 0.5 * t * (slope + t * (bend + t * (3 * (here - there) + after - before)))
