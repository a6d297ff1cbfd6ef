import dataclasses
import math
import random

import pytest

from orchestrator.terms import Report
from search import ASHA, PB2, PBT, TPE, FullLength, Grid, Random, Sobol, Space, choice, uniform
from search.protocol import Go, Pause, Stop
from tests.kit.simulation import World, bowl, half_broken
from tests.kit.strategies import SIMULATED, written

SPACE = Space({"x": uniform(0, 1)})
EVERY_STRATEGY = written(SIMULATED)


def test_the_same_lane_and_token_get_the_same_legs():
    world = World(SPACE, Random() + FullLength(epochs=2))

    first = world.conductor.ask("lane", "a", 3)
    again = world.conductor.ask("lane", "a", 3)
    other = world.conductor.ask("lane", "b", 3)

    assert first == again
    assert [leg["trial"] for leg in other] == ["t00004", "t00005", "t00006"]
    assert len(world.conductor.record.trials) == 6


def test_a_repeated_epoch_gets_its_recorded_decision_and_is_counted_once():
    world = World(SPACE, Random() + FullLength(epochs=2))
    [leg] = world.conductor.ask("lane", "a")
    world.conductor.begin(leg["trial"])
    reports = [Report(leg["trial"], 1, {"loss": 0.5}), Report(leg["trial"], 2, {"loss": 0.4})]

    first = world.conductor.tell("lane", reports[:1])
    repeated = world.conductor.tell("lane", [Report(leg["trial"], 1, {"loss": 99.0})])
    last = world.conductor.tell("lane", reports)
    after = world.conductor.tell("lane", reports)

    assert first == repeated == {leg["trial"]: Go()}
    assert last == after == {leg["trial"]: Stop("ran all 2 epochs")}
    assert world.reported() == [("t00001", 1), ("t00001", 2)]
    assert world.conductor.record.trials["t00001"].best == 0.4


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=str)
@pytest.mark.parametrize("workers", [1, 4])
def test_every_strategy_ends_every_trial_once_and_repeats_no_epoch(strategy, workers):
    world = World(SPACE, strategy, trials=20)

    world.run(bowl, workers)
    outcome = world.conductor.finish()

    record = world.conductor.record
    assert outcome == "done"
    assert len(record.trials) == 20
    assert {trial.status for trial in record.trials.values()} <= {"ended", "stopped"}
    ends = [event["trial"] for event in world.book.events if event["event"] == "trial_ended"]
    assert sorted(ends) == sorted(record.trials)
    assert len(set(world.reported())) == len(world.reported())


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=str)
def test_a_study_killed_at_any_event_ends_with_every_trial_once(strategy):
    whole = World(SPACE, strategy, trials=12)
    whole.run(bowl, workers=3)
    lengths = range(2, len(whole.book.events), 5)

    for length in lengths:
        killed = World(SPACE, strategy, trials=12)
        killed.run(bowl, workers=3, until=length)
        events = killed.book.events[:length]  # a kill between two events of one decision, too
        resumed = World(SPACE, strategy, trials=12, events=events)
        resumed.run(bowl, workers=3)
        resumed.conductor.finish()

        record = resumed.conductor.record
        assert len(record.trials) == 12, f"killed at event {length}"
        assert all(trial.over for trial in record.trials.values()), f"killed at event {length}"
        ends = [event["trial"] for event in resumed.book.events if event["event"] == "trial_ended"]
        assert sorted(ends) == sorted(record.trials), f"killed at event {length}"
        assert len(set(resumed.reported())) == len(resumed.reported()), f"killed at event {length}"


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=str)
def test_a_study_of_one_worker_that_is_killed_at_any_event_comes_to_the_same_end(strategy):
    """Nobody is left waiting, nobody is judged twice: as if nothing had happened."""
    whole = World(SPACE, strategy, trials=10)
    whole.run(bowl)
    whole.conductor.finish()

    for length in range(2, len(whole.book.events), 3):
        killed = World(SPACE, strategy, trials=10)
        killed.run(bowl, until=length)
        resumed = World(SPACE, strategy, trials=10, events=killed.book.events[:length])
        resumed.run(bowl)
        resumed.conductor.finish()

        assert ends(resumed) == ends(whole), f"killed at event {length}"


ENDS = ("trial_paused", "trial_ended", "trial_exploited", "study_ended")


def ends(world):
    return [(t.id, t.status, t.epoch, t.params, t.best) for t in world.conductor.record.trials.values()]


@pytest.mark.parametrize(
    "strategy", [Random() + PBT(max_epochs=6, every=2), Sobol() + PB2(max_epochs=6, every=2)], ids=str
)
@pytest.mark.parametrize("seed", range(8))
def test_after_many_kills_every_member_of_a_population_trains_to_its_end(strategy, seed):
    moments, events = random.Random(seed), []
    for _ in range(6):
        killed = World(SPACE, strategy, trials=10, events=events)
        length = len(events) + moments.randint(2, 20)
        killed.run(bowl, workers=2, until=length)
        events = killed.book.events[:length]

    resumed = World(SPACE, strategy, trials=10, events=events)
    resumed.run(bowl, workers=2)
    resumed.conductor.finish()

    assert [(t.status, t.epoch) for t in resumed.conductor.record.trials.values()] == [("ended", 6)] * 10


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=str)
def test_what_is_read_back_proposes_and_decides_as_the_live_study_would(strategy):
    live = World(SPACE, strategy, trials=15, seed=3)
    live.run(bowl, workers=1, until=60)

    live_rest = World(SPACE, strategy, trials=15, seed=3, events=live.book.events)
    again_rest = World(SPACE, strategy, trials=15, seed=3, events=live.book.events)
    live_rest.run(bowl)
    again_rest.run(bowl)

    undisturbed = World(SPACE, strategy, trials=15, seed=3)
    undisturbed.run(bowl)
    told = [event for event in undisturbed.book.events if event["event"] == "trial_proposed"]
    resumed = [event for event in live_rest.book.events if event["event"] == "trial_proposed"]
    assert live_rest.book.events == again_rest.book.events
    assert [event["params"] for event in told] == [event["params"] for event in resumed]


def test_the_best_is_the_best_reported_value_and_not_the_last():
    values = {1: 0.5, 2: 0.1, 3: 0.9}
    world = World(SPACE, Random() + FullLength(epochs=3), trials=1)

    world.run(lambda params, epoch: {"loss": values[epoch]})

    best = world.conductor.record.best()
    assert best is not None
    assert (best.best, best.best_epoch, best.last) == (0.1, 2, {"loss": 0.9})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_trial_that_diverges_is_invalid_and_never_best_although_its_value_stays(value):
    world = World(SPACE, Random() + FullLength(epochs=3), goal="max loss", trials=6)

    world.run(lambda params, epoch: {"loss": value if params["x"] > 0.5 and epoch == 2 else 0.1})

    record = world.conductor.record
    diverged = [trial for trial in record.trials.values() if trial.status == "invalid"]
    assert diverged
    assert all(trial.epoch == 2 and f"loss={value}" in trial.reason for trial in diverged)
    best = record.best()
    assert best is not None
    assert best.status == "ended"
    reports = [e for e in world.book.events if e["event"] == "reported" and e["trial"] == diverged[0].id]
    assert str(reports[-1]["metrics"]["loss"]) == str(value)


def test_failed_trials_are_told_to_the_sampler_as_bad():
    world = World(SPACE, TPE() + FullLength(epochs=1), trials=80)

    world.run(half_broken)

    later = [trial for trial in world.conductor.record.trials.values() if trial.number > 40]
    assert sum(trial.status == "invalid" for trial in later) < 0.25 * len(later)


def test_a_lost_trial_goes_on_until_its_retries_are_used_up():
    world = World(SPACE, Random() + FullLength(epochs=9), trials=1, retries=2)
    upto = []

    for attempt in range(3):
        [leg] = world.conductor.ask("lane", str(attempt))
        upto.append(leg["upto"])
        world.conductor.begin(leg["trial"])
        world.conductor.tell("lane", [Report(leg["trial"], leg["upto"] + 1, {"loss": 1.0})])
        world.conductor.lose(leg["trial"], "its process died")

    trial = world.conductor.record.trials["t00001"]
    assert upto == [0, 1, 2]
    assert trial.status == "failed"
    assert "its process died" in trial.reason
    assert world.conductor.finished


def test_a_lost_node_is_not_the_trials_fault():
    world = World(SPACE, Random() + FullLength(epochs=9), trials=1, retries=0)

    for attempt in range(5):
        [leg] = world.conductor.ask("lane", str(attempt))
        world.conductor.begin(leg["trial"])
        world.conductor.lose(leg["trial"], "its node was lost", own_fault=False)

    assert world.conductor.record.trials["t00001"].status == "waiting"
    assert not world.conductor.finished


def test_three_first_trials_that_fail_alike_stop_the_study():
    world = World(SPACE, Random() + FullLength(epochs=9), trials=50)

    for number in range(3):
        [leg] = world.conductor.ask("lane", str(number))
        world.conductor.begin(leg["trial"])
        world.conductor.end(leg["trial"], "failed", f"KeyError: 'lr' of trial {number} (train.py:7)")

    assert world.conductor.finished
    assert world.conductor.finish() == "broken"
    assert "first 3 trials failed alike: KeyError" in str(world.conductor.record.ended)


def test_three_first_trials_that_fail_differently_do_not():
    world = World(SPACE, Random() + FullLength(epochs=9), trials=50)

    for number in range(3):
        [leg] = world.conductor.ask("lane", str(number))
        world.conductor.begin(leg["trial"])
        world.conductor.end(leg["trial"], "failed", f"ValueError: odd (train.py:{number})")

    assert not world.conductor.finished


def test_more_than_half_of_ten_failures_stop_the_study_with_the_commonest():
    world = World(SPACE, Random() + FullLength(epochs=9), trials=50)

    for number in range(10):
        [leg] = world.conductor.ask("lane", str(number))
        world.conductor.begin(leg["trial"])
        status, reason = ("ended", "") if number % 3 == 1 else ("failed", f"ValueError: {number} (train.py:9)")
        world.conductor.end(leg["trial"], status, reason)

    assert world.conductor.finish() == "broken"
    assert "7 of 10 trials failed, most of them with: ValueError" in str(world.conductor.record.ended)


def test_a_closing_study_interrupts_its_trials_and_a_later_driver_takes_them_up():
    world = World(SPACE, Random() + FullLength(epochs=4), trials=2)
    [leg] = world.conductor.ask("lane", "a")
    world.conductor.begin(leg["trial"])
    world.conductor.close("interrupted")

    decision = world.conductor.tell("lane", [Report(leg["trial"], 1, {"loss": 1.0})])
    outcome = world.conductor.finish()
    resumed = World(SPACE, Random() + FullLength(epochs=4), trials=2, events=world.book.events)
    [again] = resumed.conductor.ask("lane", "a")

    assert decision == {"t00001": Pause("interrupted")}
    assert world.conductor.ask("lane", "b") == []
    assert outcome == "interrupted"
    assert (again["trial"], again["upto"]) == ("t00001", 1)


def test_time_ends_a_study_over_all_its_drivers():
    world = World(SPACE, Random() + FullLength(epochs=1), trials=None, seconds=10.0)
    original = world.conductor.ask

    def ask(*args):
        world.conductor.check_time()
        return original(*args)

    world.conductor.ask = ask
    world.run(bowl, seconds=1.0)

    assert 9 <= len(world.conductor.record.trials) <= 11
    assert "budget" in str(world.conductor.closing)


def test_start_points_come_first():
    world = World(SPACE, Random() + FullLength(epochs=1), trials=3, start=({"x": 0.25}, {"x": 0.75}))

    world.run(bowl)

    assert [trial.params["x"] for trial in world.conductor.record.trials.values()][:2] == [0.25, 0.75]


def test_a_grid_that_is_exhausted_ends_the_study():
    world = World(SPACE, Grid(points=4) + FullLength(epochs=1), trials=None)

    world.run(bowl)

    assert [trial.params["x"] for trial in world.conductor.record.trials.values()] == pytest.approx(
        [0, 1 / 3, 2 / 3, 1]
    )


def test_trials_seeds_depend_on_their_number_alone():
    one = World(SPACE, Random() + FullLength(epochs=2), trials=6)
    many = World(SPACE, Random() + ASHA(max_epochs=9), trials=6)

    one.run(bowl, workers=1)
    many.run(bowl, workers=4)

    seeds = [[trial.seed for trial in world.conductor.record.trials.values()] for world in (one, many)]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 6


def test_a_batch_is_recorded_whole_before_anyone_is_judged():
    world = World(SPACE, Random() + ASHA(max_epochs=9), trials=3)
    legs = world.conductor.ask("cohort", "a", 3)
    for leg in legs:
        world.conductor.begin(leg["trial"])

    losses = {"t00001": 3.0, "t00002": 2.0, "t00003": 1.0}  # the worst comes first
    decisions = world.conductor.tell("cohort", [Report(trial, 1, {"loss": loss}) for trial, loss in losses.items()])

    assert [type(decisions[trial]) for trial in losses] == [Stop, Stop, Go]
    replayed = World(SPACE, Random() + ASHA(max_epochs=9), trials=3, events=world.book.events)
    assert replayed.conductor.record.trials["t00001"].status == "stopped"


@pytest.mark.parametrize("strategy", EVERY_STRATEGY, ids=str)
def test_a_batch_that_a_kill_tore_is_judged_before_anyone_trains_on(strategy):
    live = World(SPACE, strategy, trials=4)
    legs = live.conductor.ask("cohort", "a", 4)
    for leg in legs:
        live.conductor.begin(leg["trial"])
    first = min(live.terms.judged, default=1)
    for epoch in range(1, first + 1):
        live.conductor.tell("cohort", [Report(leg["trial"], epoch, {"loss": 1.0}) for leg in legs])
    torn = [event for event in live.book.events if event["event"] != "reported" or event["epoch"] < first]
    torn += [event for event in live.book.events if event["event"] == "reported" and event["epoch"] == first][:2]
    torn = [event | {"seq": seq} for seq, event in enumerate(torn, 1) if event["event"] not in ENDS]

    resumed = World(SPACE, strategy, trials=4, events=torn)

    assert not resumed.conductor._batch
    judged = [trial.id for trial in resumed.conductor.record.trials.values() if trial.epoch == first]
    for trial in judged:
        decision = World(SPACE, strategy, trials=4, events=resumed.book.events).conductor.record.trials[trial]
        assert decision == resumed.conductor.record.trials[trial], "and a second driver finds it so"


def test_of_a_torn_batch_a_trial_at_a_rung_waits_there():
    strategy = Random() + ASHA(max_epochs=9, promote=True)
    live = World(SPACE, strategy, trials=3)
    legs = live.conductor.ask("cohort", "a", 3)
    for leg in legs:
        live.conductor.begin(leg["trial"])
    live.conductor.tell("cohort", [Report(leg["trial"], 1, {"loss": float(k)}) for k, leg in enumerate(legs)])
    torn = [event for event in live.book.events if event["event"] != "reported"][:7]
    torn += [event for event in live.book.events if event["event"] == "reported"][:2]
    assert torn[-1]["more"]

    resumed = World(SPACE, strategy, trials=3, events=[e | {"seq": k} for k, e in enumerate(torn, 1)])

    trials = resumed.conductor.record.trials
    assert [(t.status, t.epoch) for t in trials.values()] == [("waiting", 1), ("waiting", 1), ("running", 0)]
    assert [leg["trial"] for leg in resumed.conductor.ask("lane", "a")] == ["t00003"]


def test_a_pbt_member_that_exploits_goes_on_with_the_others_weights_at_its_own_epoch():
    world = World(SPACE, Random() + PBT(max_epochs=6, every=2, quantile=0.5), trials=4)

    world.run(lambda params, epoch: {"loss": params["x"]}, workers=4)

    exploits = [event for event in world.book.events if event["event"] == "trial_exploited"]
    assert exploits
    for event in exploits:
        assert event["source"]["trial"] != event["trial"]
        assert event["source"]["epoch"] % 2 == 0
        assert 0 <= event["params"]["x"] <= 1


def test_options_of_any_kind_survive_the_ledger():
    options = ([64, 32], {"a": 1}, None, "relu")
    space = Space({"x": uniform(0, 1), "layers": choice(*options)})
    world = World(space, Random() + FullLength(epochs=1), trials=20)

    world.run(bowl)

    decoded = [space.decode(trial.params)["layers"] for trial in world.conductor.record.trials.values()]
    assert all(value in options for value in decoded)
    assert {type(value) for value in decoded} == {list, dict, type(None), str}


def test_terms_are_a_value():
    world = World(SPACE, Random() + FullLength(epochs=1))

    with pytest.raises(dataclasses.FrozenInstanceError):
        world.terms.seed = 3


def test_a_process_that_never_begins_is_tried_again_and_then_fails_its_trial():
    world = World(SPACE, Random() + FullLength(epochs=2), trials=1, retries=2)

    for attempt in range(3):
        [leg] = world.conductor.ask("lane", str(attempt))
        world.conductor.lose(leg["trial"], "its process could not begin: ImportError: no y")

    trial = world.conductor.record.trials["t00001"]
    assert trial.status == "failed"
    assert "ImportError: no y" in trial.reason


def test_an_actor_that_dies_after_its_leg_was_paused_costs_nothing():
    world = World(SPACE, Random() + PBT(max_epochs=4, every=2), trials=3)
    [leg] = world.conductor.ask("lane", "a")
    world.conductor.begin(leg["trial"])
    world.conductor.tell("lane", [Report(leg["trial"], 2, {"loss": 1.0})])

    world.conductor.lose(leg["trial"], "its process died")

    trial = world.conductor.record.trials["t00001"]
    assert (trial.paused_by, trial.faults) == ("scheduler", 0)


@pytest.mark.parametrize("epoch", [2, 3])
def test_a_pbt_member_that_diverges_goes_on_with_anothers_weights(epoch):
    world = World(SPACE, Random() + PBT(max_epochs=8, every=2), trials=4)
    diverged = []

    def curve(params, now):
        trial = world.conductor.record.trials["t00002"]
        if trial.source is None and now >= epoch and params["x"] == trial.params["x"]:
            diverged.append(now)
            return {"loss": math.nan}
        return {"loss": params["x"]}

    world.run(curve, workers=4)

    trial = world.conductor.record.trials["t00002"]
    assert diverged[0] == epoch
    assert (trial.status, trial.epoch) == ("ended", 8)
    assert trial.source is not None


def test_the_last_member_that_diverges_has_nobody_to_follow():
    world = World(SPACE, Random() + PBT(max_epochs=8, every=2), trials=2)

    world.run(lambda params, epoch: {"loss": math.nan}, workers=2)

    assert {trial.status for trial in world.conductor.record.trials.values()} == {"invalid"}


def test_the_ledger_says_which_trials_a_model_chose():
    strategy = TPE(startup=5) + ASHA(max_epochs=9)
    live = World(SPACE, strategy, trials=30, seed=1)

    live.run(bowl, workers=2)

    proposed = [event for event in live.book.events if event["event"] == "trial_proposed"]
    guided = {event["trial"] for event in proposed if event.get("guided")}
    assert len(guided) > 5
    assert not guided & {"t00001", "t00002", "t00003", "t00004", "t00005"}
    rebuilt = World(SPACE, strategy, trials=30, seed=1, events=[dict(event) for event in live.book.events])
    assert rebuilt.conductor._scheduler._guided == guided


@pytest.mark.parametrize("strategy", [Random() + ASHA(max_epochs=9), Sobol() + ASHA(max_epochs=9)], ids=str)
def test_no_trial_of_a_sampler_without_a_model_is_guided(strategy):
    world = World(SPACE, strategy, trials=10, start=({"x": 0.5},))

    world.run(bowl, workers=2)

    assert not any("guided" in event for event in world.book.events)
