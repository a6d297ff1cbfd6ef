"""How far an earlier study is believed: what it foretells, how sure its order is, and what a wrong one costs."""

import itertools
import math
import random

import numpy as np
import pytest
from scipy.stats import norm

from search import TPE, Bayes, Random, Space, uniform
from search.engines.at_work import sampler_engine
from search.engines.trust import NEIGHBOURS, foretold, trust
from search.protocol import FINISHED, Lesson, Seen

BOWL = Space({"x": uniform(0, 1), "y": uniform(0, 1)})


def loss_at(point):
    return (point["x"] - 0.2) ** 2 + (point["y"] - 0.3) ** 2


def lessons(sign):
    rng = random.Random(5)
    points = sorted((BOWL.sample(rng) for _ in range(60)), key=lambda point: sign * loss_at(point))
    scores = norm.ppf((np.arange(60) + 0.5) / 60)
    return [Lesson(point, (score,)) for point, score in zip(points, scores.tolist(), strict=True)]


def bests(sampler, learned):
    """`[24]` the best so far after each trial, in the median over seeds."""
    paths = []
    for seed in range(8):
        engine = sampler_engine(sampler, BOWL, seed=seed)
        engine.learn(learned)
        losses = []
        for number in range(1, 25):
            point = engine.propose(number)
            losses.append(loss_at(point))
            engine.adopt(number, point)
            engine.observe(number, Seen(FINISHED, (losses[-1],)))
        paths.append(np.minimum.accumulate(losses))
    return np.median(paths, axis=0)


def test_what_is_foretold_is_the_mean_of_the_nearest_lessons():
    rng = np.random.default_rng(0)
    is_choice = np.array([False, True, False])

    def points(count):
        units = rng.random((count, 3))
        units[:, 1] = (np.floor(units[:, 1] * 4) + 0.5) / 4
        units[rng.random(count) < 0.4, 2] = np.nan
        return units

    def apart(one, other):
        number = abs(one[0] - other[0])
        option = float(one[1] != other[1])
        either = [math.isnan(one[2]), math.isnan(other[2])]
        branch = (0.0 if all(either) else 1.0) if any(either) else abs(one[2] - other[2])
        return number**2 + option**2 + branch**2

    at, units, scores = points(20), points(50), rng.standard_normal((50, 2))
    nearest = [sorted(range(50), key=lambda k: apart(row, units[k]))[:NEIGHBOURS] for row in at]
    expected = [scores[rows].mean(axis=0) for rows in nearest]

    assert foretold(at, units, scores, is_choice) == pytest.approx(np.array(expected))


def test_the_spread_that_chance_gives_is_that_of_all_orders():
    taus = []
    for order in itertools.permutations(range(6)):
        pairs = itertools.combinations(order, 2)
        taus.append(sum(1 if a < b else -1 for a, b in pairs) / 15)
    spread = float(np.std(taus))
    told = np.arange(6.0)[:, None]
    losses = np.array([[1.0], [0.0], [2.0], [3.0], [4.0], [5.0]])  # one pair of fifteen the other way: tau is 13 / 15

    assert trust(told, losses) == pytest.approx(2 * norm.cdf(13 / 15 / spread) - 1)


def test_the_contrary_is_not_trusted_and_little_is_until_it_is_known():
    told = np.arange(4.0)[:, None]

    assert trust(told[:3], -told[:3]) == 1.0
    assert trust(told, -told) == 0.0
    assert trust(told, np.zeros((4, 1))) == 0.0
    assert trust(told, told) > 0.9


def test_every_second_of_the_first_trials_tests_what_was_learned():
    first, second = (sampler_engine(TPE(), BOWL, seed=3) for _ in range(2))
    first.learn(lessons(1))
    second.learn(lessons(-1))
    same = []
    for number in range(1, 11):
        points = [engine.propose(number) for engine in (first, second)]
        same.append(points[0] == points[1])
        for engine, point in zip((first, second), points, strict=True):
            engine.adopt(number, point)

    assert same == [False, True] * 4 + [False, False]


def test_samplers_that_learn_nothing_are_not_put_to_the_test():
    plain, taught = (sampler_engine(Random(), BOWL, seed=3) for _ in range(2))
    taught.learn(lessons(1))

    assert [plain.propose(number) for number in range(1, 5)] == [taught.propose(number) for number in range(1, 5)]


@pytest.mark.parametrize("sampler", [TPE(), Bayes()])
def test_right_lessons_help_at_once_and_wrong_ones_cost_some_trials(sampler):
    without, right, wrong = bests(sampler, []), bests(sampler, lessons(1)), bests(sampler, lessons(-1))

    assert right[0] < without[4]
    assert wrong[15] < without[8]
