"""How many members pay, on a clock of our own."""

import pytest

from tests.kit.nets import state, trial
from trainables.fused import pace
from trainables.fused.forward import Layered
from trainables.fused.pace import Pace, measured


def paced(monkeypatch, step_s, **changes):
    """What is measured where a step of one alone takes a second, and one of so many `step_s(size)`."""
    tried = []

    def together(training, forward, size):
        tried.append(size)
        return step_s(size)

    monkeypatch.setattr(pace, "_alone", lambda training: 1.0)
    monkeypatch.setattr(pace, "_together", together)
    run = trial(0, **changes)
    return measured(run, Layered(run.learner.model)), tried


def test_stacks_are_tried_for_as_long_as_larger_ones_are_quicker(monkeypatch):
    found, tried = paced(monkeypatch, lambda size: 1.5 if size < 32 else size / 8)

    assert tried == [2, 8, 32, 128]  # which gains no more than 32 do
    assert found.gains == {2: 2 / 1.5, 8: 8 / 1.5, 32: 8.0, 128: 8.0}
    assert found.best == found.largest == 32


def test_two_may_be_slower_than_one_where_eight_are_quicker(monkeypatch):
    found, tried = paced(monkeypatch, lambda size: 3.0)

    assert tried == [2, 8, 32, 128, 512]
    assert found.gain(2) < 1 < found.gain(5) < found.gain(8)
    assert [members for members in range(1, 9) if found.pays(members)] == [4, 5, 6, 7, 8]  # 1.33 times, for 4


def test_what_does_not_fit_into_memory_is_the_limit(monkeypatch):
    def step_s(size):
        if size > 8:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 GiB")
        return 1.0

    found, _ = paced(monkeypatch, step_s)

    assert (found.best, found.most, found.largest) == (8, 31, 8)


def test_what_is_no_matter_of_memory_is_told(monkeypatch):
    def step_s(size):
        raise RuntimeError("no rule for this")

    with pytest.raises(RuntimeError, match="no rule for this"):
        paced(monkeypatch, step_s)


def test_without_figures_all_that_fit_are_stacked():
    assert Pace().largest == 1024
    assert Pace(most=4).largest == 4
    assert [Pace().pays(members) for members in (1, 2)] == [False, True]


def test_measuring_takes_steps_with_copies():
    run = trial(0, rows=119)  # fewer batches an epoch than steps are timed
    before = {name: value.clone() for name, value in state(run).items()}

    found = measured(run, Layered(run.learner.model))

    assert found.gains.keys() >= {2, 8}
    assert all(gain > 0 for gain in found.gains.values())
    assert all((value == before[name]).all() for name, value in state(run).items())
