"""Studies on machines that come and go: Ray's own autoscaler over pretended machines, one cluster for the module."""

import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster import Bundle, Fleet, autoscaler
from cluster.clouds import Options, launch_text
from cluster.launch_file import parse
from cluster.scaling import summed
from cluster.simulation import Simulation
from orchestrator import FullLength, Grid, Random, Results, Study, choice, fixed, ledger, uniform
from orchestrator.drive import drive
from orchestrator.rehearsal import Weather, rehearse
from tests.kit import trainables
from tests.kit.fleets import HEAD, SPOT, STEADY

ROOT = Path(__file__).resolve().parents[2]
TYPES = (HEAD, SPOT, STEADY)


@pytest.fixture(scope="module")
def simulation():
    from cluster.to_ray import connect

    with Simulation(HEAD, [SPOT, STEADY], idle_s=3) as cluster, connect(cluster.address):
        yield cluster


def study(storage, bundle, strategy=None, space=None, **more):
    space = space or {"x": uniform(0, 1)}
    return Study(
        trainables.Paced, space, "min loss", strategy or Random() + FullLength(3), bundle, storage=storage, **more
    )


def run(study, simulation, trials, spot_s=300.0):
    fleet = Fleet((), TYPES, 5, spot_s)
    return drive(study.with_budget(trials), None, address=simulation.address, progress=False, may_come=fleet)


def groups():
    """The types of the machines that are alive now, without the head."""
    from cluster.to_ray import machines

    return sorted(group for machine in machines() if (group := machine.labels.get("ray.io/node-group")))


def reported(storage):
    """How many epochs stand in the ledger of the only study there."""
    folders = list(storage.iterdir())
    events = ledger.read(folders[0] / "ledger").events if folders else []
    return sum(event["event"] == "reported" for event in events)


def wait_until(condition, seconds):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.2)
    assert condition()


@contextmanager
def seen():
    """How many machines there were, as often as that changed while the block lasted."""
    counts, over = [0], threading.Event()

    def look():
        while not over.wait(0.1):
            if (now := len(groups())) != counts[-1]:
                counts.append(now)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield counts
    finally:
        over.set()
        thread.join()


def test_machines_come_for_a_study_and_go_in_its_tail_and_after_it(simulation, tmp_path):
    long = study(tmp_path, Bundle(gpus=1), Grid() + FullLength(50), {"x": choice(0.1, 0.2), "epochs": choice(2, 50)})

    with seen() as counts:
        results = run(long, simulation, trials=4)
        at_the_end = len(groups())
    wait_until(lambda: not groups(), 20)

    frame = results.frame()
    assert sorted(frame["epoch"]) == [2, 2, 50, 50]
    assert set(frame["status"]) == {"ended"}
    assert max(counts) >= 3
    assert at_the_end <= max(counts) - 1  # the tail of two trials did not hold the others' machines


def test_a_bundle_that_no_machine_will_ever_hold_is_refused_before_anything_starts(simulation, tmp_path):
    with pytest.raises(ValueError, match=r"each trial needs 2 GPUs on one machine; the largest has 1\."):
        run(study(tmp_path, Bundle(gpus=2)), simulation, trials=1)

    assert not list(tmp_path.iterdir())


def test_a_trial_of_a_machine_that_is_taken_back_goes_on_from_its_checkpoint_and_ends_once(simulation, tmp_path):
    long = study(tmp_path, Bundle(gpus=1), Random() + FullLength(60), {"x": uniform(0, 1), "epochs": fixed(60)})

    def reclaim():
        wait_until(lambda: reported(tmp_path) >= 10, 90)
        simulation.reclaim(*groups())

    thread = threading.Thread(target=reclaim)
    thread.start()
    results = run(long, simulation, trials=1)
    thread.join()

    [trial] = results.record.trials.values()
    curves = results.curves()
    assert (trial.status, trial.epoch, trial.faults) == ("ended", 60, 0)
    assert trial.legs == 2
    assert list(curves["epoch"]) == list(range(1, 61))


def test_trials_that_wait_for_exhausted_spot_machines_turn_to_on_demand_ones(simulation, tmp_path):
    wait_until(lambda: not groups(), 20)
    simulation.exhaust("spot")

    results = run(study(tmp_path, Bundle(gpus=1)), simulation, trials=2, spot_s=4.0)
    [refused] = summed(autoscaler.scaling().refused)
    simulation.exhaust()
    left = groups()
    wait_until(lambda: not groups(), 20)

    assert set(results.frame()["status"]) == {"ended"}
    assert set(left) == {"steady"}
    assert (refused.kind, refused.reason) == (
        "spot",
        "InsufficientInstanceCapacity: no capacity for spot at the moment",
    )
    assert results.record.notes == [
        "Spot machines (spot) have not come for 4 s: steady is asked for instead, on demand."
    ]


def test_why_nothing_runs_is_explained_for_all_that_waits_and_for_a_study(simulation, tmp_path):
    import ray
    from ray.util.placement_group import placement_group, remove_placement_group

    from orchestrator.explanation import explanations

    (tmp_path / "study.yaml").write_text(
        "train: tests.kit.trainables:Paced\nspace: {x: 'uniform(0, 1)'}\ngoal: min loss\nstrategy: Random()\n"
        "bundle: Bundle(gpus=2)\n"
    )
    assert ray.is_initialized()
    nothing = list(explanations(None, None, simulation.address))
    group = placement_group([{"GPU": 7}])
    try:
        wait_until(lambda: "waits" in "".join(explanations(None, None, simulation.address)), 20)
        there, waiting = explanations(None, None, simulation.address)
        [_, of_study] = explanations(str(tmp_path / "study.yaml"), None, simulation.address)
    finally:
        remove_placement_group(group)

    assert nothing[-1] == "Nothing waits: all that was asked for runs."
    assert "the largest has" in there
    assert waiting.startswith("A group of 7 GPU waits. It will never run: each trial needs 7 GPUs")
    assert of_study.startswith("Bundle(gpus=2): It will never run: each trial needs 2 GPUs")


def test_a_launch_file_is_rehearsed_on_this_machine(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text(launch_text("aws", Options(spot=True, max_workers=3)))
    (tmp_path / "study.yaml").write_text(
        "train: tests.kit.trainables:Paced\nspace: {x: 'uniform(0, 1)'}\ngoal: min loss\nstrategy: Random()\n"
        f"bundle: Bundle(gpus=1)\nbudget: {{trials: 2}}\nstorage: {tmp_path / 'runs'}\n"
    )
    words = ["--machines", "2", "--exhausted", "gpu_spot", "--spot-seconds", "3", "--idle-seconds", "3"]

    command = [sys.executable, "-m", "orchestrator.cli", "cluster", "simulate", file, tmp_path / "study.yaml", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "the cluster may have 3 machines, and 2 are pretended at once" in done.stderr
    assert "Spot machines (gpu_spot) have not come for 3 s: gpu is asked for instead, on demand." in done.stdout
    [folder] = (tmp_path / "runs").iterdir()
    assert set(Results(folder).frame()["status"]) == {"ended"}


def test_a_type_that_is_not_in_the_file_cannot_be_exhausted(tmp_path):
    file = parse(launch_text("aws", Options(spot=True)))

    with pytest.raises(ValueError, match=r"no type 'gpus' to be exhausted\. Name one of the file's: gpu_spot, gpu"):
        rehearse(study(tmp_path, Bundle(gpus=1)), file, Weather(exhausted=["gpus"]))
