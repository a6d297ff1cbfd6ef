"""Small networks against accurate ones: layer by layer, two objectives, a front. Run: python examples/front.py"""

import argparse
import functools
from collections.abc import Iterator

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from orchestrator import ASHA, NSGA2, Batches, Study, TorchTrainable, integer, logint, loguniform, repeat, split

SPACE = {
    "lr": loguniform(1e-3, 1.0),
    "layers": repeat(n=integer(1, 3), each={"width": logint(4, 128), "act": ["ReLU", "Tanh", "GELU"]}),
}
LIMITS = ["sum(layers.width) <= 200"]  # kept before anything is trained
GOAL = ["max accuracy", "min weights <= 20000"]  # the second is known only when the network is there


@functools.cache
def digits() -> tuple[Batches, Batches]:
    """1,797 images of 8 x 8 pixels, a fifth of them for validation; read once per process."""
    images, labels = load_digits(return_X_y=True)
    return split(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels), batch_size=32)


class Layered(TorchTrainable):
    """A perceptron; each layer in `params["layers"]` has a width and an activation of its own."""

    def model(self, params: dict) -> nn.Module:
        parts, inputs = [], 64
        for layer in params["layers"]:
            parts += [nn.Linear(inputs, layer["width"]), getattr(nn, layer["act"])()]
            inputs = layer["width"]
        network = nn.Sequential(*parts, nn.Linear(inputs, 10))
        self.weights = torch.tensor(float(sum(weights.numel() for weights in network.parameters())))
        return network

    def optimizer(self, params: dict, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=params["lr"], momentum=0.9)

    def data(self, params: dict) -> tuple[Batches, Batches]:
        return digits()

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target)

    def metrics(self, output: Tensor, target: Tensor) -> dict[str, Tensor]:
        return {"accuracy": (output.argmax(1) == target).float().mean(), "weights": self.weights}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few short trials")
    smoke = parser.parse_args().smoke
    strategy = NSGA2() + ASHA(max_epochs=3 if smoke else 27)
    study = Study(Layered, SPACE, GOAL, strategy, limits=LIMITS, name="front")
    front = study.run(trials=4 if smoke else 100).front()
    print(front.frame()[["trial", "accuracy", "weights", "params.layers", "params.lr"]])
