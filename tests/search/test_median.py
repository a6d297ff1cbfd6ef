"""The median rule against Ray's own class and by brute force."""

import math
import statistics
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

from search import Goal, MedianStop
from search.engines.median import Medians
from search.protocol import Go, Score, Stop


def told(engine, trial, curve, first=1, seconds=1.0):
    """Reports epoch by epoch until the trial is stopped; the epochs it ran."""
    for epoch, loss in enumerate(curve, start=first):
        [decision] = engine.judge([Score(trial, epoch, loss, cost=epoch * seconds)]).values()
        if isinstance(decision, Stop):
            return epoch
    return first + len(curve) - 1


def rays(curves, grace, least):
    """When Ray's own rule stops each trial, one after another."""
    rule = MedianStoppingRule(
        time_attr="epoch", metric="loss", mode="min", grace_period=grace, min_samples_required=least
    )
    controller, stopped = SimpleNamespace(get_live_trials=list), []
    for k, curve in enumerate(curves):
        trial = SimpleNamespace(trial_id=f"t{k}", __hash__=lambda self: id(self))
        trial = type("Trial", (), {"trial_id": f"t{k}"})()
        rule.on_trial_add(controller, trial)
        for epoch, loss in enumerate(curve, start=1):
            if rule.on_trial_result(controller, trial, {"epoch": epoch, "loss": loss}) == TrialScheduler.STOP:
                stopped.append(epoch)
                break
        else:
            stopped.append(len(curve))
    return stopped


@given(
    st.lists(st.lists(st.floats(-10, 10), min_size=6, max_size=6), min_size=1, max_size=8),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_one_report_at_a_time_is_decided_as_ray_decides_it(curves, grace, least):
    engine = Medians(MedianStop(max_epochs=7, grace_epochs=grace, least=least))

    ours = [told(engine, f"t{k}", curve) for k, curve in enumerate(curves)]

    assert ours == rays(curves, grace, least)


def test_a_trial_is_compared_with_what_others_were_on_average():
    engine = Medians(MedianStop(max_epochs=9, least=3))
    for k, level in enumerate([1.0, 2.0, 3.0]):
        told(engine, f"t{k}", [level + 4, level])  # averages 3, 4, 5 at epoch 2

    assert engine.judge([Score("good", 1, 9.0)])["good"] == Stop("worse than the median at epoch 1")
    assert engine.judge([Score("new", 1, 5.0)]) == {"new": Go()}
    assert engine.judge([Score("new", 2, 4.0)]) == {"new": Go()}  # its best, 4, is the median
    assert engine.judge([Score("late", 1, 5.0)]) == {"late": Go()}
    assert isinstance(engine.judge([Score("late", 2, 5.0)])["late"], Stop)


def test_a_batch_is_recorded_whole_before_anyone_in_it_is_judged():
    engine = Medians(MedianStop(max_epochs=9, least=3))
    losses = [4.0, 3.0, 2.0, 1.0]  # the worst comes first

    decisions = engine.judge([Score(f"t{k}", 1, loss) for k, loss in enumerate(losses)])

    for k, loss in enumerate(losses):
        others = statistics.median(losses[:k] + losses[k + 1 :])
        assert isinstance(decisions[f"t{k}"], Stop) == (loss > others)


def test_before_the_grace_is_over_nobody_is_stopped():
    engine = Medians(MedianStop(max_epochs=9, grace_epochs=3, least=1))
    told(engine, "t0", [0.0] * 8)

    assert told(engine, "t1", [9.0] * 8) == 3


def test_who_diverged_is_stopped_and_counts_for_nobody():
    engine = Medians(MedianStop(max_epochs=9, least=1))
    engine.judge([Score("good", 1, 1.0)])

    assert isinstance(engine.judge([Score("bad", 1, math.nan)])["bad"], Stop)
    assert engine.judge([Score("better", 1, 0.5)]) == {"better": Go()}


def test_per_second_a_trial_is_compared_with_the_averages_at_its_own_cost():
    goal = Goal.parse("min loss per second")
    by_epochs, by_seconds = (Medians(MedianStop(max_epochs=9, least=3), g) for g in (None, goal))
    stopped = {}

    for engine in (by_epochs, by_seconds):
        for k in range(3):
            told(engine, f"t{k}", [1.0, 0.5, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1])
        stopped[engine] = told(engine, "slow", [0.9, 0.4, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], seconds=8.0)

    assert stopped[by_epochs] == 8
    assert stopped[by_seconds] == 1


def test_ten_thousand_trials_take_no_longer_each_than_a_hundred(benchmark_s):
    engine = Medians(MedianStop(max_epochs=9))

    def thousand(first):
        for k in range(first, first + 1000):
            engine.judge([Score(f"t{k}", 1, (k * 7919 % 1000) / 1000)])

    early = benchmark_s(lambda: thousand(0))
    for first in range(1000, 9000, 1000):
        thousand(first)
    late = benchmark_s(lambda: thousand(9000))

    assert late < 20 * early + 0.5


@pytest.mark.parametrize("pace", [MedianStop(max_epochs=9), MedianStop(max_epochs=9, grace_epochs=9)])
def test_the_value_says_when_it_may_stop(pace):
    from search.schedulers import judged_epochs

    assert list(judged_epochs(pace)) == list(range(1, 9))
