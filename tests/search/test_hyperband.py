"""Hyperband against the numbers of its paper, and its rungs by hand."""

import math
import random

import pytest

from search import BOHB, Hyperband, Random, Space, uniform
from search.engines.hyperband import Bands
from search.protocol import Go, Pause, Score
from search.schedulers import brackets, rungs
from tests.kit.simulation import World

SPACE = Space({"x": uniform(0, 1)})


def test_the_brackets_are_those_of_the_papers_table_1():
    found = [list(zip(b.trials, b.epochs, strict=True)) for b in brackets(Hyperband(max_epochs=81, keep_1_in=3))]

    assert found == [
        [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
        [(27, 3), (9, 9), (3, 27), (1, 81)],
        [(9, 9), (3, 27), (1, 81)],
        [(6, 27), (2, 81)],
        [(5, 81)],
    ]


@pytest.mark.parametrize("end", [2, 3, 9, 10, 27, 100, 243])
@pytest.mark.parametrize("eta", [2, 3, 4])
def test_each_bracket_spends_about_the_same_and_ends_at_the_last_epoch(end, eta):
    for bracket in brackets(BOHB(max_epochs=end, keep_1_in=eta)):
        assert bracket.epochs[-1] == end
        assert list(bracket.epochs) == sorted(set(bracket.epochs))
        assert bracket.trials[-1] >= 1
        assert all(a // eta == b for a, b in zip(bracket.trials, bracket.trials[1:], strict=False))
    assert rungs(BOHB(max_epochs=end, keep_1_in=eta)) == rungs(Hyperband(max_epochs=end, keep_1_in=eta))


def filled(pace, trials):
    engine = Bands(pace)
    for k in range(trials):
        engine.add(f"t{k:02d}", {})
        engine.begin(f"t{k:02d}")
    return engine


def test_a_rung_waits_for_all_and_then_its_best_third_goes_on():
    engine = filled(Hyperband(max_epochs=9), 9)

    for k in range(8):
        [decision] = engine.judge([Score(f"t{k:02d}", 1, float(k))]).values()
        assert isinstance(decision, Pause)
        assert engine.wake(True) is None
    [last] = engine.judge([Score("t08", 1, 8.0)]).values()

    called = []
    while (trial := engine.wake(True)) is not None:
        called.append(trial)
        engine.begin(trial)
    assert isinstance(last, Pause)
    assert called == ["t00", "t01", "t02"]


def test_the_last_to_come_need_not_wait_if_it_is_among_the_best():
    engine = filled(Hyperband(max_epochs=9), 9)
    for k in range(1, 9):
        engine.judge([Score(f"t{k:02d}", 1, float(k))])

    assert engine.judge([Score("t00", 1, 0.0)]) == {"t00": Go()}


def test_while_a_rung_waits_the_next_bracket_is_filled():
    engine = filled(Hyperband(max_epochs=9), 12)  # nine in the first bracket, three in the second

    assert isinstance(engine.judge([Score("t00", 1, 0.0)])["t00"], Pause)
    assert engine.judge([Score("t10", 1, 0.0)]) == {"t10": Go()}  # its first rung is at epoch 3
    assert isinstance(engine.judge([Score("t10", 3, 0.0)])["t10"], Pause)


def test_a_trial_that_fails_is_waited_for_no_more():
    engine = filled(Hyperband(max_epochs=9), 9)
    for k in range(8):
        engine.judge([Score(f"t{k:02d}", 1, float(k))])

    engine.remove("t08")

    assert engine.wake(True) == "t00"


def test_who_diverged_is_never_called():
    engine = filled(Hyperband(max_epochs=9), 9)

    engine.judge([Score(f"t{k:02d}", 1, math.nan if k < 7 else float(k)) for k in range(9)])

    called = []
    while (trial := engine.wake(True)) is not None:
        called.append(trial)
        engine.begin(trial)
    assert set(called) <= {"t07", "t08"}


def test_a_bracket_that_will_not_be_filled_goes_on_with_what_it_has():
    engine = filled(Hyperband(max_epochs=9), 5)
    for k in range(5):
        engine.judge([Score(f"t{k:02d}", 1, float(k))])

    assert engine.wake(True) is None
    assert engine.wake(False) == "t00"


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_a_study_spends_just_the_epochs_of_the_papers_table(workers):
    world = World(SPACE, Random() + Hyperband(max_epochs=9), trials=9 + 3 + 3)
    rng = random.Random(0)
    luck = {}

    world.run(lambda params, epoch: {"loss": luck.setdefault(params["x"], rng.random()) + 1 / epoch}, workers)

    epochs = {}
    for trial, epoch in world.reported():
        epochs[trial] = max(epoch, epochs.get(trial, 0))
    lengths = sorted(epochs.values())
    first = [1] * 6 + [3] * 2 + [9]  # 9 trials at 1 epoch, 3 at 3, 1 at 9
    second = [3] * 2 + [9]  # 3 at 3 epochs, 1 at 9
    third = [9] * 3  # 3 at 9
    assert lengths == sorted(first + second + third)
