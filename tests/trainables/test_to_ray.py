"""On real Ray: a fresh trial on a used actor is the same trial as on a new one, to the last bit."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from cluster.to_ray import connect
from search import Goal
from trainables import Batches, TorchTrainable
from trainables.contract import Brief
from trainables.meter import MEASURED
from trainables.shipping import pack
from trainables.to_ray import Legs

X = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 0).long()


class Net(TorchTrainable):
    def model(self, params):
        params["layers"].append(2)
        widths = [4, *params["layers"]]
        return nn.Sequential(nn.Linear(4, widths[1]), nn.ReLU(), nn.Dropout(0.3), nn.Linear(widths[1], 2))

    def optimizer(self, params, parameters):
        return torch.optim.SGD(parameters, lr=params["lr"], momentum=0.9)

    def data(self, params):
        return Batches(X[:48], Y[:48], 8, shuffle=True), Batches(X[48:], Y[48:])

    def loss(self, output, target):
        return nn.functional.cross_entropy(output, target)

    def metrics(self, output, target):
        return {"threads": float(torch.get_num_threads())}


def draws(params, report):
    """Loads what it needs only when it runs, as many do."""
    import random

    import torch

    for _ in range(3):
        report(loss=float(torch.rand(())) + np.random.random() + random.random() + params["lr"])


@pytest.fixture(scope="module")
def ray():
    import ray

    with connect("local", cpus=2):
        yield ray


def leg(trial, **changes):
    terms = {"trial": trial, "params": {"lr": 0.1}, "seed": 3, "upto": 0, "after": 0, "source": None}
    return {"legs": json.dumps([terms | {"seconds": 0.0, "best": None, "best_epoch": 0} | changes])}


def nested(coded, shared={"layers": [8]}):  # noqa: B006 - a space's options are shared by the trials of an actor
    return {**coded, **shared}


def without_costs(metrics):
    assert metrics["joules"] > 0
    return {name: value for name, value in metrics.items() if name not in MEASURED}


def actor(ray, source, folder, **terms):
    terms = {"folder": folder, "aim": Goal("min", "loss"), "last_epoch": 3} | terms
    worker = ray.remote(num_cpus=1)(Worker)
    return worker.remote(pack(source, nested), terms)


class Worker:
    """What Ray Tune does with a leg's actor."""

    def __init__(self, packed, terms):
        self._terms, self._packed, self._inner = terms, packed, None

    def run(self, config):
        if self._inner is None:
            self._inner = Legs.__new__(Legs)
            self._inner.setup(config, self._packed, self._terms, 1, Brief("loss"))
        else:
            assert self._inner.reset_config(config)
        rows = []
        while len(rows) < 3:
            [said] = self._inner.step()["said"]
            rows += said["reports"]
            if said["end"] is not None:
                raise RuntimeError(said["end"])
        return [without_costs(row["metrics"]) for row in rows]


@pytest.mark.parametrize("source", [Net, draws], ids=["torch", "function"])
def test_a_fresh_trial_on_a_used_actor_equals_that_trial_on_a_new_one(ray, source, tmp_path):
    used = actor(ray, source, tmp_path / "used")
    new = actor(ray, source, tmp_path / "new")
    other = {"params": {"lr": 5.0}, "seed": 99}

    legs = [leg("t00001", **other), leg("t00002"), leg("t00003")]
    [alone, first, after, again] = ray.get([new.run.remote(legs[1]), *(used.run.remote(each) for each in legs)])

    assert after == again == alone
    assert first != after
    if source is Net:
        assert {row["threads"] for row in alone} == {1.0}
    for worker in (used, new):
        ray.kill(worker)


def test_tune_runs_legs_one_after_the_other_on_one_actor(ray, tmp_path, monkeypatch):
    from ray import tune

    from trainables.to_ray import tune_trainable

    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    terms = {"folder": tmp_path, "aim": Goal("min", "loss"), "last_epoch": 3}
    configs = [leg("t00001", params={"lr": 5.0}), leg("t00002"), leg("t00003")]
    trainable = tune.with_resources(tune_trainable(pack(Net, nested), terms), {"cpu": 1})

    results = tune.Tuner(
        trainable,
        param_space={"legs": tune.grid_search([config["legs"] for config in configs])},
        tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=1),
        run_config=tune.RunConfig(
            storage_path=str(tmp_path / "tune"), verbose=0, stop=lambda trial, result: ends(result["said"])
        ),
    ).fit()

    assert not results.errors
    said = [[without_costs(row["metrics"]) for row in result.metrics["said"][0]["reports"]] for result in results]
    assert len(said) == 3
    assert said[1][-1] == said[2][-1]
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == ["t00001", "t00002", "t00003"]


def ends(said):
    return any(row["epoch"] == 3 for row in said[0]["reports"])
