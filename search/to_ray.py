"""The search room's door to Ray: Ray's schedulers as engines, and our conductor as Ray Tune sees it.

Two directions meet here. `engines` builds what the conductor drives: Ray's own ASHA and PBT are given
stand-in trials, so that the same class decides live, in a simulation and from a ledger. And Ray Tune
is given a `Searcher`, a `TrialScheduler` and a `Callback` that only pass words to and fro.
"""

import math
import random
from collections import deque
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Protocol

from ray.tune import Callback
from ray.tune.schedulers import AsyncHyperBandScheduler, PopulationBasedTraining, TrialScheduler
from ray.tune.search import Searcher

from search.domains import Choice, Float
from search.engines.draws import Draws
from search.engines.full_length import Unjudged
from search.engines.lattice import Lattice
from search.engines.promotion import Promotion
from search.engines.tpe import ParzenTrees
from search.protocol import Decision, Exploit, Go, Pause, SamplerEngine, SchedulerEngine, Score, Stop
from search.samplers import TPE, Grid, Random
from search.schedulers import ASHA, PBT
from search.space import Flat, Space
from search.spelling import did_you_mean
from search.strategy import FullLength, Strategy


def engines(
    strategy: Strategy, space: Space, *, seed: int, trials: int | None = None
) -> tuple[SamplerEngine, SchedulerEngine]:
    """Sets a strategy to work on a space: what proposes and what judges.

    Args:
        strategy: a pair that agrees.
        space: what is searched.
        seed: equal seeds and an equal order of events give equal proposals and decisions.
        trials: the budget, which is the population where a scheduler needs one and names none.
    """
    return _sampler(strategy, space, seed), _scheduler(strategy, space, seed, trials)


def _sampler(strategy: Strategy, space: Space, seed: int) -> SamplerEngine:
    match strategy.sampler:
        case Random():
            return Draws(space, seed)
        case Grid(points=points):
            return Lattice(space, points)
        case TPE() as settings:
            return ParzenTrees(space, settings, seed)
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


@dataclass(eq=False)
class _StandIn:
    """What Ray's schedulers look at in a Tune trial, and no more."""

    trial_id: str
    config: Flat
    status: str = "RUNNING"
    experiment_tag: str = ""
    run_metadata: Any = field(
        default_factory=lambda: SimpleNamespace(
            checkpoint_manager=SimpleNamespace(checkpoint_config=SimpleNamespace(num_to_keep=None))
        )
    )

    def is_finished(self) -> bool:
        return self.status == "TERMINATED"

    def set_config(self, config: Flat) -> None:
        self.config = config

    def set_experiment_tag(self, tag: str) -> None:
        self.experiment_tag = tag


class _Standby:
    """What Ray's PBT asks of Tune's controller while it judges one trial."""

    search_alg = None

    def get_trials(self) -> list[_StandIn]:
        return []  # whether anybody waits is our own question

    def _schedule_trial_save(self, trial: _StandIn, result: Any = None) -> str:
        return trial.trial_id

    def pause_trial(self, trial: _StandIn, should_checkpoint: bool = True) -> None:
        trial.status = "PAUSED"


class RayASHA:
    """Ray's `AsyncHyperBandScheduler` in its stopping form, NaN-safe and fair to batches.

    Ray compares a report with those before it, so whoever comes first to a rung is never stopped. Here a
    batch is recorded whole; in a batch of one, Ray's own verdict stands. A NaN counts as the worst.
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
        self._trials: dict[str, _StandIn] = {}

    def add(self, trial: str, params: Flat) -> None:
        self._trials[trial] = _StandIn(trial, params)
        self._ray.on_trial_add(None, self._trials[trial])

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        verdicts = {score.trial: self._record(score) for score in batch}
        if len(verdicts) > 1:
            verdicts.update({score.trial: self._below_cutoff(score) for score in batch if score.epoch in self._rungs})
        epochs = {score.trial: score.epoch for score in batch}
        return {
            trial: Stop(f"not among the best at epoch {epochs[trial]}") if stop else Go()
            for trial, stop in verdicts.items()
        }

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("ASHA never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        self._trials.pop(trial, None)
        self._ray._trial_info.pop(trial, None)

    def _record(self, score: Score) -> bool:
        if score.epoch not in self._rungs:
            return False
        result = {"epoch": score.epoch, "reward": _reward(score)}
        return bool(self._ray.on_trial_result(None, self._trials[score.trial], result) == TrialScheduler.STOP)

    def _below_cutoff(self, score: Score) -> bool:
        [bracket] = self._ray._brackets
        recorded = next(recorded for epoch, recorded in bracket._rungs if epoch == score.epoch)
        return bool(_reward(score) < bracket.cutoff(recorded))


class RayPBT:
    """Ray's `PopulationBasedTraining` over stand-ins: NaN members are replaced, params stay in their domains.

    Members keep their own count of epochs. Where the population does not fit on the machine at once, a
    judged member gives way to the one that has trained least.
    """

    def __init__(self, pace: PBT, space: Space, seed: int, population: int | None):
        self._space, self._seed, self._every = space, seed, pace.every
        self._population = population
        self._members: dict[str, _StandIn] = {}
        self._epochs: dict[str, int] = {}
        self._mutations = {name: self._mutation(name) for name in _mutable(pace, space)}
        self._ray = PopulationBasedTraining(
            time_attr="epoch",
            metric="reward",
            mode="max",
            perturbation_interval=pace.every,
            hyperparam_mutations=self._mutations,
            quantile_fraction=pace.quantile,
            resample_probability=pace.resample,
            custom_explore_fn=self._clip,
            log_config=False,
        )

    def add(self, trial: str, params: Flat) -> None:
        self._members[trial] = _StandIn(trial, dict(params), status="PENDING")
        self._epochs[trial] = 0
        self._ray.on_trial_add(_Standby(), self._members[trial])

    def begin(self, trial: str) -> None:
        self._members[trial].status = "RUNNING"

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        due = [score for score in batch if score.epoch % self._every == 0]
        for score in due:  # all are recorded before any is judged
            member = self._members[score.trial]
            self._ray._save_trial_state(self._state(member), score.epoch, {"reward": _reward(score)}, member)
            self._epochs[score.trial] = score.epoch
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        decisions.update({score.trial: self._judge(score) for score in due})
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        member = self._members[trial]
        member.config, member.status = dict(exploit.params), "PAUSED"
        self._state(member).last_perturbation_time = self._epochs[trial]

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        if more_to_come:  # the population first gathers
            return None
        waiting = [t for t, member in self._members.items() if member.status == "PAUSED" and t not in busy]
        return min(waiting, key=lambda trial: (self._epochs[trial], trial), default=None)

    def remove(self, trial: str) -> None:
        self._members[trial].status = "TERMINATED"

    def _judge(self, score: Score) -> Decision:
        member = self._members[score.trial]
        before = random.getstate()
        random.seed(f"{self._seed}/{score.trial}/{score.epoch}")  # Ray draws from the global generator
        try:
            self._ray.on_trial_result(_Standby(), member, {"epoch": score.epoch, "reward": _reward(score)})
        finally:
            random.setstate(before)
        state = self._state(member)
        state.last_perturbation_time = score.epoch
        if member.status == "PAUSED":
            source = member.run_metadata.checkpoint_manager._latest_checkpoint_result.checkpoint
            return Exploit(source, self._epochs[source], dict(member.config))
        state.last_checkpoint = score.trial  # every judged member has a checkpoint of this epoch
        if self._somebody_waits():
            member.status = "PAUSED"
            return Pause(f"gives way at epoch {score.epoch}")
        return Go()

    def _somebody_waits(self) -> bool:
        gathered = self._population is None or len(self._members) >= self._population
        return not gathered or any(m.status in ("PAUSED", "PENDING") for m in self._members.values())

    def _state(self, member: _StandIn) -> Any:
        return self._ray._trial_state[member]

    def _mutation(self, name: str) -> Any:
        domain = next(leaf.domain for leaf in self._space.leaves if leaf.name == name)
        return list(domain.options) if isinstance(domain, Choice) else lambda: domain.at(random.random())

    def _clip(self, params: Flat) -> Flat:
        for leaf in self._space.leaves:
            if leaf.name in self._mutations and not isinstance(leaf.domain, Choice):
                params[leaf.name] = leaf.domain.clip(params[leaf.name])
        return params


def _mutable(pace: PBT, space: Space) -> list[str]:
    """The names that PBT perturbs; raises ValueError for an unknown, a conditional or a structural one."""
    free = {leaf.name: leaf for leaf in space.leaves if not leaf.condition}
    parents = {parent for leaf in space.leaves for parent, _ in leaf.condition}
    for name in pace.mutate:
        if name not in free or name in parents:
            known = [known for known in free if known not in parents]
            raise ValueError(
                f"PBT cannot mutate {name!r}: it is no unconditional parameter. {did_you_mean(name, known)}"
            )
    names = list(pace.mutate) or [name for name, leaf in free.items() if isinstance(leaf.domain, Float)]
    if not names:
        raise ValueError(f"{pace} finds no continuous parameter to mutate. Name some: mutate=('lr',).")
    return names


def _reward(score: Score) -> float:
    """More is better, and a NaN is worse than anything: NaN compares False and would never be stopped."""
    return -math.inf if math.isnan(score.loss) else -score.loss


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
