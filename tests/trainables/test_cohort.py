"""Trials that share a process: each is what it would be alone, whatever the others do."""

import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from search import Goal
from trainables import Batches, TorchTrainable, Trainable
from trainables.cohort import Cohort
from trainables.contract import Brief
from trainables.endings import LostError
from trainables.log import Log
from trainables.session import Session
from trainables.start import starter
from trainables.store import store_of


def leg(number, **changes):
    terms = {"trial": f"t{number:05d}", "params": {"n": number}, "seed": 70 + number, "upto": 0, "after": 0}
    return terms | {"source": None, "seconds": 0.0, "best": None, "best_epoch": 0} | changes


def cohort_of(train, folder, call_s=60.0, judged=(1, 2, 3, 4, 5, 6), last_epoch=6):
    log, store = Log(), store_of(folder)
    start = starter(train, Brief("loss"))
    return Cohort(lambda: Session(start, store, Goal("min", "loss"), judged, (), last_epoch, log=log), call_s)


def to_the_end(cohort, epochs=6):
    """All reports of each member; those that have run all their epochs are dropped, as a driver drops them."""
    found = {}
    while len(cohort):
        for said in cohort.advance():
            rows = found.setdefault(said["trial"], [])
            rows += [(row["epoch"], row["metrics"]) for row in said["reports"]]
            if rows and rows[-1][0] == epochs:
                cohort.take([], dropped=[said["trial"]])
    return found


def drawing(params):
    """Draws from all generators in every epoch."""
    start = random.random()
    for _ in range(6):
        drawn = [random.random(), float(np.random.random()), float(torch.rand(())), float(np.random.normal())]
        yield {"loss": start + sum(drawn)}


class Drawing(Trainable):
    """The same, with a state that can be saved."""

    def setup(self, params):
        self.path = [random.random(), float(torch.rand(()))]

    def step(self):
        self.path += [random.random() + float(np.random.random()) + float(torch.rand(()))]
        return {"loss": sum(self.path)}

    def save(self, folder):
        (folder / "path").write_text(json.dumps(self.path))

    def load(self, folder):
        self.path = json.loads((folder / "path").read_text())


class Net(TorchTrainable):
    loss = "cross_entropy"

    def model(self, params):
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))

    def optimizer(self, params, parameters):
        return torch.optim.Adam(parameters, lr=0.01 * params["n"])

    def data(self, params):
        rows = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
        targets = (rows.sum(1) > 0).long()
        return Batches(rows[:30], targets[:30], 8, shuffle=True), Batches(rows[30:], targets[30:])


@pytest.mark.parametrize("train", [drawing, Drawing, Net])
@pytest.mark.parametrize("call_s", [60.0, 0.0])
def test_a_member_reports_what_it_would_report_alone(tmp_path, train, call_s):
    alone = {}
    for number in (1, 2, 3):
        single = cohort_of(train, tmp_path / "alone")
        single.take([leg(number)])
        alone |= to_the_end(single)

    together = cohort_of(train, tmp_path / "together", call_s)
    together.take([leg(1), leg(2)])
    together.advance()
    together.take([leg(3)])  # a neighbour that comes later changes nothing

    late = to_the_end(together)
    assert late["t00003"] == alone["t00003"]
    assert late["t00001"] == alone["t00001"][-len(late["t00001"]) :]
    assert late["t00002"] == alone["t00002"][-len(late["t00002"]) :]
    assert alone["t00001"] != alone["t00002"]


def test_one_that_fails_ends_alone(tmp_path):
    def train(params):
        for epoch in range(6):
            if params["n"] == 2 and epoch == 3:
                raise ValueError("negative variance")
            yield {"loss": 1 / (epoch + 1)}

    cohort = cohort_of(train, tmp_path)
    cohort.take([leg(1), leg(2), leg(3)])
    ends, reports = {}, {}
    for _ in range(6):
        for said in cohort.advance():
            ends[said["trial"]] = said["end"]
            reports[said["trial"]] = reports.get(said["trial"], 0) + len(said["reports"])

    assert ends["t00002"]["status"] == "failed"
    assert "negative variance" in ends["t00002"]["reason"]
    assert ends["t00001"] is ends["t00003"] is None
    assert reports == {"t00001": 6, "t00002": 3, "t00003": 6}
    assert len(cohort) == 2


def test_a_call_ends_when_its_time_is_over_and_the_next_goes_on_with_the_others(tmp_path):
    cohort = cohort_of(drawing, tmp_path, call_s=0.0)
    cohort.take([leg(1), leg(2), leg(3)])

    turns = [[said["trial"] for said in cohort.advance()] for _ in range(4)]

    assert turns == [["t00001"], ["t00002"], ["t00003"], ["t00001"]]


def test_one_that_is_dropped_is_closed_and_its_place_taken(tmp_path):
    closed = []

    def train(params):
        try:
            while True:
                yield {"loss": float(params["n"])}
        finally:
            closed.append(params["n"])

    cohort = cohort_of(train, tmp_path)
    cohort.take([leg(1), leg(2)])
    cohort.advance()

    cohort.take([leg(3)], dropped=["t00001", "t00009"])

    assert closed == [1]
    assert [said["trial"] for said in cohort.advance()] == ["t00002", "t00003"]
    cohort.end()
    assert sorted(closed) == [1, 2, 3]
    assert cohort.advance() == []


def test_what_was_said_before_the_process_broke_is_answered_first(tmp_path):
    def train(params):
        if params["n"] == 2:
            raise MemoryError
        yield {"loss": 0.5}
        yield {"loss": 0.4}

    cohort = cohort_of(train, tmp_path)
    cohort.take([leg(1), leg(2), leg(3)])

    first = cohort.advance()

    assert [said["trial"] for said in first] == ["t00001"]
    with pytest.raises(LostError, match="out of memory"):
        cohort.advance()


def test_nobody_is_blamed_for_a_process_that_another_trial_broke(tmp_path):
    class Breaks(Drawing):
        def save(self, folder):
            raise MemoryError

    cohort = cohort_of(Breaks, tmp_path)
    cohort.take([leg(1)])
    said = cohort.advance()
    cohort.take([leg(2)], dropped=["t00001"])

    assert [len(one["reports"]) for one in said] == [1]  # what it reported counts
    with pytest.raises(LostError, match=r"^its process was broken by t00001"):
        cohort.advance()


def test_a_place_in_a_store_is_left_once_and_not_again_when_the_session_serves_another(tmp_path, monkeypatch):
    left = []
    monkeypatch.setattr("trainables.store.LocalStore.leave", lambda _, trial: left.append(trial))
    cohort = cohort_of(drawing, tmp_path)
    cohort.take([leg(1), leg(2)])
    cohort.take([leg(1)], dropped=["t00001", "t00002"])
    cohort.take([leg(3)])

    assert left == ["t00001", "t00002"]


def test_checkpoints_are_kept_for_all(tmp_path):
    cohort = cohort_of(Drawing, tmp_path)
    cohort.take([leg(1), leg(2)])
    cohort.advance()
    cohort.advance()

    kept = cohort.keep()

    assert kept == {"t00001": 2, "t00002": 2}
    for trial in kept:
        assert (tmp_path / "trials" / trial / "checkpoints" / "e00002" / "path").exists()


def test_each_prints_into_its_own_log(tmp_path, capsys):
    def train(params):
        for epoch in (1, 2):
            print("trial", params["n"], "epoch", epoch)
            yield {"loss": 0.5}

    cohort = cohort_of(train, tmp_path, last_epoch=2)
    cohort.take([leg(1), leg(2)])
    cohort.advance()
    cohort.advance()

    for number in (1, 2):
        log = (tmp_path / "trials" / f"t{number:05d}" / "log.txt").read_text()
        assert log == f"trial {number} epoch 1\ntrial {number} epoch 2\n"
    assert capsys.readouterr().out == ""
