"""A study's data, from wherever they lie: named once, read once on the driver, shared by all trials.

    Data("digits")                                          one of scikit-learn's bundled sets
    Data("visits.parquet", target="days", groups="patient")
    Data(frame, target="price", test=0.2)                   a DataFrame
    Data((x, y))                                            arrays, tensors or lists
    Data(dataset)                                           a torch Dataset that has a length

Rows are dealt once, by the seed: a test part that no trial ever sees, a validation part, and the rest to train on.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import xxhash

from trainables.folds import KINDS, Folds, dealt_by
from trainables.rows import Given, Rows
from trainables.sources import BUNDLED, check_source, read_rows
from trainables.spelling import nearest
from trainables.targets import TASKS, settled_targets


@dataclass(frozen=True, eq=False)
class Data:
    """What a study learns from.

    Attributes:
        source: a bundled set's name, a `.parquet` or `.csv` path, a DataFrame, a pair of inputs and targets, or a
            torch Dataset of such pairs.
        target: of a table, the column to predict.
        groups: of a table, the column of what belongs together; of arrays, `[N]` of them.
        test: share of the rows, [0, 1), that no trial sees; the winner is scored on them once.
        validation: share of the others, (0, 1), that a trial validates with, where it does not do so by folds.
        by: how parts are dealt: as in `Folds`.
        seed: of the dealing.
        folds: how many a bare estimator is validated by, 2 or more; classes say so themselves.
        task: `classification` or `regression`: what targets are, where neither goal nor trainable tells; `auto` looks
            at them, and asks where they could be either.
    """

    source: Any
    target: str | None = None
    groups: Any = None
    test: float = 0.0
    validation: float = 0.2
    by: str = "auto"
    seed: int = 0
    folds: int = 5
    task: str = "auto"

    def __post_init__(self) -> None:
        for name, least in (("test", True), ("validation", False)):
            share = getattr(self, name)
            number = isinstance(share, int | float) and not isinstance(share, bool)
            if not number or not (0 <= share < 1 if least else 0 < share < 1):
                raise ValueError(f"{name}={share!r} is no share of the rows. Write {name}=0.2.")
        if self.by not in KINDS:
            raise ValueError(f"rows are not dealt by {self.by!r}. {nearest(str(self.by), KINDS)}")
        if self.task not in TASKS:
            raise ValueError(f"no task is called {self.task!r}. {nearest(str(self.task), TASKS)}")
        Folds(self.folds)
        check_source(self.source, self.target)
        if isinstance(self.source, str | Path) and str(self.source) not in BUNDLED:
            object.__setattr__(self, "source", str(Path(self.source).expanduser().resolve()))

    @staticmethod
    def of(value: Any) -> "Data":
        """Data as they are, or from a source alone."""
        return value if isinstance(value, Data) else Data(value)

    def read(self) -> Rows:
        """All rows, in the order of the source.

        Raises:
            ValueError: a column is missing, or inputs and targets do not have the same length.
        """
        rows = read_rows(self.source, self.target, self.groups)
        targets = len(rows) if rows.targets is None else len(rows.targets)
        groups = len(rows) if rows.groups is None else len(rows.groups)
        if not len(rows) == targets == groups or len(rows) < 2:
            raise ValueError(
                f"{len(rows)} inputs, {targets} targets and {groups} groups make no rows. "
                f"Give as many of each, and two at least."
            )
        return rows

    def __str__(self) -> str:
        source = self.source if isinstance(self.source, str) else f"<{type(self.source).__name__}>"
        said = [f"{f.name}={getattr(self, f.name)!r}" for f in fields(self) if f.name not in ("source", "groups")]
        defaults = {f"{f.name}={f.default!r}" for f in fields(self)}
        groups = [f"groups={self.groups!r}"] if isinstance(self.groups, str) else []
        return f"Data({', '.join([repr(source), *groups, *(word for word in said if word not in defaults)])})"

    __repr__ = __str__


@dataclass(frozen=True, eq=False)
class Dealt:
    """Rows in their parts.

    Attributes:
        given: what trials may see.
        test: what only the winner is scored on; None where nothing was kept back.
        digest: of all rows, sixteen hexadecimal digits.
        columns: names of a table's inputs; None of an array.
    """

    given: Given
    test: Rows | None
    digest: str
    columns: tuple[str, ...] | None = None

    def __str__(self) -> str:
        train, held, test = self.given.cut, len(self.given.rows) - self.given.cut, len(self.test or ())
        parts = [f"{train} rows to train on"]
        parts += [f"{held} to validate with"] if held else []
        parts += [f"{test} that no trial sees"] if test else []
        return f"{', '.join(parts)}; {self._targets()}"

    def told(self) -> dict[str, Any]:
        """What a ledger keeps of them: the digest, and what inputs and targets a model of them knows."""
        classes = self.given.classes
        plain = classes is not None and all(isinstance(one, str | int | float) for one in classes)
        return {
            "data": self.digest,
            **({"columns": list(self.columns)} if self.columns is not None else {}),
            **({"classes": list(classes)} if classes is not None and plain else {}),
        }

    def _targets(self) -> str:
        classes, targets = self.given.classes, self.given.rows.targets
        if classes is not None:
            return f"targets are {len(classes)} classes"
        return "no targets" if targets is None else f"targets are {'quantities' if _are_numbers(targets) else 'texts'}"


def deal(
    data: Data, *, folds: bool = False, tensors: bool = False, kind: str | None = None, metrics: tuple[str, ...] = ()
) -> Dealt:
    """Reads the data and deals them into parts.

    Args:
        data: of a study.
        folds: the trainable validates by folds: all rows that are not for the test, in the order of the source.
        tensors: for networks: numbers become 32-bit floats, and classes become 0, 1, 2 ... in their sorted order.
        kind: of the targets, where it is known: `classes`, `numbers` or `texts`.
        metrics: of the goal, for messages.

    Raises:
        ValueError: they cannot be dealt so, or are not what the goal asks for.
    """
    import numpy as np

    rows = data.read()
    digest = _digest(rows)
    columns = tuple(map(str, rows.inputs.columns)) if hasattr(rows.inputs, "columns") else None
    targets, classes = settled_targets(rows.targets, TASKS[data.task] or kind, metrics, numbered=tensors)
    if tensors:
        coded = targets if classes is None else np.searchsorted(np.asarray(classes), targets).astype("int64")
        rows = Rows(single(rows.inputs), _as_float(coded) if classes is None else coded, rows.groups)
    else:
        rows = Rows(rows.inputs, targets, rows.groups)
    by, everything = dealt_by(data.by, rows, classes is not None), np.arange(len(rows))
    known, test = _parted(rows, everything, data, data.test, by) if data.test else (everything, None)
    if folds:
        rest = rows if test is None else rows.take(np.sort(known))
        given = Given(rest, len(known), classes, data.by, data.folds)
    else:
        train, held = _parted(rows, known, data, data.validation, by)
        given = Given(rows.take(np.concatenate([train, held])), len(train), classes, data.by)
    return Dealt(given, None if test is None else rows.take(test), digest, columns)


def _parted(rows: Rows, known: Any, data: Data, share: float, by: str) -> tuple[Any, Any]:
    """Indices of those that stay and those that are held back."""
    import numpy as np
    from sklearn import model_selection as dealt

    if len(known) < 2:
        raise ValueError(
            f"{len(known)} row is left to be parted once more. Give more rows, or a smaller test: test=0.2"
        )
    count = min(max(1, round(len(known) * share)), len(known) - 1)
    if by == "time":
        return known[:-count], known[-count:]
    if by == "grouped":
        groups = np.asarray(rows.groups)[known]
        if len(np.unique(groups)) < 2:
            raise ValueError(f"all {len(known)} rows are of one group, which is not parted. Deal them by='random'.")
        one = dealt.GroupShuffleSplit(1, test_size=share, random_state=data.seed)
        (stay, held), *_ = one.split(known, groups=groups)
        return known[stay], known[held]
    classes = np.asarray(rows.targets)[known] if by == "stratified" else None
    least = min(count, len(known) - count)
    if classes is not None and (np.unique(classes, return_counts=True)[1].min() < 2 or len(set(classes)) > least):
        if data.by == "stratified":
            raise ValueError(
                f"some class is too small to be in both parts of {len(known)} rows. Deal them by='random' instead."
            )
        classes = None
    stay, held = dealt.train_test_split(known, test_size=count, random_state=data.seed, stratify=classes)
    return stay, held


def single(part: Any) -> Any:
    """Inputs as networks take them: a table as one array of 32-bit floats, doubles as these; whole numbers stay.

    Raises:
        ValueError: a column is no number; the message has how to encode it.
    """
    if hasattr(part, "iloc"):
        words = [str(c) for c, kind in part.dtypes.items() if getattr(kind, "kind", "O") not in "biuf"]
        if words:
            raise ValueError(
                f"the column {words[0]!r} holds no numbers, and networks take nothing else. "
                f"Encode it first: pandas.get_dummies(frame, columns={words!r})"
            )
        return part.to_numpy(dtype="float32")
    return _as_float(part) if str(getattr(part, "dtype", "")) == "float64" else part


def _are_numbers(targets: Any) -> bool:
    return getattr(getattr(targets, "dtype", None), "kind", "O") in "biuf"


def _as_float(targets: Any) -> Any:
    return targets.astype("float32") if _are_numbers(targets) else targets


def _digest(rows: Rows) -> str:
    import numpy as np
    import pandas as pd

    found = xxhash.xxh3_64()
    for part in (rows.inputs, rows.targets, rows.groups):
        if part is None:
            continue
        if hasattr(part, "iloc"):
            found.update(" ".join(map(str, part.columns)).encode())
            part = pd.util.hash_pandas_object(part, index=False).to_numpy()
        elif hasattr(part, "tocsr"):
            found.update(f"{part.shape}".encode())
            part = np.concatenate([part.tocsr().data, part.tocsr().indices, part.tocsr().indptr])
        array = np.ascontiguousarray(part)
        found.update(f"{array.dtype}{array.shape}".encode())
        plain = array.dtype.kind != "O"
        found.update(array.view(np.uint8).reshape(-1).data if plain and array.size else repr(array.tolist()).encode())
    return found.hexdigest()
