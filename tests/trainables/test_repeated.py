"""Several runs of one point as one trial: means and spreads, seeds of their own, checkpoints, ends."""

import math
import random
import statistics

import numpy as np
import pytest
import torch

from search import Goal
from trainables import Trainable, function
from trainables.contract import Brief
from trainables.session import Session
from trainables.start import starter


class Noisy(Trainable):
    """Reports a draw of each generator per epoch, and counts."""

    def setup(self, params):
        self.count, self.first = 0, random.random()

    def step(self):
        self.count += 1
        draws = random.random() + np.random.random() + torch.rand(()).item()
        return {"loss": draws, "count": self.count, "first": self.first}

    def save(self, folder):
        (folder / "state").write_text(f"{self.count} {self.first}")

    def load(self, folder):
        count, first = (folder / "state").read_text().split()
        self.count, self.first = int(count), float(first)


def leg(**changes):
    terms = {"trial": "t00001", "params": {}, "seed": 7, "upto": 0, "after": 0, "source": None}
    return terms | {"seconds": 0.0, "best": None, "best_epoch": 0} | changes


def reports(train, folder, repeats, last=4, metric="loss", **terms):
    worker = Session(starter(train, Brief(metric), repeats), folder, Goal("min", metric), (), (), last_epoch=last)
    worker.begin(leg(**terms))
    found = []
    for _ in range(50):
        said = worker.advance()
        found += said["reports"]
        if said["end"] is not None or (found and found[-1]["epoch"] == last):
            return found, said["end"]
    raise AssertionError("it never ends")


def alone(train, folder, repeats, last=4):
    """The losses of each run by itself, from the seeds that repeats would give it."""
    from trainables.repeated import _own_seed

    return [
        [row["metrics"]["loss"] for row in reports(train, folder / str(run), 1, last, seed=_own_seed(7, run))[0]]
        for run in range(repeats)
    ]


def noisy_function(params):
    for _ in range(4):
        yield {"loss": random.random() + np.random.random() + torch.rand(()).item()}


def test_a_point_is_judged_by_the_mean_and_its_spread_is_told(tmp_path):
    runs = alone(noisy_function, tmp_path / "alone", 3)

    found, _ = reports(noisy_function, tmp_path / "together", 3)

    for epoch, row in enumerate(found):
        values = [run[epoch] for run in runs]
        assert row["metrics"]["loss"] == pytest.approx(statistics.mean(values))
        assert row["metrics"]["loss_spread"] == pytest.approx(statistics.stdev(values))
    assert len({round(value, 9) for run in runs for value in run}) == 12, "every run draws its own numbers"


def test_runs_go_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path):
    whole, _ = reports(Noisy, tmp_path / "whole", 3, last=6)
    begun, _ = reports(Noisy, tmp_path / "again", 3, last=3)

    resumed, _ = reports(Noisy, tmp_path / "again", 3, last=6, upto=3)

    assert begun + resumed == [{**row, "seconds": pytest.approx(row["seconds"], abs=5)} for row in whole]
    assert [row["metrics"]["count"] for row in resumed] == [4, 5, 6]


def test_one_run_that_diverges_is_the_points_fault(tmp_path):
    def diverges(params):
        yield {"loss": math.nan if random.Random(torch.initial_seed()).random() < 0.7 else 1.0}

    losses = [
        reports(diverges, tmp_path / str(seed), 4, last=1, seed=seed)[0][0]["metrics"]["loss"] for seed in range(5)
    ]

    assert any(math.isnan(loss) for loss in losses)


def test_a_run_that_ends_early_keeps_its_last_report(tmp_path):
    def uneven(params):
        yield from ({"loss": float(epoch)} for epoch in range(1, 2 + random.Random(torch.initial_seed()).randrange(4)))

    found, end = reports(uneven, tmp_path, 5, last=99)

    values = [row["metrics"]["loss"] for row in found]
    assert values == sorted(values)
    assert 1 < len(found) <= 4
    assert end is not None


def test_metrics_that_only_some_runs_report_are_left_out(tmp_path):
    def partly(params):
        row = {"loss": 1.0}
        if random.Random(torch.initial_seed()).random() < 0.5:
            row["lucky"] = 1.0
        yield row

    [row], _ = reports(partly, tmp_path, 6, last=1)

    assert set(row["metrics"]) == {"loss", "loss_spread"}


def test_the_spread_over_seeds_is_not_that_over_folds():
    from sklearn.svm import SVC

    from trainables.contract import Brief
    from trainables.data import Data, deal
    from trainables.repeated import cleaned

    brief = Brief("accuracy", ("accuracy",), deal(Data("iris"), folds=True).given)
    once, twice = (starter(SVC(C=1.0), brief, repeats)({}, 0) for repeats in (1, 2))

    for _ in range(3):
        alone, both = once.step(), cleaned(twice.step(), "t00001", ["accuracy"])

    assert both == {**alone, "accuracy_seed_spread": 0.0}
    assert both["accuracy_spread"] > 0


def test_an_error_of_one_run_is_the_trials(tmp_path):
    def breaks(params):
        yield {"loss": 1.0}
        raise KeyError("no such column")

    _, end = reports(breaks, tmp_path, 3, last=5)

    assert end["status"] == "failed"
    assert "no such column" in end["reason"]


def test_functions_are_what_they_are(tmp_path):
    assert function is not None
    found, _ = reports(lambda params: 0.5, tmp_path, 3, last=1)

    assert found[0]["metrics"] == {"loss": 0.5, "loss_spread": 0.0}
