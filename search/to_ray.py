"""The search room's door to Ray: Ray's schedulers as engines, and our conductor as Ray Tune sees it.

Two directions meet here. `engines` builds what the conductor drives: Ray's own ASHA and PBT are given
stand-in trials, so that the same class decides live, in a simulation and from a ledger. And Ray Tune
is given a `Searcher`, a `TrialScheduler` and a `Callback` that only pass words to and fro.
"""

import logging
import math
import random
import warnings
from collections import Counter, deque
from collections.abc import Callable, Container, Sequence
from typing import Any, Protocol

from ray.tune import Callback
from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import Searcher

from search.engines.draws import Draws
from search.engines.full_length import Unjudged
from search.engines.genes import clipped, genes, mutable, mutation, values
from search.engines.guarded import Guarded
from search.engines.lattice import Lattice
from search.engines.promotion import Promotion
from search.engines.stand_in import Standby, StandIn
from search.engines.tpe import ParzenTrees
from search.protocol import Decision, Exploit, Go, Pause, SamplerEngine, SchedulerEngine, Score, Stop
from search.samplers import TPE, Grid, Random
from search.schedulers import ASHA, PBT
from search.space import Flat, Space
from search.strategy import FullLength, Strategy

HUGE = 1e300  # beyond every loss


def engines(
    strategy: Strategy,
    space: Space,
    *,
    seed: int,
    trials: int | None = None,
    warn: Callable[[str], None] = warnings.warn,
) -> tuple[SamplerEngine, SchedulerEngine]:
    """Sets a strategy to work on a space: what proposes and what judges.

    Args:
        strategy: a pair that agrees.
        space: what is searched.
        seed: equal seeds and an equal order of events give equal proposals and decisions.
        trials: the budget, which is the population where a scheduler needs one and names none.
        warn: is told when a sampler had to be replaced by random draws.
    """
    return _sampler(strategy, space, seed, warn), _scheduler(strategy, space, seed, trials)


def _sampler(strategy: Strategy, space: Space, seed: int, warn: Callable[[str], None]) -> SamplerEngine:
    match strategy.sampler:
        case Random():
            return Draws(space, seed)
        case Grid(points=points):
            return Lattice(space, points)
        case TPE() as settings:
            return Guarded(ParzenTrees(space, settings, seed), space, seed, str(settings), warn)
    raise TypeError(f"{strategy.sampler} has no engine. Use Grid, Random or TPE.")


def _scheduler(strategy: Strategy, space: Space, seed: int, trials: int | None) -> SchedulerEngine:
    match strategy.scheduler:
        case FullLength():
            return Unjudged()
        case ASHA(promote=True) as pace:
            return Promotion(pace)
        case ASHA() as pace:
            return RayASHA(pace)
        case PBT() as pace:
            return RayPBT(pace, space, seed, pace.population or trials)
    raise TypeError(f"{strategy.scheduler} has no engine. Use FullLength, ASHA or PBT.")


class RayASHA:
    """Ray's `AsyncHyperBandScheduler` in its stopping form, NaN-safe and fair to batches.

    Ray compares a report with those before it, so whoever comes first to a rung is never stopped. Here a
    batch is recorded whole; who comes to a rung alone gets Ray's own verdict. A NaN counts as the worst.
    """

    def __init__(self, pace: ASHA):
        self._rungs = set(pace.rungs())
        self._ray = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="reward",
            mode="max",
            max_t=pace.max_epochs + 0.5,  # log(243) / log(3) is 4.999...: half an epoch keeps the top rung
            grace_period=pace.grace_epochs,
            reduction_factor=pace.keep_1_in,
        )
        self._trials: dict[str, StandIn] = {}

    def add(self, trial: str, params: Flat) -> None:
        self._trials[trial] = StandIn(trial, params)
        self._ray._trial_info[trial] = self._ray._brackets[0]  # on_trial_add would draw it from numpy's global state

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        verdicts = [(score, self._record(score)) for score in batch]
        crowds = Counter(score.epoch for score in batch)
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score, alone in verdicts:
            stop = alone if crowds[score.epoch] == 1 else self._below_cutoff(score)
            if stop and isinstance(decisions[score.trial], Go):
                decisions[score.trial] = Stop(f"not among the best at epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("ASHA never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        self._trials.pop(trial, None)
        self._ray._trial_info.pop(trial, None)

    def _record(self, score: Score) -> bool:
        """Adds a report to its rung; whether Ray, who knows those before it, would stop the trial."""
        if score.epoch not in self._rungs:
            return False
        result = {"epoch": score.epoch, "reward": _reward(score)}
        verdict = self._ray.on_trial_result(None, self._trials[score.trial], result)
        return bool(verdict == TrialScheduler.STOP) or math.isnan(score.loss)

    def _below_cutoff(self, score: Score) -> bool:
        if score.epoch not in self._rungs:
            return False
        [bracket] = self._ray._brackets
        recorded = next(recorded for epoch, recorded in bracket._rungs if epoch == score.epoch)
        return bool(_reward(score) < bracket.cutoff(recorded)) or math.isnan(score.loss)


class RayPBT:
    """Ray's `PopulationBasedTraining` over stand-ins: diverged members are replaced, params stay in their domains.

    Members keep their own count of epochs. Where the population does not fit on the machine at once, a
    judged member gives way to the one that has trained least. Ray sees only the params that mutate, and
    of a choice only the option's place: it would compare and copy the options themselves.
    """

    def __init__(self, pace: PBT, space: Space, seed: int, population: int | None):
        if population == 1:
            raise ValueError(f"{pace} has a population of 1, with nobody to copy. Set trials=4 or more.")
        self._seed, self._every, self._population = seed, pace.every, population
        self._mutable = mutable(pace, space)
        self._members: dict[str, StandIn] = {}
        self._params: dict[str, Flat] = {}
        self._epochs: dict[str, int] = {}
        self._vacated = 0  # places on the machine that a judgement left free, and nobody has taken yet
        logging.getLogger("ray.tune.schedulers.pbt").setLevel(logging.WARNING)  # the ledger tells of exploits
        self._ray = PopulationBasedTraining(
            time_attr="epoch",
            metric="reward",
            mode="max",
            perturbation_interval=pace.every,
            hyperparam_mutations={name: mutation(domain) for name, domain in self._mutable.items()},
            quantile_fraction=pace.quantile,
            resample_probability=pace.resample,
            custom_explore_fn=lambda genes: clipped(self._mutable, genes),
            log_config=False,
        )

    def add(self, trial: str, params: Flat) -> None:
        self._params[trial], self._epochs[trial] = dict(params), 0
        self._members[trial] = StandIn(trial, genes(self._mutable, params), status="PENDING")
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
        self._params[trial], member.config = dict(exploit.params), genes(self._mutable, exploit.params)
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

    def _judge(self, score: Score) -> Decision:
        member, state = self._members[score.trial], self._state(self._members[score.trial])
        before = random.getstate()
        random.seed(f"{self._seed}/{score.trial}/{score.epoch}")  # Ray draws from the global generator
        try:
            self._ray.on_trial_result(Standby(), member, _result(score))
            if math.isnan(score.loss):
                self._replace(member)
        finally:
            random.setstate(before)
        state.last_perturbation_time = score.epoch
        if member.status == "PAUSED":
            self._vacated += 1
            source = member.run_metadata.checkpoint_manager._latest_checkpoint_result.checkpoint
            self._params[score.trial] = {**self._params[source], **values(self._mutable, member.config)}
            return Exploit(source, self._epochs[source], dict(self._params[score.trial]))
        state.last_checkpoint = score.trial  # Ray keeps it for the upper quartile only
        if self._somebody_waits():
            self._vacated += 1
            member.status = "PAUSED"
            return Pause(f"gives way at epoch {score.epoch}")
        return Go()

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


def _result(score: Score) -> dict[str, float]:
    return {"epoch": score.epoch, "reward": -score.loss}


def _is_sound(score: float | None) -> bool:
    return score is not None and math.isfinite(score)


def _reward(score: Score) -> float:
    """More is better, and a NaN is worse than anything: NaN compares False and would never be stopped.

    Not minus infinity: the percentile between it and a number is no number.
    """
    return -HUGE if math.isnan(score.loss) else -min(max(score.loss, -HUGE), HUGE)


class Driver(Protocol):
    """The study's driver as Ray Tune's adapters see it; a lane is one Tune trial."""

    def next_leg(self, lane: str) -> dict[str, Any] | None:
        """A Tune config, or None while there is nothing to do yet."""

    @property
    def finished(self) -> bool:
        """Whether there will never be another leg."""

    def began(self, lane: str, actor: Any) -> None:
        """The lane's actor starts."""

    def heard(self, lane: str, result: dict[str, Any]) -> bool:
        """The lane reports; the answer says whether it goes on."""

    def lost(self, lane: str, error: str) -> None:
        """The lane's actor died."""

    def tick(self) -> None:
        """Called after each event of the Tune loop."""


class _Unsaved:
    """Ray Tune copies and pickles what it is given; the driver stays where it is, for the ledger is the state."""

    def __deepcopy__(self, memo: Any) -> "_Unsaved":
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}


class TuneSearcher(_Unsaved, Searcher):
    """Ray Tune asks, the driver answers."""

    def __init__(self, driver: Driver):
        super().__init__()
        self._driver = driver

    def suggest(self, trial_id: str) -> Any:
        config = self._driver.next_leg(trial_id)
        return self.FINISHED if config is None and self._driver.finished else config

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Everything was told through the scheduler."""

    def save(self, checkpoint_path: str) -> None:
        """The ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """The ledger is the state."""


class TuneScheduler(_Unsaved, TrialScheduler):
    """Ray Tune reports, the driver decides."""

    def __init__(self, driver: Driver):
        super().__init__()
        self._driver = driver
        self._pending: deque[Any] = deque()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._pending.append(trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.CONTINUE if self._driver.heard(trial.trial_id, result) else self.STOP

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self._driver.lost(trial.trial_id, str(trial.get_pickled_error() or "the actor died"))

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """The driver said so itself."""

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """A leg that never began goes on waiting in the ledger."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The oldest pending trial; Ray's own FIFO walks through all trials there ever were."""
        while self._pending and self._pending[0].status != "PENDING":
            self._pending.popleft()
        return self._pending[0] if self._pending else None

    def debug_string(self) -> str:
        return "a440"

    def save(self, checkpoint_path: str) -> None:
        """The ledger is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """The ledger is the state."""


class TuneCallback(_Unsaved, Callback):
    """Ray Tune's loop turns, the driver looks around."""

    def __init__(self, driver: Driver):
        self._driver = driver

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._driver.began(trial.trial_id, trial.temporary_state.ray_actor)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._driver.tick()
