"""Studies whose trials share processes, on a real Ray: they are what they would be alone."""

import collections
import itertools
import json
import os
import random
import time

import numpy as np
import pytest

from orchestrator import (
    ASHA,
    PBT,
    TPE,
    Data,
    FullLength,
    Grid,
    Random,
    Results,
    Study,
    TorchTrainable,
    Trainable,
    choice,
    ledger,
    uniform,
)
from tests.kit import trainables

SPACE = {"x": uniform(0, 1)}
COSTS = ("seconds", "joules", "co2_g", "peak_memory_mib", "rows_per_s")


@pytest.fixture(scope="module", autouse=True)
def ray():
    from cluster.to_ray import connect

    with connect("local", cpus=2):
        yield


def run(train, strategy, tmp_path, trials=None, space=SPACE, name="shared", **more):
    study = Study(train, space, "min loss", strategy, storage=tmp_path, name=name, **more)
    return study.run(trials=trials, progress=False)


def curves(results):
    frame = results.curves().sort_values(["trial", "epoch"]).reset_index(drop=True)
    return frame[[name for name in frame if name not in COSTS and name != "metrics.pid"]]


def drawing(params):
    """Three epochs that draw from the process's generator."""
    path = random.random()
    for _ in range(3):
        path += random.random()
        yield {"loss": params["x"] + path, "pid": os.getpid()}


class Walk(Trainable):
    """A state that grows by what was drawn, and can be saved."""

    def setup(self, params):
        self.x, self.path = params["x"], []

    def step(self):
        self.path.append(random.random())
        return {"loss": (self.x - 0.5) ** 2 + 1 / len(self.path), "path": sum(self.path)}

    def save(self, folder):
        (folder / "path.json").write_text(json.dumps(self.path))

    def load(self, folder):
        self.path = json.loads((folder / "path.json").read_text())


def test_trials_that_share_processes_have_the_curves_that_they_have_alone(tmp_path):
    alone = run(drawing, Random() + FullLength(3), tmp_path, 12, name="alone")
    together = run(drawing, Random() + FullLength(3), tmp_path, 12, name="together", fuse=5)

    assert together.record.counts() == {"ended": 12}
    same = [name for name in curves(alone) if "pid" not in name]
    assert curves(together)[same].equals(curves(alone)[same])
    pids = together.curves().groupby("trial").pid.first()
    assert pids.nunique() <= 2  # never more processes than there are CPUs
    assert pids.value_counts().max() >= 5


def test_early_stopping_judges_them_as_it_judges_others(tmp_path):
    results = run(Walk, Random() + ASHA(max_epochs=9), tmp_path, 30, fuse=6)

    counts = results.record.counts()
    assert set(counts) == {"ended", "stopped"}
    assert sum(counts.values()) == 30
    assert set(results.frame().epoch) <= {1, 3, 9}
    epochs = results.curves().groupby("trial").epoch.apply(list)
    assert all(found == list(range(1, len(found) + 1)) for found in epochs)


@pytest.mark.parametrize("strategy", [Random() + PBT(max_epochs=6, every=2, population=4),
                                      Random() + ASHA(max_epochs=9, promote=True)], ids=str)  # fmt: skip
def test_legs_that_end_for_a_while_go_on_in_any_process(tmp_path, strategy):
    results = run(Walk, strategy, tmp_path, 12 if "promote" in str(strategy) else 4, fuse=3)

    assert set(results.record.counts()) <= {"ended", "stopped"}
    assert all(trial.faults == 0 for trial in results.record.trials.values())
    assert results.frame().epoch.max() == (9 if "promote" in str(strategy) else 6)


def test_whatever_one_does_its_neighbours_go_on(tmp_path):
    kinds = ["good", "raises", "exit", "nan", "prints", "segfault", "sys.exit", "silent", "fine"]

    results = run(
        trainables.misbehaving, Grid() + FullLength(3), tmp_path, space={"kind": choice(kinds)}, retries=0, fuse=9
    )

    frame = results.frame().set_index("params.kind" if "params.kind" in results.frame() else "kind")
    assert frame.status.to_dict() == {
        "good": "ended", "raises": "failed", "exit": "failed", "nan": "invalid", "prints": "ended",
        "segfault": "failed", "sys.exit": "failed", "silent": "failed", "fine": "ended",
    }  # fmt: skip
    assert frame.reason["exit"].startswith("its process died")
    by_name = {trial.params["kind"]: trial for trial in results.record.trials.values()}
    assert all(by_name[kind].faults == 0 for kind in ("good", "prints", "fine"))


def test_auto_packs_quick_trials_and_leaves_slow_ones_alone(tmp_path):
    def slow(params):
        time.sleep(0.3)
        return {"loss": params["x"], "pid": os.getpid()}

    quick = run(drawing, Random() + FullLength(3), tmp_path, 60, name="quick", fuse="auto")
    alone = run(slow, Random() + FullLength(1), tmp_path, 6, name="slow", fuse="auto")

    def together(results):
        """How many trials were begun in a process while another one of it was not over."""
        events = ledger.read(results.folder / "ledger").events
        begun, over = ({e["trial"]: e["t"] for e in events if e["event"] == f"trial_{w}"} for w in ("started", "ended"))
        found = 0
        for trials in results.curves().groupby("pid").trial.unique():
            in_turn = sorted(trials, key=lambda trial: begun[trial])
            found += sum(begun[later] < over[earlier] for earlier, later in itertools.pairwise(in_turn))
        return found

    assert quick.record.counts() == {"ended": 60}
    assert alone.record.counts() == {"ended": 6}
    assert together(quick) > 30
    assert together(alone) == 0


def test_a_model_learns_from_those_that_share_a_process(tmp_path):
    results = run(trainables.good, TPE(startup=5) + FullLength(3), tmp_path, 24, fuse=2)

    assert results.record.counts() == {"ended": 24}
    assert Results(results.folder).best.value == pytest.approx(results.frame()["loss"].min())


class Net(TorchTrainable):
    """A small network in float64, so that rounding tells nothing apart."""

    loss = "cross_entropy"
    metrics = ("accuracy",)

    def model(self, params):
        import torch
        from torch import nn

        made = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(params["x"] / 2), nn.Linear(8, 3))
        return made.to(torch.float64)

    def optimizer(self, params, parameters):
        import torch

        return torch.optim.AdamW(parameters, lr=0.001 + 0.05 * params["x"])

    def data(self, params, given):
        import torch

        from trainables import Batches

        parts = ((part.inputs, part.targets) for part in (given.train, given.validation))
        train, validation = ((torch.as_tensor(rows).double(), torch.as_tensor(to)) for rows, to in parts)
        return Batches(*train, 16, shuffle=True), Batches(*validation, 512)


def of_net(tmp_path, strategy, trials, **more):
    study = Study(Net, SPACE, "min loss", strategy, storage=tmp_path, data=Data("iris"), **more)
    return study.run(trials=trials, progress=False)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The curves of twelve networks that are trained one by one."""
    return curves(of_net(tmp_path_factory.mktemp("alone"), Random() + FullLength(8), 12))


def assert_alike(found, alone):
    """That those of a study's trials which were trained alone too have the same curves: same seeds and params."""
    names = ["trial", "epoch", "loss", "accuracy"]
    both = curves(found)[names].merge(alone[names], on=["trial", "epoch"], suffixes=("", " alone"))
    assert len(both) == min(len(alone), len(curves(found)))
    for name in ("loss", "accuracy"):
        assert np.allclose(both[name], both[f"{name} alone"], rtol=0, atol=1e-9)


def test_networks_that_are_trained_together_have_the_curves_that_they_have_alone(tmp_path, alone):
    together = of_net(tmp_path, Random() + FullLength(8), 12, name="stacked", fuse=6)
    found_out = of_net(tmp_path, Random() + FullLength(8), 48, name="auto", fuse="auto")

    assert together.record.counts() == {"ended": 12}
    assert_alike(together, alone)
    assert [note for note in found_out.record.notes if "at a time (layers batched by hand)" in note]
    assert_alike(found_out, alone)
    assert (together.frame().seconds > 0).all()


def test_why_networks_train_one_by_one_is_in_the_ledger(tmp_path):
    class Recurrent(Net):
        def model(self, params):
            from torch import nn

            class Last(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.cells, self.last = nn.GRU(1, 4, batch_first=True), nn.Linear(4, 3)

                def forward(self, rows):
                    return self.last(self.cells(rows.unsqueeze(-1))[0][:, -1])

            return Last().double()

    study = Study(Recurrent, SPACE, "min loss", Random() + FullLength(1), storage=tmp_path, data=Data("iris"), fuse=3)
    results = study.run(trials=6, progress=False)

    assert results.record.counts() == {"ended": 6}
    assert results.record.notes == [
        "trials of Recurrent are trained one by one: GRU (cells): torch has no batching rule for it"
    ]


def test_networks_whose_process_dies_go_on_from_their_checkpoints(tmp_path, alone):
    class Deadly(Net):
        marker, calls = str(tmp_path / "died"), []

        def metrics(self, output, target):
            self.calls.append(1)
            if len(self.calls) == 20 and not os.path.exists(self.marker):  # in the fifth epoch of four trials
                open(self.marker, "w").close()
                os._exit(9)
            return {"accuracy": (output.argmax(1) == target).double().mean()}

    study = Study(Deadly, SPACE, "min loss", Random() + FullLength(8), storage=tmp_path, data=Data("iris"), fuse=4)
    together = study.run(trials=4, progress=False)

    assert os.path.exists(tmp_path / "died")
    assert together.record.counts() == {"ended": 4}
    assert_alike(together, alone)
    assert all(trial.faults == 0 for trial in together.record.trials.values())  # nobody knows who did it


def test_a_population_is_trained_together(tmp_path):
    results = of_net(tmp_path, Random() + PBT(max_epochs=8, every=2, population=6), None, fuse=6)

    assert results.record.counts() == {"ended": 6}
    assert results.record.notes == []
    kinds = collections.Counter(event["event"] for event in ledger.read(results.folder / "ledger").events)
    assert kinds["trial_exploited"] >= 2
    assert (curves(results).groupby("trial").epoch.apply(list).map(len) == 8).all()
