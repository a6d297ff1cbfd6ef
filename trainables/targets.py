"""What is predicted: classes, or quantities. The goal knows; where it does not, the rows are looked at."""

from collections.abc import Iterable
from typing import Any

from trainables.metrics import METRICS

Settled = tuple[Any, tuple[Any, ...] | None]


def wanted_kind(metrics: Iterable[str]) -> str | None:
    """`classes`, `numbers` or `texts`, as known metrics compare them; None where none of them is known.

    >>> wanted_kind(["f1_macro"]), wanted_kind(["rmse"]), wanted_kind(["profit"])
    ('classes', 'numbers', None)
    """
    kinds = {METRICS[name].of for name in metrics if name in METRICS}
    for kind, means in (("labels", "classes"), ("scores", "classes"), ("numbers", "numbers"), ("texts", "texts")):
        if kind in kinds:
            return means
    return None


def settled_targets(targets: Any, kind: str | None, metrics: Iterable[str] = ()) -> Settled:
    """Targets as they are learned, and their classes in sorted order; None where they are none.

    Args:
        targets: `[N]`, or `[N, K]`, which are never classes; None where there is nothing to predict.
        kind: `classes`, `numbers`, `texts`, or None for what they look like.
        metrics: of the goal, for messages.

    Raises:
        ValueError: some are missing, or they are not what the goal asks for.
    """
    import numpy as np

    if targets is None:
        return None, None
    values = np.asarray(targets)
    _refuse_missing(values)
    if kind in ("numbers", "texts") or values.ndim != 1:
        if kind == "numbers" and values.dtype.kind in "OUST":
            raise ValueError(f"{_names(metrics)} is of numbers, and the targets are texts. Ask for 'max f1_macro'.")
        return values, None
    if kind == "classes" and values.dtype.kind == "f":
        if not _are_few_whole_numbers(values):
            raise ValueError(f"{_names(metrics)} is of classes, and the targets are quantities. Ask for 'min rmse'.")
        values = values.astype("int64")
    if kind != "classes" and not looks_like_classes(values):
        return values, None
    classes = tuple(np.unique(values).tolist())
    if "f1" in metrics and len(classes) > 2:
        raise ValueError(f"f1 is of two classes, and the targets have {len(classes)}. Ask for 'max f1_macro'.")
    return values, classes


def looks_like_classes(values: Any) -> bool:
    """Whether an array holds texts, truths, categories, or whole numbers of which there are few."""
    import numpy as np

    if values.ndim != 1:
        return False
    if values.dtype.kind in "bOUST":
        return True
    return values.dtype.kind in "iu" and len(np.unique(values)) <= max(2, min(1000, len(values) // 2))


def _are_few_whole_numbers(values: Any) -> bool:
    import numpy as np

    return bool((values == np.round(values)).all()) and len(np.unique(values)) <= max(10, len(values) // 10)


def _refuse_missing(values: Any) -> None:
    import pandas as pd

    missing = int(pd.isna(values).sum()) if values.size else 0
    if missing:
        raise ValueError(
            f"{missing} of {len(values)} targets are missing. Drop those rows: frame.dropna(subset=[target])"
        )


def _names(metrics: Iterable[str]) -> str:
    return ", ".join(name for name in metrics if name in METRICS) or "the goal"
