"""Beliefs: how they are written, what is drawn under them, and what models make of them."""

import math
import pickle
import random

import numpy as np
import pytest
from scipy import integrate, stats

from search import (
    TPE,
    Bayes,
    Evolution,
    Greedy,
    Random,
    Reinforce,
    Space,
    Swarm,
    believed,
    choice,
    integer,
    logint,
    loguniform,
    ordinal,
    uniform,
)
from search.engines.at_work import sampler_engine
from search.notation import BELIEFS, parse
from search.prior import OPEN_SHARE
from search.protocol import FINISHED, Seen


@pytest.mark.parametrize(
    ("text", "belief"),
    [
        ("believed(lr=3e-3, within=3x)", believed(lr=3e-3, within="3x")),
        ("believed(lr=3e-3, within='3x')", believed(lr=3e-3, within="3x")),
        ("believed(lr=3e-3, dropout=0.1, within=.05)", believed(lr=3e-3, dropout=0.1, within=0.05)),
        ("believed(act='relu', chance=0.9)", believed(act="relu", chance=0.9)),
        ("believed({'optimizer.momentum': 0.9}, within=0.05)", believed({"optimizer.momentum": 0.9}, within=0.05)),
        ("believed({'within': 0.5, 'chance': 3}, within=0.1)", believed({"within": 0.5, "chance": 3}, within=0.1)),
    ],
)
def test_a_belief_is_read_and_written(text, belief):
    assert parse(text, BELIEFS) == belief
    assert parse(str(belief), BELIEFS) == belief
    assert pickle.loads(pickle.dumps(belief)) == belief


def draws(space, name, count=4000):
    rng = random.Random(0)
    return [space.sample(rng)[name] for _ in range(count)]


def test_four_of_five_draws_are_lognormal_around_the_center_and_one_is_even():
    space = Space({"lr": loguniform(1e-6, 1)}, prior=believed(lr=1e-3, within="3x"))

    logs = np.log(draws(space, "lr"))

    def density(x):
        bell = stats.truncnorm.pdf(
            x, *[(math.log(end) - math.log(1e-3)) / math.log(3) for end in (1e-6, 1)], math.log(1e-3), math.log(3)
        )
        return (1 - OPEN_SHARE) * bell + OPEN_SHARE / (6 * math.log(10))

    def cdf(x):
        return np.array([integrate.quad(density, math.log(1e-6), end)[0] for end in np.atleast_1d(x)])

    assert stats.kstest(logs[:400], cdf).pvalue > 0.01


def test_a_distance_is_a_bell_over_values_whole_numbers_included():
    space = Space({"n": integer(0, 100)}, prior=believed(n=30, within=4))

    values = np.array(draws(space, "n"))

    near = np.abs(values - 30) <= 8  # two deviations
    assert near.mean() == pytest.approx(0.8 * 0.954 + 0.2 * 17 / 101, abs=0.03)
    assert np.median(values) == pytest.approx(30, abs=1)


def test_options_have_their_chance_and_neighbours_of_an_ordinal_share_it():
    space = Space(
        {"act": choice("a", "b", "c"), "size": ordinal(8, 16, 32, 64, 128)},
        prior=[believed(act="b"), believed(size=32)],
    )

    acts, sizes = draws(space, "act"), draws(space, "size")

    assert acts.count("b") / len(acts) == pytest.approx(0.8 * 0.7 + 0.2 / 3, abs=0.03)
    assert sizes.count(32) > sizes.count(16) > sizes.count(8)
    assert sizes.count(16) == pytest.approx(sizes.count(64), rel=0.15)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: believed(), r"believed\(\) names no parameter\. Name one"),
        (lambda: believed(3), r"believed\(3\) names no parameter"),
        (lambda: believed(lr=1, within="far"), r"within='far'\) says no distance\. Give a factor above 1"),
        (lambda: believed(lr=1, within="0.5x"), "says no distance"),
        (lambda: believed(lr=1, within=-1), "says no distance"),
        (lambda: believed(act="a", chance=1), r"chance=1\) is no chance"),
    ],
)
def test_what_is_no_belief_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("belief", "match"),
    [
        (believed(rate=1), r"names 'rate'\. Did you mean|names 'rate'\. Known"),
        (believed(lr=5), r"lies outside lr: loguniform\(0\.0001, 1\)\. Choose a value inside"),
        (believed(shift=0.5, within="2x"), r"gives a factor for shift, which may be zero or less\. Give a distance"),
        ("lr around 3", r"the prior holds 'lr around 3'\. Write what you believe"),
    ],
)
def test_a_belief_that_does_not_fit_the_space_is_refused(belief, match):
    with pytest.raises(ValueError, match=match):
        Space({"lr": loguniform(1e-4, 1), "shift": uniform(-1, 1)}, prior=[belief])


# -- what samplers make of it ----------------------------------------------------------------------

BELIEVED = {"x": uniform(0, 1), "w": logint(1, 1024), "act": choice("a", "b", "c")}
PRIOR = [believed(x=0.2, within=0.05), believed(w=16, within="2x"), believed(act="b")]


@pytest.mark.parametrize(
    "sampler", [Random(), TPE(), TPE(engine="hyperopt"), Bayes(), Evolution(), Greedy(), Swarm(), Reinforce()], ids=str
)
def test_the_first_points_follow_it(sampler):
    space = Space(BELIEVED, prior=PRIOR)
    firsts = []

    for seed in range(40):
        engine = sampler_engine(sampler, space, seed=seed)
        firsts.append(engine.propose(1))

    assert sum(abs(point["x"] - 0.2) < 0.15 for point in firsts) > 0.5 * len(firsts)
    assert sum(point["act"] == "b" for point in firsts) > 0.4 * len(firsts)


def regret(sampler, space, center, trials, seed):
    engine, best = sampler_engine(sampler, space, seed=seed), math.inf
    for number in range(1, trials + 1):
        point = engine.propose(number)
        engine.adopt(number, point)
        loss = abs(point["x"] - center) + abs(math.log2(point["w"]) - 4) / 10 + (point["act"] != "b")
        engine.observe(number, Seen(FINISHED, (loss,)))
        best = min(best, loss)
    return best


@pytest.mark.parametrize("sampler", [TPE(), TPE(engine="hyperopt"), Bayes(startup=5)], ids=str)
def test_a_right_belief_saves_trials_and_a_wrong_one_does_not_cost_the_study(sampler):
    seeds, trials = range(6), 30
    space = Space(BELIEVED)

    plain = np.median([regret(sampler, space, 0.2, trials, seed) for seed in seeds])
    right = np.median([regret(sampler, Space(BELIEVED, prior=PRIOR), 0.2, trials, seed) for seed in seeds])
    wrong = np.median([regret(sampler, Space(BELIEVED, prior=PRIOR), 0.8, trials, seed) for seed in seeds])

    assert right < plain + 0.01
    assert wrong < 0.4  # at the center of the belief it would be 0.6


def test_the_share_of_a_value_is_the_inverse_of_a_draw():
    space = Space(
        {"lr": loguniform(1e-6, 1), "n": integer(1, 9)}, prior=[believed(lr=1e-3, within="3x"), believed(n=4)]
    )

    for place in range(2):
        for share in (0.01, 0.3, 0.5, 0.77, 0.99):
            assert space.prior.share(place, space.prior.draw(place, share)) == pytest.approx(share)
