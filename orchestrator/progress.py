"""What a user sees while a study runs: a header, one table redrawn in place, and a summary.

On a terminal the table is redrawn a few times a second; elsewhere there is a line now and then. Every
value is escaped, for a parameter's text may look like markup.
"""

import heapq
import math
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from orchestrator import saved
from orchestrator.conductor import Conductor
from orchestrator.home import address_of
from orchestrator.plan import Plan
from orchestrator.record import BAD, Record, TrialRecord
from orchestrator.results import Results
from orchestrator.screen import GAP, Column, fitting, grid, number, one_line, printable
from orchestrator.study import Study
from orchestrator.width import fuse_told
from search.space import shown_params
from trainables.energy import source
from trainables.uri import name_of

ROWS = 12
REDRAW_S = 0.25
FAR_S = 2.0  # between two tables that travel by a job's log
LOOK_S = 1.0
LINE_S = 10.0
PARAM = 14
COLORS = {"running": "cyan", "ended": "green", "failed": "red", "invalid": "red", "timeout": "red", "waiting": "yellow"}


class Progress:
    """The view of one driver."""

    def __init__(self, study: Study, conductor: Conductor, outlook: Plan, console: Console, live: Live | None):
        self._study, self._conductor, self._outlook = study, conductor, outlook
        self._console, self._live = console, live
        self._looked_at = self._told_at = -math.inf
        self._told: tuple[str | None, bool] = (None, False)
        self._said: list[str] = []

    @staticmethod
    @contextmanager
    def of(study: Study, folder: Path, conductor: Conductor, outlook: Plan, shown: bool) -> "Iterator[Progress]":
        """A view that is on screen while the block lasts; silent where `shown` is False."""
        console = _console(shown)
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
        pause = LOOK_S if self._live is None else REDRAW_S if self._console.file.isatty() else FAR_S
        if not last and now - self._looked_at < pause:
            return
        self._looked_at = now
        if self._console.quiet:
            return
        record, console = self._conductor.record, self._console
        best, bad = record.best(), failures(record)
        lines = [self._line(best, len(bad), last), *_newest(record, bad)]
        if self._live is not None:
            drawn = table(record, console.width, min(ROWS, max(1, console.height - 6)))
            for failure in lines[1:]:
                failure.truncate(console.width, overflow="ellipsis")
            self._live.update(Group(drawn, *lines), refresh=True)
            return
        news = (best.id if best is not None and best.over else self._told[0], bool(bad))
        said = [line.plain for line in lines]
        if last or news != self._told or (now - self._told_at >= LINE_S and said != self._said):
            self._told_at, self._told, self._said = now, news, said
            for line in lines:
                console.print(line, soft_wrap=True)

    def tell(self, text: str) -> None:
        """Says something once, above the table."""
        self._console.print(Text(f"note: {printable(' '.join(text.split()))}", style="yellow"), soft_wrap=True)

    def _line(self, best: TrialRecord | None, failed: int, last: bool) -> Text:
        record, terms, closing = self._conductor.record, self._conductor.terms, self._conductor.closing
        of = f"/{terms.trials}" if terms.trials is not None else ""
        running = sum(trial.status == "running" for trial in record.trials.values())
        words = [Text(f"{record.over}{of} trials over"), Text(f"{running} running")]
        if failed:
            words.append(Text(f"{failed} failed", style="not dim red"))
        words.append(Text(_clock(record.elapsed_s)))
        if best is not None and best.best is not None:
            found = f"best {record.goal.metric} {number(best.best)} ({best.id}, epoch {best.best_epoch})"
            words.append(Text(found))
        if closing is not None and not last:
            words.append(Text(f"stopping: {one_line(closing)}; once more to stop now"))
        line = Text(" · ").join(words)
        line.style = "dim" if self._live else ""
        return line


def _console(shown: bool) -> Console:
    """This terminal, or the one of whoever follows a job's log, whose size was sent along."""
    columns, x, lines = os.environ.get("A440_SCREEN", "").partition("x")
    if not x or not columns.isdigit() or not lines.isdigit():
        return Console(quiet=not shown, highlight=False)
    width, height = max(40, int(columns)), max(10, int(lines))
    return Console(quiet=not shown, highlight=False, force_terminal=True, width=width, height=height)


def header(study: Study, folder: Path, outlook: Plan) -> Table:
    """Space, strategy, budget, bundle, and where the results go."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold", no_wrap=True)
    facts.add_column(overflow="fold")
    for name, value in _facts(study, folder, outlook):
        facts.add_row(name, Text(value))
    return facts


def _facts(study: Study, folder: Path, outlook: Plan) -> list[tuple[str, str]]:
    space = "  ".join(f"{name} {domain}" for name, domain in study.space.items())
    held = [("limits", "  ".join(map(str, study.space.limits)))] if study.space.limits else []
    held += [("prior", "  ".join(map(str, study.space.prior.beliefs)))] if study.space.prior else []
    held += [("learns", f"from {', '.join(study.learn_from)}")] if study.learn_from else []
    picked = [("auto", outlook.picked)] if outlook.picked else []
    repeats = [("repeats", f"every point from {study.repeats} seeds, judged by the mean")] if study.repeats > 1 else []
    return [
        ("study", f"{study.name}: {study.goal}"),
        ("space", space if len(space) <= 400 else space[:399] + "…"),
        *held,
        ("strategy", str(study.strategy)),
        *picked,
        *([("note", outlook.note)] if outlook.note else []),
        *repeats,
        *([("data", str(study.data))] if study.data is not None else []),
        *([("retrains", _retrained(study))] if study.lineage else []),
        ("budget", str(study.budget)),
        ("bundle", f"{study.bundle}: {outlook.why}"),
        *([("fuse", fuse_told(study.fuse))] if study.fuse else []),
        *((name, text) for name, text in (("scales", outlook.scales), ("costs", outlook.costs)) if text),
        ("energy", source()),
        ("results", address_of(folder)),
    ]


def _retrained(study: Study) -> str:
    lineage = study.lineage or {}
    rows = "its metrics are on the rows it is trained on" if study.data is not None else "its data are its own"
    return f"{', '.join(lineage['trials'])} of {name_of(lineage['study'])}; {rows}"


def table(record: Record, width: int, rows: int = ROWS) -> Table:
    """The trials that run and the best of the others, with as many params as fit beside them."""
    trials = _worth_showing(record, rows)
    fixed = [
        Column("trial", [Text(t.id) for t in trials]),
        Column("status", [Text(t.status, style=COLORS.get(t.status, "")) for t in trials]),
        Column("epoch", [Text(str(t.epoch)) for t in trials], "right"),
        *(
            Column(name, [Text(number(t.metrics.get(name) if t.rank else None)) for t in trials], "right")
            for name in record.goal.metrics
        ),
        Column("at", [Text(str(t.best_epoch or "")) for t in trials], "right"),
    ]
    columns = [*fixed, *_params(trials)]
    kept = fitting(columns, width)
    if kept == len(columns) or kept < len(fixed):
        return grid(columns[:kept])
    room = width - GAP - len(f"+{len(columns)} more")
    kept = max(len(fixed), fitting(columns, room))
    more = Column(f"+{len(columns) - kept} more", [Text()] * len(trials))
    return grid([*columns[:kept], more][: fitting([*columns[:kept], more], width)])


def _params(trials: list[TrialRecord]) -> list[Column]:
    """A column per param that one of these trials has; a long name keeps its end, which tells it apart."""
    rows = [shown_params(trial.point) for trial in trials]
    names = dict.fromkeys(name for row in rows for name in row)
    return [
        Column(
            name if len(name) <= PARAM else "…" + name[1 - PARAM :],
            [Text(number(row.get(name), PARAM)) for row in rows],
            "right",
        )
        for name in names
    ]


def print_summary(results: Results, console: Console | None = None) -> None:
    """The end: the best trial, what early stopping saved, what failed, where the results lie."""
    console, record = console or Console(highlight=False, soft_wrap=True), results.record
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
        if record.goal.others:
            console.print(Text(f"front: {results.front()}"))
    if record.tested:
        scores = "  ".join(f"{name} {number(value)}" for name, value in record.tested.items())
        console.print(Text(f"on rows that no trial saw: {scores}", style="bold"))
    for line in [*_saved(record), *_failures(record), *_notes(results)]:
        console.print(Text(line))
    if record.outcome != "done":
        console.print(Text(_ended(record), style="yellow"))
        console.print(Text(f"go on with: {_resume(results)}"))
    console.print(Text(f"results in {address_of(results.folder)}"))
    console.print(Text(f"see them:  a440 table {shlex.quote(address_of(results.folder))}"))


def failures(record: Record) -> list[TrialRecord]:
    """The trials that failed, ran out of time, or were invalid."""
    return [trial for trial in record.trials.values() if trial.status in BAD]


def _newest(record: Record, bad: list[TrialRecord]) -> list[Text]:
    """The newest failure in one line; the record has those that ran in the order of their end."""
    if not bad:
        return []
    newest = (record.failed or bad)[-1]
    text = f"  {newest.id} {newest.status}: {one_line(newest.reason)}"
    return [Text(text, style="red")]


def _worth_showing(record: Record, rows: int) -> list[TrialRecord]:
    running = [trial for trial in record.trials.values() if trial.status == "running"][:rows]
    ranked = (
        (trial.rank, place, trial)
        for place, trial in enumerate(record.trials.values())
        if trial.rank is not None and trial.status != "running" and trial.status not in BAD
    )
    return [*running, *(trial for *_, trial in heapq.nsmallest(rows - len(running), ranked))]


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
    bad = failures(record)
    lines = [f"{len(bad)} trial{'s' if len(bad) > 1 else ''} failed:"] if bad else []
    lines += [f"  {trial.id} {trial.status}: {one_line(trial.reason)}" for trial in bad[:5]]
    return [*lines, f"  and {len(bad) - 5} more"] if len(bad) > 5 else lines


def _notes(results: Results) -> list[str]:
    """What the ledger lacks, and what was noted beyond that: a driver notes the ledger's problems, too."""
    notes = (note.removeprefix("ledger: ") for note in results.record.notes)
    return [f"note: {printable(text)}" for text in dict.fromkeys([*results.problems, *notes])]


def _ended(record: Record) -> str:
    outcome = record.outcome or "killed"
    return outcome if record.ended in (None, outcome) else f"{outcome}: {one_line(record.ended or '')}"


def _resume(results: Results) -> str:
    """What goes on with a study: from the shell, or from Python where its trainable has no name to find it by."""
    try:
        document = saved.read(results.folder)
    except (OSError, ValueError):
        document = {"train": "unknown"}
    record, hours = results.record, ""
    if (record.ended or "").startswith("the budget of"):
        twice_h = 2 * record.elapsed_s / 3600
        hours = str(round(twice_h)) if twice_h >= 1 else f"'{max(1, round(twice_h * 60))} min'"
    if document.get("train") is None:
        return f"study.resume({address_of(results.folder)!r}{f', hours={hours}' if hours else ''})"
    return f"a440 resume {shlex.quote(address_of(results.folder))}{f' --hours {hours}' if hours else ''}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
