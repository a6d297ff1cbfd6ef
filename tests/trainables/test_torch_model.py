"""The PyTorch loop: what it reports, what decides its curve, and what a checkpoint brings back."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from trainables import Batches, TorchTrainable
from trainables.seeds import sow
from trainables.torch_model import TorchTraining

ROWS = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
CLASSES = (ROWS.sum(1) > 0).long()
PARAMS = {"lr": 0.1, "momentum": 0.9, "width": 8, "dropout": 0.5, "optimizer": "sgd"}


class Net(TorchTrainable):
    def model(self, params):
        width = params["width"]
        return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Dropout(params["dropout"]), nn.Linear(width, 2))

    def optimizer(self, params, parameters):
        if params["optimizer"] == "adam":
            return torch.optim.Adam(parameters, lr=params["lr"])
        return torch.optim.SGD(parameters, lr=params["lr"], momentum=params["momentum"])

    def data(self, params):
        return Batches(ROWS[:37], CLASSES[:37], 8, shuffle=True), Batches(ROWS[37:], CLASSES[37:], 5)

    def loss(self, output, target):
        return nn.functional.cross_entropy(output, target)

    def metrics(self, output, target):
        return {"accuracy": (output.argmax(1) == target).float().mean(), "rows": float(len(target))}


def variant(**methods):
    return type("Variant", (Net,), methods)()


def training(task=None, seed=0, **changes):
    sow(seed, 0)
    return TorchTraining(task or Net(), PARAMS | changes)


def curve(run, epochs, seed=0, start=0):
    rows = []
    for epoch in range(start + 1, epochs + 1):
        sow(seed, epoch)
        rows.append(run.step())
    return rows


def test_each_epoch_reports_both_losses_and_the_users_metrics_as_floats():
    [row] = curve(training(), 1)

    assert set(row) == {"loss", "train_loss", "accuracy", "rows"}
    assert all(type(value) is float for value in row.values())


def test_the_model_learns():
    rows = curve(training(dropout=0.0, width=16), 30)

    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    assert rows[-1]["accuracy"] > 0.8


def test_one_seed_gives_one_curve_and_another_another():
    assert curve(training(seed=1), 4, seed=1) == curve(training(seed=1), 4, seed=1)
    assert curve(training(seed=1), 4, seed=1) != curve(training(seed=2), 4, seed=2)


def test_validation_in_batches_equals_that_of_the_whole_set():
    run = training()
    [row] = curve(run, 1)

    run.learner.model.eval()
    with torch.no_grad():
        output = run.learner.model(ROWS[37:])
    accuracy = float((output.argmax(1) == CLASSES[37:]).float().mean())

    assert row["loss"] == pytest.approx(float(nn.functional.cross_entropy(output, CLASSES[37:])), rel=1e-6)
    assert row["accuracy"] == pytest.approx(accuracy, rel=1e-6)
    assert row["rows"] == pytest.approx((5 * 5 + 5 * 5 + 3 * 3) / 13)


def test_the_training_loss_weighs_batches_by_their_rows():
    seen = []

    def loss(self, output, target):
        value = nn.functional.cross_entropy(output, target)
        if output.requires_grad:
            seen.append((float(value.detach()), len(target)))
        return value

    [row] = curve(training(variant(loss=loss)), 1)

    assert [rows for _, rows in seen] == [8, 8, 8, 8, 5]
    assert row["train_loss"] == pytest.approx(sum(value * rows for value, rows in seen) / 37)


def test_dropout_is_off_and_nothing_is_learnt_in_validation():
    modes = []

    def metrics(self, output, target):
        modes.append(output.requires_grad)
        return {}

    run = training(variant(metrics=metrics))
    curve(run, 2)

    assert modes == [False] * 6
    assert not run.learner.model.training


def test_a_data_loader_trains_like_any_other_iterable():
    def loaders(self, params):
        return (
            DataLoader(TensorDataset(ROWS[:37], CLASSES[:37]), batch_size=8, shuffle=True),
            [(ROWS[37:], CLASSES[37:])],
        )

    rows = curve(training(variant(data=loaders)), 3)
    again = curve(training(variant(data=loaders)), 3)

    assert rows == again
    assert len({row["loss"] for row in rows}) == 3


@pytest.mark.parametrize("changes", [{}, {"optimizer": "adam", "lr": 0.01}])
def test_going_on_from_a_checkpoint_is_bit_identical(tmp_path, changes):
    undisturbed = curve(training(**changes), 6)
    first = training(**changes)
    curve(first, 3)
    first.save(tmp_path)

    second = training(**changes)
    second.load(tmp_path)

    assert curve(second, 6, start=3) == undisturbed[3:]


SCHEDULES = {
    "cosine": lambda optimizer: lr_scheduler.CosineAnnealingLR(optimizer, 6),
    "steps": lambda optimizer: lr_scheduler.MultiStepLR(optimizer, [1, 4], 0.5),
    "warm-up": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=2), lr_scheduler.ExponentialLR(optimizer, 0.9)],
        [2],
    ),
    "own": lambda optimizer: lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
    "plateau": lambda optimizer: lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=1.0),
}


def scheduled(name):
    return variant(schedule=lambda self, params, optimizer: SCHEDULES[name](optimizer))


def rate(run):
    return run.learner.optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_stepped_after_every_epoch_and_gone_on_with(tmp_path, name):
    undisturbed = training(scheduled(name), lr=0.5)
    rows = curve(undisturbed, 6)
    plain = curve(training(lr=0.5), 6)
    first = training(scheduled(name), lr=0.5)
    curve(first, 3)
    first.save(tmp_path)

    second = training(scheduled(name), lr=0.5)
    second.load(tmp_path)

    assert curve(second, 6, start=3) == rows[3:]
    assert rate(second) == rate(undisturbed) < 0.5
    assert rows[-1]["loss"] != plain[-1]["loss"]


def test_a_schedule_goes_on_from_a_rate_that_was_changed(tmp_path):
    first = training(scheduled("steps"), lr=0.4)
    curve(first, 3)
    first.save(tmp_path)
    assert rate(first) == 0.2

    second = training(scheduled("steps"), lr=0.8)
    second.load(tmp_path)

    assert rate(second) == pytest.approx(0.4)
    curve(second, 5, start=3)
    assert rate(second) == pytest.approx(0.2)


def test_a_checkpoint_under_a_new_learning_rate_keeps_the_momentum(tmp_path):
    old = training()
    curve(old, 2)
    old.save(tmp_path)

    new = training(lr=0.01, momentum=0.5, seed=7)
    new.load(tmp_path)

    [group] = new.learner.optimizer.param_groups
    assert (group["lr"], group["momentum"]) == (0.01, 0.5)
    moments = [state["momentum_buffer"] for state in old.learner.optimizer.state.values()]
    taken = [state["momentum_buffer"] for state in new.learner.optimizer.state.values()]
    assert len(taken) == 4
    assert all(torch.equal(a, b) for a, b in zip(moments, taken, strict=True))
    assert all(
        torch.equal(a, b) for a, b in zip(old.learner.model.parameters(), new.learner.model.parameters(), strict=True)
    )


def test_adams_moments_are_kept_under_a_new_learning_rate_too(tmp_path):
    old = training(optimizer="adam")
    curve(old, 2)
    old.save(tmp_path)

    new = training(optimizer="adam", lr=0.5)
    new.load(tmp_path)

    assert new.learner.optimizer.param_groups[0]["lr"] == 0.5
    assert [int(state["step"]) for state in new.learner.optimizer.state.values()] == [10] * 4
    curve(new, 3, start=2)


def test_another_kind_of_optimizer_begins_with_fresh_moments(tmp_path):
    old = training()
    curve(old, 2)
    old.save(tmp_path)

    new = training(optimizer="adam", lr=0.01)
    new.load(tmp_path)

    assert len(new.learner.optimizer.state) == 0
    assert math.isfinite(curve(new, 3, start=2)[0]["loss"])


def test_settings_that_numpy_computed_do_not_spoil_the_checkpoint(tmp_path):
    def optimizer(self, params, parameters):
        return torch.optim.SGD(parameters, lr=np.sqrt(params["lr"]), momentum=np.float32(0.9))

    old = training(variant(optimizer=optimizer))
    curve(old, 1)
    old.save(tmp_path)

    training(variant(optimizer=optimizer)).load(tmp_path)


def test_a_checkpoint_is_one_file_that_runs_no_code(tmp_path):
    run = training()
    curve(run, 1)
    run.save(tmp_path)

    state = torch.load(tmp_path / "state.pt", weights_only=True)

    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]
    assert set(state) == {"model", "optimizer", "epoch", "rows", "patience", "scaler"}
    assert json.dumps(state["optimizer"]["param_groups"])


def test_a_pickle_in_a_checkpoints_place_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (tmp_path / "exploded").touch, ()

    torch.save({"model": Bomb(), "optimizer": {}, "epoch": 1}, tmp_path / "state.pt")

    with pytest.raises(Exception, match=r"(?i)weights"):
        training().load(tmp_path)

    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("changes", [{"width": 16}, {"width": 4}])
def test_weights_that_do_not_fit_are_refused_with_the_mend(tmp_path, changes):
    training().save(tmp_path)

    with pytest.raises(ValueError, match=r"does not fit the model .*size mismatch.*\. Params that shape"):
        training(**changes).load(tmp_path)


def test_another_number_of_parameter_groups_is_refused(tmp_path):
    def optimizer(self, params, parameters):
        groups = [{"params": [parameter]} for parameter in parameters]
        return torch.optim.SGD(groups, lr=params["lr"])

    training().save(tmp_path)

    with pytest.raises(ValueError, match="1 groups of parameters, not 4"):
        training(variant(optimizer=optimizer)).load(tmp_path)


def test_a_nan_loss_is_reported_as_nan():
    rows = curve(training(lr=1e30), 3)

    assert math.isnan(rows[-1]["loss"])


def empty(self, params):
    return Batches(ROWS, CLASSES), []


def no_training_rows(self, params):
    return [], Batches(ROWS, CLASSES)


def triples(self, params):
    return [(ROWS, CLASSES, CLASSES)], Batches(ROWS, CLASSES)


def arrays(self, params):
    return [(ROWS.numpy(), CLASSES.numpy())], Batches(ROWS, CLASSES)


def dicts(self, params):
    return [{"x": ROWS, "y": CLASSES}], Batches(ROWS, CLASSES)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (empty, r"data\(\) gives no validation rows in epoch 1\. Return what can be gone through"),
        (no_training_rows, r"data\(\) gives no training rows in epoch 1\. Return what can be gone through"),
        (triples, r"training batch that is no .*: a tuple of Tensor, Tensor, Tensor\. Return Batches"),
        (arrays, r"training batch that is no .*: a tuple of ndarray, ndarray\. Return"),
        (dicts, r"training batch that is no .*: a dict\. Return"),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused_with_the_mend(data, message):
    with pytest.raises(ValueError, match=message):
        curve(training(variant(data=data)), 1)


def test_data_that_can_be_gone_through_only_once_is_refused_in_the_second_epoch():
    def data(self, params):
        return iter([(ROWS, CLASSES)]), Batches(ROWS, CLASSES)

    run = training(variant(data=data))
    curve(run, 1)

    with pytest.raises(ValueError, match=r"no training rows any more in epoch 2\. Return what can be gone through"):
        curve(run, 2, start=1)


def test_a_metric_that_is_no_mean_is_refused_with_its_shape():
    def metrics(self, output, target):
        return {"accuracy": (output.argmax(1) == target).float()}

    def loss(self, output, target):
        return nn.functional.cross_entropy(output, target, reduction="none")

    with pytest.raises(ValueError, match=r"the metric accuracy of a batch has the shape \[5\]\. Return its mean"):
        curve(training(variant(metrics=metrics)), 1)
    with pytest.raises(ValueError, match=r"the metric loss of a batch has the shape \[8\]\. Return its mean"):
        curve(training(variant(loss=loss)), 1)


def test_metrics_may_be_nothing():
    rows = curve(training(variant(metrics=lambda self, output, target: None)), 1)

    assert set(rows[0]) == {"loss", "train_loss"}


def test_model_and_data_are_on_one_device(monkeypatch):
    run = training()

    expected = "cuda" if torch.cuda.is_available() else "cpu"

    assert {parameter.device.type for parameter in run.learner.model.parameters()} == {expected}
    assert run.train.inputs.device.type == run.validation.targets.device.type == expected


def test_a_full_disk_is_an_os_error_whoever_notices_it(tmp_path, monkeypatch):
    def save(state, path):
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")

    monkeypatch.setattr(torch, "save", save)

    with pytest.raises(OSError, match=r"torch could not write state\.pt"):
        training().save(tmp_path)
