import json

import pytest

from orchestrator import lanes as lanes_module
from orchestrator.lanes import HurryError, Lanes
from orchestrator.width import Width
from search import FullLength, Random, Space, uniform
from tests.kit.simulation import World

SPACE = Space({"x": uniform(0, 1)})


class Actors:
    """Remembers what was asked of it."""

    def __init__(self):
        self.kept, self.killed, self.node_is_gone, self.taken = [], [], None, []

    def keep(self, actor):
        self.kept.append(actor)
        return {f"t{number:05d}": 1 for number in range(1, 9)}

    def take(self, actor, legs, dropped):
        self.taken.append(([leg["trial"] for leg in legs], list(dropped)))

    def lost_its_node(self, actor):
        return self.node_is_gone

    def kill(self, actor):
        self.killed.append(actor)


def told(trial, *epochs, end=None, saved=(), notes=()):
    reports = [{"epoch": epoch, "seconds": epoch / 100, "metrics": {"loss": 1 / epoch}} for epoch in epochs]
    return {"trial": trial, "reports": reports, "saved": list(saved), "notes": list(notes), "end": end}


def said(trial, *epochs, **more):
    return {"said": [told(trial, *epochs, **more)]}


@pytest.fixture
def world():
    return World(SPACE, Random() + FullLength(epochs=3), trials=4)


def driver(world, **more):
    actors = Actors()
    return Lanes(world.conductor, actors, lambda: None, **{"at_once": 2, **more}), actors


def test_a_lane_runs_one_leg_from_its_first_report_to_its_end(world):
    lanes, _ = driver(world)

    leg = json.loads(lanes.next_leg("a")["legs"])[0]
    lanes.began("a", "actor")
    goes_on = lanes.heard("a", said("t00001", 1, 2, saved=[2]))
    ends = lanes.heard("a", said("t00001", 3, saved=[3]))

    assert leg["trial"] == "t00001"
    assert goes_on
    assert not ends
    assert world.conductor.record.trials["t00001"].status == "ended"
    kinds = [event["event"] for event in world.book.events]
    assert kinds.count("checkpointed") == 2


def test_the_loop_ends_with_the_last_trial_and_not_before():
    world = World(SPACE, Random() + FullLength(epochs=3), trials=2)
    lanes, _ = driver(world)
    for lane in "ab":
        lanes.next_leg(lane)
        lanes.began(lane, "actor")

    lanes.heard("a", said("t00001", 1, 2, 3))
    lanes.tick()
    lanes.heard("b", said("t00002", 1, 2, 3))

    with pytest.raises(HurryError, match="all trials are over"):
        lanes.tick()
    assert world.conductor.finish() == "done"


def test_no_more_trials_are_proposed_than_run_at_once(world):
    lanes, _ = driver(world, ahead=3)

    legs = [lanes.next_leg(lane) for lane in "abcd"]

    assert [leg is not None for leg in legs] == [True, True, False, False]
    assert not lanes.finished


def test_short_trials_are_proposed_ahead(world, monkeypatch):
    lanes, _ = driver(world, at_once=1, ahead=2)
    lanes._leg_s = 0.01

    legs = [lanes.next_leg(lane) for lane in "abcd"]

    assert [leg is not None for leg in legs] == [True, True, True, False]


def test_a_failure_that_a_worker_tells_ends_the_trial_alone(world):
    lanes, _ = driver(world)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    end = {"status": "failed", "reason": "KeyError: 'x' (train.py:3)", "traceback": "Traceback ..."}
    goes_on = lanes.heard("a", said("t00001", 1, end=end))

    trial = world.conductor.record.trials["t00001"]
    assert not goes_on
    assert (trial.status, trial.epoch, trial.traceback) == ("failed", 1, "Traceback ...")


@pytest.mark.parametrize(
    ("error", "reason", "own_fault"),
    [
        ("The actor died because its node has died. Node Id: ab", "its node was lost", False),
        ("RayTaskError: trainables.session.LostError: out of GPU memory: tried 2 GiB", "out of GPU memory", True),
        ("ray.exceptions.OutOfMemoryError: Task was killed", "out of memory", True),
        ("The actor died unexpectedly ... SIGSEGV received", "segmentation fault", True),
        ("The actor is dead because ... died ... exit code 3.", "its process died with exit code 3", True),
        (
            "The actor is dead because its worker process has died. Worker exit detail: connection error code 2. "
            "End of file. Some common causes include: (1) the OOM killer, or (3) SIGSEGV.",
            "its process died without a word: a crash, os._exit(), or out of memory",
            True,
        ),
        (
            "The actor 71 is unavailable: The actor is temporarily unavailable: RpcError: Connection reset by peer",
            "its process does not answer any more",
            True,
        ),
        ("something else\nwith lines", "something else with lines", True),
        (
            "The actor died because of an error raised in its creation task, pid=3\n  File x\nImportError: no y",
            "its process could not begin: ImportError: no y",
            True,
        ),
    ],
)
def test_a_lost_actor_is_told_in_words_and_tried_again(error, reason, own_fault, world):
    lanes, _ = driver(world)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    lanes.lost("a", error)

    trial = world.conductor.record.trials["t00001"]
    assert trial.status == "waiting"
    assert reason in trial.reason
    assert trial.faults == (1 if own_fault else 0)
    assert json.loads(lanes.next_leg("b")["legs"])[0]["trial"] == "t00001"


@pytest.mark.parametrize("error", ["The actor is dead because ... died ... exit code 3.", "temporarily unavailable"])
@pytest.mark.parametrize("noticed", ["at once", "later", "never"])
def test_a_process_that_ended_with_its_machine_is_no_fault_of_its_trial(error, noticed, world, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(lanes_module.time, "monotonic", lambda: now[0])
    lanes, actors = driver(world)
    lanes.next_leg("a")
    lanes.began("a", "actor")
    actors.node_is_gone = noticed == "at once"

    lanes.lost("a", error)
    now[0] += 2.0
    before = world.conductor.record.trials["t00001"].status
    actors.node_is_gone = noticed != "never"
    lanes.tick()
    now[0] += 9.0
    lanes.tick()

    trial = world.conductor.record.trials["t00001"]
    assert before == ("waiting" if noticed == "at once" else "running")  # nobody is blamed in a hurry
    assert (trial.status, trial.faults) == ("waiting", 1 if noticed == "never" else 0)
    assert (trial.reason == "its node was lost") is (noticed != "never")


def test_a_loss_is_judged_while_tune_only_asks_for_legs(world, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(lanes_module.time, "monotonic", lambda: now[0])
    lanes, actors = driver(world)
    lanes.next_leg("a")
    lanes.began("a", "actor")
    actors.node_is_gone = False
    lanes.lost("a", "temporarily unavailable")
    now[0] += 11.0

    leg = json.loads(lanes.next_leg("b")["legs"])[0]

    assert leg["trial"] == "t00001"


def test_a_leg_that_begins_after_the_study_has_closed_is_ended(world):
    lanes, actors = driver(world)
    lanes.next_leg("a")
    world.conductor.close("interrupted")

    lanes.began("a", "actor")
    lanes.lost("a", "The actor is dead because it was killed by `ray.kill`")

    assert actors.killed == ["actor"]
    assert world.conductor.record.trials["t00001"].faults == 0
    assert lanes.running == 0


def test_an_interruption_keeps_a_checkpoint_and_leaves_the_loop_when_nothing_runs(world):
    stops = []
    lanes, actors = driver(world, stopped=lambda: len(stops))
    lanes.next_leg("a")
    lanes.began("a", "actor")

    stops.append(1)
    lanes.tick()
    goes_on = lanes.heard("a", said("t00001", 1))

    assert not goes_on
    assert actors.kept == ["actor"]
    assert world.conductor.record.trials["t00001"].paused_by == "study"
    with pytest.raises(HurryError):
        lanes.tick()


def test_a_leg_that_begins_after_the_study_closed_is_not_recorded(world):
    lanes, _ = driver(world)
    lanes.next_leg("a")
    world.conductor.close("interrupted")

    lanes.began("a", "actor")
    goes_on = lanes.heard("a", said("t00001", 1))

    assert not goes_on
    assert world.conductor.record.trials["t00001"].status == "proposed"


def test_asking_twice_does_not_wait_for_running_epochs(world):
    stops = [1]
    lanes, _ = driver(world, stopped=lambda: len(stops))
    lanes.next_leg("a")
    lanes.began("a", "actor")
    lanes_module_grace = lanes_module.GRACE_S

    lanes_closed = lanes.next_leg("b")
    world.conductor.close("interrupted")
    lanes.tick()  # the first request waits for the epoch
    stops.append(1)

    assert lanes_closed is not None
    assert lanes_module_grace > 1
    with pytest.raises(HurryError):
        lanes.tick()


def test_a_silent_trial_is_ended_after_its_time(world, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(lanes_module.time, "monotonic", lambda: now[0])
    lanes, actors = driver(world, trial_s=5.0)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    now[0] += 4
    lanes.tick()
    before = list(actors.killed)
    now[0] += 2
    lanes.tick()
    lanes.lost("a", "The actor is dead because it was killed by `ray.kill`")

    assert before == []
    assert actors.killed == ["actor"]
    assert world.conductor.record.trials["t00001"].status == "timeout"


# -- lanes of several trials -----------------------------------------------------------------------


def wide(trials=6, fuse=3, epochs=3, **more):
    world = World(SPACE, Random() + FullLength(epochs=epochs), trials=trials)
    width = Width(fuse, at_once=1, trials=trials, learns=False)
    lanes, actors = driver(world, at_once=1, width=width, **more)
    return world, lanes, actors


def trials_of(config):
    return [leg["trial"] for leg in json.loads(config["legs"])]


def statuses(world):
    return [trial.status for trial in world.conductor.record.trials.values()]


def test_a_lane_takes_several_trials_and_fills_the_places_of_those_that_end():
    world, lanes, actors = wide(trials=5)

    first = trials_of(lanes.next_leg("a"))
    lanes.began("a", "actor")
    on = [
        lanes.heard("a", {"said": [told("t00001", 1, 2, 3), told("t00002", 1, 2), told("t00003", 1)]}),
        lanes.heard("a", {"said": [told("t00004", 1, 2, 3), told("t00002", 3), told("t00003", 2)]}),
        lanes.heard("a", {"said": [told("t00005", 1, 2, 3), told("t00003", 3)]}),
    ]

    assert first == ["t00001", "t00002", "t00003"]
    assert on == [True, True, False]
    assert actors.taken == [(["t00004"], ["t00001"]), (["t00005"], ["t00004", "t00002"])]
    assert statuses(world) == ["ended"] * 5
    assert lanes.finished
    assert lanes.next_leg("b") is None


def test_one_that_ended_by_itself_is_not_dropped_again():
    _, lanes, actors = wide(trials=3)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    end = {"status": "failed", "reason": "ValueError", "traceback": None}
    lanes.heard("a", {"said": [told("t00001", 1, end=end), told("t00002", 1)]})

    assert actors.taken == []  # nobody is left to come, and nobody to be told to go


def test_those_that_were_lost_together_are_tried_alone_and_only_the_culprit_is_blamed():
    world, lanes, _ = wide(trials=4)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    lanes.lost("a", "The actor is dead because ... SIGSEGV received")
    faults_together = [trial.faults for trial in world.conductor.record.trials.values()]
    alone = []
    for lane in "bcd":
        alone += trials_of(lanes.next_leg(lane))
        lanes.began(lane, "actor")
        if lane == "c":
            lanes.lost(lane, "The actor is dead because ... SIGSEGV received")
        else:
            lanes.heard(lane, said(alone[-1], 1, 2, 3))

    assert faults_together == [0, 0, 0]
    assert alone == ["t00001", "t00002", "t00003"]
    assert [trial.faults for trial in world.conductor.record.trials.values()] == [0, 1, 0]
    assert trials_of(lanes.next_leg("e")) == ["t00002"]  # still alone, and not with a new one
    lanes.began("e", "actor")
    lanes.heard("e", said("t00002", 1, 2, 3))
    assert trials_of(lanes.next_leg("f")) == ["t00004"]


def test_an_interruption_keeps_and_pauses_all_of_a_lane():
    world, lanes, actors = wide(trials=3)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    world.conductor.close("interrupted")
    goes_on = lanes.heard("a", said("t00002", 1))

    assert not goes_on
    assert actors.kept == ["actor"]
    assert {trial.paused_by for trial in world.conductor.record.trials.values()} == {"study"}
    assert world.conductor.finish() == "interrupted"


def test_trials_that_wait_for_a_slow_one_go_elsewhere_and_nobody_joins_it():
    world, lanes, actors = wide(trials=6)
    lanes.next_leg("a")
    lanes.began("a", "actor")
    slow = told("t00001", 1)
    slow["reports"][0]["seconds"] = 2.0

    on = lanes.heard("a", {"said": [slow]})
    lanes.heard("a", said("t00001", 2))

    assert on
    assert actors.taken == [([], ["t00002", "t00003"])]
    assert [trial.faults for trial in world.conductor.record.trials.values()] == [0, 0, 0]
    lanes.heard("a", said("t00001", 3))
    assert trials_of(lanes.next_leg("b")) == ["t00002"]  # from now on each has its own process


def test_a_lane_of_several_that_hangs_is_ended_and_each_is_tried_alone(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(lanes_module.time, "monotonic", lambda: now[0])
    world, lanes, actors = wide(trials=2, fuse=2, trial_s=5.0)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    now[0] += 6
    lanes.tick()
    lanes.lost("a", "The actor is dead because it was killed by `ray.kill`")

    assert actors.killed == ["actor"]
    assert statuses(world) == ["waiting", "waiting"]
    assert trials_of(lanes.next_leg("b")) == ["t00001"]
    lanes.began("b", "another")
    now[0] += 6
    lanes.tick()
    lanes.lost("b", "The actor is dead because it was killed by `ray.kill`")
    assert statuses(world) == ["timeout", "waiting"]
    lanes.next_leg("c")
    lanes.began("c", "third")
    lanes.heard("c", said("t00002", 1, 2, 3))
    assert not lanes._alone


def test_a_process_that_a_neighbour_broke_is_no_fault_of_a_trial(world):
    lanes, _ = driver(world)
    lanes.next_leg("a")
    lanes.began("a", "actor")

    lanes.lost("a", "RayTaskError: trainables.session.LostError: its process was broken by t00009, which ran in it")

    assert world.conductor.record.trials["t00001"].faults == 0
    assert world.conductor.record.trials["t00001"].status == "waiting"


def test_a_study_that_is_found_broken_keeps_the_others_checkpoints():
    world, lanes, actors = wide(trials=3)
    lanes.next_leg("a")
    lanes.began("a", "actor")
    ended = world.conductor.end

    def end(trial, *words):
        ended(trial, *words)
        world.conductor.close("all trials fail alike")

    world.conductor.end = end
    failed = {"status": "failed", "reason": "ValueError", "traceback": None}
    lanes.heard("a", {"said": [told("t00001", 1, end=failed), told("t00002", 1)]})

    assert actors.kept == ["actor"]


def test_a_lane_grows_to_what_its_process_has_measured_to_pay():
    world = World(SPACE, Random() + FullLength(epochs=3), trials=64)
    lanes, actors = driver(world, at_once=1, width=Width("auto", 1, 64, learns=False))
    first = json.loads(lanes.next_leg("a")["legs"])
    lanes.began("a", "actor")

    on = lanes.heard("a", said("t00001", 1) | {"room": 16, "notes": [("the pace", "16 at a time")]})

    assert [leg["trial"] for leg in first] == ["t00001"]
    assert on
    [(taken, dropped)] = actors.taken
    assert (len(taken), dropped) == (15, [])
    assert len(world.conductor.running) == 16


def test_what_processes_find_out_alike_is_noted_once():
    world = World(SPACE, Random() + FullLength(epochs=3), trials=8)
    lanes, _ = driver(world, width=Width(2, 2, 8, learns=False))
    for lane in "ab":
        lanes.next_leg(lane)
        lanes.began(lane, "actor")

    lanes.heard("a", said("t00001", 1) | {"room": 1, "notes": [("the pace", "8 at a time")]})
    lanes.heard("b", said("t00003", 1) | {"room": 1, "notes": [("the pace", "16 at a time")]})
    lanes.heard("b", said("t00003", 2) | {"room": 1, "notes": [("why", "one by one")]})

    notes = [event["text"] for event in world.book.events if event["event"] == "note"]
    assert notes == ["8 at a time", "one by one"]


def test_a_stack_that_takes_long_is_no_slow_trial():
    world = World(SPACE, Random() + FullLength(epochs=3), trials=8)
    lanes, _ = driver(world, at_once=1, width=Width(4, 1, 8, learns=False))
    lanes.next_leg("a")
    lanes.began("a", "actor")
    long = told("t00001", 1)
    long["reports"][0]["seconds"] = 60.0

    lanes.heard("a", {"said": [long | {"stacked": True}]})

    assert {trial.status for trial in world.conductor.record.trials.values()} == {"running"}
