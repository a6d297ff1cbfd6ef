"""What every sampler must do. To test a new one, inherit:

class TestGreedy(SamplerKit):
    sampler = Greedy()
"""

import json
import math
import random
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from search import Float, Int, Sampler, Space, Strategy
from search.protocol import FINISHED, SamplerEngine, Seen
from search.to_ray import engines
from tests.kit.spaces import SPACES

TRIALS = 40


def toy_loss(space: Space, point: dict[str, Any]) -> float:
    """Any smooth function of the numbers in a point, and of which options it has."""
    total = 0.0
    for place, leaf in space.walk(point):
        value = point[leaf.name]
        total += math.atan(value) if isinstance(leaf.domain, Float | Int) else leaf.domain.index(value) / (place + 1)
    return total


class SamplerKit:
    """Bounds, types, conditions, seeds, failures, pending proposals, replay.

    Attributes:
        sampler: the value under test.
        spaces: those it can search, by name.
        draws: whether proposals depend on the seed.
    """

    sampler: Sampler
    spaces: dict[str, Space] = SPACES
    draws: bool = True

    @pytest.fixture(autouse=True)
    def _small_spaces_are_soon_tried(self) -> Iterator[None]:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".* had been tried before")
            yield

    def engine(self, space: Space, seed: int = 0) -> SamplerEngine:
        """The sampler at work; override it while `search.to_ray.engines` does not know it yet."""
        return engines(Strategy(self.sampler), space, seed=seed)[0]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "space" in metafunc.fixturenames:
            metafunc.parametrize("space", list(self.spaces.values()), ids=list(self.spaces))

    def study(self, engine: SamplerEngine, space: Space, trials: int = TRIALS, first: int = 1) -> list[dict[str, Any]]:
        """One trial after another; every fifth fails, every seventh diverges, the others report twice."""
        points = []
        for number in range(first, first + trials):
            point = engine.propose(number)
            if point is None:
                break
            points.append(point)
            engine.adopt(number, point)
            self.tell(engine, space, number, point)
        return points

    def tell(self, engine: SamplerEngine, space: Space, number: int, point: dict[str, Any]) -> None:
        if number % 5 == 0:
            engine.fail(number)
        elif number % 7 == 0:
            engine.observe(number, Seen(1, (math.nan,)))
            engine.fail(number)
        else:
            engine.observe(number, Seen(1, (toy_loss(space, point) + 1,)))
            engine.observe(number, Seen(FINISHED, (toy_loss(space, point),)))

    def test_every_proposal_lies_in_the_space_and_holds_just_what_is_active(self, space):
        points = self.study(self.engine(space), space)

        assert points
        for point in points:
            assert space.check(point) == point
            assert list(point) == [leaf.name for leaf in space.active_leaves(point)]

    def test_proposals_are_of_pythons_own_types(self, space):
        for point in self.study(self.engine(space), space):
            for leaf in space.active_leaves(point):
                value = point[leaf.name]
                if isinstance(leaf.domain, Float | Int):
                    assert type(value) is (float if isinstance(leaf.domain, Float) else int)
                else:
                    assert any(value is option for option in leaf.domain.options)

    def test_proposals_survive_the_ledger(self, space):
        for point in self.study(self.engine(space), space):
            assert space.decode(json.loads(json.dumps(space.encode(point), allow_nan=False))) == point

    def test_one_seed_and_one_order_of_events_give_the_same_proposals(self, space):
        assert self.study(self.engine(space, seed=7), space) == self.study(self.engine(space, seed=7), space)

    def test_another_seed_gives_other_proposals(self, space):
        one, other = (self.study(self.engine(space, seed=seed), space) for seed in (1, 2))

        assert (one != other) == self.draws

    def test_a_replayed_engine_goes_on_like_the_live_one(self, space):
        live, replayed = self.engine(space, seed=3), self.engine(space, seed=3)
        points = self.study(live, space, trials=25)

        for number, point in enumerate(points, start=1):
            replayed.adopt(number, space.decode(json.loads(json.dumps(space.encode(point)))))
            self.tell(replayed, space, number, point)

        assert self.study(live, space, 10, first=26) == self.study(replayed, space, 10, first=26)

    def test_many_proposals_may_wait_for_their_results(self, space):
        engine = self.engine(space)
        self.study(engine, space, trials=20)

        pending = [engine.propose(number) for number in range(21, 53)]

        for point in pending:
            assert point is None or space.check(point) == point
        for number in range(52, 20, -1):  # the last comes first
            point = pending[number - 21]
            if point is not None:
                engine.adopt(number, point)
                engine.observe(number, Seen(FINISHED, (toy_loss(space, point),)))
        following = engine.propose(53)
        assert following is None or space.check(following) == following

    def test_pending_proposals_differ_where_numbers_are_continuous(self):
        space = SPACES["two floats"]
        engine = self.engine(space)
        self.study(engine, space, trials=20)

        pending = [engine.propose(number) for number in range(21, 29)]

        proposed = [tuple(point.values()) for point in pending if point is not None]
        assert len(set(proposed)) == len(proposed)

    def test_a_study_in_which_everything_fails_goes_on(self, space):
        engine = self.engine(space)

        for number in range(1, TRIALS):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            engine.fail(number)

    def test_points_of_the_users_own_are_taken_in(self, space):
        engine = self.engine(space)
        own = [space.sample(random.Random(k)) for k in range(3)]

        for number, point in enumerate(own, start=1):
            engine.adopt(number, point)
            engine.observe(number, Seen(FINISHED, (toy_loss(space, point),)))

        for point in self.study(engine, space, first=4):
            assert space.check(point) == point

    def test_equal_and_huge_losses_do_no_harm(self, space):
        engine = self.engine(space)

        for number in range(1, TRIALS):
            point = engine.propose(number)
            if point is None:
                break
            assert space.check(point) == point
            engine.adopt(number, point)
            engine.observe(number, Seen(FINISHED, ([0.0, 1e300, -1e300, 5e-324][number % 4],)))

    def test_the_global_random_generators_are_left_alone(self, space):
        random.seed(1)
        np.random.seed(1)
        before = random.random(), np.random.random()
        random.seed(1)
        np.random.seed(1)

        self.study(self.engine(space), space)

        assert (random.random(), np.random.random()) == before
