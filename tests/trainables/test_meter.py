"""What every trial costs: measured, carried from leg to leg, and never in the way."""

import sys
import time

import numpy as np
import pytest

from search import Goal
from trainables import energy
from trainables.contract import Brief
from trainables.energy import CORE_W, Carbon, Energy, grid_g_per_kwh, source
from trainables.meter import Meter, peak_memory_mib
from trainables.session import Session
from trainables.start import starter


class Training:
    """One that counts its rows."""

    rows = 0


def burn(seconds):
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_joules_are_those_of_the_formula():
    """Lannelongue et al. 2021, eq. 1, with one busy core and no memory."""
    counted = Energy()
    counted.restart()

    began = time.process_time()
    burn(0.1)
    spent = counted.spent(0.1, memory_gib=0.0)

    assert spent == pytest.approx((time.process_time() - began) * CORE_W, rel=0.2)


def test_memory_costs_by_the_clock_and_sleep_costs_nothing_else():
    counted = Energy()
    counted.restart()

    time.sleep(0.05)

    assert counted.spent(0.05, memory_gib=8.0) == pytest.approx(0.05 * 8 * 0.4, rel=0.5)


def test_an_epoch_reports_rows_memory_joules_and_carbon():
    meter, training = Meter(), Training()
    meter.begin(joules=100.0)

    meter.start(training)
    burn(0.05)
    training.rows += 500
    seconds, found = meter.stop(training)

    assert found["rows_per_s"] == pytest.approx(500 / seconds)
    assert found["joules"] > 100.3
    assert found["co2_g"] == pytest.approx(found["joules"] / 3.6e6 * 475)
    assert found["peak_memory_mib"] == pytest.approx(peak_memory_mib(), rel=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets a peak back")
def test_a_peak_is_the_legs_own_and_not_that_of_the_process():
    meter, training = Meter(), Training()
    big = np.ones(40_000_000)
    del big
    meter.begin(0.0)

    meter.start(training)
    _, small = meter.stop(training)
    meter.start(training)
    held = np.ones(40_000_000)
    _, large = meter.stop(training)

    assert large["peak_memory_mib"] - small["peak_memory_mib"] == pytest.approx(held.nbytes / 2**20, rel=0.15)


def test_a_trial_goes_on_counting_where_it_was(tmp_path):
    def one(params):
        for _ in range(2):
            yield {"loss": 1.0}

    leg = {"trial": "t00001", "params": {}, "seed": 0, "upto": 0, "after": 0, "source": None, "seconds": 0.0,
           "joules": 40.0, "best": None, "best_epoch": 0}  # fmt: skip
    session = Session(starter(one, Brief("loss")), tmp_path, Goal("min", "loss"), meter=Meter())
    session.begin(leg)

    rows = session.advance()["reports"]

    assert 40.0 <= rows[0]["metrics"]["joules"] <= rows[1]["metrics"]["joules"]
    assert "rows_per_s" not in rows[0]["metrics"]


def test_what_a_trainable_reports_of_its_own_stands_and_a_goal_may_ask_for_what_is_measured(tmp_path):
    def own(params):
        yield {"accuracy": 0.5, "joules": 7.0}

    leg = {"trial": "t00001", "params": {}, "seed": 0, "upto": 0, "after": 0, "source": None, "seconds": 0.0,
           "best": None, "best_epoch": 0}  # fmt: skip
    goal = Goal.parse("max accuracy, min co2_g")
    session = Session(starter(own, Brief("accuracy")), tmp_path, goal, meter=Meter())
    session.begin(leg)

    said = session.advance()

    assert said["reports"][0]["metrics"]["joules"] == 7.0
    assert said["reports"][0]["metrics"]["co2_g"] >= 0


def test_the_grid_is_the_hosts_own_where_it_is_told(monkeypatch):
    monkeypatch.setenv("A440_CO2_G_PER_KWH", "56")
    assert grid_g_per_kwh() == 56.0
    assert "56 g CO2 per kWh" in source()

    monkeypatch.setenv("A440_CO2_G_PER_KWH", "little")
    assert grid_g_per_kwh() == 475.0


def test_codecarbon_takes_over_when_it_is_ready():
    carbon = Carbon()
    carbon._thread.join(30)
    carbon._asked_at = 0.0

    burn(0.2)
    watts = carbon.watts()
    carbon.close()

    assert watts > 0
    assert carbon._tracker is None


def test_a_source_that_fails_costs_no_trial_and_is_told_once(monkeypatch, capsys):
    monkeypatch.setattr(energy, "WARM_S", -1.0)
    counted = Energy()
    monkeypatch.setitem(sys.modules, "codecarbon", None)

    for _ in range(3):
        assert counted.spent(1.0, 0.5) > 0
        counted._carbon._thread.join(10)
    counted.close()

    assert capsys.readouterr().out.count("codecarbon failed (ModuleNotFoundError") == 1


def test_a_gpu_that_counts_no_energy_is_asked_once(monkeypatch):
    import pynvml

    asked = []

    def refuse(handle):
        asked.append(handle)
        raise pynvml.NVMLError_NotSupported()

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,GPU-1")
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: f"index {index}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda name: f"uuid {name}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", refuse)

    counted = Energy()
    counted.restart()

    assert counted.spent(1.0, 0.5) > 0
    assert asked == ["index 0"]


def test_the_counters_of_all_gpus_that_are_seen_are_joules(monkeypatch):
    import pynvml

    counts = {"index 0": iter([1000, 1000, 4000]), "uuid GPU-1": iter([0, 0, 2000])}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,GPU-1")
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: f"index {index}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda name: f"uuid {name}")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetTotalEnergyConsumption", lambda handle: next(counts[handle]))

    counted = Energy()
    counted.restart()

    assert counted.spent(0.0, 0.0) == pytest.approx(5.0, abs=0.2)
