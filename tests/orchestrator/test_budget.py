import pytest

from orchestrator import Budget


@pytest.mark.parametrize(
    ("given", "hours"),
    [(2, 2.0), (0.5, 0.5), ("2", 2.0), ("20 min", 1 / 3), ("1.5h", 1.5), ("90m", 1.5), ("1d", 24.0), ("36 s", 0.01)],
)
def test_times_are_read_as_people_write_them(given, hours):
    assert Budget(hours=given).hours == pytest.approx(hours)


def test_minutes_of_a_trial_are_minutes_unless_a_unit_says_otherwise():
    assert Budget(trial_minutes=3).trial_minutes == 3
    assert Budget(trial_minutes="1h").trial_minutes == pytest.approx(60)
    assert Budget(trial_minutes="30 s").trial_minutes == pytest.approx(0.5)


@pytest.mark.parametrize("trials", [0, -3, "ten", 2.5, True])
def test_trials_that_run_nothing_are_refused(trials):
    with pytest.raises(ValueError, match="trials: 64"):
        Budget(trials=trials)


@pytest.mark.parametrize("hours", [0, -1, "soon", "1.5x", float("nan"), float("inf"), True, "1.2.3h"])
def test_times_that_are_none_are_refused(hours):
    with pytest.raises(ValueError, match="hours: 2"):
        Budget(hours=hours)


def test_a_budget_is_shown_in_words():
    assert str(Budget(trials=64, hours=2)) == "64 trials or 2 h"
    assert str(Budget(trials=1)) == "1 trial"
    assert str(Budget(hours="20 min")) == "20 min"
    assert str(Budget()) == "no limit"
