"""Whole studies of 128 small networks with TPE and ASHA: a440 with and without stacks, and Ray Tune.

Each entry in a process of its own, two CPU cores for everybody. Counted is what a user waits for after Ray has been
started: the start of the worker processes and their imports too. Ray Tune's searcher is Optuna's TPE. `fused.py
studies` runs it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
NETWORKS = ("64-32-16-10", "64-128-64-10")
TRIALS, EPOCHS, BATCH = 128, 20, 32
SPACE = {"lr": (1e-4, 1.0), "decay": (1e-6, 1e-1)}
ENTRIES = {"a440, fuse='auto'": 5, "a440, fuse=32": 5, "a440, one trial a process": 2, "Ray Tune, best settings": 5,
           "Ray Tune, defaults": 1}  # fmt: skip
DEFAULTS = 16  # trials with Ray's defaults, which are then counted eight times


def a440(network: str, seed: int, fuse: Any) -> tuple[float, float]:
    """Seconds of a study, and the best accuracy."""
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
        results = study.run(TRIALS, progress=False)
        spent = time.perf_counter() - began
        assert sum(results.record.counts().values()) == TRIALS
        return spent, results.best.value


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


def ray_tune(network: str, seed: int, best: bool) -> tuple[float, float]:
    """Seconds of the same with Ray Tune, and the best accuracy."""
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
            seen.append(result["accuracy"])

    seen: list[float] = []
    search: Any = OptunaSearch(seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(Trial, {"cpu": 1}) if best else train,
            param_space={name: tune.loguniform(*limits) for name, limits in SPACE.items()},
            tune_config=tune.TuneConfig(
                num_samples=TRIALS if best else DEFAULTS, metric="accuracy", mode="max", reuse_actors=best or None,
                search_alg=ConcurrencyLimiter(search, 2) if best else search,
                scheduler=ASHAScheduler("training_iteration", max_t=EPOCHS, grace_period=1, reduction_factor=3),
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0 if best else 1, callbacks=[Watch()]),
        )  # fmt: skip
        began = time.perf_counter()
        results = tuner.fit()
        spent = time.perf_counter() - began
        assert not results.errors
        return spent * (1 if best else TRIALS / DEFAULTS), max(seen)


def child(entry: str, network: str, seed: int) -> None:
    """One measurement, printed as JSON."""
    import ray
    import ray.tune  # which costs a second, whoever comes first

    sys.path.insert(0, str(HERE.parent))
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    fuse = {"a440, fuse='auto'": "auto", "a440, fuse=32": 32}.get(entry)
    found = ray_tune(network, seed, "best" in entry) if entry.startswith("Ray") else a440(network, seed, fuse)
    print("FOUND " + json.dumps(found))


def measure(entry: str, network: str, seed: int) -> tuple[float, float]:
    """Seconds and accuracy, from a process of its own."""
    path = os.pathsep.join([str(HERE.parent), str(HERE.parent.parent)])
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": path}
    if "best" in entry:
        environment["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    command = [sys.executable, str(HERE), entry, network, str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    found = [line.removeprefix("FOUND ") for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    if not found:
        raise RuntimeError(f"{entry} failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}")
    seconds, accuracy = json.loads(found[0])
    return seconds, accuracy


def compare(quick: bool) -> None:
    """Prints the table; entries are interleaved."""
    head = "| network | entry | seeds | seconds | Ray Tune's best over it | accuracy, mean over seeds |"
    print(f"{head}\n|{'---|' * 6}")
    for network in NETWORKS[: 1 if quick else None]:
        found: dict[str, list[tuple[float, float]]] = {entry: [] for entry in ENTRIES}
        for seed in range(1 if quick else 5):
            for entry, seeds in ENTRIES.items():
                if seed < seeds:
                    found[entry].append(measure(entry, network, seed))
        best = statistics.median(seconds for seconds, _ in found["Ray Tune, best settings"])
        for entry, runs in found.items():
            spent = statistics.median(seconds for seconds, _ in runs)
            print(f"| {network} | {entry} | {len(runs)} | {spent:.1f} | {best / spent:.1f}x | "
                  f"{statistics.mean(accuracy for _, accuracy in runs):.4f} |", flush=True)  # fmt: skip


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], int(sys.argv[3]))
