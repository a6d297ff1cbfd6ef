"""What a driver carries: its processor time per result and per trial as the trials at once grow, and Ray's own bars.

The real driver loop (conductor, ledger, sampler, scheduler, Ray Tune's controller, placement groups, remote calls) runs
with 16, 64 and 256 trials at once, whose actors sit in one process (`crowd.py`), because no laptop has room for 256.
Beside it stand real actors on four pretended nodes, as many as fit, with the same trials as a crowd.
Run: python benchmarks/scale.py [--quick | --full]
"""

import argparse
import itertools
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
CPUS = 2  # that the embedded Ray declares, shared by as many trials as are to run at once
OFFERED = 500  # results a second, whatever the number of trials at once


@dataclass(frozen=True)
class Case:
    """One study to measure.

    Attributes:
        strategy: in a440's words.
        at_once: trials at the same time.
        trials: in all.
        epoch_s: how long an epoch takes.
    """

    strategy: str
    at_once: int
    trials: int
    epoch_s: float


@dataclass
class Figures:
    """What one study cost its driver, from the start of Ray Tune's loop to its end.

    Attributes:
        trials, results, reports: how many; a result is what a trial answers with, of one or more reports.
        cpu_s: processor time of the driver's process, all threads.
        own_s: the part of its main thread that was spent in our code.
        wall_s: seconds.
        ramp_s: until the last trial of a study that starts all at once had started.
        rate: reports a second while all trials were running; 0 where that never was.
        steady_ms: processor time per report meanwhile.
        first_ms, last_ms: processor time per trial, over the first and the last quarter of the trials.
        grown_kib: memory that each trial between these quarters' ends added.
        peak_mib: the most memory that the process ever had.
    """

    trials: int
    results: int
    reports: int
    cpu_s: float
    own_s: float
    wall_s: float
    ramp_s: float
    rate: float
    steady_ms: float
    first_ms: float
    last_ms: float
    grown_kib: float
    peak_mib: float


class Metered:
    """The driver as Ray Tune's adapters see it, with a clock on every word."""

    def __init__(self, lanes: Any):
        self._lanes = lanes
        self.own_s, self.results, self.reports = 0.0, 0, 0
        self.began_at: list[float] = []
        self.cpu_at: list[float] = []
        self.kib_at: list[float] = []
        self.heard_at: list[tuple[float, int, float]] = []
        self.first_end: float | None = None

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.thread_time()
        try:
            yield
        finally:
            self.own_s += time.thread_time() - began

    def next_leg(self, lane: str) -> Any:
        with self._timed():
            return self._lanes.next_leg(lane)

    @property
    def finished(self) -> bool:
        with self._timed():
            return bool(self._lanes.finished)

    def began(self, lane: str, actor: Any) -> None:
        with self._timed():
            self._lanes.began(lane, actor)
        self.began_at.append(time.perf_counter())
        self.cpu_at.append(time.process_time())
        self.kib_at.append(_resident_kib())

    def heard(self, lane: str, result: Any) -> bool:
        with self._timed():
            goes_on: bool = self._lanes.heard(lane, result)
        self.results += 1
        self.reports += len(result["said"][0]["reports"])
        self.heard_at.append((time.perf_counter(), self.reports, time.process_time()))
        if not goes_on and self.first_end is None:
            self.first_end = self.heard_at[-1][0]
        return goes_on

    def lost(self, lane: str, error: str) -> None:
        raise RuntimeError(f"a trial was lost while it was measured: {error}")

    def tick(self) -> None:
        with self._timed():
            self._lanes.tick()

    def steady(self) -> dict[str, float]:
        """What was carried between the last start and the first end."""
        window = [row for row in self.heard_at if self.began_at[-1] <= row[0] < (self.first_end or 0)]
        if len(window) < 2:
            return {"rate": 0.0, "steady_ms": 0.0}
        (began, before, cpu), (ended, after, cpu_then) = window[0], window[-1]
        return {"rate": (after - before) / (ended - began), "steady_ms": 1000 * (cpu_then - cpu) / (after - before)}

    def growth(self) -> dict[str, float]:
        """Whether a trial costs more, the more there were."""
        quarter = len(self.cpu_at) // 4
        cpu, kib = self.cpu_at, self.kib_at
        return {
            "first_ms": 1000 * (cpu[quarter] - cpu[0]) / quarter,
            "last_ms": 1000 * (cpu[-1] - cpu[-1 - quarter]) / quarter,
            "grown_kib": (kib[-1] - kib[quarter]) / (len(kib) - 1 - quarter),
        }


def _resident_kib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024


def training(epoch_s: float) -> Any:
    """What real actors train; a crowd answers with the same numbers."""

    def trained(params: dict[str, Any]) -> Iterator[dict[str, float]]:
        for epoch in itertools.count(1):
            time.sleep(epoch_s)
            yield {"loss": (params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2 + 0.5 / epoch}

    return trained


def run(case: Case, cpus: float, crowd: bool) -> Figures:
    """Runs a study, and reads the clocks around Ray Tune's loop."""
    from orchestrator import Bundle, Study, launch, uniform
    from search.notation import STRATEGIES, parse
    from search.schedulers import judged_epochs, last_epoch

    strategy = parse(case.strategy, STRATEGIES)
    found: list[Figures] = []
    real_fit = launch.fit

    def fit(trainable: Any, placement: Any, lanes: Any, at_once: int) -> None:
        assert at_once == case.at_once + 8, f"{at_once - 8} at once instead of {case.at_once}"
        metered = Metered(lanes)
        began, cpu = time.perf_counter(), time.process_time()
        real_fit(trainable, placement, metered, at_once)
        cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - began
        counts = {"trials": len(metered.began_at), "results": metered.results, "reports": metered.reports}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        clocks = {"cpu_s": cpu_s, "own_s": metered.own_s, "wall_s": wall_s, "ramp_s": metered.began_at[-1] - began}
        found.append(Figures(**counts, **clocks, **metered.steady(), **metered.growth(), peak_mib=peak))

    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if crowd:
            from crowd import Pace, crowded

            pace = Pace(case.epoch_s, last_epoch(strategy.scheduler))
            stack.enter_context(crowded(pace, tuple(judged_epochs(strategy.scheduler))))
        space = {"x": uniform(0, 1), "y": uniform(0, 1)}
        bundle = Bundle(cpus=int(cpus / case.at_once * 10_000) / 10_000)
        launch.fit = fit
        stack.callback(setattr, launch, "fit", real_fit)
        study = Study(training(case.epoch_s), space, "min loss", strategy, bundle=bundle, storage=folder)
        results = study.run(case.trials, progress=False)
        assert set(results.record.counts()) <= {"ended", "stopped"}, results.record.counts()
        assert sum(results.record.counts().values()) == case.trials
    return found[0]


def child(where: str, cases: list[Case]) -> None:
    """Runs studies one after another in this process, and prints their figures."""
    import ray
    import ray.tune  # a second, for whoever comes first

    with ExitStack() as stack:
        if where == "local":
            quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
            ray.init(address="local", num_cpus=CPUS, **quiet)
            cpus = CPUS
        else:
            cpus = stack.enter_context(_pretended_nodes())
        run(Case("Random() + FullLength(1)", 16, 16, 0.0), cpus, crowd=where != "real")
        for case in cases:
            print("FIGURES " + json.dumps(asdict(run(case, cpus, crowd=where != "real"))), flush=True)


@contextmanager
def _pretended_nodes() -> Iterator[int]:
    """A cluster of four nodes with four CPUs each, as they declare; they are processes of this host."""
    import ray

    from cluster import Machine, NodeType
    from cluster.simulation import Simulation
    from cluster.to_ray import connect, machines

    head = NodeType(name="head", machine=Machine(name="head", cpus=0))
    node = NodeType(name="node", machine=Machine(name="node", cpus=4), least=4, most=4)
    with Simulation(head, [node], idle_s=600) as cloud, connect(cloud.address):
        until = time.monotonic() + 90
        while ray.cluster_resources().get("CPU", 0) < 16:
            if time.monotonic() > until:
                raise RuntimeError(f"four nodes did not come within 90 s: {machines()}")
            time.sleep(0.5)
        yield 16


def measure(where: str, cases: list[Case], limit_s: float | None = None) -> list[Figures]:
    """The figures of some studies, from a process of their own."""
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(HERE.parent.parent)}
    command = [sys.executable, str(HERE), "--child", where, json.dumps([asdict(case) for case in cases])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        told, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.terminate()  # which ends its study, and the pretended nodes with it
        told, errors = process.communicate()
    lines = [line.removeprefix("FIGURES ") for line in told.splitlines() if line.startswith("FIGURES ")]
    if len(lines) < len(cases):
        raise RuntimeError(f"{where} {cases} failed, or took more than {limit_s} s:\n{told[-2000:]}\n{errors[-3000:]}")
    found = [Figures(**json.loads(line)) for line in lines]
    for case, figures in zip(cases, found, strict=True):
        print(f"  {where} {case}: {figures}", file=sys.stderr, flush=True)
    return found


@dataclass(frozen=True)
class Costs:
    """Milliseconds of the driver's processor per trial and per result, of all and of our part."""

    trial_ms: float
    result_ms: float
    own_trial_ms: float
    own_result_ms: float

    @staticmethod
    def of(short: Figures, long: Figures) -> "Costs":
        """What two studies tell whose trials answer a few times and often: two equations, two unknowns."""
        several = []
        for total in (lambda f: f.cpu_s, lambda f: f.own_s):
            determinant = short.trials * long.results - long.trials * short.results
            trial = (total(short) * long.results - total(long) * short.results) / determinant
            result = (short.trials * total(long) - long.trials * total(short)) / determinant
            several += [1000 * trial, 1000 * result]
        return Costs(several[0], several[1], several[2], several[3])


PAIRS = [  # the same strategy with short trials and with long ones
    ("Random() + FullLength", "Random() + FullLength(1)", "Random() + FullLength(9)"),
    ("Random() + ASHA", "Random() + ASHA(max_epochs=27)", "Random() + ASHA(max_epochs=27, grace_epochs=9)"),
    ("TPE() + ASHA", "TPE() + ASHA(max_epochs=27)", "TPE() + ASHA(max_epochs=27, grace_epochs=9)"),
]


def pair(short: str, long: str, at_once: int, trials: int) -> list[Case]:
    epoch_s = max(0.06, at_once / OFFERED)  # longer than half a batch: one report per result
    return [Case(strategy, at_once, trials, epoch_s) for strategy in (short, long)]


def grow(quick: bool) -> None:
    """What a trial and a result cost with more and more trials at once."""
    pairs = PAIRS[2:] if quick else PAIRS
    found: dict[tuple[str, int], Costs] = {}
    for n in (16,) if quick else (16, 64, 256):
        cases = [case for _, *both in pairs for case in pair(*both, n, max(2 * n, 96 if quick else 192))]
        figures = measure("local", cases)
        for (name, *_), short, long in zip(pairs, figures[::2], figures[1::2], strict=True):
            found[name, n] = Costs.of(short, long)
    print("| strategy | at once | ms a trial | of it ours | ms a result | of it ours | results/s carried |")
    print("|---|---|---|---|---|---|---|")
    for (name, n), costs in sorted(found.items()):
        print(f"| `{name}` | {n} | {costs.trial_ms:.1f} | {costs.own_trial_ms:.2f} | {costs.result_ms:.2f} | "
              f"{costs.own_result_ms:.2f} | {1000 / costs.result_ms:.0f} |", flush=True)  # fmt: skip


def anchor() -> None:
    """The same trials on real actors and in a crowd, on four pretended nodes."""
    cases = pair(*PAIRS[0][1:], at_once=16, trials=128)
    try:
        found = {where: measure(where, cases, limit_s=600) for where in ("real", "crowd")}
    except RuntimeError as error:
        print(f"\nreal actors on four pretended nodes: not measured, for {str(error).splitlines()[0]}")
        return
    print("\n| 16 at once on four nodes | ms a trial | ms a result |\n|---|---|---|")
    costs = {where: Costs.of(*both) for where, both in found.items()}
    for where, name in (("real", "real actors"), ("crowd", "a crowd")):
        print(f"| {name} | {costs[where].trial_ms:.1f} | {costs[where].result_ms:.2f} |")
    whole = [sum(f.cpu_s for f in found[where]) for where in ("real", "crowd")]
    print(f"the driver's processor time of both studies, real over crowd: {whole[0] / whole[1]:.2f}")


@dataclass(frozen=True)
class Bar:
    """One of Ray's release tests.

    Attributes:
        words: what it asks.
        limit_s: in which it is to be done.
        case: the part of it that is run here.
        work_s: how long it would take a driver without any cost.
        needed: reports a second while all trials run; None where trials follow one another.
    """

    words: str
    limit_s: float
    case: Case
    work_s: float
    needed: float | None = None

    def projected_s(self, part: Figures) -> float:
        """Of the whole, from what was measured of a part, if the driver had a core of its own."""
        if self.needed is None:
            return part.wall_s * 10_000 / part.trials
        return part.ramp_s + self.work_s * max(1.0, self.needed * part.steady_ms / 1000)

    def carried(self, part: Figures) -> float:
        """Reports a second, or trials where they follow one another, that a core carries."""
        return part.trials / part.cpu_s if self.needed is None else 1000 / part.steady_ms


def bars(quick: bool, full: bool) -> list[Bar]:
    trials = 10_000 if full else 160 if quick else 320
    slow, fast = ("50", "5000") if full else ("10", "250") if quick else ("20", "1000")
    return [
        Bar("10,000 trials of 1 s, 16 at once", 800, Case("Random() + FullLength(1)", 16, trials, 1.0), 625),
        Bar("1,000 trials at once, a report every 2 s for 100 s", 130,
            Case(f"Random() + FullLength({slow})", 1000, 1000, 2.0), 100, 500),
        Bar("96 trials at once, 50 reports/s each for 100 s", 120,
            Case(f"Random() + FullLength({fast})", 96, 96, 0.02), 100, 4800),
    ]  # fmt: skip


def hold(quick: bool, full: bool) -> None:
    """Ray's bars, each run in part or in full, in real time."""
    print("\n| Ray's bar | limit s | run here | took s | driver busy | asked /s | a core carries /s | projected s |")
    print("|---|---|---|---|---|---|---|---|")
    for bar in bars(quick, full)[: 1 if quick else 3]:
        [part] = measure("local", [bar.case])
        length = part.reports / part.trials * bar.case.epoch_s
        print(f"| {bar.words} | {bar.limit_s:.0f} | {part.trials} trials of {length:.0f} s | {part.wall_s:.0f} | "
              f"{part.cpu_s / part.wall_s:.0%} | {bar.needed or 16:.0f} | {bar.carried(part):.0f} | "
              f"{bar.projected_s(part):.0f} |", flush=True)  # fmt: skip


def lengthen(trials: int) -> None:
    """Whether the last trials cost what the first did, and what each leaves in memory."""
    print("\n| trials | ms a trial, first quarter | last quarter | KiB kept a trial | peak MiB |")
    print("|---|---|---|---|---|")
    strategy = "TPE() + ASHA(max_epochs=27)"
    [found] = measure("local", [Case(strategy, 16, trials, 0.0)])
    print(f"| `{strategy}`, {trials:,} | {found.first_ms:.1f} | {found.last_ms:.1f} | {found.grown_kib:.1f} | "
          f"{found.peak_mib:.0f} |", flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--child", nargs=2)
    parser.add_argument("--quick", action="store_true", help="one strategy, the first bar for ten seconds: a minute")
    parser.add_argument("--full", action="store_true", help="Ray's bars in full, and 10,000 trials: half an hour")
    options = parser.parse_args()
    if options.child:
        child(options.child[0], [Case(**case) for case in json.loads(options.child[1])])
        return
    grow(options.quick)
    if not options.quick:
        anchor()
        lengthen(10_000 if options.full else 1_200)
    hold(options.quick, options.full)


if __name__ == "__main__":
    main()
