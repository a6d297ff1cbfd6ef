"""Folds: each row is held out once, and a model that never saw it is scored on it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainables.contract import Brief, Metrics, Params, Training
from trainables.rows import Given, Rows
from trainables.spelling import nearest

KINDS = ("auto", "stratified", "grouped", "random", "time")


@dataclass(frozen=True, slots=True)
class Folds:
    """How rows are dealt into folds; every trial of a study gets the same ones.

    Attributes:
        n: how many, 2 or more.
        by: `stratified` keeps the shares of the classes; `grouped` keeps rows of one group together; `time` trains
            on the rows before those that are held out; `random` does none of it; `auto` is what the study's data are
            dealt by, else grouped where the rows have groups, else stratified where the targets are classes, else
            random.
        shuffle: whether rows are dealt in a random order; rows that lie in an order of their own, such as one
            writer's digits after another's, score otherwise without. Has no meaning for `time`.
        seed: of that order.
    """

    n: int = 5
    by: str = "auto"
    shuffle: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or not isinstance(self.n, int) or self.n < 2:
            raise ValueError(f"n={self.n!r} makes no folds. Write Folds(5), or any whole number of 2 or more.")
        if self.by not in KINDS:
            raise ValueError(f"folds by {self.by!r} are unknown. {nearest(str(self.by), KINDS)}")

    def splits(self, rows: Rows, by: str = "auto", classes: Any = None) -> list[tuple[Any, Any]]:
        """Per fold the indices to train on and those that are held out, as scikit-learn's splitters deal them.

        Args:
            rows: all of them.
            by: how, where these folds do not say so themselves.
            classes: of the targets; None where they are none.

        Raises:
            ValueError: there are fewer rows, groups or members of a class than folds.
        """
        from sklearn import model_selection as dealt

        order: dict[str, Any] = {"shuffle": self.shuffle, "random_state": self.seed if self.shuffle else None}
        by = dealt_by(by if self.by == "auto" else self.by, rows, classes is not None)
        match by:
            case "grouped":
                found = dealt.GroupKFold(self.n, **order).split(rows.inputs, rows.targets, rows.groups)
            case "stratified":
                found = dealt.StratifiedKFold(self.n, **order).split(rows.inputs, rows.targets)
            case "time":
                found = dealt.TimeSeriesSplit(self.n).split(rows.inputs)
            case _:
                found = dealt.KFold(self.n, **order).split(rows.inputs)
        try:
            return list(found)
        except ValueError as error:
            raise ValueError(
                f"{len(rows)} rows are not dealt into {self.n} {by} folds: {error}. "
                f"Give more rows, or fewer folds: Folds(2)."
            ) from error


def dealt_by(by: str, rows: Rows, has_classes: bool) -> str:
    """How rows are dealt, with `auto` settled.

    Raises:
        ValueError: by group, and they have none.
    """
    if by == "grouped" and rows.groups is None:
        raise ValueError(
            "rows are dealt by group, and have none. Name their column: Data('visits.parquet', groups='patient')."
        )
    if by != "auto":
        return by
    return "grouped" if rows.groups is not None else "stratified" if has_classes else "random"


Fit = Callable[[Given], tuple[Mapping[str, float], int]]


class CrossTraining:
    """Cross-validation under way: an epoch is a fold, and reports the means over the folds so far.

    A scheduler can so end a point after one fold. From the second fold on `<metric>_spread` is reported too, the
    sample's standard deviation over the folds.

    Args:
        fit: trains a new model on a fold and scores it on the rows that are held out: its metrics, and how many rows
            it was trained on, which count in every pass.
        given: the study's rows.
        folds: how they are dealt.

    Attributes:
        rows: how many were trained on so far.
    """

    saves = True

    def __init__(self, fit: Fit, given: Given, folds: Folds):
        self._fit, self._given = fit, given
        self._splits = folds.splits(given.rows, given.by, given.classes)
        self._scores: list[dict[str, float]] = []
        self.rows = 0

    def step(self) -> Metrics | None:
        """Trains and scores one fold; None when all are done."""
        if len(self._scores) == len(self._splits):
            return None
        scores, rows = self._fit(self._fold(*self._splits[len(self._scores)]))
        self._scores.append(dict(scores))
        self.rows += rows
        return means(self._scores)

    def save(self, folder: Path) -> None:
        (folder / "folds.json").write_text(json.dumps({"scores": self._scores, "rows": self.rows}))

    def load(self, folder: Path) -> None:
        state = json.loads((folder / "folds.json").read_text())
        self._scores, self.rows = state["scores"], state["rows"]

    def close(self) -> None:
        """Nothing runs between two folds."""

    def _fold(self, train: Any, held: Any) -> Given:
        """Its rows, copied once: those to train on, and after them those that are held out."""
        import numpy as np

        rows = self._given.rows.take(np.concatenate([train, held]))
        return replace(self._given, rows=rows, cut=len(train))


def folded(
    make: Callable[[Params, Brief], Training], params: Params, brief: Brief, folds: Folds, epochs: int
) -> CrossTraining:
    """Cross-validation of what trains in epochs: a fold is a whole training, and its last report counts.

    Args:
        make: a new training from params and a brief.
        params: nested params.
        brief: with the study's data.
        folds: how they are dealt.
        epochs: of each fold.
    """
    assert brief.given is not None, "a study by folds is refused without data"

    def fit(fold: Given) -> tuple[Mapping[str, float], int]:
        training = make(params, replace(brief, given=fold))
        metrics: Any = {}
        for _ in range(epochs):
            metrics = training.step() or metrics
        rows = int(getattr(training, "rows", 0))
        training.close()
        return {name: float(value) for name, value in metrics.items()}, rows

    return CrossTraining(fit, brief.given, folds)


def means(scores: list[dict[str, float]]) -> dict[str, float]:
    """Means over folds and, from two on, sample standard deviations.

    >>> means([{"accuracy": 0.5}, {"accuracy": 1.0}])
    {'accuracy': 0.75, 'accuracy_spread': 0.3535533905932738}
    """
    import numpy as np

    found: dict[str, float] = {}
    for name in scores[0]:
        values = np.array([score[name] for score in scores], float)
        found[name] = float(values.mean())
        if len(values) > 1:
            found[f"{name}_spread"] = float(values.std(ddof=1))
    return found
