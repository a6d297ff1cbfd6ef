"""Cells of a table as values of a space: a CSV knows no types, and makes 16.0 of 16 where others are empty."""

import math
from collections.abc import Mapping
from typing import Any

from search import Choice, Float, Int, Space
from search.points import Flat, shown

CLOSE = 1e-6  # of a bound, within which a value that was rounded to text counts as inside


def point_of(cells: Mapping[str, Any], space: Space) -> Flat | str:
    """The flat point that cells hold by name, those of inactive parameters left aside; or why it is none."""
    point: Flat = {}
    for _, leaf in space.walk(point):
        if leaf.name not in cells:
            point[leaf.name] = leaf.domain.at(0.5)  # a constant, which no table needs to repeat
            continue
        try:
            point[leaf.name] = _value(leaf.domain, cells[leaf.name])
        except ValueError as error:
            return f"{leaf.name}={error}"
    broken = next((limit for limit in space.limits if not limit.holds(point)), None)
    return point if broken is None else f"{point} breaks the limit {broken}"


def _value(domain: Float | Int | Choice, cell: Any) -> Any:
    """A cell as a value of a domain; raises ValueError with what was seen where it is none."""
    outside = ValueError(f"{cell} lies outside {domain}")
    if isinstance(domain, Choice):
        for option in domain.options:
            if _same(option, cell):
                return option
        raise outside
    if _is_empty(cell):
        raise ValueError(f"an empty cell, where {domain} is active")
    try:
        number = float(cell)
    except (TypeError, ValueError):
        raise outside from None
    near = domain.clip(number) if math.isfinite(number) else math.nan
    if domain.holds(number) or (isinstance(domain, Float) and math.isclose(near, number, rel_tol=CLOSE)):
        return near
    raise outside


def _same(option: Any, cell: Any) -> bool:
    """Whether a cell may stand for an option: as a number, or by its text."""
    if _is_empty(cell):
        return option is None
    numeric = isinstance(option, int | float) or (isinstance(option, str) and isinstance(cell, int | float))
    if numeric and not isinstance(option, bool) and not isinstance(cell, bool):
        return _number(cell) is not None and _number(cell) == _number(option)
    text = str(cell).removeprefix("'")  # which `a440 table` puts before what a spreadsheet would run
    return text in (str(option), shown(option))


def _number(cell: Any) -> Any:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ == "NAType"
