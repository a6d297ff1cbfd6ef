"""Which SimpleNet? Depth, widths, activations and learning rate in one search, where tutorials nest four loops.

Run: python examples/architecture.py
"""

import argparse
from collections.abc import Iterator

import torch
from torch import nn

from orchestrator import ASHA, Evolution, Study, TorchTrainable, integer, loguniform, ordinal, repeat

SPACE = {
    "layers": repeat(n=integer(1, 3), each={"width": ordinal(16, 32, 64, 128), "act": ["ReLU", "Tanh", "GELU"]}),
    "lr": loguniform(1e-3, 1.0),
}


class SimpleNet(TorchTrainable):
    """Layers as the params list them."""

    loss = "cross_entropy"

    def model(self, params: dict) -> nn.Module:
        parts, inputs = [nn.BatchNorm1d(64, affine=False)], 64
        for layer in params["layers"]:
            parts += [nn.Linear(inputs, layer["width"]), getattr(nn, layer["act"])()]
            inputs = layer["width"]
        return nn.Sequential(*parts, nn.Linear(inputs, 10))

    def optimizer(self, params: dict, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=params["lr"], momentum=0.9)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few short trials")
    smoke = parser.parse_args().smoke
    strategy = Evolution() + ASHA(max_epochs=2 if smoke else 9)
    study = Study(SimpleNet, SPACE, "max accuracy", strategy, data="digits", name="architecture")
    results = study.run(trials=4 if smoke else 60)
    print(results.best.params)
