"""CMA-ES with margin on a tree made flat: continuous parameters, whole numbers and choices in one distribution.

Hansen 2016, The CMA evolution strategy: a tutorial (arXiv:1604.00772); Hamano et al. 2025, CatCMA with margin:
stochastic optimization for mixed variables (arXiv:2504.07884), by the `cmaes` library. When a run has converged,
another begins with twice the population (Auger & Hansen 2005, A restart CMA evolution strategy with increasing
population size).

It never waits for a generation: as soon as a population of trials is over, in the order of their numbers, the
distribution is moved. Each trial's draw follows from the seed, its number and the distribution it was drawn from,
which is worked out from the history; so the history is all its state.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from search.engines.cube import Cube
from search.engines.draws import draw
from search.engines.history import History, Past
from search.engines.optunas import seed_of
from search.samplers import CMAES
from search.space import Flat, Space

ATTEMPTS = 8  # draws of one trial among which its own is looked for
KNOWN_SIGMA = 0.6  # of the first deviation, where the best point is known already


@dataclass(frozen=True)
class Drawn:
    """A trial that was drawn from the distribution.

    Attributes:
        past: the trial.
        solution: as the library drew it.
        run: the restart that it belongs to.
    """

    past: Past
    solution: Any
    run: int


class Covariance:
    """`CMAES()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's draw.
    """

    def __init__(self, space: Space, settings: CMAES, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube = Cube(space)
        sizes = [0 if edges is None else len(edges) - 1 for edges in self._cube.edges]
        is_choice = (self._cube.options > 1) | (np.array(sizes) == 2)
        searched = self._cube.searched
        self._choices: list[int] = np.flatnonzero(is_choice & searched).tolist()
        self._steps: list[int] = np.flatnonzero(~is_choice & searched & (np.array(sizes) > 2)).tolist()
        self._smooth: list[int] = np.flatnonzero(searched & (np.array(sizes) == 0)).tolist()
        self._optimizer: Any = None
        self._run = 0
        self._pool: list[Drawn] = []
        self._followed = 0

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        if not self._cube.searched.any():
            return draw(self._space, self._seed, number, attempt)
        for past in history.mine[self._followed :]:
            self._move(history, past)
            solution = self._drawn_for(past, history)
            if solution is not None:
                self._pool.append(Drawn(past, solution, self._run))
        self._followed = len(history.mine)
        self._move(history, None)
        return self._cube.point(self._units(self._solution(number, attempt)))

    def _move(self, history: History, asked: Past | None) -> None:
        """Moves the distribution by all that was over when a trial was asked for; None means now."""
        if self._optimizer is None:
            self._optimizer = self._begun(history, asked)
        over = [d for d in self._pool if (d.past.was_known_to(asked) if asked else not d.past.is_pending)]
        while len(over) >= self._optimizer.population_size:
            batch, over = over[: self._optimizer.population_size], over[self._optimizer.population_size :]
            numbers = {drawn.past.number for drawn in batch}
            self._pool = [drawn for drawn in self._pool if drawn.past.number not in numbers]
            places = {past.number: place for place, past in enumerate(history.order([d.past for d in batch]))}
            self._optimizer.tell([(drawn.solution, float(places[drawn.past.number])) for drawn in batch])
            if len(self._smooth) + len(self._steps) and self._optimizer.should_stop():
                self._run += 1
                self._pool = []
                self._optimizer = self._made(None, self._settings.sigma, 2 * self._optimizer.population_size)
                return

    def _drawn_for(self, past: Past, history: History) -> Any:
        """What was drawn for a trial, or None where its point was not."""
        for attempt in range(ATTEMPTS):
            solution = self._solution(past.number, attempt)
            if self._space.encode(self._cube.point(self._units(solution))) == self._space.encode(past.params):
                return solution
        return None

    def _solution(self, number: int, attempt: int) -> Any:
        self._optimizer.reseed_rng(seed_of(self._seed, number, attempt))
        return self._optimizer.ask()

    def _begun(self, history: History, asked: Past | None) -> Any:
        """The first distribution: around the best point that is known, if there is one."""
        known = [p for p in history.pasts.values() if (p.was_known_to(asked) if asked else not p.is_pending)]
        known = [past for past in [*known, *history.lessons] if past.last is not None]
        sigma = self._settings.sigma
        if not known:
            return self._made(None, sigma, self._settings.population)
        lessons = [past for past in known if past.number < 1]
        best = history.order([past for past in known if past.number >= 1] or lessons)[0]
        return self._made(history.units(best), KNOWN_SIGMA * sigma, self._settings.population)

    def _made(self, best: np.ndarray | None, sigma: float, population: int | None) -> Any:
        from cmaes import CatCMAwM

        prior = self._space.prior
        middle = np.array([prior.draw(place, 0.5) for place in range(self._cube.size)])
        center = middle if best is None else np.where(np.isnan(best), middle, best)
        numeric = [*self._smooth, *self._steps]
        gaussian = {} if not len(numeric) else {
            "mean": np.clip(center[numeric], 0.01, 0.99),
            "sigma": sigma,
            "cov": np.eye(len(numeric)),
        }  # fmt: skip
        return CatCMAwM(
            x_space=[[0.0, 1.0]] * len(self._smooth) or None,
            z_space=[self._middles(place) for place in self._steps] or None,
            c_space=[len(self._middles(place)) for place in self._choices] or None,
            population_size=population,
            seed=0,
            **gaussian,
        )

    def _units(self, solution: Any) -> np.ndarray:
        """`[D]` the coordinates of a solution."""
        units = np.full(self._cube.size, 0.5)
        if len(self._smooth):
            units[self._smooth] = np.clip(solution.x, 0, 1)
        if len(self._steps):
            units[self._steps] = solution.z
        for row, place in enumerate(self._choices):
            units[place] = self._middles(place)[int(np.argmax(solution.c[row]))]
        return units

    def _middles(self, place: int) -> list[float]:
        edges = self._cube.edges[place]
        assert edges is not None
        middles: list[float] = ((edges[1:] + edges[:-1]) / 2).tolist()
        return middles
