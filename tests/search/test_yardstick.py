"""ASHA by two measures: draws against draws, a model's trials against all or against the best of the draws."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import ASHA, TPE, Bayes, Goal, Grid, Random, Sobol, Space, Strategy, uniform
from search.engines.halving import Halving
from search.engines.promotion import Promotion
from search.engines.rungs import PlainRung, rung
from search.protocol import FINISHED, Drawn, Go, Score, Seen, Stop
from search.to_ray import RayASHA, engines
from tests.kit.scheduler_kit import SchedulerKit

PACE = ASHA(max_epochs=27)
LOSS = Goal("min", "loss")
TWO = Goal.parse("min loss, min cost")
LIMITED = Goal.parse("min loss, size <= 3")
PER_SECOND = Goal.parse("min loss per second")
SPACE = Space({"lr": uniform(0, 1), "decay": uniform(0, 1)})

reports = st.lists(st.tuples(st.booleans(), st.floats(-100, 100) | st.just(math.nan)), min_size=1, max_size=60)


def yardstick(goal=LOSS, pace=PACE):
    return engines(Strategy(Random(), pace), SPACE, seed=0, goal=goal)[1]


class TestOfAFront(SchedulerKit):
    scheduler = ASHA(max_epochs=9)
    goal = TWO


class TestPerSecond(SchedulerKit):
    scheduler = ASHA(max_epochs=9)
    goal = PER_SECOND


@given(reports, st.integers(2, 4), st.integers(1, 6))
def test_without_a_model_it_is_rays_asha(reports, keep, batch):
    pace = ASHA(max_epochs=27, keep_1_in=keep)
    ours, rays = yardstick(pace=pace), RayASHA(pace)
    for engine in (ours, rays):
        for k in range(len(reports)):
            engine.add(f"t{k:05d}", {})

    for first in range(0, len(reports), batch):
        scores = [Score(f"t{first + k:05d}", 1, loss) for k, (_, loss) in enumerate(reports[first : first + batch])]
        assert ours.judge(scores) == rays.judge(scores)


@given(reports, st.integers(2, 4))
def test_a_models_trial_goes_on_among_the_best_of_all_or_of_the_draws(reports, keep):
    pace = ASHA(max_epochs=27, keep_1_in=keep)
    ours, all_alone, draws_alone = yardstick(pace=pace), RayASHA(pace), RayASHA(pace)
    drawn: list[float] = []
    for k, (guided, loss) in enumerate(reports):
        score = Score(f"t{k:05d}", 1, loss)
        ours.add(score.trial, {}, guided)
        all_alone.add(score.trial, {})
        if not guided:
            draws_alone.add(score.trial, {})

        [decision] = ours.judge([score]).values()

        [among_all] = all_alone.judge([score]).values()
        if guided:
            better = sum(1 for other in drawn if other < loss)
            is_spared = not math.isnan(loss) and better < len(drawn) / keep**2
            assert (decision == Go()) == (among_all == Go() or is_spared)
        else:
            [among_draws] = draws_alone.judge([score]).values()
            assert decision == among_draws
            drawn.append(loss if not math.isnan(loss) else math.inf)


@pytest.mark.parametrize("goal", [LOSS, LIMITED], ids=str)
def test_a_crowd_of_fast_starters_does_not_keep_a_slow_one_from_going_on(goal):
    lots = random.Random(0)
    paper, ours = (yardstick(goal, pace) for pace in (ASHA(max_epochs=27, by_draws=False), PACE))
    for engine in (paper, ours):
        for k in range(90):
            engine.add(f"d{k:05d}", {})
            engine.judge([Score(f"d{k:05d}", 1, 10 + lots.random())])
        for k in range(90):
            engine.add(f"m{k:05d}", {}, True)
            engine.judge([Score(f"m{k:05d}", 1, lots.random())])
        engine.add("slow", {}, True)
        engine.add("late", {}, True)
        engine.add("drawn", {})

    scores = [Score("slow", 1, 10.02), Score("late", 1, 10.5), Score("drawn", 1, 10.3)]

    reason = "not among the best at epoch 1"
    assert paper.judge(scores) == {"slow": Stop(reason), "late": Stop(reason), "drawn": Stop(reason)}
    assert ours.judge(scores) == {"slow": Go(), "late": Stop(reason), "drawn": Go()}


def test_a_trial_that_is_spared_at_one_rung_and_not_at_the_next_stops_in_a_batch_of_both():
    engine = yardstick()
    for k in range(20):
        engine.add(f"d{k:05d}", {})
        engine.judge([Score(f"d{k:05d}", epoch, 10.0 + k) for epoch in (1, 3)])
    for k in range(20):
        engine.add(f"m{k:05d}", {}, True)
        engine.judge([Score(f"m{k:05d}", epoch, float(k)) for epoch in (1, 3)])
    engine.add("slow", {}, True)

    decision = engine.judge([Score("slow", 1, 10.5), Score("slow", 3, 15.5)])

    assert isinstance(decision["slow"], Stop)


@pytest.mark.parametrize("goal", [TWO, LIMITED], ids=str)
@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 9), st.sampled_from([0.0, 0.5])), min_size=1, max_size=20))
def test_who_is_held_against_a_rung_is_beaten_as_if_it_had_come_there(goal, rows):
    scores = [Score(f"t{k:05d}", 1, a, (a, b), excess) for k, (a, b, excess) in enumerate(rows)]
    with_it, without = rung(goal, None), rung(goal, None)
    for score in scores[:-1]:
        without.arrive(score)
    for score in scores:
        with_it.arrive(score)

    assert without.would_be_beaten_by(scores[-1]) == with_it.beaten_by(scores[-1].trial)


def test_equals_do_not_beat_each_other():
    here = PlainRung()
    for k, loss in enumerate([1.0, 2.0, 2.0, math.nan, math.inf]):
        here.arrive(Score(f"t{k:05d}", 1, loss))

    assert [here.would_be_beaten_by(Score("other", 1, loss)) for loss in (0.5, 1.0, 2.0, 3.0)] == [0, 0, 1, 3]


@pytest.mark.parametrize(
    ("sampler", "drawn"),
    [(Random(), 12), (Sobol(), 12), (Grid(points=5), 12), (TPE(startup=4), 4), (Bayes(startup=4, hedge=0.0), 4)],
    ids=str,
)
def test_proposals_say_whether_a_model_chose_them(sampler, drawn):
    engine, _ = engines(Strategy(sampler), SPACE, seed=0, trials=12)
    found = []
    for number in range(1, 13):
        point = engine.propose(number)
        found.append(isinstance(point, Drawn))
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (sum(point.values()),)))

    assert found == [True] * drawn + [False] * (12 - drawn)


def test_what_takes_the_place_of_a_proposal_that_failed_was_drawn():
    engine, _ = engines(Strategy(TPE()), SPACE, seed=0)
    engine._warn_once = lambda text: None
    engine.engine = None  # whatever it is asked for, it fails

    assert isinstance(engine.propose(1), Drawn)


def test_asha_without_draws_is_one_engine():
    assert type(yardstick(pace=ASHA(max_epochs=9, by_draws=False))) is RayASHA
    assert type(yardstick(TWO, ASHA(max_epochs=9, by_draws=False))) is Halving


def test_a_flag_that_is_none_is_refused():
    with pytest.raises(ValueError, match="by_draws"):
        ASHA(max_epochs=9, by_draws="no")


# -- trials that wait at their rungs ---------------------------------------------------------------


def waiting(pace, guided, drawn):
    """A rung of epoch 1 at which so many trials wait, by loss."""
    engine = Promotion(pace)
    for name, losses in (("m", guided), ("d", drawn)):
        for k, loss in enumerate(losses):
            engine.add(f"{name}{k}", {}, name == "m")
            engine.judge([Score(f"{name}{k}", 1, loss)])
    called = []
    while (trial := engine.wake(False)) is not None:
        engine.begin(trial)
        called.append(trial)
    return called


def test_a_model_does_not_keep_draws_from_being_promoted():
    crowd, drawn = [k / 100 for k in range(30)], [10.0 + k for k in range(18)]
    paper = waiting(ASHA(max_epochs=9, promote=True, by_draws=False), [*crowd, 11.5], drawn)
    ours = waiting(ASHA(max_epochs=9, promote=True), [*crowd, 11.5], drawn)

    assert paper == [f"m{k}" for k in range(49 // 3)]
    assert set(ours) == {*(f"m{k}" for k in range(30)), *(f"d{k}" for k in range(6))}


def test_a_models_trial_is_promoted_among_the_best_ninth_of_the_draws():
    drawn = [10.0 + k for k in range(18)]
    crowd = [k / 100 for k in range(30)]

    assert "m30" in waiting(ASHA(max_epochs=9, promote=True), [*crowd, 10.5], drawn)
    assert "m30" not in waiting(ASHA(max_epochs=9, promote=True), [*crowd, 11.5], drawn)
    assert "m30" not in waiting(ASHA(max_epochs=9, promote=True), [*crowd, 9.0], drawn[:8])


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_who_diverged_is_never_promoted_by_draws_that_diverged(loss):
    assert waiting(ASHA(max_epochs=9, promote=True), [loss] * 3, [loss] * 18) == []
