"""The samplers as values, and each of them through the kit."""

import pickle
from dataclasses import dataclass

import pytest

from search import TPE, Grid, Random, Sampler, Strategy
from search.notation import STRATEGIES, parse
from search.to_ray import engines
from tests.kit.sampler_kit import SamplerKit
from tests.kit.spaces import SPACES

SAMPLERS = [Grid(), Grid(points=3), Random(), TPE(), TPE(startup=3, gamma=0.25, candidates=8)]


class TestRandom(SamplerKit):
    sampler = Random()


class TestGrid(SamplerKit):
    sampler = Grid(points=2)
    draws = False


class TestTPE(SamplerKit):
    sampler = TPE()


class TestHastyTPE(SamplerKit):
    sampler = TPE(startup=1, gamma=0.25, candidates=1)
    spaces = {"logs and steps": SPACES["logs and steps"]}


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_sampler_is_a_value(sampler):
    again = pickle.loads(pickle.dumps(sampler))

    assert again == sampler
    assert hash(again) == hash(sampler)
    assert sorted(map(str, {sampler, again})) == [str(sampler)]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
@pytest.mark.parametrize("written", [str, repr])
def test_a_sampler_is_read_as_it_is_written(sampler, written):
    assert parse(written(sampler), STRATEGIES) == sampler


def test_samplers_of_other_settings_differ():
    assert len(set(SAMPLERS)) == len(SAMPLERS)
    assert Grid() != Random()


def test_only_settings_that_differ_are_written():
    assert str(TPE()) == "TPE()"
    assert str(TPE(gamma=0.5)) == "TPE(gamma=0.5)"
    assert str(Grid(points=5)) == "Grid(points=5)"


@pytest.mark.parametrize(
    ("settings", "seen", "mend"),
    [
        ({"engine": "hyperop"}, "engine='hyperop'", "Did you mean 'hyperopt'"),
        ({"engine": 3}, "engine=3", "Known: hyperopt"),
        ({"startup": 0}, "startup=0", "Set startup="),
        ({"startup": 2.5}, "startup=2.5", "Set startup="),
        ({"startup": "ten"}, "startup='ten'", "Set startup="),
        ({"startup": True}, "startup=True", "Set startup="),
        ({"candidates": -1}, "candidates=-1", "Set candidates="),
        ({"candidates": None}, "candidates=None", "Set candidates="),
        ({"gamma": 0}, "gamma=0", "Set gamma="),
        ({"gamma": float("nan")}, "gamma=nan", "Set gamma="),
        ({"gamma": "1"}, "gamma='1'", "Set gamma="),
        ({"gamma": 1e9}, "gamma=1000000000.0", "Set gamma="),
    ],
)
def test_tpe_refuses_what_it_cannot_be_set_to(settings, seen, mend):
    with pytest.raises(ValueError, match="TPE") as refused:
        TPE(**settings)

    assert seen in str(refused.value)
    assert mend in str(refused.value)


@pytest.mark.parametrize("points", [0, -1, 2.0, "ten", True, 10**30])
def test_a_grid_refuses_what_is_no_number_of_points(points):
    with pytest.raises(ValueError, match=r"Grid\(points=.*\. Set Grid\(points=5\)\."):
        Grid(points=points)


def test_a_sampler_without_an_engine_is_told_which_have_one():
    @dataclass(frozen=True)
    class Unknown(Sampler):
        pass

    with pytest.raises(TypeError, match=r"Unknown\(\) has no engine\. Use Grid, Random or TPE\."):
        engines(Strategy(Unknown()), SPACES["a tree"], seed=0)
