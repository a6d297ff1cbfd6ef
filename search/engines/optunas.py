"""Optuna asked directly: a fresh in-memory study for each proposal, filled from the history.

Nothing of Optuna's lives from one proposal to the next, so a proposal follows from the history, the seed and the
trial's number alone, and there is no state to save. Spaces travel as coordinates of the unit cube.
"""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.history import Evidence, History, Past
from search.samplers import TPE
from search.space import Flat, Leaf, Space


class OptunaTPE:
    """`TPE(engine="optuna")` at work: multivariate, in groups of what is active together.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides that trial's proposal.
    """

    def __init__(self, space: Space, settings: TPE, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._coordinates = Coordinates(space)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        evidence, failed = history.evidence(), history.failed()
        if not evidence.carries(self._settings.startup) or self._is_random(number):
            return draw(self._space, self._seed, number, attempt)
        import optuna

        with quiet():
            gamma = {} if self._settings.gamma is None else {"gamma": self._good}
            sampler = optuna.samplers.TPESampler(
                n_startup_trials=0,
                n_ei_candidates=self._settings.candidates,
                seed=seed_of(self._seed, number, attempt),
                multivariate=True,
                group=True,
                **gamma,
            )
            study = filled(evidence, failed, history, sampler, self._coordinates.of)
            trial = study.ask()
            point: Flat = {}
            for place, leaf in self._space.walk(point):
                point[leaf.name] = leaf.domain.at(self._coordinates.asked(trial, place))
        return point

    def _is_random(self, number: int) -> bool:
        return generator(self._seed, number, 1_000).random() < self._settings.random

    def _good(self, trials: int) -> int:
        assert self._settings.gamma is not None
        return min(int(np.ceil(self._settings.gamma * trials)), 25)


class Coordinates:
    """A space's leaves as Optuna's distributions.

    Args:
        space: whose leaves they are.

    Attributes:
        names: `[D]`, in the order of the leaves when sorted.
        distributions: `[D]`: a choice by its option's place, equal steps by their count, the rest as shares.
    """

    def __init__(self, space: Space):
        self._cube = Cube(space)
        self.names = [f"p{place:05d}" for place in range(self._cube.size)]
        self._counts = [self._count(place, leaf) for place, leaf in enumerate(space.leaves)]

    @property
    def distributions(self) -> list[Any]:
        """Made when they are asked for: Optuna is loaded late."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        return [
            FloatDistribution(0, 1)
            if not count
            else CategoricalDistribution(range(count))
            if self._cube.options[place]
            else IntDistribution(0, count - 1)
            for place, count in enumerate(self._counts)
        ]

    def of(self, units: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
        """Params and distributions of one point; a leaf that is not active has neither."""
        kinds = self.distributions
        active = [place for place in range(self._cube.size) if units[place] == units[place]]
        return (
            {self.names[place]: self.value(place, units[place]) for place in active},
            {self.names[place]: kinds[place] for place in active},
        )

    def padded(self, units: np.ndarray) -> tuple[dict[str, Any], dict[str, Any]]:
        """As `of`, with the middle where a leaf is not active."""
        return self.of(np.where(np.isnan(units), 0.5, units))

    def value(self, place: int, unit: float) -> Any:
        """A share of [0, 1] as Optuna's value."""
        count = self._counts[place]
        return min(int(unit * count), count - 1) if count else min(max(float(unit), 0.0), 1.0)

    def asked(self, trial: Any, place: int) -> float:
        """What an Optuna trial suggests for a leaf, as a share of [0, 1]."""
        name, count = self.names[place], self._counts[place]
        if not count:
            return min(float(trial.suggest_float(name, 0, 1)), 1 - 1e-12)
        if self._cube.options[place]:
            return float(trial.suggest_categorical(name, range(count)) + 0.5) / count
        return float(trial.suggest_int(name, 0, count - 1) + 0.5) / count

    def _count(self, place: int, leaf: Leaf) -> int:
        """Into how many equal cells the leaf is cut; 0 for shares."""
        edges = self._cube.edges[place]
        if edges is None or (not self._cube.options[place] and not np.allclose(np.diff(edges), edges[1])):
            return 0
        return len(edges) - 1


def filled(
    evidence: Evidence, failed: Sequence[Past], history: History, sampler: Any, coded: Any, *, most: int | None = None
) -> Any:
    """An Optuna study that knows what the history knows.

    Args:
        evidence: the trials that count as complete.
        failed: those that count as complete with the worst losses of all.
        history: of both, and of those that run.
        sampler: of the study.
        coded: turns units into Optuna's params and distributions.
        most: trials; where there are more, the best half and the newest half of so many.
    """
    import optuna

    study = optuna.create_study(directions=["minimize"] * history.objectives, sampler=sampler)
    worst = evidence.losses.max(axis=0)
    rows = [
        (past.number, evidence.units[k], evidence.losses[k], evidence.margins[k])
        for k, past in enumerate(evidence.pasts)
        if most is None or k in _kept(evidence, most)
    ]
    limits = evidence.margins.shape[1]
    beyond = evidence.margins.max(axis=0) if limits else np.empty(0)
    rows += [(past.number, history.units(past), worst, beyond) for past in failed[-(most or len(failed)) :]]
    for _, units, losses, margins in sorted(rows, key=lambda row: row[0]):
        params, distributions = coded(units)
        constraints = {f"limit {k}": float(margin) for k, margin in enumerate(margins)}
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=distributions,
                values=losses.tolist(),
                constraints=constraints or None,
            )
        )
    for past in history.pending():
        params, distributions = coded(history.units(past))
        state = optuna.trial.TrialState.RUNNING
        study.add_trial(optuna.trial.create_trial(state=state, params=params, distributions=distributions))
    return study


def _kept(evidence: Evidence, most: int) -> set[int]:
    if len(evidence) <= most:
        return set(range(len(evidence)))
    best = evidence.order()[: most // 2].tolist()
    newest = [k for k in range(len(evidence) - 1, -1, -1) if k not in best][: most - len(best)]
    return {*best, *newest}


def seed_of(seed: int, number: int, attempt: int) -> int:
    """A seed of 31 bits for a generator of somebody else's."""
    return int(generator(seed, number, attempt).integers(2**31))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps Optuna's notes and its warnings about experimental features out of our table."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
