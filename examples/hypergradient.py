"""Hyperparameters by gradient descent: torch differentiates through training. Run: python examples/hypergradient.py"""

import argparse
from collections.abc import Iterator

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor

from orchestrator import Grid, Hypergradient, Study, loguniform

STEPS = 50  # of gradient descent on the weights, through which the validation loss is differentiated


def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """442 patients with ten features; every fourth is for validation. Standardised."""
    inputs, targets = (torch.tensor(array, dtype=torch.float64) for array in load_diabetes(return_X_y=True))
    inputs, targets = inputs / inputs.std(0), (targets - targets.mean()) / targets.std()
    held = torch.arange(len(inputs)) % 4 == 0
    return inputs[~held], targets[~held], inputs[held], targets[held]


def train(params: dict) -> Iterator[dict[str, float]]:
    """Ridge regression by gradient descent; reports what the validation loss is, and its slopes."""
    inputs, targets, held_inputs, held_targets = data()
    lr, decay = (torch.tensor(params[name], dtype=torch.float64, requires_grad=True) for name in ("lr", "decay"))
    weights = torch.zeros(inputs.shape[1], dtype=torch.float64)
    for _ in range(STEPS):
        slope = inputs.T @ (inputs @ weights - targets) / len(inputs) + decay * weights
        weights = weights - lr * slope  # no step in place: the graph of all steps is kept
    loss = ((held_inputs @ weights - held_targets) ** 2).mean()
    slopes = torch.autograd.grad(loss, [lr, decay])
    yield {"loss": loss.item(), "grad/lr": slopes[0].item(), "grad/decay": slopes[1].item()}


SPACE = {"lr": loguniform(1e-3, 0.2), "decay": loguniform(1e-4, 10.0)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few trials")
    smoke = parser.parse_args().smoke
    strategy = Grid(points=2 if smoke else 3) >> Hypergradient(starts=2)  # a coarse search, then descents of its best
    results = Study(train, SPACE, "min loss", strategy, name="hypergradient").run(trials=6 if smoke else 40)
    print(results.frame()[["trial", "loss", "params.lr", "params.decay"]].sort_values("loss").head())
