"""Studies sent as jobs to a head with a token: one cluster for the module."""

import re
import time

import pytest
from click.testing import CliRunner

from cluster import Machine, NodeType
from cluster.simulation import Simulation
from orchestrator import Results
from orchestrator.cli import main

CODE = """\
import time
from orchestrator import Trainable

class Slow(Trainable):
    def setup(self, params):
        self.x, self.epoch = params["x"], 0
    def step(self):
        self.epoch += 1
        time.sleep(params_s)
        return {"loss": self.x + 1 / self.epoch}
    def save(self, folder):
        (folder / "epoch").write_text(str(self.epoch))
    def load(self, folder):
        self.epoch = int((folder / "epoch").read_text())

params_s = 0.2
"""
STUDY = """\
train: sent_along:Slow
space: {x: "uniform(0, 1)"}
goal: min loss
strategy: Random() + FullLength(EPOCHS)
bundle: Bundle(cpus=1)
"""


@pytest.fixture(scope="module")
def simulation():
    with Simulation(NodeType(name="head", machine=Machine(name="head", cpus=2)), [], dashboard=True) as cluster:
        yield cluster


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a study and its code, which the cluster does not have."""
    (tmp_path / "sent_along.py").write_text(CODE)
    (tmp_path / "short.yaml").write_text(STUDY.replace("EPOCHS", "2"))
    (tmp_path / "long.yaml").write_text(STUDY.replace("EPOCHS", "60"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def a440(simulation, *words):
    return CliRunner().invoke(main, [*words, "--address", simulation.jobs_address])


def test_a_study_is_sent_with_its_code_followed_and_never_run_twice_under_one_name(simulation, project):
    words = ("submit", "short.yaml", "--trials", "2", "--name", "first", "--storage", str(project / "kept"))

    sent = a440(simulation, *words)
    again = a440(simulation, *words)
    listed = a440(simulation, "jobs")

    assert sent.exit_code == 0, sent.output
    assert "job first goes on if this terminal ends. Come back: a440 watch first --address http" in sent.output
    assert re.search(r"best loss \d\.\d+", sent.output)
    [folder] = (project / "kept").iterdir()
    assert Results(folder).outcome == "done"
    assert again.exit_code == 2
    assert "there is a job first already. Watch it with: a440 watch first, or give another name" in again.output
    assert "succeeded" in listed.output


def test_without_the_token_everything_is_refused_with_what_to_do(simulation, project, monkeypatch):
    nothing, wrong = project / "no_such_file", project / "wrong_token"
    wrong.write_text("0" * 64)

    for path in (nothing, wrong):
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(path))
        refused = a440(simulation, "submit", "short.yaml", "--trials", "2")

        assert refused.exit_code == 2
        assert "refuses us without its token. Copy ~/.ray/auth_token from its head to this machine" in refused.output


def test_a_job_that_is_stopped_keeps_its_checkpoints_and_its_study_is_resumed_by_another(simulation, project):
    kept = project / "kept"
    a440(simulation, "submit", "long.yaml", "--trials", "2", "--name", "second", "--storage", str(kept), "--detach")
    until = time.monotonic() + 120
    while not any(kept.glob("*/trials/*/checkpoints/e*")) and time.monotonic() < until:
        time.sleep(0.2)

    stopped = a440(simulation, "stop", "second")
    [folder] = kept.iterdir()
    before = Results(folder)
    resumed = a440(simulation, "submit", str(folder), "--name", "third")

    assert stopped.exit_code == 0, stopped.output
    assert before.outcome == "interrupted"
    statuses = {trial.status for trial in before.record.trials.values()}
    assert "waiting" in statuses
    assert statuses <= {"waiting", "proposed"}  # on a busy machine the second one had not begun yet
    assert resumed.exit_code == 0, resumed.output
    after = Results(folder)
    assert after.outcome == "done"
    assert [trial.epoch for trial in after.record.trials.values()] == [60, 60]
    assert list(after.curves().groupby("trial")["epoch"].count()) == [60, 60]


def test_a_job_that_is_not_there_is_told(simulation, project):
    unknown = a440(simulation, "watch", "nobody")

    assert unknown.exit_code == 2
    assert "has no job nobody. List those that it has: a440 jobs" in unknown.output
