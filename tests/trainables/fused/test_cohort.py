"""Members of a cohort that are trained together report, save and end as those that are alone."""

import math
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

from search import Goal
from tests.kit.nets import PARAMS, UNLIKE, Net
from trainables import Loop
from trainables.cohort import Cohort
from trainables.contract import Brief
from trainables.fused.stacks import Stacks
from trainables.log import Log
from trainables.meter import Meter
from trainables.session import Session
from trainables.start import starter
from trainables.store import store_of

COSTS = {"rows_per_s", "peak_memory_mib", "joules", "co2_g"}


def leg(number, upto=0, **changes):
    params = {**PARAMS, **UNLIKE[number % 4], **changes}
    terms = {"trial": f"t{number:05d}", "params": params, "seed": 70 + number, "upto": upto, "after": 0}
    return terms | {"source": None, "seconds": 0.0, "best": None, "best_epoch": 0}


def cohort_of(folder, stacks=None, task=Net, call_s=60.0, judged=(1, 2, 4), last_epoch=6):
    log, start = Log(), starter(task, Brief("loss"))

    def make():
        return Session(start, store_of(folder), Goal("min", "loss"), judged, (), last_epoch, log=log, meter=Meter())

    return Cohort(make, call_s, stacks)


def to_the_end(cohort, epochs=6):
    """Reports by trial and epoch, and how trials ended; those that have run all their epochs are dropped."""
    found, ends = {}, {}
    while len(cohort):
        for said in cohort.advance():
            rows = found.setdefault(said["trial"], {})
            rows |= {row["epoch"]: row["metrics"] for row in said["reports"]}
            if said["end"] is not None:
                ends[said["trial"]] = said["end"]
            elif epochs in rows:
                cohort.take([], dropped=[said["trial"]])
    return found, ends


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for trial, rows in expected.items():
        assert found[trial].keys() == rows.keys()
        for epoch, row in rows.items():
            ours, theirs = (
                {name: value for name, value in metrics.items() if name not in COSTS}
                for metrics in (found[trial][epoch], row)
            )
            assert ours == pytest.approx(theirs, abs=1e-10)


def test_members_report_what_they_would_report_alone(tmp_path):
    alone = {}
    for number in range(4):
        single = cohort_of(tmp_path / "alone")
        single.take([leg(number)])
        alone |= to_the_end(single)[0]

    together = cohort_of(tmp_path / "together", Stacks(measures=False))
    together.take([leg(number) for number in range(3)])
    first = together.advance()
    together.take([leg(3)])  # which begins later
    found, _ = to_the_end(together)

    assert {said["trial"] for said in first} == {"t00000", "t00001", "t00002"}
    assert all(said["stacked"] and [row["epoch"] for row in said["reports"]] == [1] for said in first)
    for said in first:
        found[said["trial"]] = {1: said["reports"][0]["metrics"], **found[said["trial"]]}
    assert_same(found, alone)
    assert found["t00001"][1].keys() >= COSTS


def test_epochs_travel_together_until_one_is_judged(tmp_path):
    cohort = cohort_of(tmp_path, Stacks(measures=False), judged=(3,))
    cohort.take([leg(0), leg(1)])

    said = cohort.advance()

    assert [[row["epoch"] for row in one["reports"]] for one in said] == [[1, 2, 3]] * 2
    seconds = [row["seconds"] for row in said[0]["reports"]]
    assert 0 < seconds[0] < seconds[1] < seconds[2]


def test_a_checkpoint_is_taken_up_by_either_kind(tmp_path):
    undisturbed = {}
    for number in (0, 1):
        single = cohort_of(tmp_path / "alone")
        single.take([leg(number)])
        undisturbed |= to_the_end(single)[0]
    cohort = cohort_of(tmp_path / "fused", Stacks(measures=False), judged=(3,), last_epoch=3)
    cohort.take([leg(0), leg(1)])
    cohort.advance()
    cohort.end()

    for stacks in (Stacks(measures=False), None):
        again = cohort_of(tmp_path / "fused", stacks)
        again.take([leg(0, upto=3), leg(1, upto=3)])
        found, _ = to_the_end(again)

        assert_same(found, {trial: {e: rows[e] for e in (4, 5, 6)} for trial, rows in undisturbed.items()})


def test_weights_of_a_neighbour_are_taken_over_without_a_disk(tmp_path):
    def trained(folder, stacks):
        cohorts = []
        log, start = Log(), starter(Net, Brief("loss"))

        def make():
            goal, find = Goal("min", "loss"), lambda *at: cohorts[0].at(*at)
            return Session(start, store_of(folder), goal, (2,), (2,), 4, log=log, meter=Meter(), neighbour=find)

        cohorts.append(cohort := Cohort(make, 60.0, stacks))
        cohort.take([leg(0), leg(1)])
        cohort.advance()
        return cohort

    takes_over = {**leg(1, upto=2, lr=0.03), "after": 2, "source": {"trial": "t00000", "epoch": 2}}
    found = []
    for name, stacks in (("here", Stacks(measures=False)), ("there", None)):
        cohort = trained(tmp_path / name, stacks)
        if name == "here":
            shutil.rmtree(tmp_path / name / "trials" / "t00000" / "checkpoints")
        else:
            cohort = cohort_of(tmp_path / name, judged=(2,), last_epoch=4)
        cohort.take([takes_over], dropped=["t00001"])
        rows = {}
        while 4 not in rows:
            for said in cohort.advance():
                assert not said["notes"]
                rows |= {row["epoch"]: row["metrics"] for row in said["reports"] if said["trial"] == "t00001"}
        found.append({"t00001": rows})

    assert_same(*found)


class Falling(Net):
    """One of whom is NaN, and one runs out of patience."""

    def loop(self, params):
        return Loop(patience=2, min_delta=10.0) if params["lr"] == 0.2 else Loop()

    def model(self, params):
        self.calls = []
        print(f"building {params['lr']}")
        made = super().model(params)
        if params["lr"] == 0.01:
            made[0].weight.data.fill_(torch.nan)
        return made

    def metrics(self, output, target):
        return {"accuracy": float((output.argmax(1) == target).double().mean())}


def test_each_ends_by_itself(tmp_path):
    cohort = cohort_of(tmp_path, Stacks(measures=False), Falling)
    cohort.take([leg(0), leg(1), leg(2), leg(3)])

    found, ends = to_the_end(cohort)

    assert found["t00000"].keys() == found["t00001"].keys() == set(range(1, 7))
    assert math.isnan(found["t00002"][1]["loss"])  # upon which the driver ends it
    assert not any(math.isnan(row["loss"]) for name in ("t00000", "t00001") for row in found[name].values())
    assert ends["t00003"] == {"status": "ended", "reason": "the trainable finished", "traceback": None}
    assert set(found["t00003"]) == {1, 2, 3}
    single = cohort_of(tmp_path / "alone", None, Falling)
    single.take([leg(3)])
    to_the_end(single)
    path = Path("trials/t00003/checkpoints/e00003/state.pt")
    fused, alone = (torch.load(folder / path)["model"] for folder in (tmp_path, tmp_path / "alone"))
    assert all(torch.allclose(fused[name], alone[name], atol=1e-10) for name in alone)
    assert (tmp_path / "trials" / "t00003" / "log.txt").read_text() == "building 0.2\n"


def test_what_is_printed_in_a_stack_is_in_every_members_log(tmp_path):
    class Talking(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 2)

        def forward(self, rows):
            if self.training and rows.shape[0] == 10:  # the last batch of an epoch
                print("the last batch")
            return nn.functional.relu(self.layer(rows)) + torch.zeros_like(rows[:, :2])

    task = type("Variant", (Net,), {"model": lambda self, params: Talking().double()})
    cohort = cohort_of(tmp_path, Stacks(measures=False), task, last_epoch=2)
    cohort.take([leg(0), leg(1)])

    to_the_end(cohort, epochs=2)

    for number in (0, 1):
        assert (tmp_path / "trials" / f"t{number:05d}" / "log.txt").read_text() == "the last batch\n" * 2


def test_those_that_are_not_stacked_have_their_turns_too(tmp_path):
    cohort = cohort_of(tmp_path, Stacks(measures=False), call_s=0.0)
    cohort.take([leg(0), leg(1, optimizer="adam"), leg(2), leg(3, optimizer="rmsprop")])
    told = [said["trial"] for _ in range(3) for said in cohort.advance()]

    assert sorted(told) == ["t00000", "t00001", "t00002", "t00003"]


def test_what_cannot_be_built_fails_alone(tmp_path):
    class Broken(Net):
        def model(self, params):
            if params["lr"] == 0.1:
                raise ValueError("no such width")
            return super().model(params)

    cohort = cohort_of(tmp_path, Stacks(measures=False), Broken)
    cohort.take([leg(0), leg(1), leg(2)])

    found, ends = to_the_end(cohort)

    assert set(found) == {"t00000", "t00001", "t00002"}
    assert found["t00001"] == {}
    assert "no such width" in ends["t00001"]["reason"]


def test_joules_and_seconds_of_members_add_up_to_those_of_the_stack(tmp_path):
    cohort = cohort_of(tmp_path, Stacks(measures=False), judged=(6,))
    cohort.take([leg(number) for number in range(4)])

    said = cohort.advance()

    last = [one["reports"][-1] for one in said]
    assert len({row["seconds"] for row in last}) == 1
    assert len({row["metrics"]["joules"] for row in last}) == 1
    assert last[0]["metrics"]["joules"] > 0
