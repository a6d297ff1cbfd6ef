"""What every scheduler must do. To test a new one, inherit:

class TestMedianStop(SchedulerKit):
    scheduler = MedianStop(max_epochs=9)
"""

import copy
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import cloudpickle
import pytest

from search import TPE, Goal, Random, Scheduler, Space, Strategy
from search.protocol import Decision, Exploit, Go, Pause, SchedulerEngine, Score, Stop
from search.schedulers import judged_epochs, last_epoch
from search.to_ray import engines
from tests.kit.generators import watching
from tests.kit.spaces import SPACES

Curve = Callable[[str, int, dict[str, Any]], float]  # trial, epoch, params -> loss
TRIALS = 12


def noisy(trial: str, epoch: int, params: dict[str, Any]) -> float:
    """A loss that falls, with noise of its own for each trial and epoch; half of the trials are bad."""
    luck = random.Random(f"{trial}/{epoch}").random()
    return (int(trial[1:]) % 5) + luck + 3 / epoch


@dataclass
class Study:
    """A toy conductor: so many places, and whoever has run least takes the next step."""

    engine: SchedulerEngine
    space: Space
    curve: Curve
    epochs: int
    judged: Any
    places: int = 4
    trials: int = TRIALS
    batch: int = 1  # how many running trials report together
    several: bool = False  # whether there are two objectives
    events: list[tuple[Any, ...]] = field(default_factory=list)
    decisions: list[dict[str, Decision]] = field(default_factory=list)
    params: dict[str, dict[str, Any]] = field(default_factory=dict)
    done: dict[str, int] = field(default_factory=dict)  # epochs of each trial
    running: list[str] = field(default_factory=list)
    over: set[str] = field(default_factory=set)
    steps: int = 10_000

    def tell(self, event: str, *details: Any) -> Any:
        """Lets the engine know, and remembers it for a replay."""
        self.events.append((event, *details))
        return getattr(self.engine, event)(*details)

    def run(self) -> "Study":
        """Until nobody runs and nobody is called any more."""
        while self.steps:
            self.steps -= 1
            self._fill()
            if not self.running:
                return self
            batch = []
            for trial in self.running[: self.batch]:
                self.done[trial] += 1
                batch.append(trial)
            self.running = self.running[self.batch :] + batch
            self._judge(batch)
        raise AssertionError("the study never ends")

    def _fill(self) -> None:
        while len(self.running) < self.places:
            more = len(self.params) < self.trials
            trial = self.engine.wake(more, self.running)
            if trial is not None:
                assert trial not in self.running
                assert trial not in self.over
                assert trial in self.params
            elif more:
                trial = f"t{len(self.params) + 1:05d}"
                self.params[trial] = self.space.sample(random.Random(trial))
                self.done[trial] = 0
                self.tell("add", trial, dict(self.params[trial]), len(self.params) % 2 == 0)
            else:
                return
            self.running.append(trial)
            self.tell("begin", trial)

    def _judge(self, batch: list[str]) -> None:
        scores = [self._score(trial) for trial in batch if self.done[trial] in self.judged]
        if scores:
            decisions = self.tell("judge", scores)
            self.decisions.append(decisions)
            for trial, decision in decisions.items():
                self._obey(trial, decision)
        for trial in batch:
            if trial in self.running and self.done[trial] >= self.epochs:
                self._end(trial)

    def _score(self, trial: str) -> Score:
        epoch = self.done[trial]
        loss = self.curve(trial, epoch, self.params[trial])
        luck = random.Random(f"{trial}/cost")
        losses = (loss, luck.random()) if self.several and not math.isnan(loss) else ()
        return Score(trial, epoch, loss, losses, max(0.0, luck.random() - 0.7), epoch * (0.5 + luck.random()))

    def _obey(self, trial: str, decision: Decision) -> None:
        match decision:
            case Stop():
                self._end(trial)
            case Pause():
                self.running.remove(trial)
            case Exploit(params=params):
                self.running.remove(trial)
                self.params[trial] = dict(params)
                self.tell("adopt", trial, decision)

    def _end(self, trial: str) -> None:
        self.running.remove(trial)
        self.over.add(trial)
        self.tell("remove", trial)


def replay(engine: SchedulerEngine, events: list[tuple[Any, ...]]) -> list[dict[str, Decision]]:
    """The decisions of a fresh engine that is told the same events."""
    answers = [(event, getattr(engine, event)(*details)) for event, *details in events]
    return [answer for event, answer in answers if event == "judge"]


@dataclass(frozen=True)
class Watched:
    """What happened in a study, and whether the global generators are as they were."""

    events: list[tuple[Any, ...]]
    decisions: list[dict[str, Decision]]
    params: dict[str, dict[str, Any]]
    done: dict[str, int]
    epochs: int
    generators_left_alone: bool


class SchedulerKit:
    """Ends, replays, failures, NaN, batches, pickling, and no traces in global state.

    Attributes:
        scheduler: the value under test.
        goal: what it judges; one objective unless it is told otherwise.
        space: its trials' params.
    """

    scheduler: Scheduler
    goal: Goal = Goal("min", "loss")
    space: Space = SPACES["a tree"]
    epochs: int = 9  # where the scheduler does not say
    _watched: ClassVar[dict[tuple[type, int, int], Watched]] = {}

    def engine(self, trials: int = TRIALS, seed: int = 0) -> SchedulerEngine:
        """The scheduler at work; override it while `search.to_ray.engines` does not know it yet."""
        sampler = TPE() if self.scheduler.wants_model else Random()
        return engines(Strategy(sampler, self.scheduler), self.space, seed=seed, goal=self.goal, trials=trials)[1]

    def study(self, curve: Curve = noisy, *, trials: int = TRIALS, seed: int = 0, **settings: Any) -> Study:
        return Study(
            self.engine(trials, seed),
            self.space,
            curve,
            last_epoch(self.scheduler) or self.epochs,
            judged_epochs(self.scheduler, at_cost=self.goal.per is not None),
            trials=trials,
            several=bool(self.goal.others),
            **settings,
        )

    def watched(self, places: int, batch: int = 1) -> Watched:
        """A study with seed 0, run once for all tests that only look at it; each has a copy of its own."""
        key = type(self), places, batch
        if key not in self._watched:
            study, left_alone = watching(lambda: self.study(places=places, batch=batch).run())
            self._watched[key] = Watched(
                study.events, study.decisions, study.params, study.done, study.epochs, left_alone
            )
        return copy.deepcopy(self._watched[key])

    @pytest.mark.parametrize("places", [1, 3, TRIALS])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_every_study_comes_to_its_end(self, places, batch):
        study = self.watched(places, batch)

        assert len(study.params) == TRIALS
        assert all(1 <= study.done[trial] <= study.epochs for trial in study.params)

    @pytest.mark.parametrize("places", [1, 3, TRIALS])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_every_score_gets_one_decision(self, places, batch):
        study = self.watched(places, batch)

        judged = [scores for event, *(scores, *_) in study.events if event == "judge"]
        assert [set(answer) for answer in study.decisions] == [{s.trial for s in scores} for scores in judged]

    @pytest.mark.parametrize("places", [2, TRIALS])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_the_same_events_give_a_fresh_engine_the_same_decisions(self, places, batch):
        study = self.watched(places, batch)

        assert replay(self.engine(), study.events) == study.decisions

    @pytest.mark.parametrize("part", [0.25, 0.5, 0.9])
    def test_an_engine_that_is_rebuilt_in_mid_study_wakes_and_decides_like_the_one_it_replaces(self, part):
        live = self.watched(places=2)
        cut = int(part * len(live.events))

        rebuilt = self.engine()
        replay(rebuilt, live.events[:cut])
        original = self.engine()
        replay(original, live.events[:cut])

        assert rebuilt.wake(False) == original.wake(False)
        assert replay(rebuilt, live.events[cut:]) == replay(original, live.events[cut:])

    def test_a_pickled_engine_goes_on_like_the_one_it_copies(self):
        live = self.watched(places=2)
        cut = len(live.events) // 2
        original = self.engine()
        replay(original, live.events[:cut])

        copied = cloudpickle.loads(cloudpickle.dumps(original))

        assert replay(copied, live.events[cut:]) == replay(original, live.events[cut:])

    def test_the_same_losses_turned_round_are_judged_alike_where_more_is_better(self):
        less = Goal.parse("min loss")
        more = Goal.parse("max loss")
        metrics = [{"loss": value} for value in (3.0, -1.0, 0.0)]

        assert [less.loss(m["loss"]) for m in metrics] == [more.loss(-m["loss"]) for m in metrics]

    def test_one_trial_alone_ends_unless_it_needs_others(self):
        if self.scheduler.mutates:
            with pytest.raises(ValueError, match="nobody to copy"):
                self.study(trials=1)
        else:
            assert list(self.study(trials=1).run().done) == ["t00001"]

    def test_who_diverged_is_never_woken_nor_copied(self):
        def curve(trial: str, epoch: int, params: dict[str, Any]) -> float:
            return math.nan if int(trial[1:]) % 2 else noisy(trial, epoch, params)

        study = self.study(curve, places=TRIALS)
        copied = []
        woken = set()
        wake = study.engine.wake
        study.engine.wake = lambda *args: woken.add(wake(*args)) or wake(*args)  # type: ignore[method-assign]

        study.run()

        for answer in study.decisions:
            copied += [decision.source for decision in answer.values() if isinstance(decision, Exploit)]
        assert all(int(source[1:]) % 2 == 0 for source in copied)
        if not self.scheduler.mutates:
            assert all(int(trial[1:]) % 2 == 0 for trial in woken if trial)

    def test_a_study_in_which_everything_diverges_ends(self):
        study = self.study(lambda trial, epoch, params: math.nan).run()

        assert not any(isinstance(decision, Exploit) for answer in study.decisions for decision in answer.values())

    def test_equal_losses_end_too(self):
        study = self.study(lambda trial, epoch, params: 1.0, batch=3).run()

        assert study.steps > 0

    @pytest.mark.parametrize("loss", [1e308, -1e308, 0.0])
    def test_huge_losses_do_no_harm(self, loss):
        def curve(trial: str, epoch: int, params: dict[str, Any]) -> float:
            return loss if int(trial[1:]) % 3 else math.nan

        study = self.study(curve, batch=3).run()

        assert study.steps > 0

    def test_trials_that_fail_at_any_time_are_taken_out(self):
        lots = random.Random(0)
        study = self.study(places=3)
        fill = study._fill

        def fill_and_fail() -> None:
            fill()
            if study.running and lots.random() < 0.1:
                study._end(study.running[0])

        study._fill = fill_and_fail  # type: ignore[method-assign]

        study.run()

        assert not study.running

    def test_epochs_that_are_not_judged_get_go(self):
        engine = self.engine()
        engine.add("t00001", self.space.sample(random.Random(0)))
        engine.begin("t00001")
        epochs = last_epoch(self.scheduler) or self.epochs

        for epoch in range(1, epochs):
            if epoch not in judged_epochs(self.scheduler, at_cost=self.goal.per is not None):
                assert engine.judge([Score("t00001", epoch, 1.0)]) == {"t00001": Go()}

    @pytest.mark.parametrize("places", [1, 3, TRIALS])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_params_stay_in_the_space(self, places, batch):
        study = self.watched(places, batch)

        for params in study.params.values():
            assert self.space.check(params) == params

    @pytest.mark.parametrize("places", [1, 3, TRIALS])
    @pytest.mark.parametrize("batch", [1, 4])
    def test_the_global_random_generators_are_left_alone(self, places, batch):
        assert self.watched(places, batch).generators_left_alone
