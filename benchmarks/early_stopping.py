"""Samplers under early stopping: how close to the best known accuracy, after equal time on equal workers.

    pip install onnxruntime
    python benchmarks/early_stopping.py TABLES [--tasks 17] [--seeds 3] [--processes 2] [STRATEGY ...]

TABLES is the folder of LCBench's surrogate from YAHPO Gym (Pfisterer et al. 2022): `model.onnx`, `encoding.json`,
`best_known.csv`. Eight workers train asynchronously on a simulated clock, each trial as long as the surrogate says; the
time is that of a hundred trials of full length. The conductor, the engines and the ledger are those of a real study.
`ratio` is the geometric mean over tasks and seeds of a strategy's regret over that of the first one, in percent of
accuracy, at a quarter of the time and at its end; below 1 is better. A regret is never counted below 0.001.
"""

import argparse
import csv
import functools
import itertools
import json
import random
import sys
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from orchestrator.simulation import Simulation
from orchestrator.terms import Terms
from search import Goal, Space, integer, logint, loguniform, strategy_of, uniform
from search.notation import STRATEGIES, parse

EPOCHS, WORKERS, FULL_TRIALS = 52, 8, 100
GOAL = Goal("max", "acc")
SHARES = (0.25, 1.0)  # of the time
LEAST = 1e-3
SPACE = Space(
    {
        "batch_size": logint(16, 512),
        "learning_rate": loguniform(1e-4, 1e-1),
        "momentum": uniform(0.1, 0.99),
        "weight_decay": loguniform(1e-5, 1e-1),
        "num_layers": integer(1, 5),
        "max_units": logint(64, 1024),
        "max_dropout": uniform(0, 1),
    }
)
STRATEGIES_COMPARED = [
    f"Random() + ASHA(max_epochs={EPOCHS})",
    f"TPE() + ASHA(max_epochs={EPOCHS})",
    f"TPE() + ASHA(max_epochs={EPOCHS}, promote=True)",
    f"Evolution() + ASHA(max_epochs={EPOCHS})",
    f"Greedy() + ASHA(max_epochs={EPOCHS})",
    f"Swarm() + ASHA(max_epochs={EPOCHS})",
    f"CMAES() + ASHA(max_epochs={EPOCHS})",
    f"BOHB(max_epochs={EPOCHS})",
    f"TPE() + MedianStop(max_epochs={EPOCHS})",
    f"TPE() + FullLength(epochs={EPOCHS})",
]


class Surrogate:
    """What a network would have reported."""

    def __init__(self, folder: Path):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        self._codes = json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]
        self.best = {
            row["instance"]: float(row["value"])
            for row in csv.DictReader((folder / "best_known.csv").open())
            if row["metric"] == "val_accuracy" and row["statistic"] == "max"
        }
        self.tasks = [task for task in self._codes if task in self.best]
        self._curve = functools.lru_cache(100_000)(self._computed)

    def curve(self, task: str, params: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """`[epochs]` seconds since the start, and `[epochs]` accuracies in percent."""
        return self._curve(task, tuple(float(params[leaf.name]) for leaf in SPACE.leaves))

    def _computed(self, task: str, values: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
        rows = np.array([[epoch, *values] for epoch in range(1, EPOCHS + 1)], dtype=np.float32)
        codes = np.full((EPOCHS, 1), self._codes[task], dtype=np.int32)
        given = {i.name: codes if "int" in i.type else rows for i in self._session.get_inputs()}
        found = self._session.run(None, given)[0]
        return np.maximum.accumulate(np.maximum(found[:, 0], 1e-3)).astype(float), found[:, 1].astype(float)

    def budget(self, task: str) -> float:
        """Seconds in which the workers would train a hundred trials to their ends."""
        rng = random.Random(0)
        lengths = [self.curve(task, SPACE.sample(rng))[0][-1] for _ in range(30)]
        return float(np.mean(lengths)) * FULL_TRIALS / WORKERS


@dataclass(frozen=True)
class Training:
    """A network of a task, as the surrogate sees it: `[epochs]` seconds since the start, and accuracies."""

    seconds: np.ndarray
    accuracies: np.ndarray
    distance: float = 0.0

    def seconds_at(self, epoch: int) -> float:
        return float(self.seconds[epoch - 1])

    def metrics_at(self, epoch: int) -> dict[str, float]:
        return {"acc": float(self.accuracies[epoch - 1])}


@dataclass(frozen=True)
class Task:
    """The curves of one dataset."""

    surrogate: Surrogate
    name: str

    def curve(self, params: dict[str, Any]) -> Training:
        return Training(*self.surrogate.curve(self.name, params))


def regrets(surrogate: Surrogate, task: str, text: str, seed: int) -> list[float]:
    """At each share of the time, how far the best accuracy so far is from the best known one."""
    budget = surrogate.budget(task)
    pair = strategy_of(parse(text, STRATEGIES))
    terms = Terms.under(pair.scheduler, SPACE, GOAL, seed=seed, trials=10**5, seconds=budget)
    simulation = Simulation(terms, pair, warn=lambda text: None, opening={"goal": str(GOAL)})
    for _ in simulation.steps(Task(surrogate, task), WORKERS):
        pass
    reports = [event for event in simulation.book.events if event["event"] == "reported"]
    best = [max((e["metrics"]["acc"] for e in reports if e["t"] <= share * budget), default=0.0) for share in SHARES]
    return [surrogate.best[task] - value for value in best]


_held: dict[Path, Surrogate] = {}


def job(asked: tuple[Path, str, str, int]) -> tuple[tuple[Path, str, str, int], list[float]]:
    """One study in one of the processes."""
    folder, task, text, seed = asked
    if folder not in _held:
        _held[folder] = Surrogate(folder)
    return asked, regrets(_held[folder], task, text, seed)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path)
    parser.add_argument("strategies", nargs="*", default=STRATEGIES_COMPARED)
    parser.add_argument("--tasks", type=int, default=17)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    tasks = Surrogate(given.tables).tasks
    tasks = tasks[:: max(1, len(tasks) // given.tasks)][: given.tasks]
    runs = itertools.product(tasks, given.strategies, range(given.seeds))
    jobs = [(given.tables, task, text, seed) for task, text, seed in runs]
    found: dict[str, dict[tuple[str, int], list[float]]] = {text: {} for text in given.strategies}
    with Pool(given.processes) as pool:
        for (_, task, text, seed), row in pool.imap_unordered(job, jobs):
            found[text][task, seed] = row
    print(f"| strategy | ratio at {SHARES[0]:.0%} | ratio at the end | better at the end | median regret |")
    print("|---" * 5 + "|")
    base = found[given.strategies[0]]
    for text, rows in found.items():
        mine, theirs = (np.array([r[key] for key in sorted(base)]) for r in (rows, base))
        logs = np.log(np.maximum(mine, LEAST) / np.maximum(theirs, LEAST))
        early, late = np.exp(logs.mean(axis=0))
        better = (mine[:, 1] < theirs[:, 1]).mean()
        print(f"| `{text}` | {early:.2f} | {late:.2f} | {better:.0%} | {np.median(mine[:, 1]):.2f} |")


if __name__ == "__main__":
    main()
