"""Tables of plain values on the screen, and the list of studies in a folder."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestrator.hold import is_at_work
from orchestrator.home import homes, local
from orchestrator.results import Results
from trainables.uri import is_uri

GAP = 2
FIRST = 5  # trial, status, epoch, metric, best_epoch
REASON = 20
SHORTEST_REASON = 8


@dataclass(frozen=True)
class Column:
    """A column that is shown in full or not at all: a number that was cut would mislead."""

    name: str
    cells: Sequence[Text]
    justify: Literal["left", "right"] = "left"

    @cached_property
    def width(self) -> int:
        """Of its widest cell, in characters of the screen."""
        return max([cell_len(self.name), *(cell.cell_len for cell in self.cells)])


def grid(columns: Sequence[Column]) -> Table:
    """A table of exactly the width that its columns need."""
    width = sum(column.width for column in columns) + GAP * (len(columns) - 1)
    table = Table(box=None, pad_edge=False, header_style="bold", width=max(1, width))
    for column in columns:
        table.add_column(Text(column.name), justify=column.justify, no_wrap=True)
    for cells in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*cells)
    return table


def fitting(columns: Sequence[Column], room: int) -> int:
    """How many of the leading columns fit in `room` characters; the first one always does."""
    ends = accumulate(column.width + GAP for column in columns)
    return max(1, sum(end - GAP <= room for end in ends))


def print_rows(columns: Sequence[str], rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """A table of the columns that fit the terminal; of all of them when the output is no terminal."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.print(grid([_column(name, rows, None) for name in columns]), crop=False)
        return
    others = [_column(name, rows, 40) for name in columns if name != "reason"]
    shown = _fitted(others, _column("reason", rows, 200) if "reason" in columns else None, console.width)
    console.print(grid(shown), crop=False)
    if hidden := len(columns) - len(shown):
        where = "--out trials.csv has them all" if "trial" in columns else "a wider terminal, or | cat, shows them all"
        console.print(Text(f"{hidden} column{'s' if hidden > 1 else ''} more: {where}", style="dim"))


def print_numbers(columns: Sequence[str], rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """A table of numbers in words; on a narrow terminal the first column's texts have lines of their own."""
    console = console or Console(highlight=False)
    first, *others = [_column(name, rows, None) for name in columns]
    others = [Column(column.name, column.cells, "right") for column in others]
    width = first.width + sum(column.width + GAP for column in others)
    if not console.is_terminal or width <= console.width:
        console.print(grid([first, *others]), crop=False)
        return
    lines = [[Text(column.name, style="bold") for column in others], *zip(*(c.cells for c in others), strict=True)]
    for name, line in zip([Text(first.name, style="bold"), *first.cells], lines, strict=True):
        console.print(name)
        for cell, column in zip(line, others, strict=True):
            console.print(Text(" " * (GAP + column.width - cell.cell_len)), cell, sep="", end="")
        console.print()


def number(value: Any, longest: int | None = 40) -> str:
    """A value in a cell: four digits of a float, an integer in full, a short text of anything else."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = printable(str(value))
    return text if isinstance(value, int) else _cut(text, longest)


def one_line(reason: str, longest: int = 200) -> str:
    """A reason in one line of at most 200 characters."""
    return _cut(printable(" ".join(reason.split())), longest)


def printable(text: str) -> str:
    """A text without the escapes that would drive a terminal."""
    return "".join(c if c.isprintable() else "�" for c in text)


def _fitted(others: list[Column], reason: Column | None, room: int) -> list[Column]:
    """The columns that fit; the reason comes last and takes what is left, for a text can be cut."""
    if reason is None:
        return others[: fitting(others, room)]
    reserve = min(reason.width, REASON) + GAP
    kept = others[: max(fitting(others, room - reserve), min(fitting(others, room), FIRST))]
    left = room - sum(column.width + GAP for column in kept)
    if left < min(reason.width, SHORTEST_REASON):
        return others[: fitting(others, room)]
    return [*kept, Column(reason.name, [_truncated(cell, left) for cell in reason.cells])]


def _truncated(cell: Text, room: int) -> Text:
    cut = cell.copy()
    cut.truncate(room, overflow="ellipsis")
    return cut


def _column(name: str, rows: Sequence[dict[str, Any]], longest: int | None) -> Column:
    values = [row.get(name) for row in rows]
    cells = [Text(number(" ".join(v.split()) if isinstance(v, str) else v, longest)) for v in values]
    return Column(printable(name), cells, "right" if any(isinstance(v, int | float) for v in values) else "left")


def _cut(text: str, longest: int | None) -> str:
    return text if longest is None or len(text) <= longest else text[: longest - 1] + "…"


def studies(root: str | Path) -> list[dict[str, Any]]:
    """One row per study below a folder or an address, newest first; one that cannot be read is told as such."""
    if is_uri(root):
        return [_row(local(uri), uri) for uri in homes(str(root))]
    ledgers = sorted(Path(root).glob("*/ledger"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [_row(path.parent, path.parent) for path in ledgers]


def _row(folder: Path, place: str | Path) -> dict[str, Any]:
    try:
        results = Results(place)
    except (OSError, ValueError) as error:
        return {
            "study": folder.name,
            "state": f"unreadable: {error}",
            "trials": 0,
            "best": None,
            "goal": "",
            "began": "",
        }
    record = results.record
    best = record.best()
    began = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.started["at"])) if record.started else ""
    return {
        "study": folder.name,
        "state": record.outcome or ("running" if is_at_work(folder) else "killed"),
        "trials": len(record.trials),
        "best": best.best if best else None,
        "goal": str(record.goal),
        "began": began,
    }
