"""Studies on a real Ray: one embedded Ray serves the whole module."""

import json
import shutil

import pytest

from orchestrator import (
    ASHA,
    NSGA2,
    PBT,
    TPE,
    Auto,
    Bundle,
    FullLength,
    Grid,
    Random,
    Results,
    Sobol,
    Study,
    believed,
    choice,
    uniform,
)
from tests.kit import trainables

SPACE = {"x": uniform(0, 1)}


@pytest.fixture(scope="module", autouse=True)
def ray():
    from cluster.to_ray import connect

    with connect("local", cpus=2):
        yield


@pytest.fixture(scope="module")
def storage(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def digits(storage):
    from examples.digits import SPACE as DIGITS
    from examples.digits import DigitsMLP

    study = Study(DigitsMLP, DIGITS, "max accuracy", TPE() + ASHA(max_epochs=9), name="digits", storage=storage)
    return study, study.run(trials=12, progress=False)


def run(train, strategy, storage, trials=None, space=SPACE, **more):
    return Study(train, space, "min loss", strategy, storage=storage, **more).run(trials=trials, progress=False)


def test_a_simulation_on_what_a_study_recorded_repeats_its_trials(storage):
    def train(params):
        for epoch in (1, 2, 3):
            yield {"loss": (params["x"] - 0.3) ** 2 / epoch}

    study = Study(train, SPACE, "min loss", Random() + FullLength(epochs=3), storage=storage, seed=5)
    live = study.run(trials=6, progress=False)

    simulated = study.simulate(live.folder, workers=2, trials=6)

    assert "recorded exactly: all of 6 points" in simulated.record.notes
    assert simulated.frame().drop(columns="seconds").equals(live.frame()[simulated.columns()].drop(columns="seconds"))
    assert simulated.best.params == live.best.params


def test_ray_tune_saves_nothing_of_its_own(storage, monkeypatch):
    from ray.tune.execution.tune_controller import TuneController

    saves, states = [], []
    monkeypatch.setattr(TuneController, "_schedule_trial_save", lambda _, trial, **more: saves.append(trial))
    monkeypatch.setattr(TuneController, "save_to_dir", lambda controller: states.append(controller))

    results = run(trainables.good, Random() + FullLength(2), storage, trials=3)

    assert results.record.counts() == {"ended": 3}
    assert saves == []  # where others do not see the driver's scratch, a save costs the actor
    assert len(states) == 1  # when its loop begins; at its end, that is all trials, written for nobody


def test_a_study_comes_back_as_a_table_with_its_best_trial(digits):
    _, results = digits

    frame, curves, best = results.frame(), results.curves(), results.best

    assert list(frame.columns[:7]) == ["trial", "status", "reason", "epoch", "accuracy", "best_epoch", "seconds"]
    assert {"params.lr", "params.depth", "train_loss", "loss"} <= set(frame.columns)
    assert len(frame) == 12
    assert set(frame.status) == {"ended", "stopped"}
    assert best.value == frame.accuracy.max() == curves.accuracy.max()
    row = curves[(curves.trial == best.trial) & (curves.epoch == best.epoch)]
    assert row.accuracy.item() == best.value
    assert best.value > 0.5


def test_its_folder_holds_tables_and_the_best_checkpoint(digits):
    import pandas as pd
    import torch

    _, results = digits

    state = torch.load(results.best.checkpoint / "state.pt", weights_only=True)
    tables = results.folder / "tables"

    assert state["epoch"] == results.best.epoch
    pd.testing.assert_frame_equal(pd.read_parquet(tables / "trials.parquet"), results.frame(), check_dtype=False)
    assert len(pd.read_parquet(tables / "reports.parquet")) == len(results.curves())


def test_a_finished_study_does_nothing_on_resume_and_grows_when_asked(digits):
    study, results = digits
    before = results.frame()

    same = study.resume(results.folder, progress=False)
    grown = study.resume(results.folder, trials="+2", progress=False)

    assert len(same.frame()) == 12
    assert len(grown.frame()) == 14
    assert grown.frame().iloc[:12].equals(before)


def test_a_copied_study_resumes_in_its_new_place_and_touches_nothing_else(digits, tmp_path):
    study, results = digits
    copy = tmp_path / "copy"
    shutil.copytree(results.folder, copy)
    before = {path: path.stat().st_mtime_ns for path in results.folder.rglob("*") if path.is_file()}

    grown = study.resume(copy, trials="+1", progress=False)

    after = {path: path.stat().st_mtime_ns for path in results.folder.rglob("*") if path.is_file()}
    assert before == after
    assert grown.folder == copy
    assert len(grown.frame()) == len(results.frame()) + 1 or len(Results(results.folder).frame()) + 1


def test_a_function_of_every_kind_is_a_study(storage):
    def number(params):
        return params["x"]

    def reporting(params, report):
        for epoch in range(3):
            report(loss=params["x"] + epoch)

    for train, epochs in ((number, 1), (trainables.good, 3), (reporting, 3), (lambda params: {"loss": 1.0}, 1)):
        frame = run(train, Random(), storage, trials=2, name="function").frame()
        assert set(frame.status) == {"ended"}
        assert set(frame.epoch) == {epochs}


def test_a_grid_is_walked_once_and_stopped_trials_are_short(storage):
    frame = run(trainables.good, Grid(points=4) + FullLength(epochs=2), storage).frame()

    assert sorted(frame["params.x"]) == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert set(frame.epoch) == {2}


def test_whatever_a_trial_does_the_others_go_on(storage):
    kinds = ["fine", "prints", "nan", "fine2", "raises", "text", "missing", "fine3", "silent", "fine4", "reserved"]
    kinds += ["fine5", "fine6", "segfault", "fine7", "exit", "fine8", "sys.exit", "fine9", "fine10", "fine11"]
    space = {"kind": choice(*kinds)}

    results = run(trainables.misbehaving, Grid(), storage, space=space, retries=0)

    frame = results.frame().set_index("params.kind")
    assert len(frame) == len(kinds)
    fine = [kind for kind in kinds if kind.startswith("fine") or kind == "prints"]
    assert set(frame.status[fine]) == {"ended"}
    assert frame.status["nan"] == "invalid"
    bad = ["raises", "text", "missing", "silent", "reserved", "segfault", "exit", "sys.exit"]
    assert set(frame.status[bad]) == {"failed"}
    assert "KeyError: 'no such column' (trainables.py:" in frame.reason["raises"]
    assert "reported loss='0.3' (str). Report a number." in frame.reason["text"]
    assert "reported los, not loss" in frame.reason["missing"]
    assert "finished without reporting loss" in frame.reason["silent"]
    assert "'done'" in frame.reason["reserved"]
    assert "sys.exit(4)" in frame.reason["sys.exit"]
    assert "died" in frame.reason["exit"] or "crashed" in frame.reason["exit"]
    raised = frame.trial["raises"]
    assert results.record.trials[raised].traceback
    assert "no such column" in (results.folder / "trials" / raised / "log.txt").read_text()
    assert results.best.value == 1.0


def test_a_lost_process_is_tried_again(storage, tmp_path):
    marker = tmp_path / "died"

    def once(params):
        import os
        from pathlib import Path

        if not Path(marker).exists():
            Path(marker).touch()
            os._exit(7)
        return {"loss": 1.0}

    results = run(once, Random(), storage, trials=1)

    [trial] = results.record.trials.values()
    assert (trial.status, trial.faults, trial.legs) == ("ended", 1, 2)


def test_pbt_trains_a_population_larger_than_the_machine(storage):
    from tests.kit.trainables import Counting

    class Quick(Counting):
        def step(self):
            self.epoch += 1
            return {"loss": self.x + 1 / self.epoch}

    results = run(Quick, Random() + PBT(max_epochs=8, every=2), storage, trials=6)

    curves = results.curves()
    assert set(results.frame().status) == {"ended"}
    assert sorted(zip(curves.trial, curves.epoch, strict=True)) == [
        (f"t{number:05d}", epoch) for number in range(1, 7) for epoch in range(1, 9)
    ]
    events = (results.folder / "ledger" / "000001.jsonl").read_text().splitlines()
    assert any(json.loads(line)["event"] == "trial_exploited" for line in events)


def test_a_hung_trial_is_ended_after_its_time(storage):
    from orchestrator import Budget

    def hangs(params):
        import time

        time.sleep(60)

    results = run(hangs, Random(), storage, trials=1, budget=Budget(trial_minutes="1.5 s"))

    [trial] = results.record.trials.values()
    assert trial.status == "timeout"


def test_time_ends_a_study_and_more_time_resumes_it(storage):
    def slow(params):
        import time

        for _ in range(40):
            time.sleep(0.1)
            yield {"loss": 1.0}

    study = Study(slow, SPACE, "min loss", Random(), storage=storage)
    results = study.run(hours="2 s", progress=False)

    assert results.outcome == "interrupted"
    assert "budget" in str(results.record.ended)
    assert set(results.frame().status) <= {"waiting", "proposed"}


def test_a_bundle_that_cannot_fit_is_refused_before_anything_starts(storage, tmp_path):
    study = Study(trainables.good, SPACE, "min loss", Random(), bundle=Bundle(gpus=3), storage=tmp_path / "none")

    with pytest.raises(ValueError, match="3 GPUs"):
        study.run(trials=1, progress=False)

    assert not (tmp_path / "none").exists()


def test_a_module_that_workers_cannot_import_travels_with_the_study(storage, tmp_path, monkeypatch):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("def loss(x):\n    return x * 2\n")
    (package / "model.py").write_text(
        "from mine.helper import loss\ndef train(params):\n    return loss(params['x'])\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    from mine.model import train

    frame = run(train, Random(), storage, trials=2).frame()

    assert frame.loss.tolist() == (2 * frame["params.x"]).tolist()


def test_a_disk_that_fills_up_ends_the_study_cleanly_and_loses_nothing(storage, monkeypatch):
    from orchestrator.folder import StorageError
    from orchestrator.ledger import Ledger

    append, written = Ledger.append, []

    def fill_up(self, event, **fields):
        written.append(event)
        if len(written) > 20:
            self.failure = OSError(28, "No space left on device")
            raise self.failure
        return append(self, event, **fields)

    study = Study(trainables.good, SPACE, "min loss", Random(), storage=storage, name="full")
    with monkeypatch.context() as full:
        full.setattr(Ledger, "append", fill_up)
        with pytest.raises(StorageError, match=r"No space left on device\. Free space there, then:") as told:
            study.run(trials=8, progress=False)
    folder = str(told.value).rsplit(" ", 1)[1]
    before = Results(folder).frame()
    resumed = study.resume(folder, trials=8, progress=False)

    ended = before[before.status == "ended"]
    assert len(ended) > 0
    assert set(resumed.frame().status) == {"ended"}
    assert len(resumed.frame()) == 8
    assert resumed.frame().set_index("trial").loc[ended.trial].loss.tolist() == ended.loss.tolist()


def test_a_study_without_a_table_of_its_own_prints_nothing(storage, capfd):
    run(trainables.good, Random(), storage, trials=1)

    printed = capfd.readouterr()
    assert printed.out == ""


# -- what a search may be after, and know -----------------------------------------------------------


def noisy(params):
    """A loss with noise from the trial's own seed, and a size that it trades for."""
    import random

    for epoch in range(1, 4):
        yield {"loss": params["x"] + 1 / epoch + 0.1 * random.random(), "size": 1 - params["x"]}


def test_a_point_that_is_repeated_has_its_mean_and_spread_in_the_table(storage):
    results = run(noisy, TPE(startup=3) + ASHA(max_epochs=3), storage, trials=5, repeats=3, name="repeats")

    frame, curves = results.frame(), results.curves()

    assert (frame.loss_spread > 0).all()
    assert (frame.loss_spread < 0.1).all()
    assert "size_spread" not in frame  # of the goal's metrics alone
    assert results.best.value == curves.loss.min()


def test_two_objectives_with_a_limit_give_a_front(storage):
    study = Study(noisy, SPACE, ["min loss", "min size <= 0.8"], NSGA2(population=4) + ASHA(max_epochs=3),
                  storage=storage, name="two")  # fmt: skip

    results = study.run(trials=12, progress=False)
    resumed = study.resume(results.folder, trials="+4", progress=False)

    front, frame = resumed.front(), resumed.frame()
    assert len(frame) == 16
    assert set(front.frame().trial) == set(frame[frame.on_front].trial)
    assert (front.frame()["size"] <= 0.8).all()
    assert front.hypervolume >= results.front(front.reference).hypervolume > 0


def test_a_study_goes_on_from_where_another_one_ended(storage):
    older = run(noisy, Random(), storage, trials=15, name="older")

    newer = run(noisy, TPE(), storage, trials=5, name="newer", learn_from=older.folder)

    assert newer.frame()["params.x"].iloc[0] == older.best.params["x"]
    assert newer.frame()["params.x"].mean() < older.frame()["params.x"].mean()
    assert any("learned from 15 of 15 trials" in note for note in newer.record.notes)


def test_auto_says_what_it_picked_and_keeps_to_it(storage, capsys):
    study = Study(noisy, SPACE, "min loss", Auto(), storage=storage, name="auto")

    results = study.run(trials=12)
    said = capsys.readouterr().out
    study.resume(results.folder, trials=14)
    again = capsys.readouterr().out

    assert "Bayes(), for a Gaussian process" in said
    assert "Bayes(), as when the study began" in again


def test_limits_and_beliefs_hold_on_a_real_study(storage):
    space = {"low": uniform(0, 1), "high": uniform(0, 1)}
    results = run(
        lambda params: params["high"] - params["low"], Sobol(), storage, trials=30, space=space,
        limits=["low < high"], prior=believed(low=0.2, within=0.05), name="limits",
    )  # fmt: skip

    frame = results.frame()

    assert (frame["params.low"] < frame["params.high"]).all()
    assert (abs(frame["params.low"] - 0.2) < 0.15).mean() > 0.5
