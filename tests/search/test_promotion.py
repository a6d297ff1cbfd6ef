"""Promotion against the paper's algorithm 2 (arXiv:1810.05934), written out by brute force."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search import ASHA
from search.engines.promotion import Promotion
from search.protocol import Go, Pause, Score
from search.schedulers import judged_epochs


class Paper:
    """Algorithm 2: `get_job`, with the rungs below the last and a set of promoted trials for each."""

    def __init__(self, epochs: list[int], eta: int):
        self.epochs, self.eta = epochs, eta
        self.losses: dict[int, dict[str, float]] = {epoch: {} for epoch in epochs}
        self.promoted: dict[int, set[str]] = {epoch: set() for epoch in epochs}

    def get_job(self) -> str | None:
        for epoch in reversed(self.epochs):
            rung = self.losses[epoch]
            candidates = sorted(rung, key=lambda t: (rung[t], t))[: len(rung) // self.eta]  # top_k
            promotable = [t for t in candidates if t not in self.promoted[epoch] and math.isfinite(rung[t])]
            if promotable:
                self.promoted[epoch].add(promotable[0])
                return promotable[0]
        return None


@given(
    st.lists(st.floats(-10, 10) | st.just(math.nan) | st.sampled_from([0.0, 1.0]), min_size=1, max_size=60),
    st.integers(2, 4),
    st.integers(1, 2),
    st.randoms(use_true_random=False),
)
def test_trials_are_promoted_as_in_the_paper(losses, eta, grace, rng):
    pace = ASHA(max_epochs=28, grace_epochs=grace, keep_1_in=eta, promote=True)
    engine, paper = Promotion(pace), Paper(pace.rungs(), eta)
    running: dict[str, int] = {}
    started = 0

    for loss in losses:
        called = engine.wake(True, running)
        expected = paper.get_job()
        assert called == expected
        if called is None:
            called, at = f"t{started:05d}", 0
            started += 1
            engine.add(called, {})
        else:
            at = max(epoch for epoch in pace.rungs() if called in paper.losses[epoch])
        engine.begin(called)
        running[called] = min((epoch for epoch in pace.rungs() if epoch > at), default=28)
        if rng.random() < 0.7:  # somebody arrives; otherwise one more place is taken
            trial = rng.choice(sorted(running))
            epoch = running.pop(trial)
            decision = engine.judge([Score(trial, epoch, loss)])
            assert isinstance(decision[trial], Pause if epoch in pace.rungs() else Go)
            if epoch in pace.rungs():
                paper.losses[epoch][trial] = math.inf if math.isnan(loss) else loss


@pytest.mark.parametrize("arrived", range(1, 10))
def test_one_in_three_goes_on_and_not_before_there_are_three(arrived):
    engine = Promotion(ASHA(max_epochs=9, promote=True))
    for k in range(arrived):
        engine.judge([Score(f"t{k}", 1, float(k))])

    called = []
    while (trial := engine.wake(False)) is not None:
        engine.begin(trial)
        called.append(trial)

    assert called == [f"t{k}" for k in range(arrived // 3)]


def test_the_highest_rung_is_served_first():
    engine = Promotion(ASHA(max_epochs=9, promote=True))
    engine.judge([Score(f"t{k}", 1, float(k)) for k in range(6)])
    engine.judge([Score(f"u{k}", 3, float(k)) for k in range(3)])

    assert engine.wake(True) == "u0"
    assert engine.wake(True, busy={"u0"}) == "t0"
    assert engine.wake(True, busy={"u0", "t0"}) == "t1"
    assert engine.wake(True, busy={"u0", "t0", "t1"}) is None


def test_a_batch_waits_whole():
    engine = Promotion(ASHA(max_epochs=9, promote=True))

    decisions = engine.judge([Score("a", 1, 0.5), Score("b", 2, 0.1), Score("c", 3, 0.2)])

    assert decisions == {
        "a": Pause("waits at the rung of epoch 1"),
        "b": Go(),
        "c": Pause("waits at the rung of epoch 3"),
    }


def test_epochs_after_a_rung_in_one_batch_do_not_send_a_trial_on():
    engine = Promotion(ASHA(max_epochs=9, promote=True))

    decisions = engine.judge([Score("a", 1, 0.5), Score("a", 2, 0.4)])

    assert decisions == {"a": Pause("waits at the rung of epoch 1")}


def test_who_failed_is_not_called_but_its_rung_remembers_it():
    engine = Promotion(ASHA(max_epochs=9, promote=True))
    engine.judge([Score(f"t{k}", 1, float(k)) for k in range(6)])
    engine.remove("t0")
    engine.remove("unheard of")

    assert engine.wake(False) == "t1"
    engine.begin("t1")
    assert engine.wake(False) is None


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_who_diverged_is_never_promoted(loss):
    engine = Promotion(ASHA(max_epochs=9, promote=True))

    engine.judge([Score(f"t{k}", 1, loss) for k in range(9)])

    assert engine.wake(False) is None


def test_a_repeated_report_counts_once():
    engine = Promotion(ASHA(max_epochs=9, promote=True))
    for _ in range(5):
        engine.judge([Score("a", 1, 0.5)])

    assert engine.wake(False) is None


def test_ten_thousand_trials_are_judged_and_called_in_no_time(benchmark_s):
    pace = ASHA(max_epochs=81, promote=True)
    engine, rng = Promotion(pace), random.Random(0)
    epochs: dict[str, int] = {}

    def study() -> Any:
        for k in range(10_000):
            trial = engine.wake(True) or f"t{k:05d}"
            engine.begin(trial)
            epochs[trial] = epochs.get(trial, 0) * 3 or 1
            if epochs[trial] in judged_epochs(pace):
                engine.judge([Score(trial, epochs[trial], rng.random())])

    assert benchmark_s(study) < 5
    assert max(epochs.values()) == 81
