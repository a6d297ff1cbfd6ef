"""Strategies side by side: medians, ranges, and the time to match the first one."""

import math

import pytest

from orchestrator import Study
from orchestrator.comparison import Outcome, rows
from orchestrator.curves import Surrogate
from orchestrator.simulated import simulate
from orchestrator.untrained import Untrained
from search import FullLength, Goal, Grid, Space, choice

SPACE = Space({"k": choice(0, 1, 2, 3)})
LOSSES = {0: 3.0, 1: 1.0, 2: 2.0, 3: 0.5}


def outcome(goal="min loss", losses=LOSSES, **settings):
    def curve(params):
        return {"loss": losses[params["k"]], "size": float(params["k"]), "seconds": 10.0}

    study = Study(Untrained, SPACE, goal, Grid() + FullLength(epochs=1), **settings)
    return Outcome.of(simulate(study, Surrogate(curve, SPACE, study.goal, "curve"), workers=1))


def made(best, *path):
    return Outcome(best, path[-1][0] if path else 9.0, 4, 12, tuple((t, (0.0, loss)) for t, loss in path))


def test_an_outcome_has_each_new_best_with_its_simulated_time():
    found = outcome()

    assert found.path == ((10, (0, 3.0)), (20, (0, 1.0)), (40, (0, 0.5)))
    assert (found.best, found.seconds, found.trials, found.epochs) == (0.5, 40, 4, 4)
    assert (found.reached((0.0, 1.0)), found.reached((0.0, 0.1))) == (20, math.inf)


def test_more_is_better_where_the_goal_says_so_and_limits_come_first():
    assert outcome("max size").path[-1] == (40, (0, -3.0))
    assert [t for t, _ in outcome(["min loss", "size <= 2"]).path] == [10, 20]


def test_trials_that_failed_are_never_the_best():
    found = outcome(losses={**LOSSES, 3: math.nan})

    assert found.best == 1.0
    assert found.trials == 4


def test_rows_have_medians_ranges_and_the_share_of_the_first_ones_time():
    first = [made(1.0, (50, 2.0), (100, 1.0)), made(3.0, (100, 3.0)), made(2.0, (100, 2.0))]
    sooner = [made(0.5, (25, 0.5)), made(3.0, (50, 3.0)), made(4.0, (10, 4.0))]
    never = [made(9.0, (1, 9.0)), made(9.0, (1, 9.0)), made(1.0, (1, 1.0))]

    table = rows({"a": first, "b": sooner, "c": never}, "loss")

    assert [row["to match"] for row in table] == ["1.00 x", "0.50 x", "never"]
    assert [row["best loss"] for row in table] == ["2 (1 to 3)", "3 (0.5 to 4)", "9 (1 to 9)"]
    assert table[0]["time"] == "1.67 min"


def test_one_strategy_has_nothing_to_match_and_one_seed_no_range():
    assert rows({"a": [made(1.0, (50, 1.0))]}, "loss") == [
        {"strategy": "a", "best loss": "1", "time": "50 s", "trials": "4", "epochs": "12"}
    ]


def test_a_first_strategy_that_found_nothing_leaves_the_column_empty():
    table = rows({"a": [made(None)], "b": [made(1.0, (5, 1.0))]}, "loss")

    assert [row["best loss"] for row in table] == ["none", "1"]
    assert [row["to match"] for row in table] == ["", ""]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_paths_last_rank_is_the_best_trials(seed):
    found = outcome(seed=seed)

    assert found.path[-1][1] == (0.0, found.best)
    assert Goal.parse("min loss").rank({"loss": found.best}) == found.path[-1][1]


def test_what_took_no_time_is_matched_in_as_much_or_in_infinitely_more():
    first = made(1.0, (0.0, 1.0))
    at_once, later, never = made(1.0, (0.0, 1.0)), made(0.5, (7.0, 0.5)), made(2.0, (7.0, 2.0))

    assert [one.share_of(first) for one in (at_once, later, never)] == [1.0, math.inf, math.inf]
    table = rows({"a": [first], "b": [at_once], "c": [later], "d": [never]}, "loss")
    assert [row["to match"] for row in table] == ["1.00 x", "1.00 x", "inf x", "never"]


def test_a_best_that_breaks_the_limits_is_none():
    beyond, within = outcome(["min loss", "size <= -1"]), outcome(["min loss", "size <= 2"])

    assert (beyond.best, beyond.path, within.best) == (None, (), 1.0)
    table = rows({"a": [within, beyond], "b": [beyond, beyond]}, "loss")
    assert [row["best loss"] for row in table] == ["1 (1 to 1), none in 1 of 2", "none"]
    assert [row["to match"] for row in table] == ["1.00 x", "never"]


def test_a_report_beyond_the_limits_matches_nothing():
    first, second = outcome(["min loss", "size <= -1"]), outcome(["min loss", "size <= 2"])

    assert second.share_of(first) is None
    assert outcome(["min loss", "size >= 2"]).path == ((30, (0, 2.0)), (40, (0, 0.5)))
