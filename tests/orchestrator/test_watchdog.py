"""A driver whose Ray is gone is ended; on a clock of the test's own."""

import pytest

from orchestrator import watchdog
from orchestrator.watchdog import Watchdog


class Head:
    """A head that is what the test says: a cluster's id, or silent."""

    def __init__(self):
        self.cluster = "one"

    def __call__(self):
        if self.cluster is None:
            raise ConnectionError
        return self.cluster


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def watched(clock):
    """The head that is watched, how to look at it, the exit codes that were given, and how to move."""
    left, head = [], Head()
    dog = Watchdog("Go on: a440 resume x", leave=left.append)
    dog.watch(head)

    def look(after_s):
        clock[0] += after_s
        dog._look(clock[0])
        return dog.gone

    return head, look, left, dog.moved


def test_a_head_that_was_started_anew_ends_the_driver_and_one_that_does_not_end_is_left(watched, capsys):
    head, look, left, _ = watched

    fine = look(10)
    head.cluster = "another"
    gone = look(10)
    patient = (look(40), list(left))
    look(10)

    assert fine is None
    assert gone == "Ray's head was started anew, and its cluster does not know this study any more."
    assert patient == (gone, [])
    assert left == [1]
    assert "so it is ended. Go on: a440 resume x" in capsys.readouterr().err


def test_a_head_that_comes_back_in_time_as_what_it_was_changes_nothing(watched):
    head, look, _, _ = watched

    head.cluster = None
    silent = [look(40), look(40)]
    head.cluster = "one"
    back = look(5)
    head.cluster = None
    again = [look(80), look(20)]

    assert silent == [None, None]
    assert back is None
    assert again == [None, "Ray's head has not answered for 100 s."]


def test_a_driver_that_does_not_move_says_once_where_it_stands(watched, capfd):
    _, look, left, moved = watched

    look(200)
    moved()
    look(200)
    quiet = capfd.readouterr().err
    look(150)
    told = capfd.readouterr().err
    look(150)

    assert quiet == ""
    assert "the driver has not moved for 5 min; it stands here:" in told
    assert "test_a_driver_that_does_not_move" in told
    assert capfd.readouterr().err == ""
    assert left == []


def test_a_driver_that_hangs_is_ended_after_half_an_hour(watched):
    _, look, left, moved = watched

    before_its_loop = look(3600)
    moved()
    found = [look(900), look(850), look(100), look(10), look(50)]

    assert before_its_loop is None
    assert found == [None, None, *["The driver has not moved for 30 min."] * 3]
    assert left == [1]


def test_what_follows_the_loop_may_take_its_time(clock):
    dog = Watchdog()
    dog.moved()
    dog.rest()

    for _ in range(4):
        clock[0] += 1800
        dog._look(clock[0])

    assert dog.gone is None


def test_a_driver_that_was_stopped_for_an_hour_and_goes_on_is_left(watched):
    _, look, left, moved = watched

    moved()
    woken = look(3600)  # Ctrl-Z stops the watchdog, too
    moved()

    assert woken is None
    assert look(10) is None
    assert left == []


def test_a_driver_that_failed_asks_at_once_whether_its_head_is_gone(clock):
    head, unwatched = Head(), Watchdog()
    dog = Watchdog()
    dog.watch(head)

    fine = dog.why()
    head.cluster, clock[0] = None, clock[0] + 3
    silent = dog.why()
    head.cluster = "another"
    other = dog.why()

    assert unwatched.why() is None
    assert fine is None
    assert silent == "Ray's head has not answered for 3 s."
    assert other == "Ray's head was started anew, and its cluster does not know this study any more."
