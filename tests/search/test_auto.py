"""What `Auto` picks: each rule, at both sides of its edge, and what it says."""

import re

import pytest

from search import (
    ASHA,
    BOHB,
    CMAES,
    NSGA2,
    PBT,
    TPE,
    Auto,
    Bayes,
    FullLength,
    Goal,
    Grid,
    Hyperband,
    Random,
    Sobol,
    Space,
    choice,
    integer,
    uniform,
)
from search.auto import settle
from search.notation import STRATEGIES, parse

NUMBERS = Space({f"x{k}": uniform(0, 1) for k in range(5)})
MANY = Space({f"x{k}": uniform(0, 1) for k in range(61)})
TREE = Space({"x": uniform(0, 1), "kind": choice(a={"y": uniform(0, 1)}, b={})})
SMALL = Space({"n": integer(1, 6), "kind": ["a", "b"]})
ONE, TWO, FOUR = "min loss", "min loss, max speed", "min a, min b, min c, min d"
FULL = FullLength(epochs=9)


def picked(space, scheduler=FULL, goal=ONE, trials=100, at_once=2):
    return settle(Auto() + scheduler, space, Goal.parse(goal), trials, at_once)


@pytest.mark.parametrize(
    ("asked", "sampler", "why"),
    [
        ({"space": NUMBERS}, Bayes(), "Gaussian process"),
        ({"space": NUMBERS, "trials": 300}, Bayes(), "Gaussian process"),
        ({"space": NUMBERS, "trials": 301}, Bayes(n=300) >> TPE(), "stay fast"),
        ({"space": NUMBERS, "trials": 1001}, CMAES(), "1001 trials suffice"),
        ({"space": NUMBERS, "trials": None}, Bayes(n=300) >> TPE(), "learns soonest"),
        ({"space": NUMBERS, "goal": TWO, "trials": None}, TPE(), "time alone"),
        ({"space": SMALL, "trials": None}, Grid(shuffle=True), "only 12 points"),
        ({"space": Space({f"x{k}": uniform(0, 1) for k in range(60)})}, Bayes(), "with 60 parameters"),
        ({"space": MANY}, TPE(), "many trials"),
        ({"space": TREE}, Bayes(), "Gaussian process"),
        ({"space": TREE, "trials": 2000}, Bayes(n=300) >> TPE(), "stay fast"),
        ({"space": TREE, "trials": 3000}, Bayes(n=300) >> TPE(), "stay fast"),
        ({"space": TREE, "trials": 3001}, TPE(), "trees"),
        ({"space": MANY, "trials": 2000}, CMAES(), "2000 trials suffice"),
        ({"space": MANY, "trials": None}, TPE(), "trees"),
        ({"space": SMALL, "trials": 12}, Grid(shuffle=True), "only 12 points"),
        ({"space": SMALL, "trials": 11}, Bayes(), "Gaussian process"),
        ({"space": NUMBERS, "trials": 10}, Sobol(), "of 10 trials, 2 at a time"),
        ({"space": NUMBERS, "trials": 64, "at_once": 32}, Sobol(), "of 64 trials, 32 at a time"),
        ({"space": NUMBERS, "trials": 65, "at_once": 32}, Bayes(), "Gaussian process"),
        ({"space": NUMBERS, "scheduler": ASHA(max_epochs=9)}, Bayes(), "Gaussian process"),
        ({"space": NUMBERS, "scheduler": Hyperband(max_epochs=9), "trials": 2000}, Bayes(n=300) >> TPE(), "soonest"),
        ({"space": MANY, "scheduler": ASHA(max_epochs=9)}, TPE(), "many trials"),
        ({"space": NUMBERS, "scheduler": BOHB(max_epochs=9)}, TPE(random=1 / 3), "BOHB brings its own"),
        ({"space": SMALL, "scheduler": PBT(max_epochs=9)}, Sobol(), "population"),
        ({"space": NUMBERS, "goal": TWO}, Bayes(), "2 objectives over 5 parameters"),
        ({"space": NUMBERS, "goal": FOUR}, TPE(), "fronts on a tree"),
        ({"space": TREE, "goal": TWO}, TPE(), "fronts on a tree"),
        ({"space": TREE, "goal": TWO, "trials": 301}, NSGA2(), "301 trials breed a front"),
    ],
)
def test_each_rule_picks_and_says_why(asked, sampler, why):
    pick = picked(**asked)

    assert pick.strategy.sampler == sampler
    assert re.search(why, pick.why), pick.why
    assert str(pick).startswith(f"{sampler}, for ")
    assert parse(str(sampler), STRATEGIES) == sampler  # as it is read back when the study is resumed


def test_with_earlier_studies_even_a_few_trials_are_modelled():
    few = settle(Auto() + FULL, NUMBERS, Goal.parse(ONE), 10, 32, informed=True)

    assert few.strategy.sampler == Bayes()


def test_what_is_settled_stays_and_says_nothing():
    strategy = Random() + FULL

    pick = settle(strategy, NUMBERS, Goal.parse(ONE), 100, 2)

    assert pick.strategy is strategy
    assert str(pick) == ""
