"""Ray's own PBT and PB2 as engines, over stand-in trials.

Diverged members are replaced, params stay in their domains and keep the space's limits, random draws are seeded per
decision, and a batch is recorded whole before anyone in it is judged.
"""

import logging
import math
import random
import warnings
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from ray.tune.schedulers import PopulationBasedTraining
from ray.tune.schedulers.pb2 import PB2 as RaysPB2  # noqa: N811 - ours is called the same

from search.engines.genes import Genes, mutable, mutation
from search.engines.stand_in import Standby, StandIn
from search.protocol import Decision, Exploit, Go, Pause, Score
from search.room import pulled
from search.schedulers import PB2, PBT
from search.space import Flat, Space
from search.threads import on_one_thread

STRAY = 0.1  # of a range, by which params stray where PB2 has no model


class RayPopulation:
    """Ray's `PopulationBasedTraining` or `PB2` at work.

    Members keep their own count of epochs. Where the population does not fit on the machine at once, a
    judged member gives way to the one that has trained least. Ray sees only the params that mutate, and
    of a choice only the option's place: it would compare and copy the options themselves.
    """

    def __init__(self, pace: PBT | PB2, space: Space, seed: int, population: int | None):
        if population == 1:
            raise ValueError(f"{pace} has a population of 1, with nobody to copy. Set trials=4 or more.")
        self._space, self._seed, self._every, self._population = space, seed, pace.every, population
        self._genes = Genes(mutable(pace, space), as_shares=isinstance(pace, PB2))
        self._members: dict[str, StandIn] = {}
        self._params: dict[str, Flat] = {}
        self._epochs: dict[str, int] = {}
        self._vacated = 0  # places on the machine that a judgement left free, and nobody has taken yet
        logging.getLogger("ray.tune.schedulers.pbt").setLevel(logging.WARNING)  # the ledger tells of exploits
        self._ray = self._rays(pace)

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        self._params[trial], self._epochs[trial] = dict(params), 0
        self._members[trial] = StandIn(trial, self._genes.of(params), status="PENDING")
        self._ray.on_trial_add(Standby(), self._members[trial])

    def begin(self, trial: str) -> None:
        self._members[trial].status = "RUNNING"
        self._vacated = max(self._vacated - 1, 0)

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        newest = {
            score.trial: score for score in sorted(batch, key=lambda s: s.epoch) if score.epoch % self._every == 0
        }
        due = [newest[trial] for trial in dict.fromkeys(score.trial for score in batch) if trial in newest]
        for score in due:  # all are recorded before any is judged
            member = self._members[score.trial]
            self._ray._save_trial_state(self._state(member), score.epoch, _result(score), member)
            member.status = "RUNNING"  # who reports runs, whatever was thought of it before
            self._state(member).last_checkpoint = score.trial  # every judged member has one of this epoch
            self._epochs[score.trial] = score.epoch
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        decisions.update({score.trial: self._judge(score) for score in due})
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        member = self._members[trial]
        self._params[trial], member.config = dict(exploit.params), self._genes.of(exploit.params)
        member.status = "PAUSED"
        self._state(member).last_perturbation_time = self._epochs[trial]
        self._state(member).last_checkpoint = None  # its weights of this epoch are gone

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        if more_to_come and not self._gathered():
            return None
        waiting = [t for t, member in self._members.items() if member.status == "PAUSED" and t not in busy]
        return min(waiting, key=lambda trial: (self._epochs[trial], trial), default=None)

    def remove(self, trial: str) -> None:
        self._members[trial].status = "TERMINATED"

    def _rays(self, pace: PBT | PB2) -> Any:
        settings = {
            "time_attr": "epoch",
            "metric": "reward",
            "mode": "max",
            "perturbation_interval": pace.every,
            "quantile_fraction": pace.quantile,
            "custom_explore_fn": self._genes.clipped,
            "log_config": False,
        }
        if isinstance(pace, PB2):
            rays = RaysPB2(hyperparam_bounds={name: [0.0, 1.0] for name in self._genes.domains}, **settings)
            rays._get_new_config = Explorer(rays._get_new_config)
            return rays
        return PopulationBasedTraining(
            hyperparam_mutations={name: mutation(domain) for name, domain in self._genes.domains.items()},
            resample_probability=pace.resample,
            **settings,
        )

    def _judge(self, score: Score) -> Decision:
        member, state = self._members[score.trial], self._state(self._members[score.trial])
        with _seeded(f"{self._seed}/{score.trial}/{score.epoch}"):
            self._ray.on_trial_result(Standby(), member, _result(score))
            if math.isnan(score.loss):
                self._replace(member)
        state.last_perturbation_time = score.epoch
        if member.status == "PAUSED":
            self._vacated += 1
            source = member.run_metadata.checkpoint_manager._latest_checkpoint_result.checkpoint
            self._params[score.trial] = self._explored(source, member.config)
            member.config = self._genes.of(self._params[score.trial])
            return Exploit(source, self._epochs[source], dict(self._params[score.trial]))
        state.last_checkpoint = score.trial  # Ray keeps it for the upper quartile only
        if self._somebody_waits():
            self._vacated += 1
            member.status = "PAUSED"
            return Pause(f"gives way at epoch {score.epoch}")
        return Go()

    def _explored(self, source: str, numbers: dict[str, float]) -> Flat:
        """The source's params with some changed; as far as the limits of the space allow it."""
        params = {**self._params[source], **self._genes.values(numbers)}
        return params if self._space.allows(params) else pulled(self._space, params, self._params[source])

    def _replace(self, member: StandIn) -> None:
        """Has a diverged member take over one of the best, or the only sound one; Ray leaves NaN members alone."""
        sound = [m for m in self._members.values() if not m.is_finished() and _is_sound(self._state(m).last_score)]
        upper = self._ray._quantiles()[1] or sound
        if upper:
            self._ray._checkpoint_or_exploit(member, Standby(), upper, [member])

    def _gathered(self) -> bool:
        return self._population is None or len(self._members) >= self._population

    def _somebody_waits(self) -> bool:
        waiting = sum(member.status in ("PAUSED", "PENDING") for member in self._members.values())
        return not self._gathered() or waiting > self._vacated

    def _state(self, member: StandIn) -> Any:
        return self._ray._trial_state[member]


class Explorer:
    """PB2's choice of new params, and steps at random where its model cannot be fitted, as to huge losses.

    A member that was judged once has made no step that could be modelled, and Ray would copy its params as they are.
    """

    def __init__(self, rays: Any):
        self._rays = rays

    def __call__(self, trial: StandIn, cloned: StandIn) -> tuple[dict[str, float], dict[str, Any]]:
        import sklearn

        with suppress(ValueError, ArithmeticError, np.linalg.LinAlgError):  # of scikit-learn
            with on_one_thread(), sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
                config, operations = self._rays(trial, cloned)
            if all(map(math.isfinite, config.values())) and config != cloned.config:
                return {name: min(max(share, 0.0), 1.0) for name, share in config.items()}, operations
        return {name: min(max(share + random.gauss(0, STRAY), 0.0), 1.0) for name, share in cloned.config.items()}, {}


@contextmanager
def _seeded(seed: str) -> Iterator[None]:
    """The global generators, from which Ray draws, seeded for one decision and then as they were."""
    before, numpys = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(random.getrandbits(32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of scikit-learn, that a model of few points has not converged
            yield
    finally:
        random.setstate(before)
        np.random.set_state(numpys)


def _result(score: Score) -> dict[str, float]:
    return {"epoch": score.epoch, "reward": -score.loss}


def _is_sound(score: float | None) -> bool:
    return score is not None and math.isfinite(score)
