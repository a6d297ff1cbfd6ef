"""Steps of a request, against a model of Ray's autoscaler whose room is taken by machines that are refused."""

import math

import pytest

from orchestrator.standing_request import StandingRequest

TICK_S = 5.0
BOOT_TICKS = 6


class Autoscaler:
    """At most so many machines; spot ones are asked for without end, and refused a look after they were.

    As `ray.autoscaler.v2`: a request is taken whole or not at all and comes first, what is wanted, asked for or running
    counts against the bound, and no more are asked of a provider at once than `speed` times those that run.
    """

    def __init__(self, most, speed):
        self.most, self.speed = most, speed
        self.request = 0
        self.steady = []  # per on-demand machine the looks since it was wanted
        self.spot_wanted = self.spot_asked = 0

    def look(self):
        self.steady = [age + 1 for age in self.steady]
        self.spot_asked = 0  # refused since the last look
        queue = self.spot_wanted
        room = self.most - len(self.steady) - self.spot_wanted
        if len(self.steady) < self.request <= len(self.steady) + room:
            self.steady += [0] * (self.request - len(self.steady))
        self.spot_wanted = self.most - len(self.steady) - self.spot_asked
        running = sum(age >= BOOT_TICKS for age in self.steady)
        self.spot_asked = min(queue, max(1, math.ceil(self.speed * running)))
        self.spot_wanted -= self.spot_asked


def looks_until_all_are_there(cloud, wanted, step_by_step):
    for _ in range(5):
        cloud.look()
    request = StandingRequest(lambda trials: setattr(cloud, "request", trials))
    request.want(wanted, 0.0)
    for tick in range(1, 400):
        cloud.look()
        if len(cloud.steady) >= wanted:
            return tick
        if step_by_step:
            request.see(len(cloud.steady), tick * TICK_S)
    return None


@pytest.mark.parametrize("speed", [1.0, 100.0])
@pytest.mark.parametrize("most", [1, 2, 3, 8, 32])
def test_all_machines_come_though_refused_ones_take_the_room(most, speed):
    for wanted in {1, most // 2 or 1, most}:
        ticks = looks_until_all_are_there(Autoscaler(most, speed), wanted, step_by_step=True)
        assert ticks is not None
        assert ticks * TICK_S <= 600.0


def test_a_request_for_all_of_them_may_never_find_room():
    assert looks_until_all_are_there(Autoscaler(2, 1.0), 2, step_by_step=False) is None


def test_fewer_are_said_at_once_and_more_when_the_first_have_come():
    said = []
    request = StandingRequest(said.append, patience_s=15.0)

    request.want(8, 0.0)
    request.see(0, 10.0)  # not yet
    request.see(0, 16.0)
    request.see(4, 20.0)
    request.want(3, 21.0)
    request.want(0, 22.0)
    request.want(0, 23.0)

    assert said == [8, 4, 8, 3, 0]
