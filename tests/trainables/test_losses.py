"""Losses of batches: against torch's own over all rows at once, and against what a user means by a column."""

import numpy as np
import pytest
import torch
from torch import nn

from search import Goal
from trainables import Batches, Data, Loop, TorchTrainable
from trainables.contract import Brief
from trainables.data import deal
from trainables.loop import class_weights
from trainables.losses import Loss
from trainables.seeds import sow
from trainables.start import starter

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3)).astype("float32")
Y = X @ np.array([1.0, 2.0, 3.0]) + 5
F = nn.functional


class Regressor(TorchTrainable):
    """One output for each row, as everybody writes it."""

    loss = "mse_loss"

    def model(self, params):
        return nn.Linear(3, 1)

    def optimizer(self, params, parameters):
        return torch.optim.Adam(parameters, lr=0.1)


def last(source, data, goal, epochs=30, **kind):
    aim = Goal.parse(goal)
    given = deal(Data(data), tensors=True, **kind).given
    training = starter(source, Brief(aim.metric, aim.metrics, given, mode=aim.mode))({}, 1)
    found = {}
    for epoch in range(1, epochs + 1):
        sow(1, epoch)
        found = training.step()
    return training, found


@pytest.mark.parametrize("targets", [Y, Y[:, None]], ids=["[N]", "[N, 1]"])
@pytest.mark.parametrize("loss", ["mse_loss", F.mse_loss, nn.MSELoss(), lambda self, o, t: F.mse_loss(o.squeeze(1), t)])
def test_a_regressor_with_one_output_is_trained_on_its_own_targets(targets, loss):
    source = type("Own", (Regressor,), {"loss": loss})
    _, found = last(source, (X, targets), "min rmse", epochs=60, kind="numbers")

    assert found["rmse"] < 0.3  # the spread of the targets is 3.7
    assert found["loss"] == pytest.approx(found["rmse"] ** 2, rel=1e-4)


def test_an_own_loss_that_compares_every_output_with_every_target_is_refused_with_the_mend():
    def loss(self, output, target):
        return ((output - target) ** 2).mean()

    with pytest.raises(ValueError, match=r"every output with every target\. Write in it: output = output\.reshape"):
        last(type("Own", (Regressor,), {"loss": loss}), (X, Y), "min rmse", kind="numbers")


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy_with_logits"])
@pytest.mark.parametrize("weights", [None, (1.0, 9.0)])
@pytest.mark.parametrize("size", [7, 32, 200])
def test_a_mean_over_batches_is_that_over_all_rows_however_they_are_cut(name, weights, size):
    outputs = torch.randn(200, 2 if name == "cross_entropy" else 1, generator=torch.Generator().manual_seed(0))
    codes = torch.as_tensor((Y > 6).astype("int64"))
    weight = None if weights is None else torch.tensor(weights)
    loss, parts = Loss(name, weight), list(zip(outputs.split(size), codes.split(size), strict=True))

    mean = sum(loss(o, t) * loss.share(t) for o, t in parts) / sum(loss.share(t) for _, t in parts)

    by_row = weight[codes] if weight is not None else torch.ones(200)
    each = (
        F.cross_entropy(outputs, codes, reduction="none")
        if name == "cross_entropy"
        else F.binary_cross_entropy_with_logits(outputs[:, 0], codes.float(), reduction="none")
    )
    assert float(mean) == pytest.approx(float((each * by_row).sum() / by_row.sum()), rel=1e-5)


def test_a_batch_weighs_its_classes_however_its_targets_are_written():
    loss = Loss("binary_cross_entropy_with_logits", torch.tensor([1.0, 9.0]))
    codes = torch.tensor([0, 1, 1])

    shares = [
        float(loss.share(target)) for target in (codes, codes.float(), codes.float()[:, None], torch.eye(2)[codes])
    ]

    assert shares == [19.0] * 4


@pytest.mark.parametrize("weights", [None, (1.0, 5.0, 9.0)])
def test_small_batches_that_accumulate_take_the_steps_of_a_large_one(weights):
    codes = np.digitize(Y, [3, 6])

    class Net(Regressor):
        loss = "cross_entropy"

        def data(self, params, given):
            x, y = torch.as_tensor(X[:150]), torch.as_tensor(codes[:150])  # in their order: the last step has 22 rows
            return Batches(x, y, self.size), Batches(x, y, 40)

        def model(self, params):
            return nn.Linear(3, 3)

        def optimizer(self, params, parameters):
            return torch.optim.SGD(parameters, lr=0.5)

    found = []
    for size, accumulate in ((32, 1), (8, 4)):
        net = type("Sized", (Net,), {"size": size, "loop": Loop(accumulate=accumulate, class_weights=weights)})
        training, metrics = last(net, (X, codes), "max accuracy", epochs=5, kind="classes")
        found.append((training.learner.model.weight.detach().numpy(), metrics["train_loss"], metrics["loss"]))

    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    assert found[0][1:] == pytest.approx(found[1][1:], rel=1e-6)


@pytest.mark.parametrize("name", ["binary_cross_entropy_with_logits", "binary_cross_entropy", "cross_entropy"])
@pytest.mark.parametrize("weighted", [None, "balanced"])
def test_two_classes_are_told_by_one_output_or_by_two(name, weighted):
    columns = 2 if name == "cross_entropy" else 1

    class Net(Regressor):
        loss, loop = name, Loop(class_weights=weighted)

        def model(self, params):
            layers = [nn.Linear(3, columns)] + [nn.Sigmoid()] * (name == "binary_cross_entropy")
            return nn.Sequential(*layers)

    training, found = last(Net, (X, np.where(Y > 5, "ill", "fine")), "max accuracy, min log_loss", kind="classes")

    assert found["accuracy"] > 0.9
    assert found["log_loss"] == pytest.approx(found["loss"], rel=1e-4) or weighted
    assert training.predictions(X).scores.shape == (200, 2)


def test_a_model_that_ends_in_probabilities_is_read_as_such():
    class Net(Regressor):
        def loss(self, output, target):
            return F.nll_loss(output.log(), target)

        def model(self, params):
            return nn.Sequential(nn.Linear(3, 3), nn.Softmax(1))

    _, found = last(Net, (X, np.digitize(Y, [3, 6])), "min log_loss", kind="classes")

    assert found["log_loss"] == pytest.approx(found["loss"], rel=1e-4)


def test_a_lone_last_row_joins_the_batch_before_it():
    class Normed(Regressor):
        loss, loop = "cross_entropy", Loop(batch_size=53)

        def model(self, params):
            return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))

    training, _ = last(Normed, (X, (Y > 5).astype(int)), "max accuracy", epochs=2, kind="classes")  # 160 = 3 * 53 + 1

    lone = Batches(torch.arange(7.0)[:, None], torch.arange(7), 3, shuffle=True)
    assert training.rows == 320
    assert [len(x) for x, _ in lone] == [3, 4]
    assert len(lone) == 2
    assert sorted(torch.cat([y for _, y in lone]).tolist()) == list(range(7))
    assert [len(x) for x, _ in Batches(torch.ones(3, 1), torch.ones(3), 1, shuffle=True)] == [1, 1, 1]


def test_weights_by_class_are_those_of_the_names_in_the_data():
    codes = np.array([0, 1, 1, 2])

    assert class_weights(Loop(class_weights={"ill": 5.0}), codes, ("fine", "ill", "sick")) == [1.0, 5.0, 1.0]
    assert class_weights(Loop(class_weights={2: 9, 0: 0.5}), codes) == [0.5, 1.0, 9.0]
    assert class_weights(Loop(class_weights="balanced"), np.array([0, 1, 1]), ("a", "b", "c")) == [1.0, 0.5, 1.0]
    assert class_weights(Loop(class_weights=(1.0, 2.0)), np.array([0.0, 1.0, 1.0])) == [1.0, 2.0]
    assert class_weights(Loop(class_weights="balanced"), np.eye(2, dtype="float32")[[0, 1, 1, 1]]) == [2.0, 2 / 3]
    with pytest.raises(ValueError, match=r"class_weights has 'il', which is no class\. Did you mean 'ill'\?"):
        class_weights(Loop(class_weights={"il": 5.0}), codes, ("fine", "ill", "sick"))
    for odd in ({0: "much"}, (1.0, -1.0), [True], {}):
        with pytest.raises(ValueError, match=r"are no weights\. Write 'balanced'"):
            Loop(class_weights=odd)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": nn.MSELoss}, r"loss is the class MSELoss, and one of it is wanted\. Write loss = nn\.MSELoss\(\)"),
        ({"loss": 3}, r"loss is 3\. Name one, loss = 'cross_entropy'"),
        ({"model": lambda self, params: None}, r"model\(\) gives None, no torch Module\. Return one"),
        (
            {"optimizer": lambda self, params, parameters: None},
            r"optimizer\(\) gives None, no torch Optimizer\. Return",
        ),
    ],
)
def test_what_is_no_loss_model_or_optimizer_is_refused_with_the_mend(changes, message):
    with pytest.raises(TypeError, match=message):
        last(type("Odd", (Regressor,), changes), (X, Y), "min rmse", epochs=1, kind="numbers")
