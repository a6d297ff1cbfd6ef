"""A sampler that misbehaves is replaced by random points, with one warning."""

import random
import warnings
from typing import Any

import pytest

from search import TPE, Space, choice, integer, uniform
from search.engines.at_work import sampler_engine
from search.engines.chain import Until
from search.engines.draws import Draws, draw
from search.engines.guarded import Guarded
from search.protocol import FINISHED, Seen

SPACE = Space({"x": uniform(0, 1), "n": integer(1, 4)})
FIXED = {"x": 0.5, "n": 2}


class Wayward(Draws):
    """Proposes what it is told to, or raises it."""

    def __init__(self, answer: Any):
        super().__init__(SPACE, 0)
        self.answer = answer

    def propose(self, number: int, history: Any, attempt: int) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def proposals(engine: Any, trials: int = 20) -> list[Any]:
    points = []
    for number in range(1, trials + 1):
        points.append(engine.propose(number))
        engine.adopt(number, points[-1])
        engine.observe(number, Seen(FINISHED, (0.0,)))
    return points


def until_it_ends(engine: Any) -> list[Any]:
    points: list[Any] = []
    while (point := engine.propose(len(points) + 1)) is not None:
        points.append(point)
        engine.adopt(len(points), point)
        engine.observe(len(points), Seen(FINISHED, (random.Random(str(point)).random(),)))
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
        (FIXED, r"Mine\(\) proposed for trial 2 what was tried before, 8 times\. Random points take its place"),
    ],
)
def test_random_points_take_the_place_of_what_cannot_be_tried(answer, match):
    engine = Guarded(Wayward(answer), SPACE, 0, "Mine()")

    with pytest.warns(UserWarning, match=match) as told:
        points = proposals(engine)

    assert len(told) == 1
    assert all(SPACE.check(point) == point for point in points)
    assert len({tuple(point.values()) for point in points}) == 20


def test_a_sound_sampler_is_left_alone():
    engine = Guarded(Draws(SPACE, 0), SPACE, 0, "Mine()")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        points = proposals(engine)

    assert points == [draw(SPACE, 0, number) for number in range(1, 21)]


def test_a_sampler_that_has_no_more_points_says_so_once():
    engine = Guarded(Until(Draws(SPACE, 0), 2), SPACE, 0, "Random(n=2)")

    with pytest.warns(UserWarning, match=r"Random\(n=2\) has proposed all its points: no more trials") as told:
        found = until_it_ends(engine)

    assert len(found) == 2
    assert engine.propose(3) is engine.propose(4) is None
    assert len(told) == 1


def test_where_everything_was_tried_it_ends():
    space = Space({"n": choice("a", "b")})
    engine = Guarded(Draws(space, 0), space, 0, "Mine()")

    with pytest.warns(UserWarning, match=r"every point of the space was tried, 2 in all: no more trials"):
        found = until_it_ends(engine)

    assert sorted(point["n"] for point in found) == ["a", "b"]


def test_where_a_limit_leaves_few_points_they_are_all_found():
    space = Space({"a": integer(1, 60), "b": integer(1, 60)}, limits=["a == b", "a > 50"])
    engine = Guarded(Draws(space, 0), space, 0, "Mine()")

    with pytest.warns(UserWarning, match=r"every point of the space that keeps a == b, a > 50 was tried, 10 in all"):
        found = until_it_ends(engine)

    assert sorted(point["a"] for point in found) == list(range(51, 61))


def test_a_point_that_breaks_a_limit_is_moved_to_one_that_keeps_it():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)}, limits=["x + y <= 1"])
    engine = Guarded(Wayward({"x": 0.9, "y": 0.9}), space, 0, "Mine()")

    first = engine.propose(1)

    assert 0.99 < first["x"] + first["y"] <= 1  # as near as can be
    assert space.check(first) == first


def test_asked_again_for_one_number_it_answers_the_same():
    engine = Guarded(Wayward(ValueError("no")), SPACE, 3, "Mine()")

    with pytest.warns(UserWarning, match="failed"):
        first = engine.propose(1)

    assert engine.propose(1) == first != engine.propose(2)


def test_tpe_tries_every_point_of_a_small_space_and_then_ends():
    space = Space({"a": choice(*"abcd"), "b": integer(1, 4)})
    engine = sampler_engine(TPE(startup=4), space, seed=0)

    with pytest.warns(UserWarning, match="every point of the space was tried, 16 in all"):
        tried = [tuple(point.values()) for point in until_it_ends(engine)]

    assert len(tried) == len(set(tried)) == 16


def test_a_large_space_of_few_kept_points_is_tried_to_its_end():
    space = Space({"a": integer(1, 300), "b": integer(1, 300)}, limits=["a == b"])
    engine = Guarded(Draws(space, 0), space, 0, "Mine()")

    with pytest.warns(UserWarning, match=r"every point of the space that keeps a == b was tried, 300 in all"):
        found = until_it_ends(engine)

    assert sorted(point["a"] for point in found) == list(range(1, 301))


def test_what_was_not_looked_at_is_not_said_to_be_tried(monkeypatch):
    monkeypatch.setattr("search.engines.guarded.WALK", 100)
    space = Space({"a": integer(1, 1000), "b": integer(1, 1000)}, limits=["a == b", "a > 990"])
    engine = Guarded(Draws(space, 0), space, 0, "Mine()")

    with pytest.warns(UserWarning, match=r"no untried point that keeps .* is among 100 of the 1,000,000 in the space"):
        until_it_ends(engine)
