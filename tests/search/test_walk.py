"""Grids walked in order or shuffled, Sobol's sequence against scipy, and samplers in turn."""

import warnings
from typing import Any

import numpy as np
import pytest
from scipy.stats import qmc

from search import TPE, Grid, Random, Sampler, Sobol, Space, believed, choice, integer, loguniform, uniform
from search.engines.at_work import sampler_engine
from search.engines.lattice import Lattice
from search.engines.walk import shuffled
from search.protocol import FINISHED, Seen

GRID = Space({"a": integer(1, 3), "x": uniform(0, 1)})


@pytest.fixture(autouse=True)
def _ends_are_expected():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* no more trials are proposed")
        yield


def walked(sampler: Sampler, space: Space, given: Any = (), trials: int = 100, seed: int = 0) -> list[Any]:
    """What a sampler proposes after the points that were given."""
    engine = sampler_engine(sampler, space, seed=seed)
    for number, point in enumerate(given, start=1):
        engine.adopt(number, point, given=True)
    found = []
    for number in range(len(given) + 1, trials + 1):
        point = engine.propose(number)
        if point is None:
            break
        engine.adopt(number, space.decode(space.encode(point)))
        engine.observe(number, Seen(FINISHED, (float(number),)))
        found.append(point)
    return found


def all_points(space: Space, points: int | None) -> list[Any]:
    lattice = Lattice(space, points)
    return [lattice.point(index) for index in range(lattice.size)]


# -- grids -----------------------------------------------------------------------------------------


def test_a_grid_is_walked_in_its_order():
    assert walked(Grid(points=3), GRID) == all_points(GRID, 3)


def test_points_of_the_users_own_take_no_place_in_the_grid():
    own = [{"a": 2, "x": 0.123}, {"a": 1, "x": 0.77}]

    assert walked(Grid(points=3), GRID, own) == all_points(GRID, 3)


def test_a_point_of_the_grid_that_was_given_is_not_run_twice():
    given = [{"a": 1, "x": 0.0}, {"a": 2, "x": 0.5}]

    assert walked(Grid(points=3), GRID, given) == [point for point in all_points(GRID, 3) if point not in given]


def test_a_grid_leaves_out_what_breaks_a_limit():
    space = Space(dict(GRID), limits=["a * x <= 1"])

    assert walked(Grid(points=3), space) == [point for point in all_points(GRID, 3) if point["a"] * point["x"] <= 1]


def test_a_shuffled_grid_names_every_point_once_in_an_order_of_the_seeds():
    orders = [walked(Grid(points=5, shuffle=True), GRID, seed=seed) for seed in (0, 0, 1)]

    assert orders[0] == orders[1] != orders[2]
    assert sorted(map(repr, orders[0])) == sorted(map(repr, all_points(GRID, 5)))
    assert orders[0] != all_points(GRID, 5)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 64, 1000])
def test_a_shuffle_is_a_permutation(size):
    assert sorted(shuffled(place, size, seed=3) for place in range(size)) == list(range(size))


def test_a_shuffle_spreads_neighbours_evenly():
    places = np.array([shuffled(place, 10_000, seed=0) for place in range(10_000)])
    steps = np.abs(np.diff(places))

    assert np.corrcoef(places, np.arange(10_000))[0, 1] == pytest.approx(0, abs=0.05)
    assert steps.mean() == pytest.approx(10_000 / 3, rel=0.05)  # of two independent even draws


def test_a_million_million_points_are_shuffled_without_being_written_out(benchmark_s):
    space = Space({f"x{k:02}": choice(*range(10)) for k in range(12)})
    engine = sampler_engine(Grid(shuffle=True), space, seed=0)

    spent = benchmark_s(lambda: engine.propose(1), repeats=5)

    assert space.size == 10**12
    assert len({shuffled(place, 10**12, 0) for place in range(1000)}) == 1000
    assert spent < 0.05


# -- Sobol -----------------------------------------------------------------------------------------


def test_the_points_are_those_of_scipy_laid_over_the_domains():
    space = Space({"x": uniform(-1, 3), "lr": loguniform(1e-4, 1), "n": integer(1, 8), "act": choice("a", "b")})

    found = walked(Sobol(), space, trials=100, seed=5)

    cube = qmc.Sobol(4, scramble=True, rng=5).random(128)[:100]
    for point, (u, v, w, z) in zip(found, cube, strict=True):
        assert point["x"] == pytest.approx(-1 + 4 * u)
        assert point["lr"] == pytest.approx(1e-4 ** (1 - v))
        assert point["n"] == 1 + int(8 * w)
        assert point["act"] == "ab"[int(2 * z)]


def test_they_cover_a_square_more_evenly_than_random_draws():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)})

    ours, luck = (
        [qmc.discrepancy([list(p.values()) for p in walked(kind, space, trials=64, seed=s)]) for s in range(5)]
        for kind in (Sobol(), Random())
    )

    assert max(ours) < min(luck)


def test_a_given_number_of_points_is_the_end():
    assert len(walked(Sobol(20), GRID)) == 20
    assert len(walked(Random(n=7), GRID, given=[{"a": 1, "x": 0.5}])) == 7


def test_a_belief_bends_the_sequence():
    space = Space({"x": uniform(0, 1)}, prior=[believed(x=0.2, within=0.05)])

    found = [point["x"] for point in walked(Sobol(), space, trials=200)]

    assert sum(abs(x - 0.2) < 0.1 for x in found) > 0.6 * len(found)
    assert max(found) > 0.8


# -- in turn ---------------------------------------------------------------------------------------


def test_a_chain_begins_with_the_points_of_its_first_part():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)})

    found = walked(Sobol(n=20) >> TPE(startup=5), space, trials=30)

    assert found[:20] == walked(Sobol(n=20), space)
    assert len(found) == 30


def test_the_later_part_knows_what_came_before():
    space = Space({"x": uniform(0, 1)})
    chained = sampler_engine(Sobol(n=20) >> TPE(startup=5), space, seed=3)
    alone = sampler_engine(TPE(startup=5), space, seed=3)
    for number in range(1, 21):
        point = chained.propose(number)
        for engine in (chained, alone):
            engine.adopt(number, point)
            engine.observe(number, Seen(FINISHED, (abs(point["x"] - 0.3),)))

    assert chained.propose(21) == alone.propose(21)


def test_a_grid_in_a_chain_gives_way_after_its_last_point_although_points_were_given():
    found = walked(Grid(points=2) >> Random(), GRID, given=[{"a": 1, "x": 0.0}], trials=20)

    grid = [point for point in all_points(GRID, 2) if point != {"a": 1, "x": 0.0}]
    assert found[: len(grid)] == grid
    assert len(found) == 19
