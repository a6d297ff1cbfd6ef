"""What is told and asked for while a study waits for machines, on a clock of the test's own."""

from dataclasses import replace

from cluster import Bundle, Fleet, Machine
from cluster.scaling import Launch, Scaling
from orchestrator.waiting import Need, Waiting
from tests.kit.fleets import HEAD, SPOT, STEADY


class FakeRay:
    """Answers as it was told, and remembers what was asked for."""

    def __init__(self, scaling):
        self.now, self.there, self.asked = scaling, (HEAD.machine,), []

    def machines(self):
        return self.there

    def scaling(self):
        if isinstance(self.now, Exception):
            raise self.now
        return self.now

    def demand(self, wish, trials, selector):
        self.asked.append((trials, selector))


FOUR = replace(STEADY, most=4)


def waiting(ray, types=(HEAD, SPOT, FOUR), spot_s=300.0, **more):
    return Waiting(Bundle(gpus=1), Fleet((HEAD.machine,), types, None, spot_s), 4, ray, **more)


def looked(watch, need, now):
    """What is told when the thread looks at `now`, with legs that wait and run since 0."""
    watch._look(need, now)
    found, watch._found = watch._found, []
    return found


REFUSED = Scaling(True, refused=(Launch("spot", 4, 2.0, "no capacity"),))


def test_nothing_is_told_in_the_first_minute_nor_while_all_run():
    watch = waiting(FakeRay(REFUSED))

    assert looked(watch, Need(4, 0), 59.0) == []
    assert looked(watch, Need(2, 4), 500.0) == []
    assert looked(watch, Need(0, 0), 500.0) == []


def test_after_a_minute_the_reason_is_told_once():
    watch = waiting(FakeRay(REFUSED))

    [told] = looked(watch, Need(4, 0), 61.0)
    again = looked(watch, Need(4, 0), 80.0)

    assert told.startswith("4 trials have waited for a machine for 1.02 min. No machine that is there fits: ")
    assert "The provider refuses spot, last 2 s ago: no capacity." in told
    assert again == []


def test_a_machine_that_has_just_come_is_no_reason_to_tell_of_waiting():
    ray = FakeRay(REFUSED)
    watch = waiting(ray)

    looked(watch, Need(4, 0), 50.0)
    ray.there = (HEAD.machine, SPOT.machine)
    soon = looked(watch, Need(4, 0), 65.0) + looked(watch, Need(4, 0), 124.0)
    [told] = looked(watch, Need(4, 0), 126.0)

    assert soon == []
    assert "4 trials have waited for a machine for 2.1 min." in told


def test_after_its_patience_with_spot_it_asks_for_as_many_on_demand_as_do_not_lie_on_spot():
    ray = FakeRay(REFUSED)
    ray.there = (HEAD.machine, SPOT.machine)
    watch = waiting(ray, spot_s=120.0)

    looked(watch, Need(3, 1), 119.0)
    before = list(ray.asked)
    told = looked(watch, Need(3, 1), 121.0)

    assert before == []
    assert ray.asked == [(3, {"ray.io/market-type": "on-demand"})]
    assert told == ["Spot machines (spot) have not come for 2 min: steady is asked for instead, on demand."]


def test_spot_machines_that_were_asked_for_and_never_come_count_as_exhausted():
    ray = FakeRay(Scaling(True, launching=(Launch("spot", 4, 130.0),)))
    slow = FakeRay(Scaling(True, launching=(Launch("spot", 4, 110.0),)))

    looked(waiting(ray, spot_s=120.0), Need(4, 0), 140.0)
    looked(waiting(slow, spot_s=120.0), Need(4, 0), 140.0)

    assert ray.asked == [(4, {"ray.io/market-type": "on-demand"})]
    assert slow.asked == []


def test_no_more_are_asked_for_than_there_may_ever_be():
    ray = FakeRay(REFUSED)

    looked(waiting(ray, (HEAD, SPOT, STEADY), spot_s=60.0), Need(4, 0), 61.0)

    assert [trials for trials, _ in ray.asked] == [3]


def test_a_request_that_finds_no_room_is_made_smaller_and_larger_again():
    ray = FakeRay(REFUSED)
    watch = waiting(ray, spot_s=60.0)

    looked(watch, Need(4, 0), 61.0)
    looked(watch, Need(4, 0), 80.0)
    ray.there = (HEAD.machine, STEADY.machine, STEADY.machine)
    looked(watch, Need(2, 2), 85.0)

    assert [trials for trials, _ in ray.asked] == [4, 2, 4]


def test_another_type_is_asked_for_by_its_own_label():
    other = replace(FOUR, name="other", machine=replace(STEADY.machine, labels={"ray.io/market-type": "reserved"}))
    few = replace(FOUR, most=1)
    ray = FakeRay(REFUSED)
    watch = waiting(ray, (HEAD, SPOT, few, other), spot_s=60.0)

    looked(watch, Need(4, 0), 61.0)
    ray.now = Scaling(True, refused=(Launch("spot", 4, 2.0, ""), Launch("steady", 1, 2.0, "none of these either")))
    looked(watch, Need(4, 0), 66.0)

    assert ray.asked == [
        (1, {"ray.io/market-type": "on-demand"}),
        (0, {"ray.io/market-type": "on-demand"}),
        (4, {"ray.io/market-type": "reserved"}),
    ]


def test_in_its_tail_it_takes_back_what_it_cannot_use_and_at_its_end_all():
    ray = FakeRay(REFUSED)
    with waiting(ray, spot_s=60.0, look_s=1000.0) as watch:
        watch._look_s = 0.01
        looked(watch, Need(4, 0), 61.0)
        ray.there = (HEAD.machine, *[STEADY.machine] * 4)
        looked(watch, Need(0, 4), 62.0)
        looked(watch, Need(0, 2), 63.0)

    assert [trials for trials, _ in ray.asked] == [4, 2, 0]


def test_without_a_fallback_nothing_is_asked_for():
    ray = FakeRay(REFUSED)
    unlabelled = replace(STEADY, machine=Machine(name="steady", cpus=4, gpus=1))

    never = looked(waiting(ray, (HEAD, SPOT), spot_s=60.0, told_s=1e9), Need(4, 0), 61.0)
    nameless = looked(waiting(ray, (HEAD, SPOT, unlabelled), spot_s=60.0, told_s=1e9), Need(4, 0), 61.0)
    patient = looked(waiting(ray, spot_s=None, told_s=1e9), Need(4, 0), 1e6)

    assert ray.asked == []
    assert never == patient == []
    assert nameless == [
        "steady has no label that tells it from spot machines. "
        "Add to it in the launch file: labels: {ray.io/market-type: on-demand}"
    ]


def test_the_time_counts_from_when_fewer_ran_than_could():
    watch = waiting(FakeRay(REFUSED))

    watch.look(3, 0)
    first = watch._need.since
    watch.look(2, 1)  # one has begun, and there are still too few machines
    still = watch._need.since
    watch.look(1, 4)
    enough = watch._need.since

    assert still == first
    assert enough > first
