"""What is predicted: classes, or quantities. The goal knows; where it does not, the rows are looked at."""

from collections.abc import Iterable
from typing import Any

from trainables.metrics import METRICS

Settled = tuple[Any, tuple[Any, ...] | None]

TASKS = {"auto": None, "classification": "classes", "regression": "numbers"}
FEW = 20  # different whole numbers, up to which they are taken for classes where nothing else tells
_LOSSES = {  # of torch.nn.functional, which leave no doubt
    **dict.fromkeys(("cross_entropy", "nll_loss", "multi_margin_loss"), "classes"),
    **dict.fromkeys(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "poisson_nll_loss"), "numbers"),
}


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


def kind_of_loss(loss: Any) -> str | None:
    """`classes` or `numbers`, as a loss that is known by name compares them; else None.

    >>> kind_of_loss("huber_loss"), kind_of_loss("binary_cross_entropy")
    ('numbers', None)
    """
    return _LOSSES.get(loss) if isinstance(loss, str) else None


def settled_targets(targets: Any, kind: str | None, metrics: Iterable[str] = (), *, numbered: bool = False) -> Settled:
    """Targets as they are learned, and their classes in sorted order; None where they are none.

    Args:
        targets: `[N]`, or `[N, K]`, which are never classes; None where there is nothing to predict.
        kind: `classes`, `numbers`, `texts`, or None for what they look like.
        metrics: of the goal, for messages.
        numbered: whether classes will be numbered anew, so that a mistake about them would change the targets.

    Raises:
        ValueError: some are missing, they are not what the goal asks for, or it cannot be told what they are.
    """
    import numpy as np

    if targets is None:
        return None, None
    values = _of_one_kind(np.asarray(targets))
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
    if kind is None and numbered and values.dtype.kind in "iu" and len(classes) > FEW:
        raise ValueError(
            f"the targets are {len(classes)} different whole numbers, and nothing says whether they are classes or "
            f"quantities. Write Data(..., task='regression'), or task='classification'."
        )
    if kind == "classes" and len(classes) < 2:
        raise ValueError(f"all {len(values)} targets are {classes[0]!r}, one class. Give rows of two classes at least.")
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


def _of_one_kind(values: Any) -> Any:
    """Objects as numbers where all of them are.

    Raises:
        ValueError: some are numbers and others are not.
    """
    import numpy as np
    import pandas as pd

    if values.dtype.kind != "O" or values.ndim != 1:
        return values
    known = [value for value in values if not pd.isna(value)]
    numbers = [value for value in known if isinstance(value, int | float | np.number) and not isinstance(value, bool)]
    if numbers and len(numbers) < len(known):
        raise ValueError(
            f"{len(numbers)} of {len(values)} targets are numbers, and others are not. "
            f"Make all of them one kind: y.astype(str)"
        )
    return np.asarray(values.tolist()) if numbers and len(known) == len(values) else values


def _refuse_missing(values: Any) -> None:
    import pandas as pd

    missing = int(pd.isna(values).sum()) if values.size else 0
    if missing:
        raise ValueError(
            f"{missing} of {len(values)} targets are missing. Drop those rows: frame.dropna(subset=[target])"
        )


def _names(metrics: Iterable[str]) -> str:
    return ", ".join(name for name in metrics if name in METRICS) or "the goal"
