"""What ends a study: a number of trials, a time, or whichever comes first."""

import math
import re
from dataclasses import dataclass

_UNITS_H = {"s": 1 / 3600, "sec": 1 / 3600, "min": 1 / 60, "m": 1 / 60, "h": 1.0, "hour": 1.0, "hours": 1.0, "d": 24.0}


@dataclass(frozen=True, slots=True)
class Budget:
    """What ends a study.

    Attributes:
        trials: how many are proposed at most.
        hours: of the whole study, summed over its drivers; "90 min" and "1.5h" are read too.
        trial_minutes: how long a trial may go without a report before it counts as hung.
    """

    trials: int | None = None
    hours: float | None = None
    trial_minutes: float | None = None

    def __post_init__(self) -> None:
        if self.trials is not None and (isinstance(self.trials, bool) or not isinstance(self.trials, int)):
            raise ValueError(f"the budget's trials are {self.trials!r}. Give a whole number: trials: 64")
        if self.trials is not None and self.trials < 1:
            raise ValueError(f"the budget's trials are {self.trials}, which runs nothing. Give one or more: trials: 64")
        object.__setattr__(self, "hours", _hours("hours", self.hours, 1.0))
        object.__setattr__(self, "trial_minutes", _hours("trial_minutes", self.trial_minutes, 60.0))

    @property
    def seconds(self) -> float | None:
        """The time in seconds, or None."""
        return None if self.hours is None else self.hours * 3600

    def __str__(self) -> str:
        words = []
        if self.trials is not None:
            words.append(f"{self.trials} trial{'s' if self.trials != 1 else ''}")
        if self.hours is not None:
            words.append(span(self.hours * 3600))
        return " or ".join(words) or "no limit"


def span(seconds: float) -> str:
    """A time in the largest unit that gives at least one.

    >>> span(90), span(3 * 3600), span(0.5)
    ('1.5 min', '3 h', '0.5 s')
    """
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def _hours(name: str, value: object, per_hour: float) -> float | None:
    """A number, or a text with a unit, in units of which an hour has `per_hour`."""
    if value is None:
        return None
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    elif isinstance(value, str) and (match := re.fullmatch(r"\s*(\d+\.?\d*|\.\d+)\s*([a-z]*)\s*", value.lower())):
        amount, unit = match.groups()
        if unit in _UNITS_H or unit == "":
            number = float(amount) * (_UNITS_H[unit] * per_hour if unit else 1.0)
    if not 0 < number < math.inf:
        raise ValueError(f"the budget's {name} are {value!r}. Give a positive number or a time: {name}: 2, or '90 min'")
    return number
