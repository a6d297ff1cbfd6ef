import json
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from orchestrator.cli import main
from orchestrator.ledger import Ledger
from search import ASHA, Random, Space, choice, uniform
from tests.kit.simulation import World

SPACE = Space({"x": uniform(0, 1), "act": choice("relu", "=cmd()", "<script>", "[/bold]\x1b[31m")})


@pytest.fixture
def study(tmp_path):
    """A study's folder with a ledger of eight trials, one of them failed."""
    folder = tmp_path / "runs" / "small-1"
    folder.mkdir(parents=True)
    world = World(SPACE, Random() + ASHA(max_epochs=3), trials=8)
    world.run(lambda params, epoch: {"loss": params["x"] + 1 / epoch}, workers=2)
    book = Ledger(folder / "ledger", lambda: 1.0)
    for event in world.book.events:
        fields = {k: v for k, v in event.items() if k not in ("seq", "t", "event")}
        extra = {"at": time.time(), "format": 1} if event["event"] == "study_started" else {}
        book.append(event["event"], **fields, **extra)
    book.append("trial_proposed", trial="t00009", number=9, params={"x": 0.5, "act": "relu"}, seed=1)
    book.append("trial_ended", trial="t00009", status="failed", reason="KeyError: 'x' (train.py:3)")
    book.append("study_ended", outcome="done", reason="all trials are over")
    book.close()
    return folder


def call(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_best_shows_the_best_trial_and_json_is_json(study):
    shown = call("best", study)
    parsed = json.loads(call("best", study, "--json").output)

    assert shown.exit_code == 0
    assert f"loss {parsed['value']:g}" in shown.output
    assert parsed["params"].keys() == {"x", "act"}
    assert parsed["value"] == pytest.approx(parsed["params"]["x"] + 1 / 3)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_table_writes_what_it_shows(study, tmp_path, ending):
    out = tmp_path / f"trials.{ending}"

    shown = call("table", study)
    written = call("table", study, "--out", out)

    frame = pd.read_parquet(out) if ending == "parquet" else pd.read_csv(out)
    assert (shown.exit_code, written.exit_code) == (0, 0)
    assert frame.trial.tolist() == [f"t{n:05d}" for n in range(1, 10)]
    assert all(trial in shown.output for trial in frame.trial)
    assert "KeyError" in shown.output


def test_cells_that_a_spreadsheet_would_run_are_quoted(study, tmp_path):
    out = tmp_path / "trials.csv"

    call("table", study, "--out", out)

    cells = set(pd.read_csv(out)["params.act"])
    assert "=cmd()" not in cells
    assert any(cell == "'=cmd()" for cell in cells)


def test_markup_and_escapes_in_values_stay_text(study):
    output = call("table", study).output

    assert "\x1b" not in output
    assert "[/bold]" in output


def test_curves_have_a_row_per_report(study, tmp_path):
    out = tmp_path / "curves.parquet"

    call("table", study, "--curves", "--out", out)

    frame = pd.read_parquet(out)
    assert list(frame.columns) == ["trial", "epoch", "seconds", "loss"]
    assert not frame.duplicated(["trial", "epoch"]).any()


def test_list_shows_every_study_also_those_that_cannot_be_read(study):
    broken = study.parent / "broken" / "ledger"
    broken.mkdir(parents=True)
    (broken / "000001.jsonl").write_bytes(b"\x00garbage\n")

    shown = call("list", study.parent)

    assert shown.exit_code == 0
    assert "small-1" in shown.output
    assert "broken" in shown.output
    assert "min loss" in shown.output


def test_an_empty_list_says_how_to_begin(tmp_path):
    assert "a440 run study.yaml" in call("list", tmp_path).output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["best", "nowhere"], "is no study"),
        (["table", "nowhere"], "is no study"),
        (["resume", "nowhere"], "no study that can be read"),
        (["run", "nowhere.yaml"], "No such file"),
        (["check", "nowhere.yaml"], "No such file"),
        (["rum", "study.yaml"], "Did you mean 'run'"),
        (["run", "examples/digits.yaml", "--trials", "0"], "trials: 64"),
        (["check", "examples/digits.yaml", "--set", "goal=mim loss"], "Did you mean 'min"),
        (["check", "examples/digits.yaml", "--set", "bundle=Bundle(gpus=99)"], "99 GPUs"),
        (["check", "examples/digits.yaml", "--set", "learn_from=runs/nope"], "runs/nope is no study"),
    ],
)
def test_bad_input_ends_with_2_the_mend_and_no_traceback(arguments, told):
    ended = call(*arguments)

    assert ended.exit_code == 2
    assert told in ended.output
    assert "Traceback" not in ended.output


def test_a_table_of_an_unknown_kind_is_refused(study, tmp_path):
    ended = call("table", study, "--out", tmp_path / "trials.xlsx")

    assert ended.exit_code == 2
    assert "--out trials.parquet" in ended.output


def test_check_shows_rungs_and_room_and_starts_nothing(tmp_path):
    shown = call("check", "examples/digits.yaml", "--trials", "27")

    assert shown.exit_code == 0
    assert "at epochs 1, 3, 9" in shown.output
    assert "27 trials" in shown.output
    assert "at once" in shown.output


def test_a_study_without_a_usable_value_says_so(tmp_path):
    folder = tmp_path / "study"
    world = World(SPACE, Random(), trials=1)
    world.run(lambda params, epoch: {"loss": float("nan")})
    book = Ledger(folder / "ledger", lambda: 1.0)
    for event in world.book.events:
        book.append(event["event"], **{k: v for k, v in event.items() if k not in ("seq", "t", "event")})
    book.close()

    ended = call("best", folder)

    assert ended.exit_code == 2
    assert "no trial of study has reported loss" in ended.output


@pytest.mark.parametrize("command", [["--help"], ["list", "nowhere"], ["best", "STUDY"], ["table", "STUDY"]])
def test_looking_at_studies_loads_neither_ray_nor_torch(study, command):
    arguments = [str(study) if word == "STUDY" else word for word in command]
    code = (
        "import sys\nfrom orchestrator.cli import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit:\n    pass\n"
        "print('LOADED', sorted({'ray', 'torch', 'hyperopt'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )

    assert done.stdout.splitlines()[-1] == "LOADED []"
