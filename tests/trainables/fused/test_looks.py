"""What a stack makes of ordinary code in a trainable, and of code that changes between two epochs."""

import gc
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.kit.nets import CLASSES, ROWS, assert_as_alone, of, perceptron, texts, trial
from trainables import Batches, TorchTrainable
from trainables.fused import stacks as module
from trainables.fused.stacks import Stacks
from trainables.seeds import sow
from trainables.torch_model import TorchTraining


class Casting(nn.Module):
    """Says float32 in its forward."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 1)

    def forward(self, rows):
        return self.layer(rows.float() / 255)


class Plain(TorchTrainable):
    """A network in float32 whose code says so everywhere."""

    def __init__(self):
        self.root, self.names, self.steps = Path("data"), np.array(["ill", "well"]), range(3)

    def model(self, params):
        return Casting()

    def optimizer(self, params, parameters):
        return torch.optim.Adam(parameters, lr=params["lr"])

    def loss(self, output, target):
        weight = torch.tensor([1.0, 3.0])[target]
        return functional.binary_cross_entropy_with_logits(output.squeeze(1), target.float(), weight)

    def data(self, params):
        pixels = (ROWS * 50 + 128).clamp(0, 255).to(torch.uint8)
        return Batches(pixels[:120], CLASSES[:120], 16, shuffle=True), Batches(pixels[120:], CLASSES[120:], 64)


def test_code_that_says_float_is_compared_in_float64_all_the_same():
    def made(number):
        sow(number, 0)
        return TorchTraining(Plain(), {"lr": 0.01 * (1 + number)})

    runs, stacks = {"0": made(0), "1": made(1)}, Stacks(measures=False)

    assert stacks.groups(runs) == [["0", "1"]], texts(stacks)
    assert torch.get_default_dtype() == torch.float32
    assert torch.ones(1, dtype=torch.int8).float().dtype == torch.float32
    assert stacks.train([(runs[name], int(name), 1) for name in runs])
    single = made(1)
    sow(1, 1)
    assert runs["1"].step() == pytest.approx(single.step(), rel=1e-5)


class Counting(nn.Module):
    """A loss that grows with every batch."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, output, target):
        self.calls += 1
        return functional.cross_entropy(output, target) * min(1.0, self.calls / 30)


def test_a_loss_that_counts_is_not_shared():
    def make(self, params):
        self.loss = Counting()
        return perceptron().double()

    said = assert_as_alone(of(model=make), {"0": {}, "4": {"lr": 0.1}}, stacked=False)

    assert "changes as it runs" in said[0]


def test_a_trainable_that_counts_in_its_loss_is_not_counted_on():
    def make(self, params):
        self.calls = 0
        return perceptron().double()

    def loss(self, output, target):
        self.calls += 1
        return functional.cross_entropy(output, target) * min(1.0, self.calls / 30)

    assert_as_alone(of(model=make, loss=loss), {"0": {}, "4": {"lr": 0.1}}, stacked=False)


def test_a_function_that_reaches_the_model_is_found():
    def make(self, params):
        torch.manual_seed(0)
        net = nn.Linear(12, 2).double()
        self.penalty = lambda: sum(p.square().sum() for p in net.parameters())
        return net

    def loss(self, output, target):
        return functional.cross_entropy(output, target) + 0.1 * self.penalty()

    said = assert_as_alone(of(model=make, loss=loss), {"0": {}, "4": {"lr": 0.1}}, stacked=False)

    assert "the trainable's penalty holds a part of the model" in said[0]


class Annealing:
    """A schedule of the user's own, which changes what the loss reads, or what is trained."""

    def __init__(self, task, optimizer, freezes):
        self.task, self.optimizer, self.freezes, self.epochs = task, optimizer, freezes, 0

    def step(self):
        self.epochs += 1
        if not self.freezes:
            self.task.beta *= 0.9
        elif self.epochs == 2:
            self.optimizer.param_groups[0]["params"][0].requires_grad_(False)

    def state_dict(self):
        return {"epochs": self.epochs}


@pytest.mark.parametrize("freezes", [False, True])
def test_what_changes_between_two_epochs_is_seen(freezes):
    def make(self, params):
        self.beta = 1.0
        return perceptron().double()

    def loss(self, output, target):
        return functional.cross_entropy(output, target) * self.beta

    def schedule(self, params, optimizer):
        return Annealing(self, optimizer, freezes)

    said = assert_as_alone(of(model=make, loss=loss, schedule=schedule), {"0": {}, "4": {"lr": 0.1}}, stacked=False)

    assert "from epoch to epoch" in said[-1]


def test_numbers_deep_in_the_params_of_a_loss_may_differ():
    def loss(self, output, target, params):
        return functional.cross_entropy(output, target, label_smoothing=params["of"]["loss"]["smoothing"])

    changes = {"0": {"of": {"loss": {"smoothing": 0.1}}}, "4": {"of": {"loss": {"smoothing": 0.3}}}}

    assert assert_as_alone(of(loss=loss), changes, stacked=True) == []


def test_many_kinds_are_forgotten_but_none_that_is_needed(monkeypatch):
    monkeypatch.setattr(module, "KINDS", 2)
    stacks = Stacks(measures=False)
    for rows in range(10, 20):
        runs = {str(number): trial(number, rows=rows + number % 2) for number in range(4)}
        groups = stacks.groups(runs)
        assert len(groups) == 2
        for group in groups:
            assert stacks.train([(runs[name], int(name), 1) for name in group])
    assert len(stacks._kinds) <= 6


def test_those_that_have_ended_are_let_go_of():
    runs, stacks = {str(number): trial(number) for number in range(3)}, Stacks(measures=False)
    [group] = stacks.groups(runs)
    stacks.train([(runs[name], int(name), 1) for name in group])
    held = [weakref.ref(run.learner.model) for run in runs.values()]
    for run in runs.values():
        run.step()
        run.close()

    gc.disable()
    try:
        runs.clear()
        del run
        stacks.groups({})
        assert all(model() is None for model in held)
    finally:
        gc.enable()
