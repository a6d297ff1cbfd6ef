"""Where recorded curves are read from: a table in a file, the folder of a study, or a function in place of either.

A table is in long form, a row per epoch of a configuration: a column per parameter (dotted names, also with `params.`
before them), `epoch`, `seconds` since the trial's start, and the metrics; a column `trial` tells the curves apart
where the parameters do not.
"""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.cells import Stranger, point_of
from orchestrator.curves import Recording, Surrogate, Table
from orchestrator.home import address_of
from orchestrator.lessons import point_in
from orchestrator.results import Results
from search import Goal, Space
from search.points import Flat
from search.spelling import did_you_mean
from trainables.firewall import RESERVED
from trainables.shipping import resolve
from trainables.uri import is_uri, name_of

if TYPE_CHECKING:
    import pandas as pd

FORMS = "a .csv or .parquet file of curves, the folder of a study, or a function: surrogate.py:curve"
CHANGED = Stranger(
    "changed their params in mid-trial",
    "Record trials that keep them: --set strategy='Random() + FullLength(epochs=9)'",
)
TEXTS = ["", "nan", "NaN"]  # cells that stand for nothing; None and NA may be options


def read_curves(table: Any, space: Space, goal: Goal) -> Recording:
    """The curves that `table` names: a path, an address, `file.py:function`, a DataFrame, Results or a function.

    What was read before comes back as it is.

    Raises:
        ValueError: it cannot be read, or does not go with the space and the goal; the message has the mend.
    """
    if isinstance(table, Table | Surrogate):
        return table
    if callable(table):
        return Surrogate(table, space, goal, getattr(table, "__name__", type(table).__name__))
    if isinstance(table, Results):
        return of_study(table, space, goal)
    if hasattr(table, "columns"):
        return of_frame(table, space, goal, "the DataFrame")
    if not isinstance(table, str | os.PathLike):
        raise TypeError(f"the table is {table!r} ({type(table).__name__}). Give {FORMS}")
    text = os.fspath(table)
    if text.endswith((".csv", ".parquet")):
        return of_frame(_read(text), space, goal, text)
    if is_uri(text) or Path(text).is_dir():
        return of_study(Results(text), space, goal)
    if ":" in text:
        return Surrogate(function_named(text), space, goal, text)
    raise ValueError(f"{text!r} is no table of curves. Give {FORMS}")


def of_frame(frame: "pd.DataFrame", space: Space, goal: Goal, source: str) -> Table:
    """The curves of a table in long form."""
    frame = frame.rename(columns=str).reset_index(drop=True)
    if frame.empty:
        raise ValueError(f"{source} has no rows. Give {FORMS}")
    if "trial" in frame and frame["trial"].isna().any():
        raise ValueError(f"{source} has rows without a trial. Leave them out: frame.dropna(subset=['trial'])")
    params = _param_columns(frame, space, source)
    _check_columns(frame, goal, source)
    numbers = [str(name) for name in frame.select_dtypes("number").columns]
    names = [name for name in numbers if name not in RESERVED | set(params.values()) and not name.startswith("params.")]
    places = np.zeros(len(frame), dtype=int)
    if params:
        cells = frame[list(params.values())].astype(object)
        places = cells.groupby(list(cells.columns), dropna=False, sort=False).ngroup().to_numpy()
    groups = frame.groupby("trial", sort=False).ngroup().to_numpy() if "trial" in frame else places
    first = np.unique(groups, return_index=True)[1]
    rows = frame.iloc[first][list(params.values())].to_dict("records")
    changed = set(groups[places != places[first][groups]])
    points: list[Flat | Stranger] = [
        CHANGED if group in changed else point_of({name: row[column] for name, column in params.items()}, space)
        for group, row in enumerate(rows)
    ]
    labels = [f"trial {frame['trial'].iloc[k]}" if "trial" in frame else f"row {k + 1}" for k in first]
    seconds = frame["seconds"].to_numpy(float) if "seconds" in frame else None
    metrics = {name: frame[name].to_numpy(float) for name in dict.fromkeys([*goal.metrics, *names])}
    by = ["trial"] if "trial" in frame else list(params.values())
    return _Long(source, space, groups, frame["epoch"].to_numpy(), seconds, metrics, points, labels, by).table()


def of_study(results: Results, space: Space, goal: Goal) -> Table:
    """The curves of a study that has run, as its ledger has them."""
    source = address_of(results.folder)
    frame = results.curves()
    if frame.empty:
        raise ValueError(f"no trial of {source} has reported anything. Give {FORMS}")
    _check_columns(frame, goal, source)
    trials = list(dict.fromkeys(frame["trial"]))
    points: list[Flat | Stranger] = []
    for trial in trials:
        known = results.record.trials.get(trial)
        point = None if known is None else point_in(known.params, space)
        outside = Stranger(f"{trial} is no point of the space {space}", "Give a study of the same space: a440 list")
        points.append(CHANGED if known and known.source else outside if point is None else point)
    groups = frame["trial"].map({trial: k for k, trial in enumerate(trials)}).to_numpy()
    metrics = {str(name): frame[name].to_numpy(float) for name in frame if name not in RESERVED}
    labels = [f"trial {trial}" for trial in trials]
    seconds = frame["seconds"].to_numpy(float)
    return _Long(source, space, groups, frame["epoch"].to_numpy(), seconds, metrics, points, labels).table()


@dataclass(frozen=True)
class _Long:
    """Curves in long form: R rows of G of them.

    Attributes:
        groups: `[R]` the curve of each row.
        epochs: `[R]`.
        seconds: `[R]`, or None.
        metrics: by name, `[R]`.
        points: `[G]` flat ones, or what is wrong with it.
        labels: `[G]` what to call each curve.
        by: the columns that tell the curves apart; None where nobody writes them, of a study.
    """

    source: str
    space: Space
    groups: np.ndarray
    epochs: np.ndarray
    seconds: np.ndarray | None
    metrics: dict[str, np.ndarray]
    points: Sequence[Flat | Stranger]
    labels: Sequence[str]
    by: Sequence[str] | None = None

    def table(self) -> Table:
        """The curves that are in the space and as long as the longest of them."""
        self._check_epochs()
        counts = np.bincount(self.groups, minlength=len(self.points))
        inside = np.array([isinstance(point, dict) for point in self.points])
        if not inside.any():
            raise ValueError(self._none_left())
        longest = int(self.epochs[inside[self.groups]].max())
        kept = inside & (counts == longest)
        kept[self.groups[self.epochs > longest]] = False
        if not kept.any():
            raise ValueError(
                f"no curve of {self.source} has all of its epochs from 1 to {longest}. Give a row to every epoch, "
                f"as this does: a440 table FOLDER --curves --params --out curves.csv"
            )
        order = np.lexsort((self.epochs, self.groups))
        order = order[kept[self.groups[order]]]
        shape = (int(kept.sum()), longest)
        seconds = None if self.seconds is None else self.seconds[order].reshape(shape)
        timeless: list[str] = []
        if seconds is not None:
            self._check_seconds(seconds, np.flatnonzero(kept))
            timeless = _timeless(seconds)
        metrics = {name: values[order].reshape(shape) for name, values in self.metrics.items()}
        points = [point for point, keep in zip(self.points, kept, strict=True) if keep and isinstance(point, dict)]
        notes = self._notes(int((inside & ~kept).sum()), longest)
        return Table(self.source, self.space, points, seconds, metrics, [*notes, *timeless])

    def _check_epochs(self) -> None:
        whole = self.epochs.astype(float)
        if not (np.isfinite(whole).all() and (whole == np.floor(whole)).all()):
            raise ValueError(f"{self.source} has epochs that are no whole numbers. Count them from 1: 1, 2, 3.")
        if whole.min() < 1:
            raise ValueError(
                f"{self.source} counts epochs from {whole.min():g}, and they are counted from 1. "
                f"Write: frame['epoch'] += {1 - whole.min():g}"
            )
        keys = np.stack([self.groups, whole.astype(int)])
        found, first, times = np.unique(keys, axis=1, return_index=True, return_counts=True)
        if (times > 1).any():
            k = int(np.flatnonzero(times > 1)[np.argmin(first[times > 1])])
            raise ValueError(
                f"{self.source} has epoch {found[1, k]} of one curve {times[k]} times ({self.labels[found[0, k]]}). "
                f"Tell the curves apart by a column trial."
            )

    def _check_seconds(self, seconds: np.ndarray, kept: np.ndarray) -> None:
        steps = np.diff(seconds, axis=1, prepend=0.0)
        wrong = ~(np.isfinite(steps) & (steps >= 0))
        if wrong.any():
            row, epoch = np.argwhere(wrong)[0]
            before = seconds[row, epoch - 1] if epoch else 0.0
            raise ValueError(
                f"{self.source} has {seconds[row, epoch]:g} seconds at epoch {epoch + 1} of {self.labels[kept[row]]}, "
                f"after {before:g}; they count from the trial's start. "
                f"If they are an epoch's own: {self._summed()}"
            )
        still = seconds[:, 0] == seconds[:, -1]
        if self.by is not None and seconds.shape[1] > 1 and still.any():
            row = int(np.argmax(still))
            own = seconds[row, 0]
            alone = "Without them every epoch counts as one: frame = frame.drop(columns='seconds')"
            mend = f"If they are an epoch's own: {self._summed()}" if own else alone
            raise ValueError(
                f"{self.source} has {own:g} seconds at every epoch of {self.labels[kept[row]]}, "
                f"and they count from the trial's start. {mend}"
            )

    def _summed(self) -> str:
        """What makes seconds since the start of an epoch's own ones."""
        by = ["trial"] if self.by is None else list(self.by)
        keys = "'trial'" if by == ["trial"] else f"{by!r}, dropna=False"
        return f"frame['seconds'] = frame{f'.groupby({keys})' if by else ''}.seconds.cumsum()"

    def _notes(self, short: int, longest: int) -> list[str]:
        of = f"of {len(self.points)} curves"
        said = [f"left out, without all of the {longest} epochs: {short} {of}"] if short else []
        changed = sum(point is CHANGED for point in self.points)
        outside = [p.why for p in self.points if isinstance(p, Stranger) and p is not CHANGED]
        said += [f"left out, for they {CHANGED.why}: {changed} {of}"] if changed else []
        return [*said, *([f"left out, outside of the space: {len(outside)} {of} ({outside[0]})"] if outside else [])]

    def _none_left(self) -> str:
        first = next(point for point in self.points if isinstance(point, Stranger))
        return f"none of the {len(self.points)} curves of {self.source} can be used: {first.why}. {first.mend}"


def _timeless(seconds: np.ndarray) -> list[str]:
    """What to know of epochs that take no time, `[N, E]` seconds since the start being given."""
    count = int((np.diff(seconds, axis=1, prepend=0.0) == 0).sum())
    return [f"epochs that take no time: {count:,} of {seconds.size:,}"] if count else []


def _read(path: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        if path.endswith(".parquet"):
            return pd.read_parquet(path)
        return pd.read_csv(path, keep_default_na=False, na_values=TEXTS)
    except ImportError as error:  # of fsspec, which finds a package for each kind of address
        missing = getattr(error.__cause__, "name", None) or "fsspec"
        raise ValueError(
            f"{path} cannot be read without {missing}. "
            f"Install it, pip install {missing}, or give a copy on this host: --table {name_of(path)}"
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}. Give {FORMS}") from None
    except (ValueError, UnicodeError) as error:  # of pandas and pyarrow
        raise ValueError(f"{path} is no table that can be read: {str(error).splitlines()[0]}. Give {FORMS}") from None


def _param_columns(frame: "pd.DataFrame", space: Space, source: str) -> dict[str, str]:
    """The column of each parameter; one that has a single value needs none."""
    columns = [str(column) for column in frame.columns]
    found = {}
    for leaf in space.leaves:
        column = next((name for name in (f"params.{leaf.name}", leaf.name) if name in columns), None)
        if column is not None:
            found[leaf.name] = column
        elif leaf.domain.size > 1:
            others = [name.removeprefix("params.") for name in columns if name not in found.values()]
            raise ValueError(
                f"{source} has no column for the parameter {leaf.name!r}. {did_you_mean(leaf.name, others)}"
            )
    return found


def _check_columns(frame: "pd.DataFrame", goal: Goal, source: str) -> None:
    columns = [str(column) for column in frame.columns]
    numbers = [name for name in map(str, frame.select_dtypes("number").columns) if not name.startswith("params.")]
    for name, what in [("epoch", "epochs"), *((metric, f"the goal '{goal}'") for metric in goal.metrics)]:
        if name not in columns:
            known = [n for n in numbers if n not in RESERVED] if name != "epoch" else columns
            raise ValueError(f"{source} has no column {name!r}, for {what}. {did_you_mean(name, known)}")
        if name not in numbers:
            seen = next((v for v in frame[name] if not isinstance(v, int | float)), "")
            raise ValueError(f"{source} has {seen!r} in the column {name!r}. Write numbers there, or leave it empty.")


def function_named(text: str) -> Any:
    """The function that `file.py:function` or `package.module:function` names, found as `train:` of a study file is."""
    place, _, name = text.rpartition(":")
    file = Path(place)
    if file.suffix == ".py" and not file.is_file():
        raise ValueError(f"there is no file {place}. Give {FORMS}")
    folder, module = (file.resolve().parent, file.stem) if file.suffix == ".py" else (Path.cwd(), place)
    if file.suffix == ".py":
        sys.path.insert(0, str(folder))  # before others that have a module of this name
        if module in sys.modules:
            _check_hidden(file)
    try:
        found = resolve(f"{module}:{name}", folder)
    except ValueError as error:
        raise ValueError(f"{text}: {str(error).removeprefix('train: ').replace('train is', 'the table is')}") from None
    if file.suffix == ".py":
        _check_hidden(file)
    if not callable(found):
        raise ValueError(f"{text} is {found!r}, no function. Write def {name}(params): ... there.")
    return found


def _check_hidden(file: Path) -> None:
    """Raises ValueError where another module goes by the name of a file."""
    loaded = getattr(sys.modules[file.stem], "__file__", None)
    if loaded is None or Path(loaded).resolve() != file.resolve():
        raise ValueError(f"{file} is hidden by another module {file.stem!r}, {loaded}. Rename it: my_{file.name}")
