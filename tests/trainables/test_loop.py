"""The settings of a training loop: each against the arithmetic that it stands for."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from search import Goal
from trainables import Batches, Loop, TorchTrainable
from trainables.checks import check_data
from trainables.contract import Brief
from trainables.data import Data, deal
from trainables.loop import Patience, loop_of
from trainables.seeds import sow
from trainables.start import starter
from trainables.torch_model import TorchTraining


class Wine(TorchTrainable):
    """A small network on the study's data."""

    loss = "cross_entropy"

    def model(self, params):
        return nn.Sequential(nn.BatchNorm1d(13, affine=False), nn.Linear(13, 8), nn.ReLU(), nn.Linear(8, 3))

    def optimizer(self, params, parameters):
        return torch.optim.SGD(parameters, lr=params.get("lr", 0.1))


class Linear(TorchTrainable):
    """Six rows of two numbers, in their order; nothing is drawn."""

    loss = "mse_loss"

    def model(self, params):
        layer = nn.Linear(2, 1)
        nn.init.constant_(layer.weight, 0.5)
        nn.init.zeros_(layer.bias)
        return layer

    def optimizer(self, params, parameters):
        return torch.optim.SGD(parameters, lr=0.1)

    def data(self, params):
        inputs = torch.arange(12.0).reshape(6, 2) / 12
        targets = inputs.sum(1, keepdim=True) * 3
        return Batches(inputs, targets, params["batch"]), Batches(inputs, targets, 6)


def brief(goal="max accuracy", data="wine", **more):
    aim = Goal.parse(goal)
    return Brief(aim.metric, aim.metrics, deal(Data.of(data), tensors=True).given, **more)


def with_loop(task, loop):
    return type("Set", (task,), {"loop": loop})


def train(source, params, told, epochs=3):
    sow(0, 0)
    training = TorchTraining(source(), params, told)
    found = []
    for epoch in range(1, epochs + 1):
        sow(0, epoch)
        found.append(training.step())
    return training, found


def test_accumulated_batches_step_as_one_large_batch():
    _, at_once = train(Linear, {"batch": 6}, Brief())
    _, in_parts = train(with_loop(Linear, Loop(accumulate=3)), {"batch": 2}, Brief())
    _, uneven = train(with_loop(Linear, Loop(accumulate=2)), {"batch": 4}, Brief())

    for other in (in_parts, uneven):
        assert [row["loss"] for row in other] == pytest.approx([row["loss"] for row in at_once], rel=1e-6)


def test_a_clipped_gradient_has_the_norm_that_was_set():
    training, _ = train(with_loop(Linear, Loop(clip_norm=0.01)), {"batch": 6}, Brief(), epochs=1)
    weight, bias = training.learner.model.weight.detach().flatten(), training.learner.model.bias.detach()

    moved = math.sqrt(float(((weight - 0.5) ** 2).sum() + (bias**2).sum()))

    assert moved == pytest.approx(0.1 * 0.01, rel=1e-5)


def test_class_weights_are_those_of_scikit_learn():
    told = brief()
    targets = told.given.train.targets
    expected = compute_class_weight("balanced", classes=np.unique(targets), y=targets)

    training, _ = train(with_loop(Wine, Loop(class_weights="balanced")), {}, told, epochs=1)
    fixed, _ = train(with_loop(Wine, Loop(class_weights=(1.0, 2.0, 3.0))), {}, told, epochs=1)

    assert training.learner.loss.weight.tolist() == pytest.approx(expected.tolist())
    assert fixed.learner.loss.weight.tolist() == [1.0, 2.0, 3.0]


def test_a_loss_of_ones_own_is_given_the_weights_it_asks_for():
    seen = []

    class Own(Wine):
        loop = Loop(class_weights="balanced")

        def loss(self, output, target, weight):
            seen.append(weight)
            return nn.functional.cross_entropy(output, target, weight)

    class Deaf(Wine):
        loop = Loop(class_weights="balanced")

        def loss(self, output, target):
            return nn.functional.cross_entropy(output, target)

    train(Own, {}, brief(), epochs=1)

    assert len(seen[0]) == 3
    with pytest.raises(ValueError, match=r"loss takes none\. Write def loss\(self, output, target, weight\)"):
        train(Deaf, {}, brief(), epochs=1)


def test_metrics_by_name_are_over_all_validation_rows_and_not_a_mean_over_batches():
    class Named(Wine):
        metrics = ("f1_macro", "roc_auc")

    told = brief("max accuracy, min log_loss")
    training, found = train(Named, {}, told)

    held = told.given.validation
    said = training.predictions(held.inputs)
    last = found[-1]
    assert last["accuracy"] == pytest.approx(sk.accuracy_score(held.targets, said.labels))
    assert last["f1_macro"] == pytest.approx(sk.f1_score(held.targets, said.labels, average="macro"))
    assert last["roc_auc"] == pytest.approx(sk.roc_auc_score(held.targets, said.scores, multi_class="ovr"))
    assert last["log_loss"] == pytest.approx(last["loss"], rel=1e-5)


def test_numbers_are_scored_as_numbers_and_two_classes_as_classes():
    class Price(Linear):
        data = None

        def model(self, params):
            return nn.Linear(2, 1)

        def loss(self, output, target):
            return nn.functional.mse_loss(output.flatten(), target.float())

    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(40, 2))
    _, numbers = train(Price, {}, brief("min rmse", (inputs, inputs.sum(1))))
    _, classes = train(Price, {}, brief("max accuracy", (inputs, (inputs.sum(1) > 0).astype(int))))

    assert numbers[-1]["rmse"] == pytest.approx(numbers[-1]["loss"] ** 0.5, rel=1e-5)
    assert 0 <= classes[-1]["accuracy"] <= 1


def test_a_trial_that_gets_no_better_ends_and_its_patience_survives_a_checkpoint(tmp_path):
    still = with_loop(Wine, Loop(patience=3, watch="accuracy"))
    training, found = train(still, {"lr": 0.0}, brief(), epochs=3)
    training.save(tmp_path)

    again = TorchTraining(still(), {"lr": 0.0}, brief())
    again.load(tmp_path)

    assert all(found)
    assert again.step() is not None
    assert again.step() is None
    assert again.rows == 4 * 142


def test_patience_counts_from_the_last_progress():
    patience = Patience(Loop(patience=2, min_delta=0.05))

    for loss in (1.0, 0.9, 0.89, 0.8, 0.79, 0.78):
        assert not patience.is_over
        patience.look({"loss": loss})

    assert patience.is_over
    with pytest.raises(ValueError, match=r"patience watches loss, and reported are accuracy\. Write Loop"):
        patience.look({"accuracy": 1.0})


def test_half_precision_trains_nearly_as_full_precision_does():
    _, full = train(Wine, {}, brief(), epochs=5)
    _, half = train(with_loop(Wine, Loop(precision="bf16")), {}, brief(), epochs=5)

    assert half[-1]["loss"] == pytest.approx(full[-1]["loss"], rel=0.05)
    assert half[-1]["loss"] != full[-1]["loss"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU has fp16")
def test_fp16_is_refused_without_a_gpu():
    with pytest.raises(ValueError, match=r"precision 'fp16' wants a GPU.*Loop\(precision='bf16'\)"):
        train(with_loop(Wine, Loop(precision="fp16")), {}, brief(), epochs=1)


def test_batches_over_the_studys_data_copy_nothing():
    told = brief(data=(np.zeros((100, 4), np.float32), np.arange(100) % 2))

    training = TorchTraining(type("Four", (Wine,), {"model": lambda self, params: nn.Linear(4, 2)})(), {}, told)

    shared = told.given.rows.inputs.__array_interface__["data"][0]
    assert training.train.inputs.data_ptr() == shared
    assert training.validation.inputs.data_ptr() == shared + 80 * 4 * 4


def test_settings_may_follow_from_the_params():
    class Searched(Wine):
        def loop(self, params):
            return Loop(batch_size=params["batch"], clip_norm=params["clip"])

    training, _ = train(Searched, {"batch": 16, "clip": 0.5}, brief(), epochs=1)

    assert (training._loop.batch_size, training._loop.clip_norm) == (16, 0.5)
    assert len(training.train) == math.ceil(142 / 16)
    with pytest.raises(TypeError, match=r"loop is 32\. Write loop = Loop\(patience=5\)"):
        loop_of(32, {})


def test_a_method_may_make_its_batches_of_the_studys_rows():
    class Scaled(Wine):
        def data(self, params, given):
            inputs, targets = torch.tensor(given.train.inputs), torch.tensor(given.train.targets)
            return Batches(inputs / 10, targets, 8), Batches(inputs[:20], targets[:20])

    training, found = train(Scaled, {}, brief(), epochs=1)

    assert len(training.validation.inputs) == 20
    assert "accuracy" in found[0]


def test_the_winner_is_trained_and_validated_on_all_rows():
    given = deal(Data("wine"), folds=True, tensors=True).given

    training, found = train(Wine, {}, Brief("accuracy", ("accuracy",), given, whole=True), epochs=2)

    assert training.rows == 2 * 178
    said = training.predictions(given.rows.inputs)
    assert found[-1]["accuracy"] == pytest.approx((said.labels == given.rows.targets).mean())


def test_a_network_without_data_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match=r"Wine has no data\. Write def data\(self, params\).*or give the study some"):
        check_data(Wine, given=False)
    check_data(Wine, given=True)
    assert starter(Wine, brief())({}, 0).step()["train_loss"] > 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Loop(batch_size=0), r"batch_size=0 is no whole number of 1 or more\. Write Loop\(batch_size=1\)"),
        (lambda: Loop(patience=True), r"patience=True is no whole number"),
        (lambda: Loop(precision="bf32"), r"precision='bf32' is unknown\. Did you mean 'bf16'\?"),
        (lambda: Loop(clip_norm=0.0), r"clip_norm=0\.0 stops all learning\. Write Loop\(clip_norm=1\.0\)"),
        (lambda: Loop(class_weights="even"), r"class_weights='even' are no weights\. Write 'balanced'"),
        (
            lambda: train(type("Odd", (Wine,), {"loss": "cross_entrop"}), {}, brief(), 1),
            r"torch\.nn\.functional has no 'cross_entrop'\. Did you mean 'cross_entropy'\?",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
