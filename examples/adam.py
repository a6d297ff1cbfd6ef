"""A network with cross-entropy and Adam: data, loss and accuracy by name. Run: python examples/adam.py"""

import argparse
from collections.abc import Iterator

import torch
from torch import nn

from orchestrator import ASHA, TPE, Data, Loop, Study, TorchTrainable, logint, loguniform, ordinal, uniform


class Network(TorchTrainable):
    """One hidden layer on digits; what is not said here is the loop's: batches, device, accuracy, checkpoints."""

    loss = "cross_entropy"
    metrics = ("accuracy", "f1_macro")

    def loop(self, params: dict) -> Loop:
        return Loop(batch_size=params["batch"], clip_norm=1.0, patience=5)

    def model(self, params: dict) -> nn.Module:
        return nn.Sequential(
            nn.BatchNorm1d(64, affine=False),
            nn.Linear(64, params["width"]),
            nn.ReLU(),
            nn.Dropout(params["dropout"]),
            nn.Linear(params["width"], 10),
        )

    def optimizer(self, params: dict, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, lr=params["lr"])


SPACE = {
    "lr": loguniform(1e-4, 1e-1),
    "width": logint(16, 256),
    "dropout": uniform(0, 0.5),
    "batch": ordinal(16, 32, 64),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few short trials")
    smoke = parser.parse_args().smoke
    strategy = TPE() + ASHA(max_epochs=3 if smoke else 27)
    study = Study(Network, SPACE, "max accuracy", strategy, data=Data("digits", test=0.2), name="adam")
    results = study.run(trials=4 if smoke else 40)
    print(results.frame().sort_values("accuracy")[["trial", "epoch", "accuracy", "f1_macro", "joules"]].tail())
    print(study.retrain(results).tested)  # the winner, on all rows, scored once on those that no trial saw
