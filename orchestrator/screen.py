"""Tables of plain values on the screen, and the list of studies in a folder."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator.folder import is_held
from orchestrator.results import Results


def print_rows(columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """A table as wide as the terminal, or as wide as it needs to be when the output is no terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from orchestrator.progress import number

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(80, 24 * len(columns)))
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        numeric = any(isinstance(row.get(name), int | float) for row in rows)
        drawn.add_column(Text(name), justify="right" if numeric else "left", no_wrap=True, overflow="ellipsis")
    for row in rows:
        drawn.add_row(*(Text(number(row.get(name))) for name in columns))
    console.print(drawn)


def studies(root: Path) -> list[dict[str, Any]]:
    """One row per study below `root`, newest first; a folder that cannot be read is told as such."""
    ledgers = sorted(root.glob("*/ledger"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [_row(path.parent) for path in ledgers]


def _row(folder: Path) -> dict[str, Any]:
    try:
        results = Results(folder)
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
        "state": record.outcome or ("running" if is_held(folder) else "killed"),
        "trials": len(record.trials),
        "best": best.best if best else None,
        "goal": str(record.goal),
        "began": began,
    }
