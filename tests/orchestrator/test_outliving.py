"""When a driver is sent to the cluster as a job, and what a launched head knows."""

import sys

import pytest

from orchestrator import Study, launched, uniform
from orchestrator.outliving import is_tied, outlive, this_program
from search import Random

LAUNCHED = """\
cluster_name: c
provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2]}
auth: {ssh_user: root}
metadata: {a440: {storage: /mnt/studies, spot_minutes: 2}}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "variables", "address", "tied"),
    [
        (True, {"SSH_CONNECTION": "1"}, None, True),
        (True, {"SSH_CONNECTION": "1"}, "auto", True),
        (True, {"SSH_CONNECTION": "1"}, "10.0.0.9:6379", False),
        (True, {"SSH_CONNECTION": "1", "A440_JOB": "yes"}, None, False),
        (True, {}, None, False),
        (False, {"SSH_CONNECTION": "1"}, None, False),
    ],
)
def test_only_a_driver_over_ssh_on_a_launched_head_is_tied_to_its_connection(home, file, variables, address, tied):
    if file:
        (home / "ray_bootstrap_config.yaml").write_text(LAUNCHED)

    assert is_tied({"HOME": str(home), **variables}, address) is tied


def test_a_driver_that_is_not_tied_goes_on(home):
    outlive("study", None)  # neither sends nor exits


def test_a_driver_that_cannot_be_sent_goes_on_and_says_why(home, monkeypatch):
    (home / "ray_bootstrap_config.yaml").write_text(LAUNCHED)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 1 10.0.0.1 22")
    monkeypatch.setenv("RAY_TMPDIR", str(home))
    monkeypatch.delenv("A440_JOB", raising=False)

    with pytest.warns(UserWarning, match="ends with its SSH connection: there is no jobs server here"):
        outlive("study", None)


def test_a_program_is_known_by_its_command_and_a_prompt_has_none(monkeypatch):
    monkeypatch.setattr(sys, "orig_argv", ["python3", "study.py", "--name", "a b"])
    program = this_program()
    monkeypatch.setattr(sys, "orig_argv", ["python3", "-c", "print()"])

    assert program == f"{sys.executable} study.py --name 'a b'"
    assert this_program() is None


def test_on_a_launched_head_studies_lie_where_its_file_says_unless_they_say_it(home):
    def train(params):
        return {"loss": params["x"]}

    def study(**more):
        return Study(train, {"x": uniform(0, 1)}, "min loss", Random(), **more)

    before = study().storage
    (home / "ray_bootstrap_config.yaml").write_text(LAUNCHED)

    assert before.name == "runs"
    assert str(study().storage) == "/mnt/studies"
    assert study(storage=home / "mine").storage == home / "mine"
    assert launched.as_launched().fleet().spot_s == 120


def test_a_file_on_the_head_that_cannot_be_read_stops_nothing(home):
    (home / "ray_bootstrap_config.yaml").write_text("cluster_name: [")

    with pytest.warns(UserWarning, match="cannot be read, so what may be started is not known"):
        assert launched.default_storage() == "runs"
