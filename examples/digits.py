"""A small network on scikit-learn's digits, tuned by TPE + ASHA. Run: python examples/digits.py"""

import argparse
import functools
from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from orchestrator import ASHA, TPE, Batches, Study, TorchTrainable, integer, logint, loguniform, split, uniform


@functools.cache
def digits() -> tuple[Batches, Batches]:
    """1,797 images of 8 x 8 pixels, a fifth of them for validation; read once per process."""
    images, labels = load_digits(return_X_y=True)
    return split(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels), batch_size=32)


class DigitsMLP(TorchTrainable):
    """A perceptron; params `lr momentum width depth dropout`."""

    def model(self, params: dict) -> nn.Module:
        layers, inputs = [], 64
        for _ in range(params["depth"]):
            layers += [nn.Linear(inputs, params["width"]), nn.ReLU(), nn.Dropout(params["dropout"])]
            inputs = params["width"]
        return nn.Sequential(*layers, nn.Linear(inputs, 10))

    def optimizer(self, params: dict, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=params["lr"], momentum=params["momentum"])

    def data(self, params: dict) -> tuple[Batches, Batches]:
        return digits()

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target)

    def metrics(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"accuracy": (output.argmax(1) == target).float().mean()}


SPACE = {"lr": loguniform(1e-4, 1.0), "momentum": uniform(0, 0.99), "width": logint(8, 128),
         "depth": integer(1, 3), "dropout": uniform(0, 0.6)}  # fmt: skip

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few short trials")
    smoke = parser.parse_args().smoke
    strategy = TPE() + ASHA(max_epochs=3 if smoke else 27)
    results = Study(DigitsMLP, SPACE, "max accuracy", strategy, name="digits").run(trials=4 if smoke else 64)
    print(results.frame().sort_values("accuracy").tail())
