"""A driver is killed with -9 at random moments; the study ends as if nothing had happened."""

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import Results, ledger

TRIALS, EPOCHS, CPUS, KILLS = 10, 6, 2, 3
ROOT = Path(__file__).resolve().parents[2]

STUDY = f"""\
name: killed
train: tests.kit.trainables:Counting
space: {{x: "uniform(0, 1)"}}
goal: min loss
strategy: STRATEGY
budget: {{trials: {TRIALS}}}
"""


def start(arguments, environment, log):
    command = [sys.executable, "-m", "orchestrator.cli", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )


def reports(storage):
    [folder] = list(storage.iterdir()) or [None]
    if folder is None:
        return 0, None
    events = ledger.read(folder / "ledger").events
    return sum(event["event"] == "reported" for event in events), folder


def wait_for_reports(storage, more, process, log):
    """Until so many more reports are in the ledger; the study's folder."""
    before = reports(storage)[0] if storage.exists() else 0
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        if storage.exists() and list(storage.iterdir()):
            count, folder = reports(storage)
            if count >= before + more or process.poll() is not None:
                return folder
        assert process.poll() is None, Path(log.name).read_text()
        time.sleep(0.02)
    raise AssertionError(Path(log.name).read_text())


@pytest.mark.parametrize(
    "strategy", ["TPE() + ASHA(max_epochs=6, keep_1_in=2)", "Random() + PBT(max_epochs=6, every=2)"]
)
def test_a_study_killed_three_times_loses_no_trial_and_repeats_at_most_what_was_running(tmp_path, strategy):
    kill_and_resume(tmp_path, strategy, KILLS, seed=time.time_ns())


@pytest.mark.soak
@pytest.mark.parametrize(
    "strategy", ["TPE() + ASHA(max_epochs=6, keep_1_in=2)", "Random() + PBT(max_epochs=6, every=2)"]
)
def test_a_study_whose_trials_share_processes_survives_ten_kills(tmp_path, strategy):
    kill_and_resume(tmp_path, strategy, 10, seed=time.time_ns(), fuse=3)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "strategy",
    [
        "TPE() + ASHA(max_epochs=6, keep_1_in=2)",
        "Random() + ASHA(max_epochs=6, keep_1_in=2, promote=True)",
        "Random() + PBT(max_epochs=6, every=2)",
        "Grid(points=10) + FullLength(epochs=6)",
        "Sobol() + PB2(max_epochs=6, every=2)",
        "Random() + Hyperband(max_epochs=6, keep_1_in=2)",
        "BOHB(max_epochs=6, keep_1_in=2)",
        "Evolution(population=4, tournament=2) + MedianStop(max_epochs=6)",
        "Sobol(n=4) >> TPE() + Extrapolate(max_epochs=6)",
    ],
)
def test_every_strategy_survives_ten_kills(tmp_path, strategy, seed):
    kill_and_resume(tmp_path, strategy, 10, seed)


@pytest.mark.parametrize("fuse", [1, 3])
def test_ctrl_c_keeps_what_runs_and_the_study_goes_on_later(tmp_path, fuse):
    counted, storage, study = tmp_path / "counted", tmp_path / "runs", tmp_path / "study.yaml"
    counted.touch()
    study.write_text(
        STUDY.replace("STRATEGY", "Random() + FullLength(epochs=30)") + f"storage: {storage}\nfuse: {fuse}\n"
    )
    environment = {**os.environ, "COUNTED_IN": str(counted), "RAY_ADDRESS": "local"}

    with (tmp_path / "log").open("w") as log:
        process = start(["run", study, "--trials", 3], environment, log)
        folder = wait_for_reports(storage, 6, process, log)
        os.kill(process.pid, signal.SIGINT)
        interrupted = process.wait(timeout=60)
        waiting = Results(folder).record
        for trial in waiting.trials.values():
            assert trial.status in ("waiting", "proposed")
            kept = folder / "trials" / trial.id / "checkpoints" / f"e{trial.epoch:05d}"
            assert kept.is_dir() or not trial.epoch
        resumed = start(["resume", folder], environment, log).wait(timeout=120)

    said = (tmp_path / "log").read_text()
    assert interrupted == 130, said
    assert "a440 resume" in said
    assert waiting.outcome == "interrupted"
    assert resumed == 0, said
    executed = collections.Counter(counted.read_text().splitlines())
    assert len(executed) == 3 * 30
    assert set(executed.values()) == {1}, "an interruption repeats nothing"
    assert subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True).stdout == b"", "orphans"


COSTS = ("seconds", "joules", "co2_g", "peak_memory_mib", "rows_per_s")


@pytest.mark.soak
@pytest.mark.parametrize("family", ["Machine", "Grown", "Network", "Perceptron", "Lit"])
def test_models_of_every_family_end_as_if_nothing_had_happened(tmp_path, family):
    whole, killed = undisturbed_and_killed(tmp_path, family)

    assert killed.equals(whole)


@pytest.mark.soak
def test_networks_that_are_trained_together_end_as_if_nothing_had_happened(tmp_path):
    whole, killed = undisturbed_and_killed(tmp_path, "Network", fuse=4)

    assert killed[["trial", "epoch"]].equals(whole[["trial", "epoch"]])
    for name in set(whole) - {"trial", "epoch"}:  # one that goes on alone rounds otherwise than four together
        assert killed[name].to_numpy() == pytest.approx(whole[name].to_numpy(), abs=2e-3), name


def undisturbed_and_killed(tmp_path, family, fuse=1):
    """The curves of a study, and of the same study killed four times."""
    moments = random.Random(family)
    sheet = STUDY.replace("tests.kit.trainables:Counting", f"tests.kit.families:{family}").replace(
        "min loss", "max accuracy"
    )
    sheet = sheet.replace("STRATEGY", "Random() + FullLength(epochs=12)").replace(f"trials: {TRIALS}", "trials: 4")
    environment, folders = {**os.environ, "RAY_ADDRESS": "local"}, {}
    for kills in (0, 4):
        storage, study = tmp_path / f"runs{kills}", tmp_path / f"study{kills}.yaml"
        study.write_text(sheet + f"data: digits\nstorage: {storage}\nfuse: {fuse}\n")
        arguments = ["run", study]
        with (tmp_path / f"log{kills}").open("w") as log:
            for _ in range(kills):
                process = start(arguments, environment, log)
                folder = wait_for_reports(storage, moments.randint(1, 12), process, log)
                if process.poll() is None:
                    os.kill(process.pid, signal.SIGKILL)
                process.wait()
                arguments = ["resume", folder]
            code = start(arguments, environment, log).wait(timeout=300)
        assert code == 0, (tmp_path / f"log{kills}").read_text()
        folders[kills] = next(storage.iterdir())

    whole, killed = (
        Results(folders[kills]).curves().sort_values(["trial", "epoch"]).reset_index(drop=True) for kills in (0, 4)
    )

    assert len(whole) == 4 * 12
    names = [name for name in whole if name not in COSTS]
    return whole[names], killed[names]


def kill_and_resume(tmp_path, strategy, kills, seed, fuse=1):
    print(f"seed {seed}")
    moments, counted, storage = random.Random(seed), tmp_path / "counted", tmp_path / "runs"
    counted.touch()
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("STRATEGY", strategy) + f"storage: {storage}\nfuse: {fuse}\n")
    environment = {**os.environ, "COUNTED_IN": str(counted), "RAY_ADDRESS": "local"}
    arguments, folder, done = ["run", study], None, 0
    with (tmp_path / "log").open("w") as log:
        for _ in range(kills):
            process = start(arguments, environment, log)
            folder = wait_for_reports(storage, moments.randint(1, 8), process, log)
            time.sleep(moments.uniform(0, 0.1))
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                done += 1
            process.wait()
            arguments = ["resume", folder]
        code = start(arguments, environment, log).wait(timeout=180)

    results = Results(folder)
    executed = collections.Counter(counted.read_text().splitlines())
    assert code == 0, (tmp_path / "log").read_text()
    assert results.outcome == "done"
    assert len(results.record.trials) == TRIALS
    assert set(results.frame().status) <= ({"ended"} if "PB" in strategy else {"ended", "stopped"})
    curves = results.curves()
    assert not curves.duplicated(["trial", "epoch"]).any()
    assert (curves.groupby("trial").epoch.max() == curves.groupby("trial").size()).all()
    assert results.best.value == curves.loss.min()
    wasted = sum(executed.values()) - len(curves)  # members of a population may share an x
    assert wasted <= done * CPUS * fuse, executed
