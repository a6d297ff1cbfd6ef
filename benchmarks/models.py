"""What a trainable costs beside the same work by hand, and what its folds, checkpoints and shared data save.

Both sides run interleaved in one process (for actors and data: on one Ray), and medians of ratios are compared.

    python benchmarks/models.py [wrappers checkpoints actors folds data] [--quick]
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from torch import nn

from orchestrator import (
    ASHA,
    Bundle,
    Folds,
    FullLength,
    Random,
    SklearnTrainable,
    Study,
    TorchTrainable,
    fixed,
    loguniform,
    uniform,
)
from trainables import checkpoint, saver
from trainables import session as sessions
from trainables.batches import tensors_of
from trainables.contract import Brief
from trainables.data import Data, deal
from trainables.meter import Meter
from trainables.seeds import sow
from trainables.session import Session
from trainables.start import starter

ROWS, WIDTH, BATCH = 8_000, 128, 64


def compared(
    ours: Callable[[], Any], theirs: Callable[[], Any], times: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[float, float, float]:
    """Median seconds of both, taken in turns, and the median of their ratios.

    What computes on one thread is compared by `time.process_time`, which neighbours on a shared machine disturb less.
    """
    ours(), theirs()
    pairs = []
    for k in range(times):
        taken = {}
        for side in (ours, theirs) if k % 2 else (theirs, ours):
            began = clock()
            side()
            taken[side] = clock() - began
        pairs.append((taken[ours], taken[theirs]))
    mine, hand = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(hand), statistics.median(a / b for a, b in pairs)


def told(name: str, ours: float, theirs: float, ratio: float) -> None:
    print(f"| {name} | {ours * 1000:.1f} | {theirs * 1000:.1f} | {ratio:.3f} |", flush=True)


# -- the wrapper ---------------------------------------------------------------------------------------


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(ROWS, 64)).astype(np.float32)
    return inputs, (inputs[:, :10].argmax(1)).astype(np.int64)


class Network(TorchTrainable):
    """One hidden layer; its loop is a440's."""

    loss = "cross_entropy"

    def loop(self, params: dict) -> Any:
        from orchestrator import Loop

        return Loop(batch_size=BATCH)

    def model(self, params: dict) -> nn.Module:
        return nn.Sequential(nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))

    def optimizer(self, params: dict, parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.1)


class TorchByHand:
    """The loop that a careful user writes: shuffled batches by index, validation, losses kept as tensors."""

    def __init__(self, given: Any):
        self.x, self.y = torch.tensor(given.train.inputs), torch.tensor(given.train.targets)
        self.vx, self.vy = torch.tensor(given.validation.inputs), torch.tensor(given.validation.targets)
        self.model = Network().model({})
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def epoch(self) -> dict:
        self.model.train()
        total = torch.zeros(())
        for batch in torch.randperm(len(self.x)).split(BATCH):
            loss = nn.functional.cross_entropy(self.model(self.x[batch]), self.y[batch])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(batch)
        self.model.eval()
        with torch.no_grad():
            outputs = torch.cat([self.model(part) for part in self.vx.split(1024)])
            loss = nn.functional.cross_entropy(outputs, self.vy)
            accuracy = (outputs.argmax(1) == self.vy).float().mean()
        return {"train_loss": float(total / len(self.x)), "loss": float(loss), "accuracy": float(accuracy)}


def session(source: Any, told: Brief, folder: Path, params: dict | None = None) -> Session:
    """What a worker runs, without Ray: seeds, checkpoints as they fall due, costs, the firewall."""
    from search import Goal

    sessions.BATCH_S = 0.0  # one epoch at a time, however short
    made = Session(starter(source, told), folder, Goal("max", "accuracy"), meter=Meter())
    made.begin(
        {"trial": "t00001", "params": params or {}, "seed": 0, "upto": 0, "after": 0, "source": None, "seconds": 0.0,
         "best": None, "best_epoch": 0}
    )  # fmt: skip
    return made


def torch_epochs(times: int) -> None:
    torch.set_num_threads(1)
    given = deal(Data(rows()), tensors=True).given
    hand = TorchByHand(given)
    share = saver.SAVE_SHARE
    for name, share_of_time in (("with its checkpoint", share), ("without checkpoints", -1.0)):
        saver.SAVE_SHARE = saver.RECORD_SHARE = share_of_time
        with tempfile.TemporaryDirectory() as folder:
            ours = session(Network, Brief("accuracy", ("accuracy",), given), Path(folder))
            told(f"TorchTrainable, an epoch {name}", *compared(ours.advance, hand.epoch, times, time.process_time))
    saver.SAVE_SHARE, saver.RECORD_SHARE = share, 1.0


def keras_epochs(times: int) -> None:
    import keras

    from orchestrator import KerasTrainable, Loop

    def build() -> Any:
        model = keras.Sequential([keras.layers.Dense(WIDTH, "relu"), keras.layers.Dense(10, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    class Net(KerasTrainable):
        """The same network."""

        loop = Loop(batch_size=BATCH)

        def model(self, params: dict) -> Any:
            return build()

    given = deal(Data(tuple(part[:4000] for part in rows())), tensors=True).given
    train, held, model = tensors_of(given.train), tensors_of(given.validation), build()

    def by_hand() -> None:
        model.fit(*train, batch_size=BATCH, verbose=0, validation_data=held, validation_batch_size=1024)

    with tempfile.TemporaryDirectory() as folder:
        ours = session(Net, Brief("accuracy", ("accuracy",), given), Path(folder))
        told("KerasTrainable, an epoch", *compared(ours.advance, by_hand, max(5, times // 2), time.process_time))


class Machine(SklearnTrainable):
    """A support vector machine."""

    folds = Folds(100)

    def estimator(self, params: dict) -> Any:
        return SVC(C=1.0, gamma=0.03)


def sklearn_folds(times: int) -> None:
    data = tuple(part[:1600] for part in rows())
    given = deal(Data(data), folds=True).given
    dealt = StratifiedKFold(100, shuffle=True, random_state=0).split(*data)

    def by_hand() -> float:
        train, held = next(dealt)
        return float(SVC(C=1.0, gamma=0.03).fit(data[0][train], data[1][train]).score(data[0][held], data[1][held]))

    with tempfile.TemporaryDirectory() as folder:
        ours = session(Machine, Brief("accuracy", ("accuracy",), given), Path(folder))
        told("SklearnTrainable, a fold", *compared(ours.advance, by_hand, times, time.process_time))


# -- checkpoints ---------------------------------------------------------------------------------------


class Heavy(TorchTrainable):
    """A model of so many MiB."""

    loss = "mse_loss"

    def model(self, params: dict) -> nn.Module:
        return nn.Linear(params["mib"] * 256, 1024, bias=False, device="meta").to_empty(device="cpu")

    def optimizer(self, params: dict, parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=0.1)

    def data(self, params: dict) -> Any:
        return [], []


def checkpoints(times: int) -> None:
    print("\n| checkpoint | a440 ms | torch alone ms | ratio |\n|---|---|---|---|")
    for mib in (10, 500):
        with tempfile.TemporaryDirectory() as folder:
            root, training = Path(folder), starter(Heavy, Brief())({"mib": mib}, 0)
            both, file = (training.learner.model, training.learner.optimizer), Path(folder) / "alone.pt"

            def ours(root: Path = root, training: Any = training) -> None:
                checkpoint.write(root / "c", 1, training.save)

            def alone(file: Path = file, both: Any = both) -> None:
                torch.save([part.state_dict() for part in both], file)

            told(f"{mib} MiB, save", *compared(ours, alone, times))

            def read(root: Path = root, mib: int = mib) -> None:
                made = session(Heavy, Brief(), root / "study", {"mib": mib})
                made._leg = {**made._leg, "upto": 1}  # the ledger knows its first epoch
                made._open()

            def read_alone(file: Path = file, mib: int = mib) -> None:
                fresh = Heavy().model({"mib": mib})
                optimizer = Heavy().optimizer({}, fresh.parameters())
                for part, state in zip((fresh, optimizer), torch.load(file, weights_only=True), strict=True):
                    part.load_state_dict(state)

            place = root / "study" / "trials" / "t00001" / "checkpoints"
            place.parent.mkdir(parents=True)
            shutil.move(root / "c", place)
            told(f"{mib} MiB, restore", *compared(read, read_alone, times))


# -- actors, folds, data -----------------------------------------------------------------------------------


class Short(TorchTrainable):
    """Trials of a few milliseconds."""

    loss = "cross_entropy"

    def model(self, params: dict) -> nn.Module:
        return nn.Linear(64, 10)

    def optimizer(self, params: dict, parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=params["lr"])


def actors(trials: int) -> None:
    from ray import tune

    print("\n| actors | trials | seconds | trials per minute |\n|---|---|---|---|")
    config = tune.TuneConfig
    for reused, count in ((True, trials), (False, max(4, trials // 4))):
        with tempfile.TemporaryDirectory() as folder:
            tune.TuneConfig = lambda reused=reused, **given: config(**{**given, "reuse_actors": reused})
            space = {"lr": loguniform(1e-3, 1)}
            study = Study(Short, space, "max accuracy", Random() + FullLength(2), data="digits", storage=folder)
            began = time.perf_counter()
            study.run(count, progress=False)
            spent = time.perf_counter() - began
            tune.TuneConfig = config
        name = "used again" if reused else "a new one per trial"
        print(f"| {name} | {count} | {spent:.1f} | {60 * count / spent:.0f} |", flush=True)


def folds(trials: int) -> None:
    print("\n| SVC on digits, 5 folds | fits | best mean over 5 folds | seconds |\n|---|---|---|---|")
    space = {"C": loguniform(1e-1, 1e3), "gamma": loguniform(1e-5, 1e-1)}
    for strategy in (Random() + FullLength(), Random() + ASHA(max_epochs=5), Random() + ASHA(5, keep_1_in=2)):
        for seed in range(3):
            with tempfile.TemporaryDirectory() as folder:
                study = Study(SVC(), space, "max accuracy", strategy, data="digits", storage=folder, seed=seed)
                began = time.perf_counter()
                results = study.run(trials, progress=False)
                spent = time.perf_counter() - began
                fits = int(results.frame().epoch.sum())
            print(f"| {strategy}, seed {seed} | {fits} | {results.best.value:.4f} | {spent:.0f} |", flush=True)
    inputs, targets = load_digits(return_X_y=True)
    for shuffle in (True, False):
        from sklearn.model_selection import ParameterSampler, cross_val_score

        dealt = StratifiedKFold(5, shuffle=shuffle, random_state=0 if shuffle else None)
        from scipy.stats import loguniform as drawn

        grid = {"C": drawn(1e-1, 1e3), "gamma": drawn(1e-5, 1e-1)}
        best = max(
            cross_val_score(SVC(**p), inputs, targets, cv=dealt).mean()
            for p in ParameterSampler(grid, trials, random_state=0)
        )
        print(f"| scikit-learn by hand, shuffle={shuffle} | {5 * trials} | {best:.4f} | |", flush=True)


def held(params: dict, data: Any) -> dict:
    """Touches every row, and tells what memory its process has for itself and what it shares."""
    total = float(data.train.inputs.sum())
    kinds = {}
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, kib, *_ = line.split()
        kinds[name.rstrip(":")] = int(kib) / 1024
    own = kinds["Anonymous"]  # what lies in the object store is mapped from a file in memory, and is not among it
    time.sleep(3)
    return {"loss": total, "own_mib": own, "mapped_mib": kinds["Rss"] - own, "resident_mib": kinds["Rss"]}


def data(mib: int) -> None:
    array = np.ones((mib * 1024, 256), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            held, {"x": uniform(0, 1), "mib": fixed(mib)}, "min loss", Random(), Bundle(cpus=0.25),
            data=(array, np.arange(len(array))), storage=folder,
        )  # fmt: skip
        frame = study.run(8, progress=False).frame()
    print(f"\n| an array of {mib} MiB, 8 trials at once | least | most |\n|---|---|---|")
    for name in ("own_mib", "mapped_mib", "resident_mib"):
        print(f"| {name} of a trial's process | {frame[name].min():.0f} | {frame[name].max():.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["wrappers", "checkpoints", "actors", "folds", "data"])
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    options = parser.parse_args()
    times = 5 if options.quick else 25
    sow(0, 0)
    if "wrappers" in options.parts:
        print("| wrapper | a440 ms | by hand ms | ratio |\n|---|---|---|---|")
        torch_epochs(times), keras_epochs(times), sklearn_folds(times)
    if "checkpoints" in options.parts:
        checkpoints(times)
    if {"actors", "folds", "data"} & set(options.parts):
        from cluster.to_ray import connect

        with connect("local", cpus=2):
            if "actors" in options.parts:
                actors(16 if options.quick else 64)
            if "folds" in options.parts:
                folds(12 if options.quick else 40)
            if "data" in options.parts:
                data(128 if options.quick else 1024)


if __name__ == "__main__":
    main()
