"""What a trial may report: numbers under names. One bad report ends one trial, never the study.

Ray Tune aborts a whole experiment when one trial reports None under ASHA, or forgets the metric once;
so nothing but finite numbers passes from here on.
"""

import difflib
import math
from collections.abc import Mapping
from typing import Any

RESERVED = frozenset(
    {"done", "training_iteration", "trial_id", "config", "trial", "epoch", "status", "seconds", "reason"}
)


class BadReportError(Exception):
    """A report that cannot be used; the message has what was seen and the mend."""


def clean(metrics: Any, trial: str, metric: str) -> dict[str, float]:
    """A report as plain floats; the goal's metric may be NaN or infinite, which ends the trial elsewhere.

    Args:
        metrics: what the trainable reported.
        trial: its id, for the message.
        metric: the goal's metric, which every report needs.

    Raises:
        BadReportError: no mapping, a reserved name, a value that is no number, the metric is missing.
    """
    if not isinstance(metrics, Mapping):
        raise BadReportError(
            f"trial {trial} reported {_cut(metrics)} ({type(metrics).__name__}). Report a dict: {{{metric!r}: 0.3}}."
        )
    numbers: dict[str, float] = {}
    for name, value in metrics.items():
        if not isinstance(name, str) or name in RESERVED or name.startswith("params."):
            raise BadReportError(f"trial {trial} reported under the reserved name {name!r}. Rename that metric.")
        numbers[name] = _number(value, trial, name)
    if metric not in numbers:
        raise BadReportError(f"trial {trial} reported {_names(numbers)}, not {metric}. {_nearest(metric, numbers)}")
    return numbers


def missing(trial: str, metric: str) -> BadReportError:
    """What is said of a trial that ended without a single report."""
    return BadReportError(
        f"trial {trial} finished without reporting {metric}. Return it, yield it or report it: {{{metric!r}: 0.3}}."
    )


def _number(value: Any, trial: str, name: str) -> float:
    """A float, from a number, a numpy scalar, a 0-d array or a tensor of one element."""
    seen = f"trial {trial} reported {name}={_cut(value)} ({type(value).__name__})"
    if value is None or isinstance(value, bool | str | bytes):
        raise BadReportError(f"{seen}. Report a number.")
    if getattr(getattr(value, "dtype", None), "kind", "") == "b" or "bool" in str(getattr(value, "dtype", "")):
        raise BadReportError(f"{seen}. Report a number.")
    size = getattr(value, "size", None)
    count = value.numel() if hasattr(value, "numel") else size if isinstance(size, int) else 1
    if count != 1:
        raise BadReportError(f"{seen} of {count} elements. Report one number, its mean for example.")
    try:
        return float(value.item() if hasattr(value, "item") else value)
    except (TypeError, ValueError):
        raise BadReportError(f"{seen}. Report a number.") from None
    except OverflowError:
        return math.inf


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


def _names(numbers: Mapping[str, float]) -> str:
    return ", ".join(sorted(numbers)[:12]) or "nothing"


def _nearest(metric: str, numbers: Mapping[str, float]) -> str:
    near = difflib.get_close_matches(metric, numbers, n=1, cutoff=0.4)
    if near:
        return f"Did you mean the goal '{near[0]}'?"
    return f"Report {metric!r}, or change the goal to one of these."
