"""Strategies, goals and spaces that do not agree are refused, and the pair to use can be pasted."""

import itertools
import re

import pytest

from search import Goal, Space, check_agreement, choice, strategy_of, uniform
from search.agreement import check_points
from search.notation import STRATEGIES, parse
from tests.kit.strategies import EVERYONE

SPACE = Space({"x": uniform(0, 1), "kind": ["a", "b"]})
GOALS = [
    "min loss",
    "max loss",
    "min loss, max speed",
    "min loss, speed >= 3",
    "min loss per second",
    "min a per joule",
]


@pytest.mark.parametrize(("text", "goal"), list(itertools.product(EVERYONE, GOALS)))
def test_a_refusal_names_a_strategy_that_is_not_refused(text, goal):
    strategy, aim = strategy_of(parse(text, STRATEGIES)), Goal.parse(goal)

    for _ in range(3):  # a sampler and a scheduler may have to change, one after the other
        try:
            check_agreement(strategy, aim, SPACE)
            return
        except ValueError as error:
            mend = re.sub(r".* Use (.*?)(, or .*)?\.$", r"\1", str(error))
            strategy = strategy_of(parse(mend, STRATEGIES))
    raise AssertionError(f"{text} for {goal} leads nowhere")


@pytest.mark.parametrize(
    ("text", "goal", "message"),
    [
        (
            "CMAES()",
            "min a, min b",
            r"CMAES\(\) looks for one best point, and the goal has 2 objectives\. Use NSGA2\(\) \+ Full",
        ),
        (
            "Random() + MedianStop(max_epochs=9)",
            "min a, b <= 3",
            r"MedianStop.* compares one number.* a limit on b\. Use Random",
        ),
        ("Random() + PBT(max_epochs=9)", "min a, min b", r"PBT.* compares one number.* 2 objectives\. Use"),
        ("Random() + Extrapolate(max_epochs=9)", "min a per second", r"does not compare trials at equal cost"),
        (
            "TPE() + FullLength(epochs=3)",
            "min a per second",
            r"FullLength\(epochs=3\) does not compare .*ASHA\(max_epochs=3\)",
        ),
        ("TPE(engine='hyperopt')", "min a, min b", "looks for one best point"),
        ("Sobol(n=3) >> CMAES()", "min a, min b", r"Sobol\(n=3\) >> CMAES\(\) looks for one"),
    ],
)
def test_what_is_said(text, goal, message):
    with pytest.raises(ValueError, match=message):
        check_agreement(strategy_of(parse(text, STRATEGIES)), Goal.parse(goal), SPACE)


def test_gradients_need_a_parameter_to_descend():
    strategy = strategy_of(parse("Hypergradient()", STRATEGIES))

    with pytest.raises(ValueError, match=r"the space .* has none\. Use TPE\(\)"):
        check_agreement(strategy, Goal.parse("min loss"), Space({"kind": choice("a", "b")}))


def test_a_grid_that_the_budget_would_cut_off_is_told_how_to_draw_from_it():
    space = Space({f"x{k}": uniform(0, 1) for k in range(12)})
    strategy = strategy_of(parse("Grid(points=10)", STRATEGIES))

    with pytest.raises(ValueError, match=r"has 1,000,000,000,000 points.* after 5") as refused:
        check_points(strategy, space, trials=5)

    mend = str(refused.value).partition("draw from it: ")[2].rstrip(".")
    assert check_points(strategy_of(parse(mend, STRATEGIES)), space, trials=5) is None
    assert mend == "Grid(points=10, shuffle=True) + FullLength()"


@pytest.mark.parametrize(
    ("text", "trials", "given", "match"),
    [
        ("Grid(points=2)", 4, 1, r"the grid has 4 points, .* after 4, of which 1 are your own points\. Set trials: 5"),
        (
            "Sobol(n=6) >> Grid(points=2)",
            6,
            0,
            r"Sobol\(n=6\) proposes 6 points, and with 6 trials Grid\(.* would never",
        ),
        (
            "Sobol(n=20) >> TPE()",
            10,
            0,
            r"with 10 trials TPE\(\) would never begin\. Set trials: 40, or use TPE\(\) \+ Full",
        ),
        ("Grid(points=3) >> TPE()", 4, 0, r"TPE\(\) would never begin"),
        (
            "Sobol(n=3) >> Grid(points=2)",
            6,
            0,
            r"the grid has 4 points, and the budget would end it after 6\. Set trials: 7",
        ),
    ],
)
def test_no_part_of_a_strategy_is_cut_off_without_a_word(text, trials, given, match):
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)})

    with pytest.raises(ValueError, match=match):
        check_points(strategy_of(parse(text, STRATEGIES)), space, trials, given)


def test_enough_trials_are_enough():
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)})

    for text, trials, given in (("Grid(points=2)", 5, 1), ("Sobol(n=3) >> Grid(points=2)", 7, 0), ("TPE()", 1, 0)):
        assert check_points(strategy_of(parse(text, STRATEGIES)), space, trials, given) is None
