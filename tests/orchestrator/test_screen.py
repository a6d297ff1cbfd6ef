import random
import re
import time
from io import StringIO
from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console

from orchestrator.ledger import Ledger
from orchestrator.plan import Plan
from orchestrator.progress import Progress, print_summary, table
from orchestrator.record import TrialRecord
from orchestrator.results import Results, write_table
from orchestrator.screen import number, print_numbers, print_rows
from search import ASHA, Random, Space, Strategy, loguniform, uniform
from tests.kit.simulation import World

SPACE = Space({name: loguniform(1e-9, 1e-3) for name in ("rate", "decay", "epsilon", "clip")} | {"x": uniform(0, 1)})
COLUMNS = ["trial", "status", "reason", "epoch", "loss", "best_epoch", "seconds", "params.a", "params.b"]
ROW = {
    "trial": "t00001", "status": "failed", "reason": "KeyError: 'x' is nowhere\nto be found", "epoch": 3,
    "loss": -1.234e-5, "best_epoch": 2, "seconds": 1.5, "params.a": 8.0421e-5, "params.b": 123456789012345,
}  # fmt: skip


def screen(width=60, *, terminal=True):
    return Console(width=width, height=20, file=StringIO(), force_terminal=terminal, highlight=False)


def text(console):
    return re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue())


@pytest.mark.parametrize("width", [30, 80])
def test_a_comparison_fits_a_narrow_terminal_with_its_long_texts_on_lines_of_their_own(width):
    console = screen(width)
    rows = [{"strategy": "TPE() + ASHA(max_epochs=27)", "best loss": "0.5 (0.1 to 0.9)", "time": "3 h"}]

    print_numbers(["strategy", "best loss", "time"], rows, console)

    lines = [line.rstrip() for line in text(console).splitlines()]
    if width == 80:
        assert lines[1] == "TPE() + ASHA(max_epochs=27)  0.5 (0.1 to 0.9)   3 h"
    else:
        assert lines == [
            "strategy",
            "         best loss  time",
            "TPE() + ASHA(max_epochs=27)",
            "  0.5 (0.1 to 0.9)   3 h",
        ]


@pytest.fixture
def conductor():
    """Twenty trials on their way, one of them failed and one invalid."""
    world = World(SPACE, Random() + ASHA(max_epochs=9), trials=30)
    world.run(lambda params, epoch: {"loss": params["x"] + 1 / epoch}, workers=4, until=120)
    first, second, *_ = (t.id for t in world.conductor.record.trials.values() if not t.over)
    world.conductor.end(first, "failed", "KeyError: 'x'\n\x1b[31m (train.py:3)")
    world.conductor.end(second, "invalid", "no such option")
    return world.conductor


def view(conductor, console, *, live):
    screen_ = SimpleNamespace(update=lambda drawn, refresh: console.print(drawn)) if live else None
    return Progress(None, conductor, Plan(None, 1, "", (), None, None, "", Strategy(Random())), console, screen_)


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_the_live_table_shows_in_full_what_it_shows(conductor, width):
    console = screen(width)

    console.print(table(conductor.record, width))

    lines = text(console).splitlines()
    shown = [name for name in SPACE if name in lines[0].split()]
    more = f"+{len(SPACE) - len(shown)} more"
    assert lines[0].split()[:5] == ["trial", "status", "epoch", "loss", "at"]
    assert (more in lines[0]) == (len(shown) < len(SPACE))
    assert all(len(line) <= width for line in lines)
    assert "…" not in text(console)
    assert re.search(r"^t\d{5}  running +\d+ +\d\.\d+ ", lines[1])


def test_a_terminal_as_narrow_as_a_column_still_cuts_no_number(conductor):
    console = screen(25)

    console.print(table(conductor.record, 25))

    assert "…" not in text(console)
    assert text(console).splitlines()[0].split() == ["trial", "status", "epoch"]


@pytest.mark.parametrize(("width", "hidden"), [(60, 3), (80, 2), (140, 0)])
def test_rows_drop_columns_rather_than_digits(width, hidden):
    console = screen(width)

    print_rows(COLUMNS, [ROW], console)

    header, row, *rest = text(console).splitlines()
    assert header.split()[:5] == ["trial", "status", "epoch", "loss", "best_epoch"]
    assert header.split()[-1] == "reason"
    assert row.split()[:5] == ["t00001", "failed", "3", "-1.234e-05", "2"]
    assert len(row) <= width
    assert [line.split(":")[0] for line in rest] == ([f"{hidden} columns more"] if hidden else [])


def test_rows_of_no_terminal_are_whole_and_one_line_each():
    console = screen(60, terminal=False)

    print_rows(COLUMNS, [ROW], console)

    header, row = text(console).splitlines()
    assert header.split() == COLUMNS
    assert "KeyError: 'x' is nowhere to be found" in row
    assert row.split()[-1] == "123456789012345"


def test_a_list_of_studies_is_not_told_of_an_option_that_it_lacks():
    console = screen(20)

    print_rows(["study", "state"], [{"study": "a-study-20250101", "state": "running"}], console)

    assert "1 column more: a wider terminal" in " ".join(text(console).split())
    assert "--out" not in text(console)


def test_integers_are_never_cut():
    assert number(10**50) == str(10**50)
    assert number("a" * 50) == "a" * 39 + "…"


@pytest.mark.parametrize("live", [True, False])
def test_failures_are_counted_and_the_newest_is_told(conductor, live):
    console = screen(80, terminal=live)

    view(conductor, console, live=live).draw()

    assert "2 failed" in text(console)
    assert f"{conductor.record.failed[-1].id} failed: KeyError: 'x' �[31m (train.py:3)" in text(console)
    assert "\x1b[31m (train" not in console.file.getvalue()


def test_the_last_frame_asks_for_nothing_more(conductor):
    before, after = screen(200), screen(200)
    conductor.close("interrupted")

    view(conductor, before, live=True).draw()
    view(conductor, after, live=True).draw(last=True)

    assert "once more to stop now" in text(before)
    assert "once more" not in text(after)


def test_without_a_terminal_the_best_is_sought_once_a_second(conductor, monkeypatch):
    console, now, sought = screen(80, terminal=False), [100.0], []
    best = conductor.record.best
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(conductor.record, "best", lambda: sought.append(now[0]) or best())
    shown = view(conductor, console, live=False)

    for _ in range(50):
        now[0] += 0.1
        shown.draw()

    assert len(sought) <= 6
    assert text(console).count("trials over") == 1


def test_ten_thousand_trials_are_redrawn_in_no_time(conductor):
    lots = random.Random(0)
    for n in range(10_000):
        trial = TrialRecord(f"t{n:05d}", n, {"x": 0.1}, 1, "ended", epoch=3, best=lots.random(), best_epoch=2)
        conductor.record.trials[trial.id] = trial
    shown, took_s = view(conductor, screen(100), live=True), []

    for _ in range(5):
        began = time.process_time()
        shown.draw(last=True)
        took_s.append(time.process_time() - began)

    assert min(took_s) < 0.05  # 8 ms measured; the rest is for slow machines


def study(folder, ended, *, outcome="interrupted", train="module:train", notes=()):
    """A study's folder and its summary."""
    folder.mkdir()
    book = Ledger(folder / "ledger", lambda: 7200.0)
    book.append("study_started", goal="min loss", format=1, at=0.0)
    for note in notes:
        book.append("note", text=note)
    book.append("study_ended", outcome=outcome, reason=ended)
    book.close()
    (folder / "study.yaml").write_text(f"name: s\ntrain: {train}\n")
    results, console = Results(folder), Console(file=StringIO(), soft_wrap=True, highlight=False)
    results.problems.append("event 3 is missing.")
    print_summary(results, console)
    return text(console)


def test_an_interruption_is_told_once_and_how_to_go_on(tmp_path):
    summary = study(tmp_path / "a study", "interrupted")

    assert summary.splitlines().count("interrupted") == 1
    assert f"go on with: a440 resume '{tmp_path}/a study'\n" in summary


def test_what_the_ledger_lacks_is_told_once(tmp_path):
    summary = study(tmp_path / "s", "all", notes=["ledger: event 3 is missing.", "resumed with seed 2"])

    assert re.findall("note: .*", summary) == ["note: event 3 is missing.", "note: resumed with seed 2"]


def test_more_time_is_asked_for_where_time_was_up(tmp_path):
    assert f"a440 resume {tmp_path}/s --hours 4\n" in study(tmp_path / "s", "the budget of 2 h is used up")


def test_a_study_of_a_nameless_trainable_goes_on_from_python(tmp_path):
    assert f"go on with: study.resume('{tmp_path}/s')\n" in study(tmp_path / "s", "interrupted", train="null")
    assert f"study.resume('{tmp_path}/t', hours=4)\n" in study(tmp_path / "t", "the budget of 2 h is", train="null")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_that_cannot_be_written_is_told_with_a_mend(tmp_path, ending):
    frame = pd.DataFrame({"a": [1]})
    (tmp_path / f"taken{ending}").mkdir()
    (tmp_path / "file").write_text("")

    with pytest.raises(ValueError, match=r"the folder .*nodir is not there\. Make it: mkdir -p .*nodir$"):
        write_table(frame, tmp_path / "nodir" / f"t{ending}")
    with pytest.raises(ValueError, match=r"cannot be written: .*\. Name another place"):
        write_table(frame, tmp_path / f"taken{ending}")
    with pytest.raises(ValueError, match=r"file is no folder\. Name another place"):
        write_table(frame, tmp_path / "file" / f"t{ending}")
    assert not list(tmp_path.glob(".*"))


def test_names_of_columns_that_a_spreadsheet_would_run_are_quoted(tmp_path):
    write_table(pd.DataFrame({"=cmd()": [1], "-loss": [2], "x": [3]}), tmp_path / "t.csv")

    assert (tmp_path / "t.csv").read_text().splitlines()[0] == "'=cmd(),'-loss,x"
