"""What a user sees while a study runs: a header, one table redrawn in place, and a summary.

On a terminal the table is redrawn a few times a second; elsewhere there is a line now and then. Every
value is escaped, for a parameter's text may look like markup.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator.conductor import Conductor
from orchestrator.plan import Plan
from orchestrator.record import BAD, Record, TrialRecord
from orchestrator.results import Results
from orchestrator.study import Study
from search.space import shown_params

ROWS = 12
REDRAW_S = 0.25
LINE_S = 10.0
COLORS = {"running": "cyan", "ended": "green", "failed": "red", "invalid": "red", "timeout": "red", "waiting": "yellow"}


class Progress:
    """The view of one driver."""

    def __init__(self, study: Study, conductor: Conductor, outlook: Plan, console: Console, live: Live | None):
        self._study, self._conductor, self._outlook = study, conductor, outlook
        self._console, self._live = console, live
        self._drawn_at = 0.0
        self._best: str | None = None

    @staticmethod
    @contextmanager
    def of(study: Study, folder: Path, conductor: Conductor, outlook: Plan, shown: bool) -> "Iterator[Progress]":
        """A view that is on screen while the block lasts; silent where `shown` is False."""
        console = Console(quiet=not shown, highlight=False)
        if console.is_terminal:
            console.print(header(study, folder, outlook))
        else:
            for name, value in _facts(study, folder, outlook):
                console.print(Text(f"{name:<9} {value}"), soft_wrap=True)
        if not console.is_terminal or not shown:
            yield Progress(study, conductor, outlook, console, None)
            return
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            yield Progress(study, conductor, outlook, console, live)

    def draw(self, last: bool = False) -> None:
        """Redraws, if it is time to."""
        now = time.monotonic()
        record = self._conductor.record
        if self._live is not None:
            if last or now - self._drawn_at >= REDRAW_S:
                self._drawn_at = now
                self._live.update(Group(table(record), self._line()), refresh=True)
            return
        if self._console.quiet or not (last or now - self._drawn_at >= 1.0):
            return
        best = record.best()
        news = best is not None and best.over and best.id != self._best
        if last or now - self._drawn_at >= LINE_S or news:
            self._drawn_at, self._best = now, best.id if best else None
            self._console.print(self._line(), soft_wrap=True)

    def _line(self) -> Text:
        record, terms = self._conductor.record, self._conductor.terms
        of = f"/{terms.trials}" if terms.trials is not None else ""
        words = [
            f"{record.over}{of} trials over",
            f"{record.counts().get('running', 0)} running",
            _clock(record.elapsed_s),
        ]
        best = record.best()
        if best is not None and best.best is not None:
            words.append(f"best {record.goal.metric} {number(best.best)} ({best.id}, epoch {best.best_epoch})")
        if self._conductor.closing is not None:
            words.append(f"stopping: {self._conductor.closing}; once more to stop now")
        return Text(" · ".join(words), style="dim" if self._live else "")


def header(study: Study, folder: Path, outlook: Plan) -> Table:
    """Space, strategy, budget, bundle, and where the results go."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in _facts(study, folder, outlook):
        grid.add_row(name, Text(value))
    return grid


def _facts(study: Study, folder: Path, outlook: Plan) -> list[tuple[str, str]]:
    space = "  ".join(f"{name} {domain}" for name, domain in study.space.items())
    return [
        ("study", f"{study.name}: {study.goal}"),
        ("space", space if len(space) <= 400 else space[:399] + "…"),
        ("strategy", str(study.strategy)),
        ("budget", str(study.budget)),
        ("bundle", f"{study.bundle}: {outlook.why}"),
        ("results", str(folder)),
    ]


def table(record: Record) -> Table:
    """The trials that run, and the best of the others."""
    goal = record.goal
    names = list(dict.fromkeys(name for trial in record.trials.values() for name in trial.params))[:8]
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("trial", "left"), ("status", "left"), ("epoch", "right"), (goal.metric, "right")):
        drawn.add_column(Text(name), justify=justify, no_wrap=True)  # type: ignore[arg-type]
    drawn.add_column("at", justify="right", no_wrap=True)
    for name in names:
        drawn.add_column(Text(name), justify="right", no_wrap=True, overflow="ellipsis", max_width=14)
    for trial in _worth_showing(record):
        params = shown_params(trial.params)
        drawn.add_row(
            trial.id,
            Text(trial.status, style=COLORS.get(trial.status, "")),
            str(trial.epoch),
            number(trial.best),
            str(trial.best_epoch or ""),
            *(Text(number(params.get(name))) for name in names),
        )
    return drawn


def print_summary(results: Results) -> None:
    """The end: the best trial, what early stopping saved, what failed, where the results lie."""
    console, record = Console(highlight=False, soft_wrap=True), results.record
    console.print()
    try:
        best = results.best
    except LookupError as error:
        console.print(Text(str(error), style="red"))
    else:
        console.print(
            Text.assemble(
                ("best ", "bold"), (f"{best.metric} {number(best.value)}", "bold green"),
                f"  {best.trial}, epoch {best.epoch}",
            )
        )  # fmt: skip
        console.print(Text("     " + "  ".join(f"{name}={number(value)}" for name, value in best.params.items())))
    for line in [*_saved(record), *_failures(record), *(f"note: {p}" for p in [*results.problems, *record.notes])]:
        console.print(Text(line))
    if record.outcome != "done":
        console.print(Text(f"{record.outcome}: {record.ended}", style="yellow"))
        console.print(Text(f"go on with: a440 resume {results.folder}"))
    console.print(Text(f"results in {results.folder}"))
    console.print(Text(f"see them:  a440 table {results.folder}"))


def number(value: Any) -> str:
    """A value in a cell: four digits of a float, a short text of anything else."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    text = "".join(c if c.isprintable() else "�" for c in str(value))
    return text if len(text) <= 40 else text[:39] + "…"


def _worth_showing(record: Record) -> list[TrialRecord]:
    running = [trial for trial in record.trials.values() if trial.status == "running"][:ROWS]
    others = [t for t in record.trials.values() if t.status != "running" and t.best is not None and t.status not in BAD]
    others.sort(key=lambda trial: record.goal.loss(trial.best if trial.best is not None else 0.0))
    return [*running, *others[: max(0, ROWS - len(running))]]


def _saved(record: Record) -> list[str]:
    """How many epochs stopping saved, against the longest trial."""
    trials = [trial for trial in record.trials.values() if trial.over and trial.status not in BAD]
    longest = max((trial.epoch for trial in trials), default=0)
    spent, full = sum(trial.epoch for trial in trials), longest * len(trials)
    stopped = sum(trial.status == "stopped" for trial in trials)
    if not stopped or not full:
        return []
    share = 100 * (full - spent) / full
    return [f"early stopping: {stopped} of {len(trials)} trials, {spent} of {full} epochs run, {share:.0f} % saved"]


def _failures(record: Record) -> list[str]:
    bad = [trial for trial in record.trials.values() if trial.status in BAD]
    lines = [f"{len(bad)} trials failed:"] if bad else []
    lines += [f"  {trial.id} {trial.status}: {one_line(trial.reason)}" for trial in bad[:5]]
    return [*lines, f"  and {len(bad) - 5} more"] if len(bad) > 5 else lines


def one_line(reason: str) -> str:
    """A reason in one line of at most 200 characters."""
    text = " ".join(reason.split())
    return text if len(text) <= 200 else text[:199] + "…"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
