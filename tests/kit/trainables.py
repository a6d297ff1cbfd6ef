"""Trainables for tests on a real Ray, each with one thing that it does."""

import os
import signal
import time
from pathlib import Path

from orchestrator import Batches, BoostingTrainable, Loop, TorchTrainable, Trainable


def good(params):
    """Three falling losses."""
    for epoch in range(1, 4):
        yield {"loss": params["x"] + 1 / epoch}


def misbehaving(params):
    """What a study has to live with; `params['kind']` says what happens."""
    kind = params["kind"]
    if kind == "raises":
        yield {"loss": 0.5}
        raise KeyError("no such column")
    if kind == "nan":
        yield {"loss": float("nan")}
    if kind == "text":
        yield {"loss": "0.3"}
    if kind == "missing":
        yield {"los": 0.3}
    if kind == "silent":
        return None
    if kind == "reserved":
        yield {"loss": 0.3, "done": 1.0}
    if kind == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "exit":
        os._exit(3)
    if kind == "sys.exit":
        raise SystemExit(4)
    if kind == "prints":
        print("[/bold] \x1b[31mred")
    yield {"loss": 1.0}
    return None


class Counting(Trainable):
    """Epochs of 60 ms that are counted in a file outside the study, one line per epoch that was really run."""

    def setup(self, params):
        self.x, self.epoch = params["x"], 0

    def step(self):
        self.epoch += 1
        time.sleep(0.06)
        with Path(os.environ["COUNTED_IN"]).open("a") as file:
            file.write(f"{self.x} {self.epoch}\n")
        return {"loss": (self.x - 0.5) ** 2 + 1 / self.epoch}

    def save(self, folder):
        (folder / "epoch").write_text(str(self.epoch))

    def load(self, folder):
        self.epoch = int((folder / "epoch").read_text())


class Blobs(TorchTrainable):
    """A small network on a study's data, with what `loss` and `metrics` are by name."""

    loss = "cross_entropy"

    def model(self, params):
        from torch import nn

        return nn.Sequential(nn.BatchNorm1d(13, affine=False), nn.Linear(13, 3))

    def optimizer(self, params, parameters):
        import torch

        return torch.optim.SGD(parameters, lr=params["lr"])


class Columns(Blobs):
    """A network on two columns of a table."""

    def model(self, params):
        from torch import nn

        return nn.Linear(2, 2)


class OwnBatches(Blobs):
    """A network that makes its own batches of the study's rows, and counts its hits itself."""

    @staticmethod
    def hits(targets, labels):
        return float((targets == labels).sum())

    metrics = (hits,)

    def data(self, params, given):
        import torch

        train, held = (
            (torch.tensor(part.inputs), torch.tensor(part.targets)) for part in (given.train, given.validation)
        )
        return Batches(*train, 16, shuffle=True), Batches(*held, 1000)

    def model(self, params):
        from torch import nn

        return nn.Linear(4, 3)


class Overgrown(BoostingTrainable):
    """An ensemble that is at its best early, and goes on for its patience."""

    rounds = 5
    loop = Loop(patience=3)

    def estimator(self, params):
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(max_iter=300, learning_rate=params["lr"])


def reads_rows(params, data):
    """Says whether the rows that it was given may be written to, and whether they lie in memory that is shared."""
    rows = data.train.inputs
    place = rows.__array_interface__["data"][0]
    shared = False
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, rights, *_ = line.split()
        low, high = (int(end, 16) for end in bounds.split("-"))
        if low <= place < high:
            shared = rights.endswith("s")
    return {"loss": float(rows.mean()), "writeable": float(rows.flags.writeable), "shared": float(shared)}


class Mean(Trainable):
    """Says the mean of the targets that it saw, and a shift."""

    def setup(self, params, data):
        self.data, self.shift, self.done = data, params["shift"], False

    def step(self):
        if self.done:
            return None
        self.done = True
        held = self.data.validation
        return {"rmse": float(((held.targets - self.predict_one()) ** 2).mean() ** 0.5)}

    def predict_one(self):
        return float(self.data.train.targets.mean()) + self.shift

    def predict(self, inputs):
        return [self.predict_one()] * len(inputs)

    def save(self, folder):
        (folder / "done").write_text("")

    def load(self, folder):
        self.done = True


class Paced(Trainable):
    """Epochs of a tenth of a second; `params['epochs']` says how many there are."""

    def setup(self, params):
        self.x, self.epochs, self.epoch = params["x"], params.get("epochs", 3), 0

    def step(self):
        if self.epoch == self.epochs:
            return None
        self.epoch += 1
        time.sleep(0.1)
        return {"loss": self.x + 1 / self.epoch}

    def save(self, folder):
        (folder / "epoch").write_text(str(self.epoch))

    def load(self, folder):
        self.epoch = int((folder / "epoch").read_text())
