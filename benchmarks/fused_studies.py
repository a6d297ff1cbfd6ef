"""Whole studies of small networks with TPE and ASHA: a440 with and without stacks, and Ray Tune.

Each entry in a process of its own, two CPU cores for everybody. Counted is what a user waits for after Ray has been
started, the start of the worker processes and their imports included; and what of it comes after the first report.
Ray Tune's searcher is Optuna's TPE. `fused.py studies` runs it.
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from apart import measured, tell

STUDIES = (("64-32-16-10", 128, 5), ("64-128-64-10", 128, 5), ("64-32-16-10", 512, 2))  # network, trials, seeds
EPOCHS, BATCH = 20, 32
SPACE = {"lr": (1e-4, 1.0), "decay": (1e-6, 1e-1)}
BEST, DEFAULTS = "Ray Tune, best settings", "Ray Tune, defaults"
FUSE = {"a440, fuse='auto'": "auto", "a440, fuse=32": 32, "a440, one trial a process": None}
SLOW = 16  # trials with Ray's defaults, once; their time is counted as often as it takes
Found = tuple[float, float, float]  # seconds, of them after the first report, and the best accuracy


def a440(network: str, trials: int, seed: int, fuse: Any) -> Found:
    """A study with all its trials in the ledger."""
    from networks import Task

    from orchestrator import ASHA, TPE, Study, loguniform

    class Net(Task):
        metrics = ("accuracy",)

        def optimizer(self, params: dict[str, Any], parameters: Any) -> Any:
            import torch

            return torch.optim.SGD(parameters, lr=params["lr"], momentum=0.9, weight_decay=params["decay"])

        def model(self, params: dict[str, Any]) -> Any:
            return super().model({"network": network})

        def data(self, params: dict[str, Any]) -> Any:
            return super().data({"network": network, "batch": BATCH})

    space = {name: loguniform(*limits) for name, limits in SPACE.items()}
    with tempfile.TemporaryDirectory() as folder:
        strategy = TPE() + ASHA(max_epochs=EPOCHS)
        study = Study(Net, space, "max accuracy", strategy, storage=folder, fuse=fuse, seed=seed)
        began = time.perf_counter()
        results = study.run(trials, progress=False)
        spent = time.perf_counter() - began
        assert sum(results.record.counts().values()) == trials
        lines = (line for path in Path(folder).glob("*/ledger/*.jsonl") for line in path.open())
        first = min(event["t"] for event in map(json.loads, lines) if event["event"] == "reported")
        return spent, spent - first, results.best.value


class Plain:
    """One trial in plain PyTorch."""

    def __init__(self, network: str, config: dict[str, float]):
        import torch
        from networks import NETWORKS as MODELS
        from networks import rows_of

        torch.manual_seed(int(1e6 * config["decay"]))
        inputs, targets = rows_of(network)
        cut = len(inputs) * 4 // 5
        self.train, self.validation = (inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:])
        self.model = MODELS[network]()
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), lr=config["lr"], momentum=0.9, weight_decay=config["decay"]
        )

    def epoch(self) -> float:
        """Accuracy after one more."""
        import torch

        inputs, targets = self.train
        self.model.train()
        for rows in torch.randperm(len(inputs)).split(BATCH):
            self.optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.model(inputs[rows]), targets[rows]).backward()
            self.optimizer.step()
        self.model.eval()
        with torch.no_grad():
            return float((self.model(self.validation[0]).argmax(1) == self.validation[1]).float().mean())


def ray_tune(network: str, trials: int, seed: int, best: bool) -> Found:
    """The same with Ray Tune."""
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    class Trial(tune.Trainable):
        def setup(self, config: dict[str, float]) -> None:
            self.plain = Plain(network, config)

        def reset_config(self, config: dict[str, float]) -> bool:
            self.plain = Plain(network, config)
            return True

        def step(self) -> dict[str, Any]:
            return {"accuracy": self.plain.epoch()}

        def save_checkpoint(self, folder: str) -> None:
            return None

        def load_checkpoint(self, checkpoint: Any) -> None:
            return None

    def train(config: dict[str, float]) -> None:
        plain = Plain(network, config)
        for _ in range(EPOCHS):
            tune.report({"accuracy": plain.epoch()})

    class Watch(tune.Callback):
        def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **more: Any) -> None:
            seen.append((time.perf_counter(), result["accuracy"]))

    seen: list[tuple[float, float]] = []
    search: Any = OptunaSearch(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(Trial, {"cpu": 1}) if best else train,
            param_space={name: tune.loguniform(*limits) for name, limits in SPACE.items()},
            tune_config=tune.TuneConfig(
                num_samples=trials, metric="accuracy", mode="max", reuse_actors=best or None,
                search_alg=ConcurrencyLimiter(search, 2) if best else search,
                scheduler=ASHAScheduler("training_iteration", max_t=EPOCHS, grace_period=1, reduction_factor=3),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0 if best else 1, callbacks=[Watch()]),
        )  # fmt: skip
        began = time.perf_counter()
        results = tuner.fit()
        ended = time.perf_counter()
        assert not results.errors
        return ended - began, ended - min(seen)[0], max(accuracy for _, accuracy in seen)


def child(entry: str, network: str, trials: int, seed: int) -> None:
    """One measurement, printed as JSON."""
    import ray
    import ray.tune  # which costs a second, whoever comes first

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    if entry in FUSE:
        found = a440(network, trials, seed, FUSE[entry])
    else:
        found = ray_tune(network, trials, seed, entry == BEST)
    tell(found)


def measure(entry: str, network: str, trials: int, seed: int) -> Found:
    """From a process of its own."""
    quiet = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"} if entry == BEST else {}
    seconds, after, accuracy = measured(__file__, entry, network, trials, seed, **quiet)
    return seconds, after, accuracy


def compare(quick: bool) -> None:
    """Prints the table; entries are interleaved."""
    print("| network | trials | entry | seeds | seconds | Ray over it | after the first report | Ray over it | "
          f"best accuracy, mean over seeds |\n|{'---|' * 9}")  # fmt: skip
    for network, trials, seeds in STUDIES[: 1 if quick else None]:
        runs: dict[str, list[Found]] = {entry: [] for entry in (*FUSE, BEST)}
        for seed in range(1 if quick else seeds):
            for entry, found in runs.items():
                if entry != "a440, one trial a process" or seed < 2:
                    found.append(measure(entry, network, trials, seed))
        if trials == STUDIES[0][1]:
            seconds, after, accuracy = measure(DEFAULTS, network, SLOW, 0)
            runs[DEFAULTS] = [(seconds * trials / SLOW, after * trials / SLOW, accuracy)]
        best, best_after = (statistics.median(run[part] for run in runs[BEST]) for part in (0, 1))
        for entry, found in runs.items():
            spent, after = (statistics.median(run[part] for run in found) for part in (0, 1))
            accuracy = statistics.mean(run[2] for run in found)
            print(f"| {network} | {trials} | {entry} | {len(found)} | {spent:.1f} | {best / spent:.2g}x | "
                  f"{after:.1f} | {best_after / after:.2g}x | {accuracy:.4f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
