"""What a study found, read from its ledger alone: tables, the best trial, and where its model lies."""

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator import ledger
from orchestrator.checkpoints import fetched, placed
from orchestrator.front import Front, front_of
from orchestrator.home import address_of, forget, home_of, local
from orchestrator.record import Record, TrialRecord
from orchestrator.working_copy import refresh
from search import Space
from search.space import shown_params
from trainables.uri import is_uri, name_of

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Best:
    """The best trial of a study.

    Attributes:
        trial: its id.
        params: flat, with dotted names.
        metric: the goal's metric.
        value: the best value that the trial ever reported, and `epoch` when.
        seconds: that the trial trained.
        checkpoint: the folder of that epoch's checkpoint, or of the newest; None where there is none. Of a study in
            an object store its address, as text; `results.fetch(best.trial)` brings it here.
        folder: of the study, on this host.
    """

    trial: str
    params: dict[str, Any]
    metric: str
    value: float
    epoch: int
    seconds: float
    checkpoint: Path | str | None
    folder: Path

    def as_json(self) -> str:
        """One JSON object."""
        fields = {**self.__dict__, "checkpoint": str(self.checkpoint) if self.checkpoint else None}
        del fields["folder"]
        return json.dumps(fields, default=str)


class Results:
    """A study's outcome.

    Args:
        folder: of the study, or its address. Of that, the working copy is brought up to date first; where the store
            cannot be reached and there is one, what it has is read, and told.
        space: where it is known, options that are no plain values come back as themselves.

    Attributes:
        record: all trials and how the study stands.
        problems: what the ledger had to leave out, one sentence each.
        outcome: `done`, `interrupted`, `broken`, or None for a study that runs or was killed.
    """

    def __init__(self, folder: str | Path, space: Space | None = None):
        self.folder, self._space = local(folder), space
        told = _refreshed(self.folder) if is_uri(folder) else []
        if not _has_ledger(self.folder):
            where = address_of(self.folder)
            forget(self.folder)
            raise FileNotFoundError(
                f"{where} is no study: it has no ledger. List the studies that there are: a440 list"
            )
        reading = ledger.read(self.folder / "ledger")
        self.record = Record()
        for event in reading.events:
            self.record.apply(event)
        self.problems = [*told, *reading.problems, *self.record.problems]

    def __repr__(self) -> str:
        record = self.record
        best = record.best()
        value = "" if best is None else f", best {record.goal.metric} {best.best:g} ({best.id})"
        trials = f"{len(record.trials)} trials, {record.outcome or 'not ended'}"
        return f"<Results of {address_of(self.folder)}: {trials}{value}>"

    @property
    def outcome(self) -> str | None:
        return self.record.outcome

    @property
    def best(self) -> Best:
        """The best trial; with several objectives the best in the first one, and `front` has the others.

        Raises:
            LookupError: none has reported a usable value, or none has kept the limits.
        """
        trial = self.record.best()
        if trial is None:
            raise LookupError(
                f"no trial of {self.folder.name} has reported {self.record.goal.metric} yet. "
                f"See why: a440 table {address_of(self.folder)}"
            )
        assert trial.best is not None
        if not trial.keeps_limits:
            limits = ", ".join(map(str, self.record.goal.limits))
            seen = ", ".join(f"{b.metric}={trial.metrics[b.metric]:g}" for b in self.record.goal.limits)
            raise LookupError(
                f"no trial of {self.folder.name} keeps {limits}; the nearest is {trial.id} with {seen}. "
                f"Loosen the limit, or look on: a440 resume {address_of(self.folder)} --trials +32"
            )
        return Best(
            trial.id,
            self._params(trial),
            self.record.goal.metric,
            trial.best,
            trial.best_epoch,
            trial.seconds,
            self.checkpoint_of(trial),
            self.folder,
        )

    @property
    def tested(self) -> dict[str, float] | None:
        """The winner's metrics on the rows that no trial saw; None where they were not scored."""
        return self.record.tested

    def front(self, reference: Mapping[str, float] | None = None) -> Front:
        """The trials within the limits that no other one beats in every objective, with their hypervolume.

        Args:
            reference: per objective a value that bounds the hypervolume; see `orchestrator.front`.
        """
        return front_of(self.record, reference)

    def frame(self) -> "pd.DataFrame":
        """One row per trial: `trial status reason epoch METRIC best_epoch seconds params.* other metrics`.

        METRIC is the trial's best reported value, and the other metrics are those of that epoch. With several
        objectives each has its column there, and `on_front` tells the front; with limits `within_limits` is told.
        """
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=self.columns())

    def curves(self, params: bool = False) -> "pd.DataFrame":
        """One row per report: `trial epoch seconds` and the metrics.

        With `params` each row has its trial's `params.*`, and trials that changed theirs are left out: a table that
        `a440 simulate` reads.
        """
        import pandas as pd

        trials = [trial for trial in self.record.trials.values() if trial.source is None]
        shown = {t.id: {f"params.{name}": value for name, value in shown_params(t.params).items()} for t in trials}
        rows = [
            {
                "trial": e["trial"],
                "epoch": e["epoch"],
                "seconds": e["seconds"],
                **(shown[e["trial"]] if params else {}),
                **e["metrics"],
            }
            for e in self.events()
            if e["event"] == "reported" and (not params or e["trial"] in shown)
        ]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["trial", "epoch", "seconds"])

    def events(self) -> list[ledger.Event]:
        """All that the ledger holds, in its order."""
        return ledger.read(self.folder / "ledger").events

    def rows(self) -> list[dict[str, Any]]:
        """The table as dicts."""
        front = {trial.id for trial in self.record.front()} if self.record.goal.others else set()
        return [self._row(trial, front) for trial in self.record.trials.values()]

    def columns(self) -> list[str]:
        """The table's columns in their order."""
        goal = self.record.goal
        metrics = goal.metrics
        fixed = ["trial", "status", "reason", "epoch", *metrics, "best_epoch", "seconds"]
        fixed += [name for name, wanted in (("on_front", goal.others), ("within_limits", goal.limits)) if wanted]
        params = [f"params.{name}" for name in _in_order(n for t in self.record.trials.values() for n in t.params)]
        others = dict.fromkeys(n for t in self.record.trials.values() for n in t.metrics if n not in metrics)
        return [*fixed, *params, *(["lineage"] if self.record.lineage else []), *others]

    def write_tables(self) -> Path:
        """Writes `tables/trials.parquet` and `tables/reports.parquet`; returns their folder."""
        folder = self.folder / "tables"
        folder.mkdir(exist_ok=True)
        for name, frame in (("trials", self.frame()), ("reports", self.curves())):
            write_table(frame, folder / f"{name}.parquet")
        return folder

    def _row(self, trial: TrialRecord, front: set[str]) -> dict[str, Any]:
        goal = self.record.goal
        return {
            **trial.metrics,
            "trial": trial.id,
            "status": trial.status,
            "reason": trial.reason,
            "epoch": trial.epoch,
            "best_epoch": trial.best_epoch if trial.best is not None else None,
            "seconds": trial.seconds,
            **({"on_front": trial.id in front} if goal.others else {}),
            **({"within_limits": trial.keeps_limits} if goal.limits else {}),
            **{f"params.{name}": value for name, value in shown_params(trial.point).items()},
            **({"lineage": self._lineage(trial)} if self.record.lineage else {}),
        }

    def _lineage(self, trial: TrialRecord) -> str:
        """The study and the trial that a retrained trial's point came from."""
        sources = self.record.lineage["trials"]
        source = sources[trial.number - 1] if trial.number <= len(sources) else ""
        return f"{name_of(self.record.lineage['study'])}/{source}"

    def _params(self, trial: TrialRecord) -> dict[str, Any]:
        return shown_params(trial.point) if self._space is None else self._space.decode(trial.point)

    def checkpoint_of(self, trial: TrialRecord) -> Path | str | None:
        """Its best epoch's checkpoint, or its newest; reading it is the trainables' business."""
        return placed(self.folder, trial.id, trial.best_epoch)

    def fetch(self, trial: str | TrialRecord) -> Path | None:
        """The same on this host's disk, brought there where it lies in an object store; None where there is none.

        Args:
            trial: or its id.

        Raises:
            ValueError: it is damaged.
        """
        found = trial if isinstance(trial, TrialRecord) else self.record.trials[trial]
        return fetched(self.folder, found.id, found.best_epoch)


def _has_ledger(folder: Path) -> bool:
    """A working copy is made before anybody knows whether there is such a study."""
    return (folder / "ledger").is_dir() and (home_of(folder) is None or any((folder / "ledger").iterdir()))


def _refreshed(folder: Path) -> list[str]:
    try:
        return refresh(folder)
    except ConnectionError as error:
        if not _has_ledger(folder):
            raise
        return [f"{error} What follows is from the working copy on this host."]


def _in_order(names: Iterable[str]) -> list[str]:
    """Dotted names as in a tree: what hangs on a name behind it, copies by number, the rest by first appearance.

    >>> _in_order(["n", "n.1.w", "x", "n.0.w"])
    ['n', 'n.0.w', 'n.1.w', 'x']
    """
    known: dict[str, None] = dict.fromkeys(names)
    places: dict[tuple[str, ...], int] = {}
    for name in known:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            places.setdefault(tuple(parts[:end]), len(places))

    def key(name: str) -> list[int]:
        parts = tuple(name.split("."))
        return [int(p) if p.isdigit() else places[parts[: k + 1]] for k, p in enumerate(parts)]

    return sorted(known, key=key)


def write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Writes a frame as parquet or CSV, by the file's ending, in place of what was there.

    Raises:
        ValueError: another ending, or a place that cannot be written.
    """
    if path.suffix not in (".parquet", ".csv"):
        raise ValueError(
            f"tables are not written as {path.suffix or path.name!r}. Use --out trials.parquet or trials.csv"
        )
    draft = path.with_name(f".{path.name}.draft")
    try:
        if path.suffix == ".csv":
            frame.map(_harmless).rename(columns=_harmless).to_csv(draft, index=False)
        else:
            _of_one_type(frame).to_parquet(draft, index=False)
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise ValueError(_unwritable(path, error)) from error


def _unwritable(path: Path, error: OSError) -> str:
    folder = path.parent
    if not os.path.lexists(folder):
        return f"the folder {folder} is not there. Make it: mkdir -p {shlex.quote(str(folder))}"
    if not os.path.isdir(folder):
        return f"{folder} is no folder. Name another place: --out trials{path.suffix}"
    return f"{path} cannot be written: {error.strerror or error}. Name another place: --out trials{path.suffix}"


def _of_one_type(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Columns that mix types as text, which parquet wants."""
    mixed = [c for c in frame if len({type(v) for v in frame[c].dropna()}) > 1]
    return frame.astype(dict.fromkeys(mixed, "string"))


def _harmless(cell: Any) -> Any:
    """A cell or a column's name that a spreadsheet would take for a formula, quoted."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
