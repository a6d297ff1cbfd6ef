"""Rows of data: inputs and targets side by side, cut into those to train on and those to validate with.

Whoever holds them shares them: cuts of arrays and DataFrames are views, and on a worker the arrays lie in Ray's
object store, read-only, once for all trials of a host.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Rows:
    """Examples, one after another.

    Attributes:
        inputs: `[N, ...]` an array, a DataFrame, or a sparse matrix.
        targets: `[N, ...]` an array; None where there is nothing to predict.
        groups: `[N]` whose rows belong together, such as one patient's; None where each stands for itself.
    """

    inputs: Any
    targets: Any = None
    groups: Any = None

    def __len__(self) -> int:
        return int(self.inputs.shape[0]) if hasattr(self.inputs, "shape") else len(self.inputs)

    def take(self, rows: Any) -> "Rows":
        """Those rows, by an index array (a copy) or a slice (a view)."""
        return Rows(_taken(self.inputs, rows), _taken(self.targets, rows), _taken(self.groups, rows))


@dataclass(frozen=True, eq=False)
class Given:
    """What a study gives its trials: rows in an order in which both parts are slices.

    Attributes:
        rows: those to train on, then those to validate with.
        cut: how many there are to train on; all of them where a trainable validates by itself, by folds for
            example, or where the winner is trained on everything.
        classes: of the targets, sorted, whichever rows hold them; None where targets are no classes.
        by: how parts were dealt, which folds follow where they are not told otherwise.
        folds: how many a bare estimator is validated by.
    """

    rows: Rows
    cut: int
    classes: tuple[Any, ...] | None = None
    by: str = "auto"
    folds: int = 5

    @property
    def train(self) -> Rows:
        """Rows to train on."""
        return self.rows.take(slice(None, self.cut))

    @property
    def validation(self) -> Rows:
        """Rows to validate with; where all are to train on, as in a retraining, those."""
        return self.rows.take(slice(self.cut, None)) if self.has_validation else self.train

    @property
    def codes(self) -> range | None:
        """The classes as networks know them, by number."""
        return None if self.classes is None else range(len(self.classes))

    @property
    def has_validation(self) -> bool:
        """Whether there are rows to validate with."""
        return self.cut < len(self.rows)


def _taken(part: Any, rows: Any) -> Any:
    if part is None:
        return None
    if hasattr(part, "iloc"):
        return part.iloc[rows]
    if isinstance(part, Sequence) and not isinstance(rows, slice):
        return [part[k] for k in rows]
    return part[rows]
