"""Studies whose storage is an object store: run, killed, resumed from there alone, as if nothing had happened."""

import collections
import os
import random
import shlex
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from orchestrator import Results
from orchestrator.spec import load
from tests.kit.drivers import start
from trainables.remote import Remote

EPOCHS = 12
COSTS = ("seconds", "joules", "co2_g", "peak_memory_mib", "rows_per_s")
STUDY = """\
name: stored
train: TRAIN
space: {x: "uniform(0, 1)"}
goal: GOAL
strategy: STRATEGY
budget: {trials: TRIALS}
storage: STORAGE
"""


def sheet(tmp_path, storage, train="tests.kit.trainables:Counting", strategy=None, trials=3, goal="min loss", more=""):
    text = STUDY.replace("TRAIN", train).replace("STRATEGY", strategy or f"Random() + FullLength(epochs={EPOCHS})")
    file = tmp_path / f"study-{len(list(tmp_path.glob('study-*')))}.yaml"
    file.write_text(text.replace("TRIALS", str(trials)).replace("STORAGE", str(storage)).replace("GOAL", goal) + more)
    return file


class Home:
    """What a test sees of the only study below an address."""

    def __init__(self, prefix):
        self._prefix, self.uri = Remote.at(prefix), None

    def reports(self):
        """How many reports have reached it; without touching the driver's working copy."""
        if self.uri is None:
            found = [entry.path for entry in self._prefix.entries() if entry.is_folder]
            if not found:
                return 0
            self.uri = self._prefix.below(found[0]).uri
        ledger = Remote.at(self.uri).below("ledger")
        segments = [entry.path for entry in ledger.entries() if entry.path.endswith(".jsonl")]
        return sum(ledger.read(name).count(b'"event":"reported"') for name in segments)

    def wait(self, more, process, log):
        before, deadline = self.reports(), time.monotonic() + 300
        while self.reports() < before + more and process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                raise AssertionError(Path(log.name).read_text())
            time.sleep(0.05)
        assert self.uri is not None, Path(log.name).read_text()


@pytest.fixture
def environment(object_store, prefix, tmp_path):
    (tmp_path / "counted").touch()
    return {**os.environ, "COUNTED_IN": str(tmp_path / "counted"), "RAY_ADDRESS": "local"}


def curves(place):
    frame = Results(place).curves().sort_values(["trial", "epoch"]).reset_index(drop=True)
    return frame[[name for name in frame if name not in COSTS]]


@pytest.mark.parametrize("store", ["prefix", pytest.param("google_prefix", marks=pytest.mark.soak)])
def test_a_study_that_is_interrupted_is_resumed_from_the_store_alone(tmp_path, store, request, environment):
    prefix = request.getfixturevalue(store)
    home, cache = Home(prefix), tmp_path / "cache"
    local = sheet(tmp_path, tmp_path / "runs")
    stored = sheet(tmp_path, prefix)

    with (tmp_path / "log").open("w") as log:
        undisturbed = start(["run", local], environment, log).wait(timeout=120)
        driver = start(["run", stored], environment, log)
        home.wait(6, driver, log)
        os.kill(driver.pid, signal.SIGINT)
        interrupted = driver.wait(timeout=60)
        shutil.rmtree(cache)
        before = Results(home.uri).record
        (tmp_path / "counted").write_text("")
        resumed = start(["resume", home.uri], environment, log).wait(timeout=120)

    said = (tmp_path / "log").read_text()
    assert (undisturbed, interrupted, resumed) == (0, 130, 0), said
    assert f"a440 resume {shlex.quote(home.uri)}" in said
    assert before.outcome == "interrupted"
    assert sum(trial.epoch for trial in before.trials.values()) >= 6
    executed = collections.Counter((tmp_path / "counted").read_text().splitlines())
    assert sum(executed.values()) == 3 * EPOCHS - sum(trial.epoch for trial in before.trials.values())
    [folder] = (tmp_path / "runs").iterdir()
    assert len(curves(folder)) == 3 * EPOCHS
    assert curves(home.uri).equals(curves(folder))
    assert Results(home.uri).best.checkpoint.startswith(f"{home.uri.split('?')[0]}/trials/t0000")
    assert "testing-secret" not in "".join(
        path.read_text(errors="replace") for path in cache.rglob("*") if path.is_file()
    )


def test_a_winner_is_retrained_in_the_store_and_asked_there(tmp_path, prefix, environment, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "local")
    study = load(
        sheet(
            tmp_path, prefix, "tests.kit.trainables:Mean", "Random() + FullLength(epochs=1)", 2, "min rmse",
            "data: {source: diabetes, test: 0.2}\n",
        ),
        ["space.shift='uniform(0, 1)'"],
    )  # fmt: skip

    results = study.run(progress=False)
    retrained = study.retrain(results, progress=False)
    place = Results(retrained.folder).best.checkpoint
    shutil.rmtree(tmp_path / "cache")
    said = study.predict(place.split("/trials/")[0], [[0.0] * 10] * 3)

    assert place.startswith(f"{prefix}/")
    assert retrained.tested is not None
    assert len(said) == 3


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "strategy", ["TPE() + ASHA(max_epochs=6, keep_1_in=2)", "Random() + PBT(max_epochs=6, every=2)"]
)
def test_a_driver_killed_with_9_loses_nothing_that_matters(tmp_path, prefix, environment, strategy, seed):
    moments, home, kills = random.Random(seed), Home(prefix), 5
    arguments = ["run", sheet(tmp_path, prefix, strategy=strategy, trials=10)]
    with (tmp_path / "log").open("w") as log:
        for kill in range(kills):
            driver = start(arguments, environment, log)
            home.wait(moments.randint(1, 8), driver, log)
            time.sleep(moments.uniform(0, 2))
            if driver.poll() is None:
                os.kill(driver.pid, signal.SIGKILL)
            driver.wait()
            if kill % 2:
                shutil.rmtree(tmp_path / "cache")  # the head's disk is gone, too
            arguments = ["resume", home.uri]
        code = start(arguments, environment, log).wait(timeout=180)

    results = Results(home.uri)
    found = results.curves()
    assert code == 0, (tmp_path / "log").read_text()
    assert results.outcome == "done"
    assert len(results.record.trials) == 10
    assert set(results.frame().status) <= ({"ended"} if "PB" in strategy else {"ended", "stopped"})
    assert not found.duplicated(["trial", "epoch"]).any()
    assert (found.groupby("trial").epoch.max() == found.groupby("trial").size()).all()
    assert results.best.value == found.loss.min()
    assert results.fetch(results.best.trial) is not None


@pytest.mark.soak
@pytest.mark.parametrize("family", ["Machine", "Grown", "Network", "Perceptron", "Lit"])
def test_models_of_every_family_go_on_from_the_store(tmp_path, prefix, environment, family):
    moments, home = random.Random(family), Home(prefix)
    train, more, log = f"tests.kit.families:{family}", "data: digits\n", (tmp_path / "log").open("w")
    local = sheet(tmp_path, tmp_path / "runs", train, trials=4, goal="max accuracy", more=more)
    arguments = ["run", sheet(tmp_path, prefix, train, trials=4, goal="max accuracy", more=more)]

    with log:
        codes = [start(["run", local], environment, log).wait(timeout=300)]
        for _ in range(3):
            driver = start(arguments, environment, log)
            home.wait(moments.randint(1, 12), driver, log)
            if driver.poll() is None:
                os.kill(driver.pid, signal.SIGKILL)
            driver.wait()
            shutil.rmtree(tmp_path / "cache")
            arguments = ["resume", home.uri]
        codes.append(start(arguments, environment, log).wait(timeout=300))

    assert codes == [0, 0], (tmp_path / "log").read_text()
    [folder] = (tmp_path / "runs").iterdir()
    assert len(curves(folder)) == 4 * EPOCHS
    assert curves(home.uri).equals(curves(folder))


@pytest.mark.soak
def test_a_server_that_goes_away_for_six_seconds_is_ridden_through(object_store, tmp_path, prefix, environment):
    home = Home(prefix)
    local = sheet(tmp_path, tmp_path / "runs", strategy="Random() + FullLength(epochs=60)", trials=6)
    stored = sheet(tmp_path, prefix, strategy="Random() + FullLength(epochs=60)", trials=6)

    with (tmp_path / "log").open("w") as log:
        codes = [start(["run", local], environment, log).wait(timeout=300)]
        driver = start(["run", stored], environment, log)
        home.wait(20, driver, log)
        object_store.stop()
        back = threading.Timer(6.0, object_store.start)
        back.start()
        back.join()
        codes.append(driver.wait(timeout=300))

    assert codes == [0, 0], (tmp_path / "log").read_text()
    [folder] = (tmp_path / "runs").iterdir()
    assert len(curves(folder)) == 6 * 60
    assert curves(home.uri).equals(curves(folder))
