"""Searches that stop trials early, on recorded learning curves with their real seconds and on a simulated clock.

The curves are those of LCBench's surrogate from YAHPO Gym (Pfisterer et al. 2022): `model.onnx`, `encoding.json` and
`best_known.csv` in one folder; `pip install onnxruntime`. Workers train asynchronously, each trial as long as the
surrogate says; the time is that of a hundred trials of full length. Conductor, engines and ledger are those of a real
study; Optuna's samplers and pruners are driven by the same clock. Of the datasets in their order, settings are chosen
on the first, third and so on, and the others are what is reported.
"""

import csv
import functools
import heapq
import itertools
import json
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.quality.gathered import gathered
from orchestrator.simulation import Simulation
from orchestrator.terms import Terms
from search import Goal, Space, integer, logint, loguniform, strategy_of, uniform
from search.auto import settle
from search.dialects import suggest
from search.notation import STRATEGIES, parse

EPOCHS, FULL_TRIALS = 52, 100
GOAL = Goal("max", "acc")
BASE = f"Random() + ASHA(max_epochs={EPOCHS})"
COMPARED = (
    BASE,
    f"Auto() + ASHA(max_epochs={EPOCHS})",
    f"TPE() + ASHA(max_epochs={EPOCHS})",
    f"Bayes() + ASHA(max_epochs={EPOCHS})",
    f"TPE() + ASHA(max_epochs={EPOCHS}, promote=True)",
    f"BOHB(max_epochs={EPOCHS})",
    f"Random() + Hyperband(max_epochs={EPOCHS})",
    f"TPE() + MedianStop(max_epochs={EPOCHS})",
    f"TPE() + FullLength(epochs={EPOCHS})",
    "Optuna TPE + SuccessiveHalving",
    "Optuna TPE + Hyperband",
    "Optuna TPE + Median",
    "Optuna TPE + none",
)
LEAST = 1e-3  # of a regret in percent of accuracy, for logarithms
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


Progress = list[tuple[float, float]]  # time, in shares of the budget, and the regret that was reached by then


def budget(surrogate: Surrogate, task: str, workers: int) -> float:
    """Seconds in which the workers would train a hundred trials to their ends."""
    rng = random.Random(0)
    lengths = [surrogate.curve(task, SPACE.sample(rng))[0][-1] for _ in range(30)]
    return float(np.mean(lengths)) * FULL_TRIALS / workers


def ours(surrogate: Surrogate, task: str, text: str, workers: int, seed: int) -> Iterator[tuple[float, float]]:
    """Times and accuracies of all reports of one of our strategies."""
    seconds = budget(surrogate, task, workers)
    pair = settle(strategy_of(parse(text, STRATEGIES)), SPACE, GOAL, None, workers).strategy
    terms = Terms.under(pair.scheduler, SPACE, GOAL, seed=seed, trials=10**5, seconds=seconds)
    simulation = Simulation(terms, pair, warn=lambda text: None, opening={"goal": str(GOAL)})
    simulation.run(Task(surrogate, task), workers)
    for event in simulation.book.events:
        if event["event"] == "reported":
            yield event["t"] / seconds, event["metrics"]["acc"]


def optunas(surrogate: Surrogate, task: str, text: str, workers: int, seed: int) -> Iterator[tuple[float, float]]:
    """Times and accuracies of all reports of Optuna's TPE with one of its pruners."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruners = optuna.pruners
    pruner = {
        "SuccessiveHalving": lambda: pruners.SuccessiveHalvingPruner(reduction_factor=3),
        "Hyperband": lambda: pruners.HyperbandPruner(max_resource=EPOCHS),
        "Median": lambda: pruners.MedianPruner(),
        "none": lambda: pruners.NopPruner(),
    }[text.split(" + ")[1]]()
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed), pruner=pruner)
    seconds, curves, turns = budget(surrogate, task, workers), Task(surrogate, task), itertools.count()
    queue: list[tuple[float, int, float, Any, Training, int]] = []

    def begin(now: float) -> None:
        trial = study.ask()
        curve = curves.curve(SPACE.check(suggest(SPACE, trial)))
        heapq.heappush(queue, (now + curve.seconds_at(1), next(turns), now, trial, curve, 1))

    for _ in range(workers):
        begin(0.0)
    while queue[0][0] <= seconds:
        now, _, since, trial, curve, epoch = heapq.heappop(queue)
        accuracy = curve.metrics_at(epoch)["acc"]
        yield now / seconds, accuracy
        trial.report(accuracy, epoch)
        if epoch == EPOCHS:
            study.tell(trial, accuracy)
            begin(now)
        elif trial.should_prune():
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            begin(now)
        else:
            heapq.heappush(queue, (since + curve.seconds_at(epoch + 1), next(turns), since, trial, curve, epoch + 1))


class Job(NamedTuple):
    """One search.

    Attributes:
        strategy: its text.
        task: the dataset.
        workers: at work at the same time.
        seed: of the strategy.
    """

    strategy: str
    task: str
    workers: int
    seed: int


_surrogate = functools.cache(Surrogate)


def _searched(folder: Path, job: Job) -> Progress:
    """The improvements of one search."""
    surrogate, best, path = _surrogate(folder), -np.inf, list[tuple[float, float]]()
    search: Callable[..., Iterator[tuple[float, float]]] = optunas if job.strategy.startswith("Optuna") else ours
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for time, accuracy in search(surrogate, job.task, job.strategy, job.workers, job.seed):
            if accuracy > best:
                best = accuracy
                path.append((round(time, 6), round(surrogate.best[job.task] - best, 6)))
    return path


def reached(path: Progress, share: float) -> float:
    """The regret at a share of the time."""
    return min((regret for time, regret in path if time <= share), default=100.0)


def soonest(path: Progress, regret: float) -> float:
    """The share of the time at which a regret was reached; infinite where it never was."""
    return min((time for time, found in path if found <= regret), default=float("inf"))


def early(
    folder: Path,
    half: str,
    strategies: list[str],
    workers: list[int],
    seeds: int,
    kept: Path,
    processes: int,
    picture: Path | None = None,
) -> None:
    """Prints a table for each number of workers, and draws a picture of them all."""
    tasks = Surrogate(folder).tasks[{"chosen": 0, "reported": 1}[half] :: 2]
    wanted = list(dict.fromkeys([BASE, *strategies]))
    whole: dict[Job, Progress] = {}
    for count in workers:
        jobs = [Job(text, task, count, seed) for seed in range(seeds) for task in tasks for text in wanted]
        found = gathered(functools.partial(_searched, folder), jobs, kept, processes)
        whole |= found
        print(f"\n### {len(tasks)} datasets ({half}), {seeds} seeds, {workers_of(count)}\n")
        print("| strategy | regret at 25 % | at the end | better at the end | soon enough | as soon, median |")
        print("|---" * 6 + "|")
        for text in wanted:
            print(_row(text, count, found, tasks, seeds))
    if picture is not None:
        from benchmarks.quality.plots import plot_early

        plot_early(whole, wanted, picture)


def workers_of(count: int) -> str:
    """How many, in words."""
    return f"{count} workers" if count > 1 else "one worker"


def _row(text: str, count: int, found: dict[Job, Progress], tasks: list[str], seeds: int) -> str:
    """What is said of a strategy beside random search with ASHA, dataset by dataset and seed by seed."""
    paths, bases = (
        [found[Job(strategy, task, count, seed)] for task in tasks for seed in range(seeds)]
        for strategy in (text, BASE)
    )
    quarter, end = (np.array([reached(path, share) for path in paths]) for share in (0.25, 1.0))
    base = np.array([reached(path, 1.0) for path in bases])
    times = np.array([soonest(path, regret) for path, regret in zip(paths, base, strict=True)])
    since = np.array([soonest(path, regret) for path, regret in zip(bases, base, strict=True)])
    low, high = _interval((end - base).reshape(len(tasks), seeds))
    apart = f"{end.mean() - base.mean():+.2f}, {low:+.2f} to {high:+.2f}"
    return (
        f"| `{text}` | {quarter.mean():.2f} | {end.mean():.2f} ({apart}) "
        f"| {np.mean(end < base):.0%} | {np.mean(times <= 0.5):.0%} | {np.median(times / since):.2f} |"
    )


def _interval(apart: np.ndarray) -> tuple[float, float]:
    """95 % of the mean of `[tasks, seeds]`, by resampling both."""
    rng = np.random.default_rng(0)
    tasks, seeds = apart.shape
    drawn = [apart[rng.integers(tasks, size=tasks)][:, rng.integers(seeds, size=seeds)].mean() for _ in range(2_000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
