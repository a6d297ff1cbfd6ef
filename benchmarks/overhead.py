"""What a trial costs beside its training: a440, raw Ray Tune (defaults and best settings) and Optuna.

Each entry runs no-op trials in a process of its own, interleaved, and the medians are compared; the
start of Ray and the import of Ray Tune are not counted for anybody. Run: python benchmarks/overhead.py [--quick]
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from apart import measured, tell

REPORTS = 2_000  # per trial, in the report benchmark


def no_op(params: dict) -> dict:
    """A trial that costs nothing."""
    return {"loss": params["x"]}


def chatty(params: dict) -> Any:
    """A trial that reports as fast as it can."""
    for _ in range(REPORTS):
        yield {"loss": params["x"]}


def a440(trials: int) -> dict[str, float]:
    from orchestrator import FullLength, Random, Study, uniform

    with tempfile.TemporaryDirectory() as folder:
        study = Study(no_op, {"x": uniform(0, 1)}, "min loss", Random() + FullLength(), storage=folder)
        began = time.perf_counter()
        results = study.run(trials, progress=False)
        spent = time.perf_counter() - began
        assert results.record.counts() == {"ended": trials}
    return {"seconds": spent}


def a440_reports(trials: int) -> dict[str, float]:
    from orchestrator import FullLength, Random, Study, uniform

    with tempfile.TemporaryDirectory() as folder:
        study = Study(chatty, {"x": uniform(0, 1)}, "min loss", Random() + FullLength(), storage=folder)
        began = time.perf_counter()
        results = study.run(trials, progress=False)
        spent = time.perf_counter() - began
        assert len(results.curves()) == trials * REPORTS
    return {"seconds": spent, "reports": trials * REPORTS}


def a440_resume(trials: int) -> dict[str, float]:
    """Seconds from a finished study of `trials` to its next trial's proposal: TPE's state included."""
    from orchestrator import ASHA, TPE, Study, drive, ledger, uniform
    from orchestrator.watchdog import Watchdog

    def nine(params: dict) -> Any:
        for epoch in range(9):
            yield {"loss": params["x"] ** 2 + params["y"] / (epoch + 1)}

    with tempfile.TemporaryDirectory() as folder:
        space = {"x": uniform(0, 1), "y": uniform(0, 1)}
        study = Study(nine, space, "min loss", TPE() + ASHA(max_epochs=9), storage=folder)
        done = study.run(trials, progress=False)
        longer = study.with_budget(trials + 1)
        outlook = longer.plan()
        began = time.perf_counter()
        reading = ledger.read(done.folder / "ledger")
        driver = drive._Driver(longer, done.folder, b"", outlook, drive.Before(), None, None, None, Watchdog(), False)
        conductor = driver._conductor(_Book(), lambda: 0.0)
        conductor.replay(reading.events)
        [leg] = conductor.ask("lane", "1")
        assert leg["trial"] == f"t{trials + 1:05d}"
        return {"seconds": time.perf_counter() - began, "events": len(reading.events)}


class _Book:
    """A ledger that forgets."""

    def __init__(self) -> None:
        self.seq = 0

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        self.seq += 1
        return {"seq": self.seq, "t": 0.0, "event": event, **fields}


def ray_best(trials: int) -> dict[str, float]:
    """Class trainable, actors reused, loggers off."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    return _tune(_class_trainable(), trials, reuse_actors=True)


def ray_defaults(trials: int) -> dict[str, float]:
    return _tune(no_op, trials)


def ray_best_reports(trials: int) -> dict[str, float]:
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    return {**_tune(_class_trainable(REPORTS), trials, reuse_actors=True), "reports": trials * REPORTS}


def _class_trainable(epochs: int = 1) -> type:
    from ray import tune

    class NoOp(tune.Trainable):
        def setup(self, config: dict) -> None:
            self.x, self.epoch = config["x"], 0

        def reset_config(self, config: dict) -> bool:
            self.x, self.epoch = config["x"], 0
            return True

        def step(self) -> dict:
            self.epoch += 1
            return {"loss": self.x, "done": self.epoch >= epochs}

        def save_checkpoint(self, folder: str) -> None:
            return None

        def load_checkpoint(self, folder: Any) -> None:
            return None

    return NoOp


def _tune(trainable: Any, trials: int, **config: Any) -> dict[str, float]:
    from ray import tune

    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            trainable,
            param_space={"x": tune.uniform(0, 1)},
            tune_config=tune.TuneConfig(num_samples=trials, metric="loss", mode="min", **config),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        began = time.perf_counter()
        grid = tuner.fit()
        spent = time.perf_counter() - began
        assert len(grid) == trials
        assert not grid.errors
    return {"seconds": spent}


def optuna(trials: int) -> dict[str, float]:
    import optuna as peer

    peer.logging.set_verbosity(peer.logging.ERROR)
    study = peer.create_study(sampler=peer.samplers.RandomSampler())
    began = time.perf_counter()
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=trials)
    return {"seconds": time.perf_counter() - began}


def ledger_event(events: int) -> dict[str, float]:
    """One event written and flushed, not forced to disk."""
    from orchestrator.ledger import Ledger

    with tempfile.TemporaryDirectory() as folder:
        book = Ledger(Path(folder) / "ledger", time.monotonic)
        began = time.perf_counter()
        for epoch in range(events):
            book.append("reported", trial="t00001", epoch=epoch, seconds=1.0, metrics={"loss": 0.25, "accuracy": 0.5})
        spent = time.perf_counter() - began
        book.close()
    return {"seconds": spent}


ENTRIES = {f.__name__: f for f in (a440, ray_best, ray_defaults, optuna, a440_reports, ray_best_reports, a440_resume,
                                   ledger_event)}  # fmt: skip


def child(name: str, count: int) -> None:
    """Runs one entry in this process and prints its figures."""
    if name not in ("optuna", "ledger_event"):
        import logging

        import ray
        import ray.tune  # a second, for whoever comes first

        ray.init(address="local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    found = ENTRIES[name](count)
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tell(found)


def compare(plan: list[tuple[str, int]], repeats: int) -> dict[tuple[str, int], dict[str, float]]:
    """Medians, with the entries interleaved so that a busy minute hits them all."""
    runs: dict[tuple[str, int], list[dict[str, float]]] = {key: [] for key in plan}
    for repeat in range(repeats):
        for key in plan:
            if key[0] == "ray_defaults" and repeat > 0:
                continue  # minutes long, and far from the bar
            runs[key].append(measured(__file__, "--child", *key))
            print(f"  {key[0]} {key[1]}: {runs[key][-1]}", file=sys.stderr, flush=True)
    return {key: {f: statistics.median(r[f] for r in rows) for f in rows[0]} for key, rows in runs.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--quick", action="store_true", help="once, and without Ray Tune's defaults")
    options = parser.parse_args()
    if options.child:
        child(options.child[0], int(options.child[1]))
        return
    plan = [("a440", 200), ("ray_best", 200), ("a440", 1000), ("ray_best", 1000), ("optuna", 1000),
            ("a440_reports", 4), ("ray_best_reports", 4), ("a440_resume", 1000), ("ledger_event", 20_000)]  # fmt: skip
    if not options.quick:
        plan += [("ray_defaults", 60)]
    found = compare(plan, 1 if options.quick else 3)
    print("| entry | count | seconds | ms each | peak MiB |\n|---|---|---|---|---|")
    for (name, count), row in found.items():
        each = 1000 * row["seconds"] / row.get("reports", count)
        print(f"| {name} | {count} | {row['seconds']:.2f} | {each:.4g} | {row['peak_mib']:.0f} |")
    for count in (200, 1000):
        ratio = found["a440", count]["seconds"] / found["ray_best", count]["seconds"]
        print(f"a440 / Ray's best settings at {count} trials: {ratio:.2f}")
    margin = [(found[name, 1000]["seconds"] - found[name, 200]["seconds"]) / 0.8 for name in ("a440", "ray_best")]
    print(f"at the margin, ms a trial from 200 to 1,000: a440 {margin[0]:.1f}, Ray's best settings {margin[1]:.1f}")
    if ("ray_defaults", 60) in found:
        ours = found["a440", 200]["seconds"] / 200
        print(f"Ray's defaults / a440: {found['ray_defaults', 60]['seconds'] / 60 / ours:.0f}")


if __name__ == "__main__":
    main()
