"""What counts as a number: real, finite and no bool; numpy's numbers are numbers too."""

import math
from numbers import Integral, Real
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite real number."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def is_whole(value: object, least: int) -> TypeGuard[int]:
    """Whether `value` is an int of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def plain(value: float) -> float:
    """A number as Python's own int or float, so that it prints and is stored as it was written."""
    return int(value) if isinstance(value, Integral) else float(value)
