"""What every sampler must do. To test a new one, inherit:

class TestGreedy(SamplerKit):
    sampler = Greedy()
"""

import json
import math
import pickle
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import cloudpickle
import pytest

from search import Float, Goal, Int, Sampler, Space, Strategy, choice, integer
from search.protocol import FINISHED, Lesson, SamplerEngine, Seen
from search.strategy import chain_of
from search.to_ray import engines
from tests.kit.generators import watching
from tests.kit.spaces import SPACES

SIX = Space({"kind": choice("a", "b"), "size": integer(1, 3)})
FRONT = Goal.parse("min one, min two")


def toy_loss(space: Space, point: dict[str, Any]) -> float:
    """Any smooth function of the numbers in a point, and of which options it has."""
    total = 0.0
    for place, leaf in space.walk(point):
        value = point[leaf.name]
        total += math.atan(value) if isinstance(leaf.domain, Float | Int) else leaf.domain.index(value) / (place + 1)
    return total


def slopes(space: Space, point: dict[str, Any]) -> dict[str, float]:
    """The derivatives of `toy_loss`."""
    leaves = space.active_leaves(point)
    return {leaf.name: 1 / (1 + point[leaf.name] ** 2) for leaf in leaves if isinstance(leaf.domain, Float)}


def _key(space: Space, point: dict[str, Any]) -> str:
    """A point as text, in which True, 1 and 1.0 are three values."""
    return json.dumps(space.encode(point))


@dataclass(frozen=True)
class Watched:
    """What a study proposed, what it warned of, and whether the global generators are as they were."""

    points: list[dict[str, Any]]
    warned: list[str]
    generators_left_alone: bool


class SamplerKit:
    """Bounds, types, conditions, limits, seeds, duplicates, failures, pending proposals, replay, pickling.

    Attributes:
        sampler: the value under test.
        spaces: those it can search, by name.
        draws: whether proposals depend on the seed.
        trials: of the studies here; fewer for a sampler that takes its time.
        repeats: whether it may propose a point again.
        points: how many it proposes at most; None for no end.
    """

    sampler: Sampler
    spaces: dict[str, Space] = SPACES
    draws: bool = True
    trials: int = 40
    repeats: bool = False
    points: int | None = None
    _watched: ClassVar[dict[tuple[type, int], Watched]] = {}

    @pytest.fixture(autouse=True)
    def _what_ends_may_say_so(self) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* no more trials are proposed")
            yield

    def engine(self, space: Space, seed: int = 0, goal: Goal | None = None) -> SamplerEngine:
        """The sampler at work; override it while `search.to_ray.engines` does not know it yet."""
        return engines(Strategy(self.sampler), space, seed=seed, goal=goal)[0]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "space" in metafunc.fixturenames:
            metafunc.parametrize("space", list(self.spaces.values()), ids=list(self.spaces))

    def study(
        self, engine: SamplerEngine, space: Space, trials: int | None = None, first: int = 1
    ) -> list[dict[str, Any]]:
        """One trial after another; every fifth fails, every seventh diverges, every ninth is stopped early."""
        points = []
        for number in range(first, first + (trials or self.trials)):
            point = engine.propose(number)
            if point is None:
                break
            points.append(point)
            engine.adopt(number, point)
            self.tell(engine, space, number, point)
        return points

    def watched(self, space: Space) -> Watched:
        """A study with seed 0, run once for all tests that only look at it."""
        key = type(self), id(space)
        if key not in self._watched:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                warnings.filterwarnings("ignore", message=".* no more trials are proposed")
                points, left_alone = watching(lambda: self.study(self.engine(space), space))
            self._watched[key] = Watched(points, [str(warning.message) for warning in caught], left_alone)
        return self._watched[key]

    def tell(self, engine: SamplerEngine, space: Space, number: int, point: dict[str, Any]) -> None:
        loss, slope = toy_loss(space, point), slopes(space, point)
        if number % 5 == 0:
            engine.fail(number)
        elif number % 7 == 0:
            engine.observe(number, Seen(1, (math.nan,)))
            engine.fail(number)
        else:
            engine.observe(number, Seen(1, (loss + 1,), slopes=slope))
            engine.observe(number, Seen(FINISHED, (loss,), slopes=slope)) if number % 9 else engine.end(number)

    def test_the_value_survives_pickling_and_is_read_as_it_is_written(self):
        from search.notation import STRATEGIES, parse

        assert pickle.loads(pickle.dumps(self.sampler)) == self.sampler
        assert parse(str(self.sampler), STRATEGIES) == self.sampler

    def test_every_proposal_lies_in_the_space_keeps_its_limits_and_holds_just_what_is_active(self, space):
        points = self.watched(space).points

        assert points
        for point in points:
            assert space.check(point) == point
            assert list(point) == [leaf.name for leaf in space.active_leaves(point)]

    def test_proposals_are_of_pythons_own_types(self, space):
        for point in self.watched(space).points:
            for leaf in space.active_leaves(point):
                value = point[leaf.name]
                if isinstance(leaf.domain, Float | Int):
                    assert type(value) is (float if isinstance(leaf.domain, Float) else int)
                else:
                    assert any(value is option for option in leaf.domain.options)

    def test_proposals_survive_the_ledger(self, space):
        for point in self.watched(space).points:
            assert space.decode(json.loads(json.dumps(space.encode(point), allow_nan=False))) == point

    def test_no_point_is_proposed_twice(self, space):
        keys = [_key(space, point) for point in self.watched(space).points]

        assert self.repeats or len(set(keys)) == len(keys)

    def test_of_a_small_space_every_point_is_proposed_once_and_then_it_says_that_it_ends(self):
        if self.repeats or self.points is not None or any(getattr(p, "points", None) for p in chain_of(self.sampler)):
            pytest.skip("it may repeat itself, or ends before")
        engine = self.engine(SIX)

        with pytest.warns(UserWarning, match="no more trials are proposed"):
            points = self.study(engine, SIX, trials=10)

        assert sorted(tuple(point.values()) for point in points) == [(k, n) for k in "ab" for n in (1, 2, 3)]
        assert engine.propose(7) is None

    def test_one_seed_and_one_order_of_events_give_the_same_proposals(self, space):
        assert self.study(self.engine(space), space) == self.watched(space).points

    def test_another_seed_gives_other_proposals(self, space):
        trials = self.trials // 2 if self.draws else self.trials

        other = self.study(self.engine(space, seed=1), space, trials)

        assert (other != self.watched(space).points[:trials]) == self.draws

    def test_the_order_in_which_trials_finish_does_not_matter(self, space):
        rounds = []
        for order in (1, -1):
            engine, proposed = self.engine(space, seed=4), []
            for first in range(1, self.trials - 2, 4):
                batch = []
                for number in range(first, first + 4):
                    point = engine.propose(number)
                    if point is not None:
                        engine.adopt(number, point)
                        batch.append((number, point))
                for number, point in batch[::order]:
                    self.tell(engine, space, number, point)
                proposed += [point for _, point in batch]
            rounds.append(proposed)

        assert rounds[0] == rounds[1]

    def test_a_replayed_engine_goes_on_like_the_live_one(self, space):
        live, replayed = self.engine(space, seed=3), self.engine(space, seed=3)
        points = self.study(live, space, trials=self.trials * 5 // 8)

        for number, point in enumerate(points, start=1):
            replayed.adopt(number, space.decode(json.loads(json.dumps(space.encode(point)))))
            self.tell(replayed, space, number, point)

        following = len(points) + 1
        assert self.study(live, space, self.trials // 4, following) == self.study(
            replayed, space, self.trials // 4, following
        )

    def test_an_engine_that_was_pickled_goes_on_like_the_live_one(self, space):
        live = self.engine(space, seed=3)
        following = len(self.study(live, space, trials=self.trials * 5 // 8)) + 1

        again = cloudpickle.loads(cloudpickle.dumps(live))

        more = min(5, self.trials // 4)
        ours = [space.encode(point) for point in self.study(live, space, more, following)]
        assert ours == [space.encode(point) for point in self.study(again, space, more, following)]

    def test_many_proposals_may_wait_for_their_results(self, space):
        engine = self.engine(space)
        known = len(self.study(engine, space, trials=self.trials // 2))

        pending = []
        for number in range(known + 1, known + 1 + self.trials // 2):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            pending.append((number, point))

        keys = [_key(space, point) for _, point in pending]
        assert self.repeats or len(set(keys)) == len(keys)
        for number, point in reversed(pending):  # the last comes first
            engine.observe(number, Seen(FINISHED, (toy_loss(space, point),), slopes=slopes(space, point)))
        following = engine.propose(known + 1 + len(pending))
        assert following is None or space.check(following) == following

    def test_asking_again_for_one_number_changes_nothing(self, space):
        once, twice = self.engine(space), self.engine(space)
        following = len(self.study(once, space, trials=self.trials // 2)) + 1
        self.study(twice, space, trials=self.trials // 2)

        first = twice.propose(following)

        assert twice.propose(following) == first == once.propose(following)
        more = min(4, self.trials // 4)
        assert self.study(once, space, more, following) == self.study(twice, space, more, following)

    def test_a_study_in_which_everything_fails_goes_on(self, space):
        engine = self.engine(space)

        for number in range(1, self.trials):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            engine.fail(number)

    def test_points_of_the_users_own_are_taken_in_and_not_proposed_again(self, space):
        engine = self.engine(space)
        own = [space.sample(random.Random(k)) for k in range(3)]
        if self.points is None and not any(hasattr(part, "points") for part in chain_of(self.sampler)):
            own[0] = self.engine(space).propose(1)  # what it would propose itself

        for number, point in enumerate(own, start=1):
            engine.adopt(number, point, given=True)
            engine.observe(number, Seen(FINISHED, (toy_loss(space, point),)))

        for point in self.study(engine, space, first=4):
            assert space.check(point) == point
            assert self.repeats or _key(space, point) not in [_key(space, other) for other in own]

    def test_lessons_of_earlier_studies_do_no_harm(self, space):
        engine = self.engine(space)
        lessons = [Lesson(space.sample(random.Random(k)), (k / 10 - 1.5,)) for k in range(30)]

        engine.learn(lessons)

        for point in self.study(engine, space, trials=self.trials // 2):
            assert space.check(point) == point

    def test_equal_and_huge_losses_do_no_harm(self, space):
        engine = self.engine(space)

        for number in range(1, self.trials):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            engine.observe(number, Seen(FINISHED, ([0.0, 1e300, -1e300, 5e-324][number % 4],)))

    def test_limits_on_outcomes_are_taken_in(self, space):
        engine = self.engine(space)

        for number in range(1, self.trials * 5 // 8):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            loss = toy_loss(space, point)
            engine.observe(number, Seen(FINISHED, (loss,), margins=(loss, -1.0), slopes=slopes(space, point)))

    def test_several_objectives_are_looked_for_where_it_says_so(self, space):
        if not self.sampler.several:
            pytest.skip("it looks for one best point")
        engine = self.engine(space, goal=FRONT)

        for number in range(1, self.trials * 5 // 8):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            loss = toy_loss(space, point)
            engine.fail(number) if number % 6 == 0 else engine.observe(number, Seen(FINISHED, (loss, -loss + 0.1)))

    def test_sound_proposals_need_no_warning(self, space):
        assert self.watched(space).warned == []

    def test_the_global_random_generators_are_left_alone(self, space):
        assert self.watched(space).generators_left_alone
