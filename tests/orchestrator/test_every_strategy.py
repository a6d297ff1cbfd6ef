"""Every sampler and every scheduler that the facade names runs the example, is killed, and ends its study."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestrator import Results, ledger
from search.notation import STRATEGIES
from tests.kit.strategies import EVERYONE

ROOT = Path(__file__).resolve().parents[2]
TRIALS = 8


def test_everyone_is_everyone():
    named = {name for text in EVERYONE for name in re.findall(r"([A-Z]\w+)\(", text)}

    assert named == set(STRATEGIES)


@pytest.mark.soak
@pytest.mark.parametrize("strategy", EVERYONE)
def test_the_example_runs_under_every_strategy_and_survives_a_kill(tmp_path, strategy):
    log, storage = tmp_path / "log", tmp_path / "runs"
    command = [sys.executable, "-m", "orchestrator.cli"]
    settings = [f"strategy={strategy}", f"storage={storage}", f"budget.trials={TRIALS}"]
    run = ["run", "examples/digits.yaml", *(part for setting in settings for part in ("--set", setting))]
    environment = {**os.environ, "RAY_ADDRESS": "local"}

    with log.open("w") as file:
        process = subprocess.Popen([*command, *run], cwd=ROOT, env=environment, stdout=file, stderr=file)
        folder = reported(storage, process, least=6)
        process.kill()
        process.wait()
        resumed = subprocess.run([*command, "resume", folder], cwd=ROOT, env=environment, stdout=file, stderr=file)

    said, results = log.read_text(), Results(folder)
    assert resumed.returncode == 0, said
    assert results.outcome == "done"
    assert len(results.record.trials) == TRIALS
    assert set(results.frame().status) <= ({"ended"} if "PB" in strategy else {"ended", "stopped"})
    curves = results.curves()
    assert not curves.duplicated(["trial", "epoch"]).any()
    assert results.best.value == curves.accuracy.max()
    assert "Traceback" not in said


def reported(storage: Path, process: subprocess.Popen, least: int) -> Path:
    """The study's folder, when so many reports are in its ledger or the process is over."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for folder in storage.glob("digits*"):
            events = ledger.read(folder / "ledger").events
            if sum(event["event"] == "reported" for event in events) >= least or process.poll() is not None:
                return folder
        time.sleep(0.05)
    raise AssertionError("nothing was reported in two minutes")
