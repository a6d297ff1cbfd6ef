"""Fronts in results and on the command line."""

import ast
import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner

from orchestrator import Goal, Results, Space, uniform
from orchestrator.cli import main
from orchestrator.ledger import Ledger

SPACE = Space({"x": uniform(0, 1)})
POINTS = [(0.9, 30.0), (0.8, 10.0), (0.7, 20.0), (0.95, 50.0), (0.5, 5.0)]  # accuracy, latency


def study(folder, goal, points):
    """A ledger of finished trials, written for the day."""
    book = Ledger(folder / "ledger", itertools.count().__next__)
    book.append("study_started", goal=goal)
    for number, (accuracy, latency) in enumerate(points, 1):
        fields = {"trial": f"t{number:05d}", "number": number, "params": SPACE.encode({"x": number / 10}), "seed": 1}
        book.append("trial_proposed", **fields)
        book.append("trial_started", **fields)
        metrics = {"accuracy": accuracy, "latency_ms": latency}
        book.append("reported", trial=fields["trial"], epoch=1, seconds=1.0, metrics=metrics)
        book.append("trial_ended", trial=fields["trial"], status="ended", reason="")
    book.append("study_ended", outcome="done", reason="")
    book.close()
    return folder


def two(folder, points=POINTS):
    return study(folder, "max accuracy, min latency_ms <= 30", points)


def test_the_front_keeps_the_limits_and_is_not_beaten(tmp_path):
    front = Results(two(tmp_path)).front()

    assert [trial.id for trial in front.trials] == ["t00001", "t00002", "t00005"]
    assert front.frame().columns.tolist() == ["trial", "epoch", "accuracy", "latency_ms", "params.x"]


def test_the_hypervolume_is_the_share_of_a_box_that_is_covered(tmp_path):
    reference = {"accuracy": 0.4, "latency_ms": 40.0}
    rng = np.random.default_rng(0)
    thrown = np.stack([rng.uniform(0.4, 1.0, 200_000), rng.uniform(0, 40, 200_000)], axis=1)
    kept = [(a, ms) for a, ms in POINTS if ms <= 30]
    covered = np.any([(thrown[:, 0] <= a) & (thrown[:, 1] >= ms) for a, ms in kept], axis=0)

    front = Results(two(tmp_path)).front(reference=reference)

    assert front.hypervolume == pytest.approx(covered.mean() * 0.6 * 40, rel=0.01)
    assert front.reference == reference


def test_the_reference_names_every_objective(tmp_path):
    with pytest.raises(
        ValueError, match=r"names accuracy, and the objectives are accuracy, latency_ms\. Give a value for"
    ):
        Results(two(tmp_path)).front(reference={"accuracy": 0.0})


def test_the_table_tells_the_front_and_the_limits(tmp_path):
    frame = Results(two(tmp_path)).frame()

    assert frame.on_front.tolist() == [True, True, False, False, True]
    assert frame.within_limits.tolist() == [True, True, True, False, True]


def test_where_nothing_keeps_the_limits_the_front_is_empty_and_the_best_is_told_with_the_mend(tmp_path):
    results = Results(two(tmp_path, [(0.9, 60.0), (0.8, 45.0)]))

    assert len(results.front()) == 0
    assert results.front().hypervolume == 0.0
    with pytest.raises(LookupError, match="latency_ms <= 30"):
        _ = results.best


def test_with_one_objective_the_front_is_the_best(tmp_path):
    results = Results(study(tmp_path, "max accuracy, latency_ms <= 30", POINTS))

    assert [trial.id for trial in results.front().trials] == [results.best.trial] == ["t00001"]


def cli(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_line_shows_it_as_a_table_and_as_json(tmp_path):
    folder = two(tmp_path / "front")

    shown, coded = cli("front", folder), cli("front", folder, "--json")

    assert shown.exit_code == coded.exit_code == 0
    assert "t00002" in shown.output
    assert "t00003" not in shown.output
    assert "3 trials, hypervolume" in shown.output
    parsed = json.loads(coded.output)
    assert [row["trial"] for row in parsed["trials"]] == ["t00001", "t00002", "t00005"]
    assert parsed["hypervolume"] == pytest.approx(Results(folder).front().hypervolume)


def test_a_reference_on_the_command_line(tmp_path):
    folder = two(tmp_path / "front")

    told = cli("front", folder, "--reference", "accuracy=0.4", "--reference", "latency_ms=40", "--json")

    assert json.loads(told.output)["reference"] == {"accuracy": 0.4, "latency_ms": 40.0}


@pytest.mark.parametrize("reference", ["accuracy", "accuracy=lots", "speed=3"])
def test_a_reference_that_cannot_work_is_told(tmp_path, reference):
    told = cli("front", two(tmp_path / "front"), "--reference", reference)

    assert told.exit_code == 2
    assert "Traceback" not in told.output
    assert "reference" in told.output


def test_an_empty_front_says_how_to_see_why(tmp_path):
    told = cli("front", two(tmp_path / "front", [(0.9, 60.0)]))

    assert told.exit_code == 2
    assert "a440 table" in told.output


def test_goals_are_read_back_from_the_ledger(tmp_path):
    assert Results(two(tmp_path)).record.goal == Goal.parse(["max accuracy", "min latency_ms <= 30"])


def test_the_mend_of_a_reference_bounds_the_front(tmp_path):
    results = Results(two(tmp_path))
    with pytest.raises(ValueError, match="Give a value for each") as refused:
        results.front(reference={"accuracy": 0.0})

    said = str(refused.value).partition("front(")[2]
    reference = ast.literal_eval(said.partition(")")[0])
    words = said.partition("in the shell ")[2].rstrip(".").split()
    assert results.front(reference).hypervolume > 0
    assert cli("front", results.folder, *words).exit_code == 0


def test_the_default_reference_looks_at_what_keeps_the_limits(tmp_path):
    front = Results(two(tmp_path)).front()

    assert front.reference == pytest.approx({"accuracy": 0.5 - 0.04, "latency_ms": 30 + 2.5})
    assert str(front).startswith("3 trials, hypervolume ")


def test_results_show_what_they_are(tmp_path):
    assert (
        repr(Results(two(tmp_path / "x")))
        == f"<Results of {tmp_path / 'x'}: 5 trials, done, best accuracy 0.9 (t00001)>"
    )
