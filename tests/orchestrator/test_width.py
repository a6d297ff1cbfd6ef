"""How many trials share a process."""

import pytest

from orchestrator.width import Width, fuse_of


def widths(fuse, seconds, trials=640, at_once=2, learns=False):
    width = Width(fuse, at_once, trials, learns)
    found = []
    for trial_s in seconds:
        found.append(width.now())
        width.ended(trial_s)
    return [*found, width.now()]


def test_one_trial_a_process_unless_asked_for_more():
    assert widths(None, [0.001] * 4) == [1] * 5
    assert widths(8, [5.0] * 2) == [8] * 3


def test_auto_packs_when_trials_have_been_quick_and_no_longer_when_they_are_not():
    assert widths("auto", [0.01] * 4) == [1, 1, 1, 25, 25]
    assert widths("auto", [1e-6] * 4)[-1] == 64
    assert widths("auto", [0.5] * 4) == [1] * 5
    assert widths("auto", [0.01] * 3 + [9.0])[-1] == 1


def test_a_slow_trial_gives_each_its_own_process():
    fixed, auto = Width(8, 2, 640, learns=False), Width("auto", 2, 640, learns=False)
    for _ in range(3):
        auto.ended(0.001)
    before = (fixed.now(), auto.now())

    fixed.slow()
    auto.slow()
    after = (fixed.now(), auto.now())
    for _ in range(60):
        auto.ended(0.001)  # the slow one was alone in that

    assert before == (8, 64)
    assert after == (1, 1)
    assert auto.now() > 8


def test_auto_leaves_trials_for_the_other_processes_and_foresight_to_a_model():
    assert widths("auto", [1e-6] * 4, trials=40, at_once=2)[-1] == 10
    assert widths("auto", [1e-6] * 4, trials=640, at_once=2, learns=True)[-1] == 32
    assert widths("auto", [1e-6] * 4, trials=20, at_once=4, learns=True)[-1] == 1
    assert widths("auto", [1e-6] * 4, trials=None, learns=True)[-1] == 8


@pytest.mark.parametrize(("given", "kept"), [(None, None), (1, None), ("auto", "auto"), (32, 32)])
def test_a_setting_is_read(given, kept):
    assert fuse_of(given) == kept


@pytest.mark.parametrize("given", [0, -1, True, False, 2.5, "yes", "32", 4096])
def test_a_setting_that_means_nothing_is_told_with_one_that_does(given):
    with pytest.raises(ValueError, match="Write fuse='auto', or how many trials share a process, up to 1024: fuse=32"):
        fuse_of(given)


def test_networks_are_trained_together_as_many_as_a_process_has_measured_to_pay():
    width = Width("auto", 2, 640, learns=False)
    asked = Width(8, 2, 640, learns=False)

    width.stacks(512)
    asked.stacks(512)
    for _ in range(5):
        width.ended(60.0)  # which says nothing of a member of a stack

    assert width.now() == 160  # half of an equal share: 64 is for those that take turns
    assert asked.now() == 8
    width = Width("auto", 2, 640, learns=True)
    width.stacks(1)
    assert width.now() == 1
    width.stacks(16)
    assert width.now() == 16
    width.stacks(512)
    assert width.now() == 32  # a tenth of the budget, over both
