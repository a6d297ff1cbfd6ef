"""Rungs for goals of every kind: against Ray, against brute force, and at equal cost by hand."""

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import ASHA, Goal
from search.engines.halving import Halving
from search.engines.promotion import Promotion
from search.engines.rungs import Curves, RankedRung, rung
from search.pareto import standing
from search.protocol import Go, Pause, Score, Stop
from search.to_ray import RayASHA

PACE = ASHA(max_epochs=27)
TWO = Goal.parse("min loss, min cost")
LIMITED = Goal.parse("min loss, size <= 3")
PER_SECOND = Goal.parse("min loss per second")

losses = st.lists(st.floats(-100, 100) | st.sampled_from([0.0, 1.0]) | st.just(math.nan), min_size=1, max_size=40)


@given(losses, st.integers(2, 5), st.integers(2, 6))
def test_with_one_objective_batches_are_decided_as_over_rays_asha(values, keep, batch):
    pace = ASHA(max_epochs=27, keep_1_in=keep)
    ours, rays = Halving(pace, LIMITED), RayASHA(pace)
    for engine in (ours, rays):
        for k in range(len(values)):
            engine.add(f"t{k:05d}", {})

    for first in range(0, len(values), batch):
        scores = [Score(f"t{first + k:05d}", 1, v) for k, v in enumerate(values[first : first + batch])]
        decided = ours.judge(scores), rays.judge(scores)
        place = (first + len(scores) - 1) * (1 - 1 / keep)  # of Ray's percentile among those that came
        rounded = math.isclose(place, round(place))  # it falls on a report, which is above or below it by rounding
        if len(scores) > 1 and not rounded:  # who comes alone, Ray compares with those before it and not with itself
            assert decided[0] == decided[1]


def test_of_several_objectives_the_best_fronts_go_on():
    engine = Halving(PACE, TWO)
    rng = random.Random(0)
    scores = [Score(f"t{k:05d}", 1, a, (a, b)) for k in range(30) for a, b in [(rng.random(), rng.random())]]

    decisions = engine.judge(scores)

    rows = [tuple(row) for row in standing(np.array([s.losses for s in scores]), np.zeros(30)).tolist()]
    expected = {s.trial for s, row in zip(scores, rows, strict=True) if sum(other < row for other in rows) < 10}
    assert {trial for trial, decision in decisions.items() if decision == Go()} == expected
    assert expected >= {scores[k].trial for k in range(30) if rows[k][1] == 0}  # the first front is small


def test_whoever_keeps_the_limits_goes_on_before_whoever_breaks_them():
    engine = Halving(PACE, LIMITED)
    scores = [Score(f"t{k:05d}", 1, -float(k), excess=0.5 if k >= 3 else 0.0) for k in range(9)]

    decisions = engine.judge(scores)

    assert {trial for trial, d in decisions.items() if d == Go()} == {"t00000", "t00001", "t00002"}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from([0.0, 1.0])), min_size=1, max_size=20))
def test_a_rung_knows_by_how_many_each_is_beaten(rows):
    here = rung(TWO, None)
    for k, (a, b, excess) in enumerate(rows):
        here.arrive(Score(f"t{k:05d}", 1, float(a), (float(a), float(b)), excess))

    best = here.best(len(rows))

    assert isinstance(here, RankedRung)
    assert len(best) == len(here) == len(rows)
    beaten = [here.beaten_by(trial) for trial in best]
    assert beaten == sorted(beaten)
    assert beaten[0] == 0
    excess = {f"t{k:05d}": row[2] for k, row in enumerate(rows)}
    assert [excess[trial] for trial in best] == sorted(excess.values())


def test_promotion_goes_on_with_the_best_fronts_too():
    engine = Promotion(ASHA(max_epochs=9, promote=True), TWO)
    points = [(1, 5), (5, 1), (2, 2), (6, 6), (7, 7), (8, 8)]
    for k, pair in enumerate(points):
        engine.add(f"t{k}", {})
        engine.begin(f"t{k}")
        [decision] = engine.judge([Score(f"t{k}", 1, float(pair[0]), tuple(map(float, pair)))]).values()
        assert isinstance(decision, Pause)

    called = []
    while (trial := engine.wake(False)) is not None:
        called.append(trial)
        engine.begin(trial)

    assert set(called) <= {"t0", "t1", "t2"}
    assert len(called) == 2


# -- at equal cost ---------------------------------------------------------------------------------


def test_a_curve_tells_what_had_been_reached_at_a_cost():
    curves = Curves()
    for epoch, (loss, cost) in enumerate([(5.0, 1.0), (3.0, 2.0), (4.0, 3.0)], start=1):
        curves.add(Score("a", epoch, loss, cost=cost))

    assert [curves.reached("a", cost) for cost in (0.5, 1.0, 1.9, 2.0, 9.0)] == [math.inf, 5.0, 5.0, 3.0, 3.0]
    assert curves.reached("b", 9.0) == math.inf


def told(engine, trial, curve, seconds):
    """A trial that reports a curve, so many seconds an epoch, until it is stopped; its last epoch."""
    engine.add(trial, {})
    engine.begin(trial)
    for epoch, loss in enumerate(curve, start=1):
        [decision] = engine.judge([Score(trial, epoch, loss, cost=epoch * seconds)]).values()
        if isinstance(decision, Stop):
            return epoch
    return len(curve)


def test_who_is_better_by_epochs_but_slower_is_stopped_where_seconds_count():
    quick, slow = [1.0, 0.6, 0.4, 0.3, 0.25, 0.2, 0.18, 0.16, 0.15], [0.9, 0.5, 0.35] + [0.2] * 6
    by_epochs, by_seconds = Halving(PACE, LIMITED), Halving(PACE, PER_SECOND)

    stopped = {}
    for engine in (by_epochs, by_seconds):
        for k in range(4):
            told(engine, f"q{k}", quick, seconds=1.0)
        stopped[engine] = told(engine, "slow", slow, seconds=10.0)

    assert stopped[by_epochs] == len(slow)  # at each epoch it is the best
    assert stopped[by_seconds] == 1  # after ten seconds the others had come to 0.15


def test_promotion_prefers_who_is_better_for_the_money():
    by_epochs, by_seconds = (Promotion(ASHA(max_epochs=9, promote=True), g) for g in (LIMITED, PER_SECOND))

    for engine in (by_epochs, by_seconds):
        engine.judge([Score("quick", 1, 0.6, cost=1.0)])
        engine.begin("quick")
        engine.judge([Score("quick", 2, 0.45, cost=2.0)])
        engine.judge([Score("other", 1, 0.65, cost=1.0)])
        engine.judge([Score("dear", 1, 0.5, cost=10.0)])

    assert by_epochs.wake(False) == "dear"  # the best of its rung
    assert by_seconds.wake(False) is None  # for ten seconds, quick had come to 0.45


def test_equal_costs_are_judged_like_epochs():
    rng = random.Random(1)
    by_epochs, by_seconds = Halving(PACE, LIMITED), Halving(PACE, PER_SECOND)
    for k in range(30):
        loss = rng.random()
        decisions = [e.judge([Score(f"t{k}", 1, loss, cost=1.0)]) for e in (by_epochs, by_seconds)]
        assert decisions[0] == decisions[1]


@pytest.mark.parametrize("goal", [TWO, LIMITED, PER_SECOND], ids=str)
def test_who_diverged_is_stopped_and_stops_nobody(goal):
    engine = Halving(PACE, goal)
    losses = (1.0, 1.0) if goal.others else ()

    decisions = engine.judge([Score("bad", 1, math.nan), *(Score(f"t{k}", 1, 1.0, losses, cost=1.0) for k in range(3))])

    assert isinstance(decisions["bad"], Stop)
    assert all(decisions[f"t{k}"] == Go() for k in range(3))
