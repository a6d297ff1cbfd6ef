"""Quick trials that share processes (`fuse=`), against one process a trial and against raw Ray Tune.

No-op trials and trials of 5 ms, each entry in a process of its own, interleaved, medians. The start of Ray is not
counted for anybody; the start of the worker processes is. Run: python benchmarks/packing.py [--quick]
"""

import argparse
import os
import statistics
import tempfile
import time
from typing import Any

from apart import measured, tell

TRIALS = {"a440": 400, "a440, fuse='auto'": 4000, "a440, fuse=64": 4000, "Ray Tune, best settings": 4000}


def no_op(params: dict[str, Any]) -> dict[str, float]:
    """A trial that costs nothing."""
    return {"loss": params["x"]}


def five_ms(params: dict[str, Any]) -> dict[str, float]:
    """A trial of 5 ms."""
    time.sleep(0.005)
    return {"loss": params["x"]}


TASKS = {"no-op": no_op, "5 ms": five_ms}


def a440(task: str, trials: int, fuse: Any) -> float:
    """Seconds of a study, with all trials in its ledger."""
    from orchestrator import FullLength, Random, Study, uniform

    with tempfile.TemporaryDirectory() as folder:
        study = Study(
            TASKS[task], {"x": uniform(0, 1)}, "min loss", Random() + FullLength(1), storage=folder, fuse=fuse
        )
        began = time.perf_counter()
        results = study.run(trials, progress=False)
        spent = time.perf_counter() - began
        assert results.record.counts() == {"ended": trials}
    return spent


def ray_best(task: str, trials: int) -> float:
    """Seconds of raw Ray Tune: a class trainable, actors used again, loggers off."""
    from ray import tune

    train = TASKS[task]

    class Trial(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.params = config

        def reset_config(self, config: dict[str, Any]) -> bool:
            self.params = config
            return True

        def step(self) -> dict[str, Any]:
            return {**train(self.params), "done": True}

        def save_checkpoint(self, folder: str) -> None:
            return None

        def load_checkpoint(self, checkpoint: Any) -> None:
            return None

    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            tune.with_resources(Trial, {"cpu": 1}),
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(num_samples=trials, metric="loss", mode="min", reuse_actors=True),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        began = time.perf_counter()
        results = tuner.fit()
        spent = time.perf_counter() - began
        assert len(results) == trials
        assert not results.errors
    return spent


def child(entry: str, task: str, trials: int) -> None:
    """One measurement, printed as JSON."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    import ray
    import ray.tune  # which costs a second, whoever comes first

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    fuse = {"a440, fuse='auto'": "auto", "a440, fuse=64": 64}.get(entry)
    spent = ray_best(task, trials) if entry.startswith("Ray") else a440(task, trials, fuse)
    tell(spent)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=3)
    parser.add_argument("--quick", action="store_true", help="a tenth of the trials, once")
    options = parser.parse_args()
    if options.child:
        child(options.child[0], options.child[1], int(options.child[2]))
        return
    rounds, part = (1, 10) if options.quick else (3, 1)
    print("| trials | entry | count | seconds | trials/s | over Ray Tune |\n|---|---|---|---|---|---|")
    for task in TASKS:
        spent: dict[str, list[float]] = {entry: [] for entry in TRIALS}
        for _ in range(rounds):
            for entry, trials in TRIALS.items():
                spent[entry].append(measured(__file__, "--child", entry, task, trials // part))
        rates = {entry: TRIALS[entry] // part / statistics.median(times) for entry, times in spent.items()}
        for entry, rate in rates.items():
            over = rate / rates["Ray Tune, best settings"]
            print(f"| {task} | {entry} | {TRIALS[entry] // part:,} | {statistics.median(spent[entry]):.1f} | "
                  f"{rate:.0f} | {over:.1f}x |", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
