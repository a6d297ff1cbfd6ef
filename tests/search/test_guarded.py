"""A sampler that misbehaves is replaced by random points, with one warning."""

import random
import warnings
from typing import Any

import pytest

from search import TPE, Grid, Random, Space, Strategy, choice, integer, uniform
from search.engines.draws import Draws
from search.engines.guarded import Guarded
from search.engines.lattice import Lattice
from search.to_ray import engines

SPACE = Space({"x": uniform(0, 1), "n": integer(1, 4)})
FIXED = {"x": 0.5, "n": 2}


class Wayward(Draws):
    """Proposes what it is told to, or raises it."""

    def __init__(self, answer: Any):
        super().__init__(SPACE, 0)
        self.answer = answer

    def propose(self, number: int) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def observe(self, number: int, epoch: int, loss: float) -> None:
        if isinstance(self.answer, Exception):
            raise self.answer


def proposals(engine: Any, trials: int = 20) -> list[Any]:
    points = []
    for number in range(1, trials + 1):
        points.append(engine.propose(number))
        engine.adopt(number, points[-1])
        engine.observe(number, 1, 0.0)
    return points


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        (
            RuntimeError("no model"),
            r"Mine\(\) failed at trial 1 \(RuntimeError: no model\)\. Random points take its place",
        ),
        ({"x": 1.5, "n": 2}, r"Mine\(\) failed at trial 1 \(ValueError: x=1.5 lies outside uniform\(0, 1\)"),
        ({"x": float("nan"), "n": 2}, r"Mine\(\) failed at trial 1 \(ValueError: x=nan lies outside"),
        ({"x": 0.5}, r"Mine\(\) failed at trial 1 \(ValueError: the point .* lacks n"),
        ("nonsense", r"Mine\(\) failed at trial 1 \(ValueError: the point is 'nonsense'"),
        (FIXED, r"Mine\(\) proposed for trial 2 what had been tried before\. Random points take its place"),
    ],
)
def test_random_points_take_the_place_of_what_cannot_be_tried(answer, match):
    engine = Guarded(Wayward(answer), SPACE, 0, "Mine()")

    with pytest.warns(UserWarning, match=match) as told:
        points = proposals(engine)

    assert len(told) == 1
    assert all(SPACE.check(point) == point for point in points)
    assert len({point["x"] for point in points}) == 20


def test_a_sound_sampler_is_left_alone():
    engine = Guarded(Draws(SPACE, 0), SPACE, 0, "Mine()")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = proposals(engine)

    assert points == proposals(Draws(SPACE, 0))


def test_a_sampler_that_is_exhausted_is_exhausted():
    engine = Guarded(Lattice(Space({"n": integer(1, 3)}), None), Space({"n": integer(1, 3)}), 0, "Grid()")

    assert [point and point["n"] for point in (engine.propose(number) for number in (1, 3, 4))] == [1, 3, None]


def test_where_everything_was_tried_it_goes_on():
    space = Space({"n": choice("a", "b")})
    engine = Guarded(Draws(space, 0), space, 0, "Mine()")

    with pytest.warns(UserWarning, match="tried before"):
        points = proposals(engine)

    assert {point["n"] for point in points[:2]} == {"a", "b"}
    assert len(points) == 20


def test_asked_again_for_one_number_it_answers_the_same():
    engine = Guarded(Wayward(ValueError("no")), SPACE, 3, "Mine()")

    with pytest.warns(UserWarning, match="failed"):
        first = engine.propose(1)

    assert engine.propose(1) == first != engine.propose(2)


def test_samplers_that_learn_are_guarded_and_the_others_need_it_not():
    def engine(sampler: Any) -> Any:
        return engines(Strategy(sampler), SPACE, seed=0)[0]

    assert isinstance(engine(TPE()), Guarded)
    assert not isinstance(engine(Random()), Guarded)
    assert not isinstance(engine(Grid(points=2)), Guarded)


def test_tpe_tries_every_point_of_a_small_space_before_it_repeats_one():
    space = Space({"a": choice(*"abcd"), "b": integer(1, 4)})
    engine = engines(Strategy(TPE(startup=4)), space, seed=0)[0]
    tried = set()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(1, 33):
            point = engine.propose(number)
            tried.add(tuple(point.values()))
            engine.adopt(number, point)
            engine.observe(number, 1, random.Random(str(point)).random())

    assert len(tried) >= 14  # of 16
