"""What is sent to a cluster, and what is refused before that."""

import re

import pytest

from orchestrator import submission

STUDY = """\
train: sent:train
space: {x: "uniform(0, 1)"}
goal: min loss
strategy: Random()
"""
LAUNCH = "{cluster_name: c, provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2]}STORAGE}"


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    (tmp_path / "sent.py").write_text("def train(params):\n    return {'loss': params['x']}\n")
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "cluster.yaml").write_text(LAUNCH.replace("STORAGE", ""))
    stored = LAUNCH.replace("STORAGE", ", metadata: {a440: {storage: 's3://bucket/studies'}}")
    (tmp_path / "stored.yaml").write_text(stored)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


RUN = "python -m orchestrator.cli run study.yaml"


@pytest.mark.parametrize(
    ("cluster", "more", "command"),
    [
        (None, {"trials": "8"}, f"{RUN} --set 'storage=~/runs' --trials 8"),
        ("cluster.yaml", {"trials": "8"}, f"{RUN} --set 'storage=~/runs' --trials 8 --cluster cluster.yaml"),
        ("stored.yaml", {"hours": "2"}, f"{RUN} --set storage=s3://bucket/studies --hours 2 --cluster stored.yaml"),
        (None, {"trials": "8", "storage": "/mnt/s"}, f"{RUN} --set storage=/mnt/s --trials 8"),
        (
            "stored.yaml",
            {"trials": "8", "settings": ["storage=/mnt/s"]},
            f"{RUN} --set storage=/mnt/s --trials 8 --cluster stored.yaml",
        ),
    ],
)
def test_a_new_study_is_run_where_its_results_last(cluster, more, command):
    assert submission.new_command("study.yaml", cluster, **more) == command


def test_a_study_that_says_where_it_lies_stays_there(project):
    (project / "study.yaml").write_text(STUDY + "storage: /mnt/studies\n")

    assert submission.new_command("study.yaml", None, trials="2") == f"{RUN} --trials 2"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "nothing ends the study"),
        ({"trials": "many"}, "--trials 'many' is no number of trials. Write how many: --trials 64"),
        ({"trials": "2", "settings": ["goal=loss"]}, "goal"),
        ({"trials": "2", "settings": ["strategy=TPF()"]}, "Did you mean 'TPE'"),
    ],
)
def test_what_could_not_run_is_refused_here(more, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        submission.new_command("study.yaml", None, **more)


def test_a_file_that_would_stay_behind_is_refused(project, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))

    with pytest.raises(ValueError, match=r"lies outside of .* cd "):
        submission.new_command(str(project / "study.yaml"), None, trials="2")


def test_a_study_that_has_begun_is_told_from_a_file(project):
    assert submission.is_resumed("s3://bucket/studies/digits-20261128-120000")
    assert submission.is_resumed("/mnt/studies/digits-20261128-120000")
    assert submission.is_resumed(str(project))
    assert not submission.is_resumed("study.yaml")
    resumed = submission.resuming_command("s3://bucket/a b", trials="+32")
    assert resumed == "python -m orchestrator.cli resume 's3://bucket/a b' --trials +32"


def test_variables_of_a_job_are_read_and_mistakes_told():
    assert submission.variables_of(["A=1=2"], {"B": "x"}) == {"A440_JOB": "yes", "B": "x", "A": "1=2"}
    with pytest.raises(ValueError, match=r"--env 'A' sets nothing\. Write a name and a value"):
        submission.variables_of(["A"], {})
