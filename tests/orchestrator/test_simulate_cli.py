"""`a440 simulate` as a user meets it."""

import re
import sys

import pandas as pd
import pytest
from click.testing import CliRunner

from orchestrator import Results
from orchestrator.cli import main

STUDY = """
space: {x: "uniform(0, 1)", act: [relu, gelu]}
goal: min loss
strategy: Random() + FullLength(epochs=9)
budget: {trials: 12}
"""
CURVE = """
def curve(params):
    for epoch in range(1, 10):
        yield {"loss": (params["x"] - 0.3) ** 2 + 0.5 / epoch, "seconds": 2.0 * epoch}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a study file that names nothing to train, and a surrogate."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "simulated_by.py").write_text(CURVE)
    monkeypatch.delitem(sys.modules, "simulated_by", raising=False)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(main, ["simulate", "study.yaml", *map(str, arguments)])


def by_name(*more):
    return call("--table", "simulated_by.py:curve", *more)


def test_one_study_shows_what_it_would_find_and_when_and_writes_nothing(here):
    shown = by_name("--workers", 3)

    assert shown.exit_code == 0, shown.output
    assert re.search(r"Random\(\) \+ FullLength\(epochs=9\) +0\.0\d+ +1\.2 min +12 +108\n", shown.output)
    assert re.search(r"best loss 0\.0\d+  t000\d\d, epoch 9\n     x=0\.\d+  act=", shown.output)
    assert "curves   simulated_by.py:curve" in shown.output
    assert {path.name for path in here.iterdir()} <= {"study.yaml", "simulated_by.py", "__pycache__"}


def test_strategies_are_compared_over_seeds_with_the_first_one(here):
    pairs = ["Random() + FullLength(epochs=9)", "TPE() + ASHA(max_epochs=9, promote=True)"]

    shown = by_name("--workers", 2, "--seeds", 3, *(word for pair in pairs for word in ("--strategy", pair)))

    assert shown.exit_code == 0, shown.output
    rows = [line for line in shown.output.splitlines() if line.startswith(tuple(pairs))]
    assert re.search(r" \(0\.\d+ to 0\.\d+\) +1\.8 min +12 +108 +1\.00 x$", rows[0])
    assert re.search(r" \d+ s +12 +\d\d  +([\d.]+ x|never)$", rows[1])
    assert "seed     0 to 2" in shown.output
    assert "to match: time until" in shown.output
    assert "best loss" in shown.output


def test_the_same_words_give_the_same_output_and_another_seed_another(here):
    first, again, other = (by_name("--workers", 2, "--seed", seed).output for seed in (1, 1, 2))

    assert first == again
    assert first != other


def test_a_file_of_curves_is_read_and_what_was_left_out_is_told(here):
    rows = [
        {"params.x": x, "params.act": act, "epoch": epoch, "loss": x / epoch}
        for x in (0.1, 0.5, 3.0)
        for act in ("relu", "gelu")
        for epoch in range(1, 10)
    ]
    pd.DataFrame(rows).to_csv("curves.csv", index=False)

    shown = call("--table", "curves.csv", "--workers", 1)

    assert shown.exit_code == 0, shown.output
    assert "curves   curves.csv: 4 curves of 9 epochs" in shown.output
    assert "note: left out, outside of the space: 2 of 6 curves (x=3.0 lies outside uniform(0, 1))" in shown.output
    assert "note: there are no seconds: every epoch counts as one second" in shown.output
    assert "note: recorded exactly: none of 12 points; the others have their nearest curves" in shown.output


def test_out_keeps_a_study_that_other_commands_open(here):
    kept = by_name("--workers", 2, "--out", "runs/if")

    table = CliRunner().invoke(main, ["table", "runs/if"])
    best = CliRunner().invoke(main, ["best", "runs/if"])
    listed = CliRunner().invoke(main, ["list", "runs"])
    resumed = CliRunner().invoke(main, ["resume", "runs/if", "--trials", "+3"])

    assert kept.exit_code == 0, kept.output
    assert "see them:  a440 table runs/if" in kept.output
    assert (table.exit_code, best.exit_code, listed.exit_code) == (0, 0, 0)
    assert "t00012" in table.output
    assert re.search(r"if +done +12", listed.output)
    assert any("simulated, nothing was trained" in note for note in Results("runs/if").record.notes)
    assert resumed.exit_code == 2
    assert "was simulated" in resumed.output


def test_hours_are_simulated_time(here):
    shown = by_name("--workers", 2, "--hours", "30 s", "--trials", 100)

    assert shown.exit_code == 0, shown.output
    assert "budget   100 trials or 30 s, of simulated time" in shown.output
    assert re.search(r"FullLength\(epochs=9\) +0\.\d+ +30 s +4 +30\n", shown.output)


def test_auto_says_what_it_stands_for(here):
    shown = by_name("--workers", 2, "--strategy", "Auto() + ASHA(max_epochs=9)", "--trials", 20)

    assert "auto     Bayes(), for a Gaussian process needs the fewest trials" in shown.output


def test_without_workers_it_is_as_many_as_this_machine_would_run(here):
    assert re.search(r"workers  \d+, as many as this machine would run at once", by_name().output)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "Missing option '--table'"),
        (["--table", "nowhere.csv"], "Give a .csv or .parquet file of curves"),
        (["--table", "simulated_by.py:curv"], "Did you mean 'curve'?"),
        (["--table", "simulated_by.py:curve", "--strategy", "ASA(max_epochs=9)"], "Did you mean 'ASHA'?"),
        (["--table", "simulated_by.py:curve", "--set", "goal=min los"], "reported loss, not los."),
        (["--table", "simulated_by.py:curve", "--out", "a", "--seeds", 2], "Keep one strategy and one seed."),
        (["--table", "simulated_by.py:curve", "--out", "."], "is there already. Give a new folder"),
        (["--table", "simulated_by.py:curve", "--workers", 0], "0 is not in the range"),
    ],
)
def test_bad_input_ends_with_2_and_the_mend(here, arguments, told):
    ended = call(*arguments)

    assert ended.exit_code == 2
    assert told in ended.output
    assert "Traceback" not in ended.output


def test_a_strategy_that_is_spelt_twice_is_simulated_once(here):
    twice = ["Random()+FullLength(epochs = 9)", "Random(n=None) + FullLength(epochs=9)"]

    shown = by_name("--workers", 2, "--out", "if", *(word for text in twice for word in ("--strategy", text)))

    assert shown.exit_code == 0, shown.output
    assert shown.output.count("FullLength(epochs=9)") == 1
    assert "to match" not in shown.output
    assert "best loss 0.0" in shown.output


def test_a_table_that_lies_where_nobody_can_read_it_ends_with_the_mend(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)

    ended = call("--table", "s3://bucket/x.csv")

    assert (ended.exit_code, "Traceback" in ended.output) == (2, False)
    assert "cannot be read without s3fs. Install it, pip install s3fs, or" in ended.output


def test_the_comparison_shows_no_best_beyond_the_limits(here):
    shown = by_name("--workers", 2, "--seeds", 3, "--set", "goal=[min loss, loss <= 0.001]")

    assert shown.exit_code == 0, shown.output
    assert re.search(r"FullLength\(epochs=9\) +none +1\.8 min", shown.output)


def test_the_shorter_strategy_can_be_pasted(here):
    pd.DataFrame({"x": [0.1, 0.9], "act": "relu", "epoch": 1, "loss": [1.0, 2.0]}).to_csv("short.csv", index=False)

    refused = call("--table", "short.csv", "--workers", 1, "--strategy", "TPE() + ASHA(max_epochs=9)")
    mend = re.search(r"Write: --strategy '(.*)', or record", refused.output)
    mended = call("--table", "short.csv", "--workers", 1, "--strategy", mend[1] if mend else "none")

    assert refused.exit_code == 2
    assert mended.exit_code == 0, mended.output
