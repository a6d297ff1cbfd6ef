"""Our Parzen estimator: its densities against HyperOpt's and against counts of its own draws."""

from itertools import pairwise

import numpy as np
import pytest
from hyperopt.tpe import GMM1_lpdf

from search import TPE, Space, choice, integer, uniform
from search.engines.at_work import sampler_engine
from search.engines.cube import Cube
from search.engines.parzen import Mixture, _weights, _widths
from search.protocol import FINISHED, Seen

LINE = Space({"x": uniform(0, 1)})
TREE = Space(
    {"kind": choice(a={"x": uniform(0, 1), "n": integer(1, 4)}, b={"y": uniform(0, 1)}, c={}), "z": uniform(0, 1)}
)


def units(space, *points):
    cube = Cube(space)
    return np.array([cube.units(space.check(point)) for point in points])


def mean_density(at, means, widths, cell=1, **bounds):
    """HyperOpt's own, kernel by kernel, and the even one: it cuts a mixture off as a whole, we cut off each kernel.

    Where it gives the mass of a cell, as of a whole number, there are `cell` of them.
    """
    kernels = [
        cell * np.exp(GMM1_lpdf(at, np.array([1.0]), np.array([mean]), np.array([width]), **bounds))
        for mean, width in zip(means, widths, strict=True)
    ]
    return np.log(np.mean([*kernels, np.ones(len(at))], axis=0))


def test_on_a_line_the_density_is_that_of_hyperopts_truncated_mixture():
    seen = [0.05, 0.2, 0.25, 0.7, 0.98]
    mixture = Mixture(Cube(LINE), units(LINE, *({"x": x} for x in seen)))
    at = np.linspace(0.01, 0.99, 37)

    expected = mean_density(at, seen, _widths(np.array(seen)), low=0.0, high=1.0)

    assert mixture.log(at[:, None]) == pytest.approx(expected, abs=1e-6)


def test_a_whole_number_has_the_mass_of_its_cell_as_in_hyperopt():
    space = Space({"n": integer(1, 8)})
    seen = units(space, {"n": 2}, {"n": 3}, {"n": 7})
    at = units(space, *({"n": n} for n in range(1, 9)))

    ours = Mixture(Cube(space), seen).log(at)

    means, widths = seen[:, 0] * 8 + 0.5, _widths(seen[:, 0]) * 8
    expected = mean_density(at[:, 0] * 8 + 0.5, means, widths, low=0.5, high=8.5, q=1, cell=8)
    assert ours == pytest.approx(expected, abs=1e-6)
    assert np.exp(ours).mean() == pytest.approx(1)


@pytest.mark.parametrize("space", [LINE, TREE], ids=["line", "tree"])
def test_draws_fall_where_the_density_says(space):
    cube = Cube(space)
    rng = np.random.default_rng(0)
    points = [space.at(rng.random(cube.size).tolist()) for _ in range(8)]
    mixture = Mixture(cube, units(space, *points))

    even = cube.masked(mixture._cube.snapped(rng.random((40_000, cube.size))))
    weights = np.exp(mixture.log(even))
    drawn = mixture.sample(rng, 40_000)

    assert weights.mean() == pytest.approx(1, abs=0.03)  # it is a density, over the tree as a whole
    for d in range(cube.size):
        known, seen = ~np.isnan(even[:, d]), ~np.isnan(drawn[:, d])
        assert seen.mean() == pytest.approx((weights * known).mean(), abs=0.03)
        expected = np.average(even[known, d], weights=weights[known])
        assert drawn[seen, d].mean() == pytest.approx(expected, abs=0.03)


def test_a_kernel_is_as_wide_as_the_way_to_its_farther_neighbour():
    widths = _widths(np.array([0.5, 0.1, np.nan, 0.9, 0.52]))

    assert widths[[0, 3, 4]].tolist() == pytest.approx([0.4, 0.38, 0.38])
    assert widths[1] == pytest.approx(0.4)  # at an end, the way to the only neighbour
    assert np.isnan(widths[2])
    assert _widths(np.array([0.5, 0.5, 0.5]))[1] == pytest.approx(1 / 5)  # never narrower
    assert _widths(np.array([0.3])) == pytest.approx([0.7])


def test_the_newest_trials_count_in_full_and_the_oldest_least():
    weights = _weights(40)

    assert weights[-25:].tolist() == [1.0] * 25
    assert weights[0] == pytest.approx(1 / 40)
    assert (np.diff(weights) >= 0).all()
    assert _weights(25).tolist() == [1.0] * 25


def test_what_runs_counts_among_the_bad():
    engine = sampler_engine(TPE(startup=5), LINE, seed=0)
    for number in range(1, 21):
        engine.adopt(number, {"x": number / 21})
        engine.observe(number, Seen(FINISHED, (abs(number / 21 - 0.3),)))

    pending = []
    for number in range(21, 33):
        pending.append(engine.propose(number))
        engine.adopt(number, pending[-1])

    values = sorted(point["x"] for point in pending)
    assert min(b - a for a, b in pairwise(values)) > 1e-4
    assert np.std(values) > 0.02  # they spread, although all know the same


def test_limits_are_kept_by_the_draws_themselves():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)}, limits=["x + y <= 0.5"])
    engine = sampler_engine(TPE(startup=5), space, seed=0)
    found = []
    for number in range(1, 61):
        point = engine.propose(number)
        engine.adopt(number, point)
        found.append(point["x"] + point["y"])
        engine.observe(number, Seen(FINISHED, (-found[-1],)))

    assert max(found) <= 0.5
    assert max(found[30:]) > 0.49  # the best lies at the border


def test_a_share_of_proposals_is_random_whatever_is_known():
    def spread(share):
        engine = sampler_engine(TPE(startup=5, random=share), LINE, seed=1)
        found = []
        for number in range(1, 81):
            point = engine.propose(number)
            engine.adopt(number, point)
            found.append(point["x"])
            engine.observe(number, Seen(FINISHED, (abs(point["x"] - 0.1),)))
        return np.mean(np.array(found[20:]) > 0.3)

    assert spread(0.0) < 0.15 < spread(0.5)
