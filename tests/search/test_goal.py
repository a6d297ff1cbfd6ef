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
def test_only_what_is_finite_has_a_rank_and_less_is_better(mode):
    goal = Goal(mode, "x")

    for value in (math.nan, math.inf, -math.inf):
        assert goal.rank({"x": value}) is None
    assert goal.rank({"y": 1.0}) is None
    assert (goal.rank({"x": 1.0}) < goal.rank({"x": 2.0})) == (mode == "min")


# -- several objectives, limits, and costs ---------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "written", "metrics"),
    [
        (["max accuracy", "min latency_ms <= 20"], "max accuracy, min latency_ms <= 20", ("accuracy", "latency_ms")),
        ("max accuracy, latency_ms<=20", "max accuracy, latency_ms <= 20", ("accuracy", "latency_ms")),
        ("min a >= 1, a <= 3", "min a >= 1, a <= 3", ("a",)),
        ("min loss per seconds", "min loss per second", ("loss",)),
        ("min loss per joule", "min loss per joule", ("loss", "joules")),
        (("max a > 0.5", "min b", "c < 3"), "max a >= 0.5, min b, c <= 3", ("a", "b", "c")),
    ],
)
def test_goals_of_several_parts_are_read_and_written(given, written, metrics):
    goal = Goal.parse(given)

    assert str(goal) == written
    assert Goal.parse(written) == goal
    assert goal.metrics == metrics
    assert not goal.is_plain
    assert pickle.loads(pickle.dumps(goal)) == goal


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("min a, max a", r"the goal names a twice\. Keep one of the two\."),
        ("min a per hour", r"is judged per 'hour'\. Known: second"),
        ("min a, max b per second", r"several objectives are not judged per second\. Keep one of them: 'min a'\."),
        ("min a <= much", r"limits a by 'much'\. Write a number: 'min a <= 20'\."),
        ("a <= 3", r"the goal is 'a <= 3'\. Write a mode and a metric"),
        (["min a", 3], r"the goal is 3\. Write a mode"),
    ],
)
def test_goals_of_several_parts_that_cannot_be_read_are_refused(text, match):
    with pytest.raises(ValueError, match=match):
        Goal.parse(text)


def test_whoever_keeps_the_limits_comes_before_whoever_breaks_them_and_less_before_more():
    goal = Goal.parse("max accuracy, latency <= 20")
    reports = [
        {"accuracy": 0.9, "latency": 19.0},
        {"accuracy": 0.5, "latency": 20.0},
        {"accuracy": 0.99, "latency": 21.0},
        {"accuracy": 0.99, "latency": 40.0},
    ]

    ranks = [goal.rank(report) for report in reports]

    assert ranks == sorted(ranks)
    assert [rank[0] for rank in ranks] == [0, 0, pytest.approx(0.05), pytest.approx(1.0)]
    assert goal.margins(reports[0]) == (pytest.approx(-0.05),)
    assert goal.rank({"accuracy": 0.9}) is None


def test_a_limit_at_zero_is_measured_as_it_is():
    assert Goal.parse("min a, b <= 0").excess({"a": 1.0, "b": 2.5}) == 2.5
    assert Goal.parse("min a, b >= -2").excess({"a": 1.0, "b": -3.0}) == 0.5


def test_costs_are_seconds_or_the_joules_that_a_trial_reports():
    assert Goal.parse("min loss per second").cost({"loss": 1.0}, 7.5) == 7.5
    assert Goal.parse("min loss per joule").cost({"loss": 1.0, "joules": 30.0}, 7.5) == 30.0


def test_limits_between_which_nothing_lies_are_refused():
    with pytest.raises(ValueError, match=r"nothing is both lat >= 30 and lat <= 20\. Turn one round: lat >= 20\."):
        Goal.parse(["min loss", "lat < 20", "lat > 30"])


def test_a_number_before_its_metric_is_told_how_to_turn():
    with pytest.raises(ValueError, match=r"begins with the number 20\. Put the metric first: 'lat <= 20'\."):
        Goal.parse(["min loss", "20 >= lat"])
