"""What a trial may report: numbers under names. One bad report ends one trial, never the study.

Ray Tune aborts a whole experiment when one trial reports None under ASHA, or forgets the metric once;
so nothing but numbers passes from here on.
"""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

RESERVED = frozenset(
    {"done", "training_iteration", "trial_id", "config"}  # Ray Tune's
    | {"trial", "status", "reason", "epoch", "best_epoch", "seconds", "on_front", "within_limits"}  # our columns
)

ENERGY = "joules"  # what a goal per joule wants reported


class BadReportError(Exception):
    """A report that cannot be used; the message has what was seen and the mend."""


def clean(metrics: Any, trial: str, wanted: Sequence[str]) -> dict[str, float]:
    """A report as plain floats, which may be NaN or infinite: what that means is decided elsewhere.

    Args:
        metrics: what the trainable reported.
        trial: its id, for the message.
        wanted: the goal's metrics, which every report needs.

    Raises:
        BadReportError: no mapping, a name that cannot be used, a value that is no number, a metric is missing.
    """
    if not isinstance(metrics, Mapping):
        example = ", ".join(f"{name!r}: 0.3" for name in wanted)
        raise BadReportError(
            f"trial {trial} reported {_cut(metrics)} ({type(metrics).__name__}). Report a dict: {{{example}}}."
        )
    numbers = {_name(name, trial): _number(value, trial, name) for name, value in metrics.items()}
    for metric in wanted:
        if metric not in numbers:
            raise BadReportError(f"trial {trial} reported {_names(numbers)}, not {metric}. {_nearest(metric, numbers)}")
    return numbers


def missing(trial: str, metric: str) -> BadReportError:
    """What is said of a trial that ended without a single report."""
    return BadReportError(
        f"trial {trial} finished without reporting {metric}. Return it, yield it or report it: {{{metric!r}: 0.3}}."
    )


def _name(name: Any, trial: str) -> str:
    if not isinstance(name, str) or not name:
        raise BadReportError(
            f"trial {trial} reported under {_cut(name)} ({type(name).__name__}). Name that metric by a str."
        )
    if name in RESERVED or name.startswith("params."):
        raise BadReportError(f"trial {trial} reported under the reserved name {name!r}. Rename that metric.")
    return str(name)


def _number(value: Any, trial: str, name: str) -> float:
    """A float, from a number, a numpy scalar, a 0-d array or a tensor of one element."""
    seen = f"trial {trial} reported {name}={_cut(value)} ({type(value).__name__})"
    if isinstance(value, Mapping):
        inner = next(iter(value), "loss")
        raise BadReportError(f"{seen}. Report its numbers one by one: {{{f'{name}.{inner}'!r}: 0.3}}.")
    count = _count(value)
    if count != 1:
        raise BadReportError(f"{seen} of {count} elements. Report one number, its mean for example.")
    bare = value.item() if hasattr(value, "dtype") else value
    if not _is_number(value, bare):
        raise BadReportError(f"{seen}. Report a number.")
    try:
        return float(bare)
    except (TypeError, ValueError):
        raise BadReportError(f"{seen}. Report a number.") from None
    except OverflowError:
        return math.inf if bare > 0 else -math.inf


def _count(value: Any) -> int:
    if callable(getattr(value, "numel", None)):
        return int(value.numel())
    size = getattr(value, "size", 1)
    return size if isinstance(size, int) else 1


def _is_number(value: Any, bare: Any) -> bool:
    """Whether a value, and what is in it, may pass for a number: no bool, text, date or duration."""
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    return (
        kind not in "bmM"
        and not isinstance(bare, bool)
        and (hasattr(type(bare), "__float__") or hasattr(type(bare), "__index__"))
    )


def _cut(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - somebody's own repr
        text = "?"
    return text if len(text) <= 80 else text[:79] + "…"


def _names(numbers: Mapping[str, float]) -> str:
    return ", ".join(sorted(numbers)[:12]) or "nothing"


def _nearest(metric: str, numbers: Mapping[str, float]) -> str:
    if metric == ENERGY:
        return f"Report {ENERGY!r}, the energy that the trial has used so far, or leave 'per joule' out of the goal."
    near = difflib.get_close_matches(metric, numbers, n=1, cutoff=0.4)
    if near:
        return f"Did you mean the goal '{near[0]}'?"
    return f"Report {metric!r}, or change the goal to one of these." if numbers else f"Report {metric!r}."
