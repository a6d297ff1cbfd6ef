"""Goals: how they are written, and what is better than what."""

import math
import pickle

import pytest

from search import Goal


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("min loss", Goal("min", "loss")),
        ("max val_acc", Goal("max", "val_acc")),
        ("  MAX   val/acc@5 ", Goal("max", "val/acc@5")),
        ("minimise loss", Goal("min", "loss")),
        ("Maximize Acc", Goal("max", "Acc")),
    ],
)
def test_a_goal_is_read_and_written_in_two_words(text, goal):
    assert Goal.parse(text) == goal
    assert Goal.parse(str(goal)) == goal
    assert Goal.parse(goal) is goal


def test_a_goal_is_a_value():
    goal = Goal("min", "loss")

    assert pickle.loads(pickle.dumps(goal)) == goal
    assert {goal, Goal("min", "loss")} == {goal}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("minn loss", r"'minn loss' begins with 'minn'\. Did you mean 'min'\?"),
        ("maximum acc", r"begins with 'maximum'\. Did you mean 'maximi[sz]e'\?"),
        ("lowest loss", r"begins with 'lowest'\. Known: min, max"),
        ("loss", r"the goal is 'loss'\. Write a mode and a metric: 'min loss'"),
        ("", r"the goal is ''\. Write a mode"),
        ("min loss max acc", r"the goal is 'min loss max acc'\. Write a mode"),
        (None, r"the goal is None\. Write a mode"),
        (5, r"the goal is 5\. Write a mode"),
    ],
)
def test_a_goal_that_cannot_be_read_is_refused(text, match):
    with pytest.raises(ValueError, match=match):
        Goal.parse(text)


@pytest.mark.parametrize(
    ("mode", "metric", "match"),
    [
        ("minimize", "loss", r"mode is 'minimize'\. .*min"),
        ("mim", "loss", r"mode is 'mim'\. Did you mean 'min'\?"),
        (None, "loss", r"mode is None\. "),
        ("min", "", r"metric is ''\. Name by one word"),
        ("min", "val loss", r"metric is 'val loss'\. Name by one word"),
        ("min", " loss", r"metric is ' loss'\. Name by one word"),
        ("min", 5, r"metric is 5\. Name by one word"),
    ],
)
def test_what_is_no_goal_is_refused(mode, metric, match):
    with pytest.raises(ValueError, match=match):
        Goal(mode, metric)


def test_a_loss_is_less_where_a_value_is_better():
    assert Goal("min", "x").loss(2.0) == 2.0
    assert Goal("max", "x").loss(2.0) == -2.0
    assert math.isnan(Goal("max", "x").loss(math.nan))


@pytest.mark.parametrize("mode", ["min", "max"])
def test_only_what_is_finite_is_ever_better(mode):
    goal = Goal(mode, "x")

    for value in (math.nan, math.inf, -math.inf):
        assert not goal.better(value, None)
        assert not goal.better(value, 0.0)
        assert goal.better(0.0, value)
    assert goal.better(0.0, None)
    assert not goal.better(0.0, 0.0)
    assert goal.better(1.0, 2.0) == (mode == "min")
    assert goal.better(2.0, 1.0) == (mode == "max")
