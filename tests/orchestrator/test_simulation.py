"""Simulated studies: schedules that were worked out by hand, and the same answers as a live conductor gives."""

import itertools
import json
import math
import shlex

import numpy as np
import pytest

from orchestrator import Budget, Results, Study
from orchestrator.curves import Surrogate, Table
from orchestrator.simulated import check_recording, simulate
from orchestrator.simulation import Simulation
from orchestrator.terms import Terms
from orchestrator.untrained import Untrained
from search import ASHA, BOHB, PBT, TPE, Auto, FullLength, Goal, Grid, Hyperband, Random, Space, choice, uniform
from search.notation import STRATEGIES, parse
from tests.kit.simulation import World

LINE = Space({"x": uniform(0, 1)})
THREE = Space({"k": choice(0, 1, 2)})


def three(seconds, epochs=2):
    """Curves of k = 0, 1, 2, whose epochs take so many seconds each; the loss is k + 1 / epoch."""
    times = np.outer(seconds, np.arange(1, epochs + 1.0))
    losses = np.add.outer(np.arange(3.0), 1 / np.arange(1, epochs + 1.0))
    return Table("three", THREE, [{"k": k} for k in range(3)], times, {"loss": losses})


def study(strategy, space=THREE, goal="min loss", **settings):
    return Study(Untrained, space, goal, strategy, **settings)


def timeline(simulation, *kinds):
    kinds = kinds or ("reported",)
    events = [event for event in simulation.book.events if event["event"] in kinds]
    return [(event["t"], event["trial"][-1], event.get("epoch")) for event in events]


def test_two_workers_train_three_trials_as_worked_out_by_hand():
    recording = three(seconds=[2, 3, 1])

    simulation = simulate(study(Grid() + FullLength(epochs=2)), recording, workers=2)

    assert timeline(simulation) == [(2, "1", 1), (3, "2", 1), (4, "1", 2), (5, "3", 1), (6, "2", 2), (6, "3", 2)]
    assert timeline(simulation, "trial_started") == [(0, "1", None), (0, "2", None), (4, "3", None)]
    assert simulation.now == 6
    assert simulation.conductor.record.outcome == "done"


def test_a_promoted_trial_goes_on_from_its_epoch_and_no_epoch_costs_time_twice():
    recording = three(seconds=[1, 1, 1], epochs=3)

    simulation = simulate(study(Grid() + ASHA(max_epochs=3, promote=True)), recording, workers=1)

    legs = [event["trial"][-1] for event in simulation.book.events if event["event"] == "trial_started"]
    assert legs == ["1", "2", "3", "1"]
    assert timeline(simulation) == [(1, "1", 1), (2, "2", 1), (3, "3", 1), (4, "1", 2), (5, "1", 3)]
    assert simulation.conductor.record.trials["t00001"].seconds == 3


def test_time_ends_a_study_at_that_moment_with_what_was_reported_by_then():
    recording = three(seconds=[2, 3, 1])
    cut = study(Grid() + FullLength(epochs=2), budget=Budget(trials=3, hours="5.5 s"))

    simulation = simulate(cut, recording, workers=2)

    record = simulation.conductor.record
    assert timeline(simulation) == [(2, "1", 1), (3, "2", 1), (4, "1", 2), (5, "3", 1)]
    assert simulation.now == record.elapsed_s == pytest.approx(5.5)
    assert record.outcome == "interrupted"
    assert [trial.status for trial in record.trials.values()] == ["ended", "waiting", "waiting"]


def test_a_report_at_the_last_moment_counts_and_nothing_begins_then():
    cut = study(Grid() + FullLength(epochs=2), budget=Budget(hours="4 s"))

    simulation = simulate(cut, three(seconds=[2, 3, 1]), workers=2)

    assert timeline(simulation)[-1] == (4, "1", 2)
    assert len(simulation.conductor.record.trials) == 2
    assert simulation.now == 4


@pytest.mark.parametrize(
    "strategy",
    [
        Random() + FullLength(epochs=9),
        TPE() + ASHA(max_epochs=9),
        TPE() + ASHA(max_epochs=9, promote=True),
        Random() + Hyperband(max_epochs=9),
        BOHB(max_epochs=9),
        Random() + PBT(max_epochs=9, every=2),
    ],
    ids=str,
)
def test_a_simulated_study_writes_the_events_of_any_other_conductor(strategy):
    def loss(params, epoch):
        return {"loss": (params["x"] - 0.3) ** 2 + 0.5 / epoch}

    def curve(params):
        for epoch in range(1, 10):
            yield loss(params, epoch) | {"seconds": (1 + params["x"]) * epoch}

    live = World(LINE, strategy, trials=20)
    live.run(loss, workers=3, seconds=lambda params: 1 + params["x"])
    live.conductor.finish()
    aim = study(strategy, LINE).with_budget(20)

    simulation = simulate(aim, Surrogate(curve, LINE, Goal.parse("min loss"), "curve"), workers=3)

    def told(events):
        kept = [event for event in events if event["event"] not in ("study_started", "note")]
        return [{k: v for k, v in event.items() if k not in ("seq", "t", "goal")} for event in kept]

    assert told(simulation.book.events) == told(live.book.events)
    assert simulation.now == pytest.approx(live.simulation.now)


def test_equal_seeds_give_equal_ledgers_and_others_do_not():
    def curve(params):
        return [{"loss": params["x"] / epoch} for epoch in range(1, 10)]

    def events(seed):
        results = study(TPE() + ASHA(max_epochs=9), LINE, seed=seed).simulate(curve, workers=4, trials=30)
        return [{k: v for k, v in e.items() if k != "at"} for e in results.events()]

    assert events(1) == events(1)
    assert events(1)[5:] != events(2)[5:]


def test_more_workers_take_less_time_for_the_same_epochs():
    def curve(params):
        return [{"loss": params["x"], "seconds": float(epoch)} for epoch in (1, 2, 3)]

    aim = study(Random() + FullLength(epochs=3), LINE)
    seconds = [aim.simulate(curve, workers, trials=12).record.elapsed_s for workers in (1, 3, 12, 64)]

    assert seconds == [36, 12, 3, 3]


def test_auto_is_settled_by_the_workers_as_in_a_real_study():
    def curve(params):
        return [{"loss": params["x"]}] * 3

    few = study(Auto() + FullLength(epochs=3), LINE).simulate(curve, workers=2, trials=40)
    many = study(Auto() + FullLength(epochs=3), LINE).simulate(curve, workers=40, trials=40)

    assert (few.record.started["picked"], many.record.started["picked"]) == ("Bayes()", "Sobol()")


def test_a_curve_that_ends_by_itself_ends_its_trial():
    def curve(params):
        return [{"loss": 1.0}] * (2 if params["k"] else 1)

    frame = study(Grid() + FullLength(epochs=5)).simulate(curve, workers=1).frame()

    assert frame.epoch.tolist() == [1, 2, 2]
    assert set(frame.status) == {"ended"}


def test_nan_ends_a_simulated_trial_as_invalid():
    def curve(params):
        yield {"loss": 1.0}
        yield {"loss": math.nan if params["k"] == 1 else 0.5}

    frame = study(Grid() + FullLength(epochs=2)).simulate(curve, workers=3).frame()

    assert frame.status.tolist() == ["ended", "invalid", "ended"]


def test_a_member_that_takes_over_goes_on_on_the_curve_of_its_new_params_and_this_is_noted():
    def curve(params):
        return [{"loss": params["x"], "seconds": 2.0 * epoch} for epoch in range(1, 7)]

    results = study(Random() + PBT(max_epochs=6, every=2), LINE).simulate(curve, workers=4, trials=4)

    assert results.frame().seconds.tolist() == [12.0] * 4
    assert any("weights are not simulated" in note for note in results.record.notes)


def test_results_are_those_of_any_study_and_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    results = study(Grid() + FullLength(epochs=2)).simulate(three([2, 3, 1]), workers=2)
    shown = results.frame()

    assert results.best.params == {"k": 0}
    assert shown.seconds.tolist() == [4, 6, 2]
    assert list(results.curves().columns) == ["trial", "epoch", "seconds", "loss"]
    assert any("simulated, nothing was trained: 2 workers on three" in note for note in results.record.notes)
    assert list(tmp_path.iterdir()) == [results.folder]
    del results
    assert list(tmp_path.iterdir()) == []


def test_a_kept_study_opens_as_any_other_and_is_never_resumed(tmp_path):
    aim = study(Grid() + FullLength(epochs=2))

    aim.simulate(three([2, 3, 1]), workers=2, out=tmp_path / "if")

    again = Results(tmp_path / "if")
    assert again.best.trial == "t00001"
    assert (again.record.elapsed_s, again.problems) == (6, [])
    assert {path.name for path in (tmp_path / "if" / "tables").iterdir()} == {"trials.parquet", "reports.parquet"}
    assert "simulated" in (tmp_path / "if" / "study.yaml").read_text()
    with pytest.raises(ValueError, match=r"was simulated.*a440 run .*study\.yaml"):
        aim.resume(tmp_path / "if", trials="+3")
    with pytest.raises(ValueError, match=r"is there already.*if-2"):
        aim.simulate(three([2, 3, 1]), workers=2, out=tmp_path / "if")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: study(Grid() + ASHA(max_epochs=9)), r"9 epochs.*the curves have 2\. Write: .*ASHA\(max_epochs=2\)"),
        (lambda: study(Grid() + FullLength(epochs=3)), r"FullLength\(epochs=2\)"),
        (lambda: study(TPE() + FullLength(epochs=2)), r"nothing ends the study .*--trials 64"),
    ],
)
def test_what_the_curves_do_not_hold_is_refused_with_the_mend(make, told):
    with pytest.raises(ValueError, match=told):
        make().simulate(three([1, 1, 1]), workers=1)


def test_curves_that_take_no_time_need_a_number_of_trials():
    aim = study(TPE() + FullLength(epochs=2), budget=Budget(hours=1))

    with pytest.raises(ValueError, match=r"curves that take none.*--trials 64"):
        aim.simulate(three([1, 1, 0]), workers=1)


def test_a_number_of_workers_is_a_number():
    with pytest.raises(ValueError, match="workers=8"):
        study(Grid() + FullLength(epochs=2)).simulate(three([1, 1, 1]), workers=0)


def test_points_are_told_as_exact_or_by_their_mean_distance():
    table = Table("two", LINE, [{"x": 0.0}, {"x": 1.0}], None, {"loss": np.array([[0.0], [1.0]])})
    aim = study(Random() + FullLength(epochs=1), LINE, start=[{"x": 1.0}, {"x": 0.2}])

    notes = aim.simulate(table, workers=1, trials=2).record.notes

    assert any("exactly: 1 of 2 points" in note and "0.2 away" in note for note in notes)
    assert any("every epoch counts as one second" in note for note in notes)


def test_lessons_and_start_points_come_before_the_sampler(tmp_path):
    def curve(params):
        return [{"loss": params["x"]}]

    older = study(Random() + FullLength(epochs=1), LINE).simulate(curve, 1, 8, out=tmp_path / "older")
    aim = study(TPE() + FullLength(epochs=1), LINE, learn_from=[str(tmp_path / "older")], start=[{"x": 0.5}])

    results = aim.simulate(curve, 1, 4)

    xs = results.frame()["params.x"].tolist()
    assert xs[:2] == [0.5, older.best.params["x"]]
    assert json.dumps(results.record.notes).count("learned from 8 of 8") == 1


@pytest.mark.parametrize(
    ("strategy", "epochs", "shorter"),
    [
        (TPE() + ASHA(max_epochs=9), 1, TPE() + FullLength(epochs=1)),
        (TPE() + ASHA(max_epochs=9, grace_epochs=4), 3, TPE() + FullLength(epochs=3)),
        (TPE() + ASHA(max_epochs=9, grace_epochs=2), 3, TPE() + ASHA(max_epochs=3, grace_epochs=2)),
        (Random() + PBT(max_epochs=9, every=3), 3, Random() + FullLength(epochs=3)),
        (Random() + PBT(max_epochs=9, mutate=("k",)), 3, Random() + PBT(max_epochs=3, mutate=("k",))),
        (BOHB(max_epochs=9), 1, None),
        (Grid() + FullLength(epochs=9), 1, Grid() + FullLength(epochs=1)),
    ],
    ids=str,
)
def test_the_shorter_strategy_that_is_offered_can_be_used(strategy, epochs, shorter):
    recording = three([1, 1, 1], epochs)

    with pytest.raises(ValueError, match=f"the curves have {epochs}\\. Write: --strategy ") as seen:
        check_recording(study(strategy, budget=Budget(trials=3)), recording)

    offered = parse(shlex.split(str(seen.value))[-5].rstrip(","), STRATEGIES)
    assert shorter is None or offered == shorter
    check_recording(study(offered, budget=Budget(trials=3)), recording)


def test_a_function_whose_epochs_take_no_time_does_not_go_on_for_ever():
    def curve(params):
        for _ in range(1000):  # in place of for ever
            yield {"loss": 1.0, "seconds": 5.0}

    with pytest.raises(ValueError, match=r"seconds=5.0 at epoch 2 .*'seconds': 10"):
        study(Random() + FullLength(), LINE, budget=Budget(hours="60 s")).simulate(curve, workers=1)


def test_each_trial_draws_its_own_of_several_curves_and_the_same_one_when_a_simulation_goes_on():
    space = Space({"k": choice(0, 1)})
    losses = np.arange(20.0)[:, None] + np.array([0.5, 0.0])
    table = Table("twenty", space, [{"k": k % 2} for k in range(20)], None, {"loss": losses})
    aim = study(Random(repeat=True) + FullLength(epochs=2), space, budget=Budget(trials=12))

    def begun(events=()):
        return Simulation(Terms.of(aim), aim.strategy, events)

    def reported(simulation):
        return [(e["trial"], e["epoch"], e["metrics"]) for e in simulation.book.events if e["event"] == "reported"]

    whole, cut = begun(), begun()
    for _ in whole.steps(table, workers=1):
        pass
    for _ in itertools.islice(cut.steps(table, workers=1), 10):
        pass
    again = begun(cut.book.events)
    for _ in again.steps(table, workers=1):
        pass

    assert reported(again) == reported(whole)
    assert len(reported(cut)) < len(reported(whole)) == 24
    assert len({metrics["loss"] for _, epoch, metrics in reported(whole) if epoch == 2}) > 4
