"""Our Gaussian process against scikit-learn's, mpmath, sampling and enumeration."""

import itertools
import math
import random

import mpmath
import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.stats import lognorm

from search import Bayes, Space, believed, choice, integer, logint, loguniform, ordinal, uniform
from search.engines import process as of_process
from search.engines import surrogate as of_surrogate
from search.engines.at_work import sampler_engine
from search.engines.belief import Belief
from search.engines.climb import Climb
from search.engines.cube import Cube
from search.engines.features import Features
from search.engines.history import History
from search.engines.improvement import Improvement, log_h
from search.engines.ladder import ladder
from search.engines.process import Process, Shape, fitted
from search.engines.sobol import Sequence
from search.engines.warping import half_ranked, standardised
from search.protocol import FINISHED, Seen

TREE = Space({
    "x": uniform(0, 1),
    "n": integer(1, 6),
    "kind": choice("none", a={"rate": loguniform(1e-3, 1), "act": ["relu", "tanh", "gelu"]}, b={"k": logint(2, 64)}),
})  # fmt: skip
NUMBERS = Space({"x": uniform(0, 1), "y": uniform(0, 1)})


def drawn(space, count, seed=0):
    rng = random.Random(seed)
    points = [space.sample(rng) for _ in range(count)]
    return points, np.array([Cube(space).units(point) for point in points])


def made(space=TREE, count=30, seed=0):
    """Features, units and values of some points."""
    _, units = drawn(space, count, seed)
    features = Features(Cube(space))
    values = standardised(np.nan_to_num(units, nan=0.3).sum(axis=1) ** 2)
    return features, units, values


def test_points_are_as_far_apart_as_their_parameters_say():
    features, units, _ = made()
    leaves = TREE.leaves

    gaps = features.gaps(features.of(units))

    pairs = enumerate((i, j) for i in range(8) for j in range(i))
    for (g, site), (pair, (i, j)) in itertools.product(enumerate(features.sites), pairs):
        one, other = units[i, site], units[j, site]
        if np.isnan(one) or np.isnan(other):
            expected = float(np.isnan(one) != np.isnan(other))
        elif leaves[site].name in ("kind", "kind.act"):
            expected = float(one != other)
        elif leaves[site].condition:
            expected = 4 * math.sin(math.pi / 6 * (one - other)) ** 2
        else:
            expected = (one - other) ** 2
        assert gaps[g, pair] == pytest.approx(expected, abs=1e-12)


@pytest.fixture
def beside():
    """A process, and scikit-learn's with the same kernel."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    features, units, values = made(NUMBERS)
    shape = Shape(np.array([4.0, 25.0]), 1.7, 0.01)
    kernel = ConstantKernel(1.7) * Matern(length_scale=[0.5, 0.2], nu=2.5) + WhiteKernel(0.01)
    theirs = GaussianProcessRegressor(kernel, optimizer=None).fit(units, values)
    return features, units, Process(features, features.of(units), values, shape), theirs


def test_what_it_predicts_is_what_scikit_learn_predicts(beside):
    features, _, ours, theirs = beside
    _, new = drawn(NUMBERS, 50, seed=1)

    means, deviations = ours.predict(features.of(new))

    their_means, their_deviations = theirs.predict(new, return_std=True)
    assert means == pytest.approx(their_means, abs=1e-8)
    assert ours.believe(features.of(new)) == pytest.approx(their_means, abs=1e-8)
    assert deviations == pytest.approx(
        np.sqrt(their_deviations**2 - 0.01), abs=1e-7
    )  # theirs are those of noisy values


def test_its_posterior_is_scikit_learns_likelihood_and_the_priors(beside):
    features, units, ours, theirs = beside
    posterior = of_process._Posterior(features.gaps(features.of(units)), ours.values, False)
    logs = np.log([4.0, 25.0, 1.7, 0.01])

    found, _ = posterior(logs)
    elsewhere, _ = posterior(np.log([1.0, 1.0, 1.0, 1e-4]))

    def expected(lengths, scale, noise, likelihood):
        spread = math.sqrt(3)
        prior = lognorm.logpdf(lengths, spread, scale=math.exp(math.sqrt(2) + math.log(2) / 2)).sum()
        prior -= math.log(scale) ** 2 / (2 * 0.5**2) + (math.log(noise) - math.log(1e-4)) ** 2 / (2 * 2.0**2)
        return -(likelihood + prior)

    one = expected([0.5, 0.2], 1.7, 0.01, theirs.log_marginal_likelihood_value_)
    theta = np.log([1.0, 1.0, 1.0, 1e-4])
    other = expected([1.0, 1.0], 1.0, 1e-4, theirs.log_marginal_likelihood(theta))
    assert found - elsewhere == pytest.approx(one - other, rel=1e-6)


@pytest.mark.parametrize("exact", [False, True])
def test_its_posterior_has_the_slopes_that_it_says(exact):
    features, units, values = made()
    posterior = of_process._Posterior(features.gaps(features.of(units)), values, exact)
    logs = posterior.start + 0.3 * np.random.default_rng(0).standard_normal(len(posterior.start))

    _, slopes = posterior(logs)

    numeric = approx_fprime(logs, lambda at: posterior(at)[0], 1e-6)
    assert slopes == pytest.approx(numeric, rel=1e-3, abs=1e-3)


def test_what_is_imagined_of_a_running_trial_is_what_the_process_expects_there():
    features, units, values = made(count=12)
    process = fitted(features, features.of(units), values)
    there = features.of(drawn(TREE, 2, seed=5)[1])

    imagined = process.imagined(there, np.random.default_rng(0), 4_000).values[-2:]

    means, deviations = process.predict(there)
    assert imagined.mean(axis=1) == pytest.approx(means, abs=0.05)
    assert imagined.std(axis=1) == pytest.approx(np.sqrt(deviations**2 + process.shape.noise), rel=0.05)


def test_log_h_is_right_far_below_what_a_float_can_hold():
    places = np.array([3.0, 0.0, -0.99, -1.01, -5.0, -30.0, -500.0, -1e5, -1e6])

    found = log_h(places)

    for z, value in zip(places, found, strict=True):
        with mpmath.workdps(60 if z > -100 else 30):
            y = mpmath.mpf(float(-z))
            if y < 100:
                exact = mpmath.log(mpmath.npdf(y) - y * mpmath.erfc(y / mpmath.sqrt(2)) / 2)
            else:  # Abramowitz & Stegun 26.2.12
                series = 1 / y**2 - 3 / y**4 + 15 / y**6
                exact = -(y**2) / 2 - mpmath.log(2 * mpmath.pi) / 2 + mpmath.log(series)
        assert value == pytest.approx(float(exact), rel=1e-6)


def test_improvement_is_what_draws_of_the_process_improve_by():
    features, units, values = made(count=12)
    process = fitted(features, features.of(units), values)
    margin = fitted(features, features.of(units), standardised(np.nan_to_num(units)[:, 0]))
    best = np.array([values.min()])
    _, there = drawn(TREE, 20, seed=5)

    found = np.exp(Improvement(features, process, best, [(margin, 0.2)])(there))

    rng = np.random.default_rng(0)
    (means, deviations), (margins, spreads) = process.predict(features.of(there)), margin.predict(features.of(there))
    losses = means + deviations * rng.standard_normal((40_000, 20))
    is_kept = margins + spreads * rng.standard_normal((40_000, 20)) <= 0.2
    expected = np.maximum(best - losses, 0).mean(axis=0) * is_kept.mean(axis=0)
    assert found == pytest.approx(expected, rel=0.1, abs=0.003)


def test_improvement_has_the_slopes_that_it_says():
    features, units, values = made(count=25)
    process = fitted(features, features.of(units), values)
    there = features.of(drawn(TREE, 3, seed=9)[1])
    running = process.imagined(there, np.random.default_rng(0), 8)
    margin = fitted(features, features.of(units), standardised(np.nan_to_num(units)[:, 0]))
    margin = margin.imagined(there, np.random.default_rng(1), 8)
    best = np.where(np.arange(8) == 3, np.inf, running.values.min(axis=0))
    space = Space(dict(TREE), prior=[believed(x=0.3)])
    height = Improvement(features, running, best, [(margin, 0.2)], Belief(space, 10))
    cube = Cube(TREE)
    smooth = [d for d in range(cube.size) if not cube.options[d]]

    for unit in drawn(TREE, 6, seed=3)[1]:
        value, slopes = height.look(unit)
        assert value == pytest.approx(height(unit[None])[0])
        for d in smooth:
            if np.isnan(unit[d]):
                continue
            step = np.zeros(cube.size)
            step[d] = 2e-3 if d == 0 else 1e-6  # a belief changes from cell to cell
            numeric = (height((unit + step)[None])[0] - height((unit - step)[None])[0]) / (2 * step[d])
            assert slopes[d] == pytest.approx(numeric, rel=0.05 if d == 0 else 1e-3, abs=1e-3)


class Hill:
    """Highest where the right branch has the right numbers."""

    def __call__(self, units):
        kind = np.floor(units[:, 2] * 3)
        rate, act = np.nan_to_num(units[:, 3], nan=9), np.nan_to_num(units[:, 4], nan=9)
        hill = -((units[:, 0] - 0.8123) ** 2) - (units[:, 1] - 0.4) ** 2
        return np.where(kind == 1, hill - (rate - 0.2) ** 2 - 0.3 * (np.floor(act * 3) != 2), hill - 0.5)

    def look(self, unit):
        slopes = np.zeros(len(unit))
        slopes[0] = -2 * (unit[0] - 0.8123)
        if not np.isnan(unit[3]):
            slopes[3] = -2 * (unit[3] - 0.2)
        return float(self(unit[None])[0]), slopes


def test_a_climb_comes_to_the_top():
    cube = Cube(TREE)
    top = Climb(cube).tops(Hill(), drawn(TREE, 3)[1], np.random.default_rng(0))[0]

    assert cube.point(top) == {
        "x": pytest.approx(0.8123, abs=1e-4),
        "n": 3,
        "kind": "a",
        "kind.rate": pytest.approx(1e-3 * 1000**0.2, rel=1e-3),
        "kind.act": "gelu",
    }


def test_warped_losses_keep_their_order_and_the_good_ones_their_distances():
    losses = np.array([0.1, 0.2, 0.25, 0.4, 3.0, 1e6, 50.0, 0.15])

    warped = half_ranked(losses)

    assert np.argsort(warped).tolist() == np.argsort(losses).tolist()
    assert (warped[1] - warped[0]) / (warped[2] - warped[1]) == pytest.approx(2.0)
    assert warped.max() < 4
    assert (warped.mean(), warped.std()) == (pytest.approx(0), pytest.approx(1))


@pytest.mark.parametrize("losses", [[1.0], [2.0, 2.0], [1.0, 1.0, 1.0, 5.0]])
def test_warping_knows_losses_that_are_equal(losses):
    assert np.isfinite(half_ranked(np.array(losses))).all()


def study(space, loss, trials, **told):
    """An engine that was told of random points."""
    engine = sampler_engine(Bayes(startup=4, **told), space, seed=0)
    for number, point in enumerate(drawn(space, trials)[0], 1):
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (loss(point),)))
    return engine


def test_it_finds_the_branch_and_its_numbers():
    def loss(point):
        return (point["x"] - 0.3) ** 2 + {"none": 0.5, "a": 0.0, "b": 0.3}[point["kind"]] + abs(point["n"] - 2) / 10

    engine = study(TREE, loss, 12)
    for number in range(13, 28):
        point = engine.propose(number)
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (loss(point),)))

    assert min(past.seen[FINISHED].losses[0] for past in engine.history.pasts.values()) < 0.002


def test_what_runs_is_not_asked_for_again():
    engine = study(NUMBERS, lambda point: (point["x"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2, 10)
    asked = []
    for number in range(11, 19):
        asked.append(engine.propose(number))
        engine.adopt(number, asked[-1])

    apart = [math.dist(one.values(), other.values()) for one, other in itertools.combinations(asked, 2)]
    assert min(apart) > 0.005


def test_a_proposal_follows_from_what_was_told():
    one, other = (study(TREE, lambda point: point["x"], 8) for _ in range(2))

    assert one.propose(9) == other.propose(9)


def test_it_keeps_limits_and_stays_away_from_what_fails():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1), "o": ordinal(1, 2, 4)}, limits=["x + y <= 1"])
    engine = sampler_engine(Bayes(startup=4), space, seed=0)
    for number in range(1, 31):
        point = engine.propose(number)
        engine.adopt(number, point)
        if point["x"] > 0.6:
            engine.fail(number)
        else:
            engine.observe(number, Seen(FINISHED, (-point["x"] - point["y"],)))

    late = [engine.history.pasts[number] for number in range(15, 31)]
    assert all(space.allows(past.params) for past in late)
    assert sum(past.failed for past in late) <= 5


def test_limits_on_outcomes_are_kept_where_the_best_loss_is_beyond_them():
    engine = sampler_engine(Bayes(startup=6), NUMBERS, seed=0)
    for number in range(1, 31):
        point = engine.propose(number)
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (-point["x"],), (point["x"] - 0.5,)))

    kept = [past for past in engine.history.pasts.values() if past.seen[FINISHED].excess == 0]
    assert len(kept) > 12
    assert max(past.params["x"] for past in kept) > 0.49


def halved():
    """A history of ten trials: all seen at epoch 1, four at epoch 3, two at their ends; one runs and was not seen."""
    history = History(NUMBERS)
    points, _ = drawn(NUMBERS, 11)
    losses = {1: [9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5], 3: [5.5, 4.5, 2.5, 1.0], FINISHED: [2.0, 3.0]}
    for number, point in enumerate(points, 1):
        history.adopt(number, point, given=False)
    for epoch, first in ((1, 1), (3, 1), (FINISHED, 2)):
        for number, loss in enumerate(losses[epoch], first):
            history.observe(number, Seen(epoch, (float(loss),)))
    for number in range(5, 11):
        history.end(number)
    return history


def test_sightings_of_all_lengths_stand_on_one_scale():
    history = halved()

    known = ladder(history)

    assert known.stages.tolist() == [1.0] * 2 + [0.5] * 4 + [0.0] * 10
    second = np.median([2.0 - 4.5, 3.0 - 2.5])
    first = np.median([5.5 - 9, 4.5 - 8, 2.5 - 7, 1.0 - 6])
    assert known.losses[:6].tolist() == pytest.approx([2, 3, *(loss + second for loss in (1.0, 2.5, 4.5, 5.5))])
    assert known.losses[6:].tolist() == pytest.approx([loss + first + second for loss in (0.5, *range(1, 10))])
    assert [past.number for past in known.unseen] == [11]


def test_short_trials_tell_about_long_ones():
    """Under successive halving, it looks where short trials were good before any was trained to its end."""
    engine = sampler_engine(Bayes(startup=8, hedge=0), NUMBERS, seed=0)
    for number, point in enumerate(drawn(NUMBERS, 16)[0], 1):
        engine.adopt(number, point)
        engine.observe(number, Seen(1, ((point["x"] - 0.3) ** 2 + 5,)))
        if number % 4 == 0:
            engine.observe(number, Seen(3, ((point["x"] - 0.3) ** 2 + 1,)))
        engine.end(number)

    proposed = []
    for number in range(17, 23):
        proposed.append(engine.propose(number))
        engine.adopt(number, proposed[-1])

    assert np.median([abs(point["x"] - 0.3) for point in proposed]) < 0.1


def beside_each_other(margins):
    """Least distance between eight points asked for at once, where twelve were seen."""
    engine = sampler_engine(Bayes(startup=4, hedge=0), NUMBERS, seed=0)
    for number, point in enumerate(drawn(NUMBERS, 12)[0], 1):
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, ((point["x"] - 0.3) ** 2 + (point["y"] - 0.6) ** 2,), margins))
    asked = []
    for number in range(13, 21):
        asked.append(engine.propose(number))
        engine.adopt(number, asked[-1])
    return min(math.dist(one.values(), other.values()) for one, other in itertools.combinations(asked, 2))


@pytest.mark.parametrize("margins", [(), (-1.0,), (1.0,)], ids=["no limit", "one that all keep", "one that none keeps"])
def test_points_asked_for_at_once_lie_apart_with_limits_on_outcomes_too(margins):
    assert beside_each_other(margins) > 0.005


@pytest.mark.parametrize("outlier", [1.0, 1e3, 1e6, 1e300])
def test_one_huge_margin_does_not_blind_it(outlier):
    engine = sampler_engine(Bayes(startup=6), NUMBERS, seed=0)
    for number in range(1, 31):
        point = engine.propose(number)
        engine.adopt(number, point)
        margin = outlier if number == 3 else point["x"] - 0.5
        engine.observe(number, Seen(FINISHED, (-point["x"],), (margin,)))

    kept = [past.params["x"] for past in engine.history.pasts.values() if past.seen[FINISHED].excess == 0]
    assert len(kept) > 6
    assert max(kept) > 0.45


def test_it_comes_to_the_edge_of_what_the_spaces_limits_allow():
    names = [f"x{k}" for k in range(5)]
    space = Space({name: uniform(0, 1) for name in names}, limits=[" + ".join(names) + " <= 2"])
    engine, best = sampler_engine(Bayes(), space, seed=0), math.inf
    for number in range(1, 41):
        point = engine.propose(number)
        engine.adopt(number, point)
        loss = sum((value - 0.6) ** 2 for value in point.values())
        engine.observe(number, Seen(FINISHED, (loss,)))
        best = min(best, loss)

    assert best < 5 * 0.2**2 + 0.004  # at 0.4 each


def test_half_of_all_failing_does_not_hide_which_of_the_others_are_good():
    warped = standardised(
        of_surrogate._with_worst(half_ranked(np.array([0.3, 0.31, 0.35, 0.4, 0.5, 0.6, 0.8, 1e4])), 9)
    )

    assert warped[1] - warped[0] > 0.01
    assert (warped[8:] == warped.max()).all()


def test_failures_are_bad_where_all_others_are_equal():
    fails = 0
    engine = sampler_engine(Bayes(startup=6, hedge=0), NUMBERS, seed=0)
    for number in range(1, 31):
        point = engine.propose(number)
        engine.adopt(number, point)
        if point["x"] > 0.5:
            engine.fail(number)
            fails += number > 10
        else:
            engine.observe(number, Seen(FINISHED, (1.0,)))

    assert fails < 7


@pytest.mark.parametrize("losses", [[1e200, 2e200, 3e200, 4e200], [-1e200, 1.0, 2.0, 3.0], [1.0, 1.0, 1e300, 1e300]])
def test_warping_knows_losses_as_large_as_can_be(losses):
    warped = half_ranked(np.array(losses))

    assert np.isfinite(warped).all()
    assert (np.diff(warped) >= 0).all()


@pytest.mark.parametrize("value", [0.1, -3.7, 1e-9])
def test_equal_values_are_zeros_whatever_rounding_makes_of_their_mean(value):
    assert standardised(np.full(7, value)).tolist() == [0.0] * 7


def test_equal_margins_do_no_harm(recwarn):
    assert beside_each_other((0.1,)) > 0
    assert not recwarn


def test_a_belief_fades_with_every_trial_that_was_heard_of():
    space = Space(dict(NUMBERS), prior=believed(x=0.9, within=0.02))
    engine = sampler_engine(Bayes(startup=6, hedge=0), space, seed=0)
    late = []
    for number in range(1, 41):
        point = engine.propose(number)
        engine.adopt(number, point)
        engine.observe(number, Seen(1, ((point["x"] - 0.2) ** 2 + 1,)))
        if number % 12 == 0:
            engine.observe(number, Seen(3, ((point["x"] - 0.2) ** 2,)))
        engine.end(number)
        late += [point["x"]] if number > 25 else []

    assert sum(abs(x - 0.9) < 0.05 for x in late) < 4


def test_where_trials_are_stopped_early_every_fourth_point_is_sobols():
    engine, even = sampler_engine(Bayes(startup=4), NUMBERS, seed=2), Sequence(NUMBERS, 2)
    are_even = []
    for number in range(1, 21):
        point = engine.propose(number)
        are_even.append(point == even(number - 1))
        engine.adopt(number, point)
        for epoch in (1, 3, FINISHED) if number % 3 else (1,):
            engine.observe(number, Seen(epoch, (point["x"] - point["y"] / epoch,)))

    assert are_even == [number <= 4 or number % 4 == 0 for number in range(1, 21)]
