"""Cells of a table as values of a space: a CSV knows no types, and makes 16.0 of 16 where others are empty."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from search import Choice, Float, Int, Space
from search.points import Flat, shown

CLOSE = 1e-6  # of a bound or an option, within which a value that was rounded, to text or to 32 bits, counts as it


@dataclasses.dataclass(frozen=True, slots=True)
class Stranger:
    """What is no point of a space.

    Attributes:
        why: what was seen.
        mend: a sentence on what would make it one.
    """

    why: str
    mend: str


def point_of(cells: Mapping[str, Any], space: Space) -> Flat | Stranger:
    """The flat point that cells hold by name, those of inactive parameters left aside; or why it is none."""
    point: Flat = {}
    for _, leaf in space.walk(point):
        if leaf.name not in cells:
            point[leaf.name] = leaf.domain.at(0.5)  # a constant, which no table needs to repeat
            continue
        try:
            point[leaf.name] = _value(leaf.domain, cells[leaf.name])
        except ValueError as error:
            is_nested = leaf.condition or any(part.isdigit() for part in leaf.name.split("."))
            return Stranger(f"{leaf.name}={error}", _mend(leaf.name, leaf.domain, cells[leaf.name], not is_nested))
    broken = next((limit for limit in space.limits if not limit.holds(point)), None)
    if broken is None:
        return point
    return Stranger(f"{point} breaks the limit {broken}", f"Give curves within {broken}, or take it out of the limits.")


def _mend(name: str, domain: Float | Int | Choice, cell: Any, is_key: bool) -> str:
    """How a cell would come into the space; only what is a key of its file can be set."""
    wider = _widened(domain, cell) if is_key else None
    setting = "" if wider is None else f", or change it: --set space.{name}={str(wider)!r}"
    return f"Give curves whose {name} is in {domain}{setting}"


def _widened(domain: Float | Int | Choice, cell: Any) -> Float | Int | Choice | None:
    """The domain with a cell in it; None where nobody can tell."""
    try:
        if isinstance(domain, Choice):
            return _with_option(domain, None if _is_empty(cell) else cell)
        number = float(cell)
        low, high = min(domain.low, number), max(domain.high, number)
        wider: Float | Int = dataclasses.replace(domain, low=low, high=high)  # type: ignore[arg-type]  # whole, or refused
    except (TypeError, ValueError, OverflowError):
        return None
    return wider if wider.holds(number) and getattr(wider, "bell", None) is None else None


def _with_option(domain: Choice, option: Any) -> Choice:
    if isinstance(option, float) and option.is_integer() and all(isinstance(known, int) for known in domain.options):
        option = int(option)
    options = (*domain.options, option)
    if domain.ordered:
        options = tuple(sorted(options))
    return dataclasses.replace(domain, options=options, spaces=(*domain.spaces, None))


def _value(domain: Float | Int | Choice, cell: Any) -> Any:
    """A cell as a value of a domain; raises ValueError with what was seen where it is none."""
    outside = ValueError(f"{cell} lies outside {domain}")
    if isinstance(domain, Choice):
        alike = [option for option in domain.options if _same(option, cell)]
        if not alike:
            raise outside
        return min(alike, key=lambda option: _gap(option, cell))
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
        number, wanted = _number(cell), _number(option)
        if number is None or wanted is None:
            return False
        is_rounded = isinstance(option, float) or not wanted.is_integer()  # 1000000 and 1000001 are no neighbours
        return number == wanted or (is_rounded and math.isclose(number, wanted, rel_tol=CLOSE))
    text = str(cell).removeprefix("'")  # which `a440 table` puts before what a spreadsheet would run
    return text in (str(option), shown(option))


def _gap(option: Any, cell: Any) -> float:
    """How far apart they are as numbers, for options that lie closer together than cells are told apart."""
    number, wanted = _number(cell), _number(option)
    return 0.0 if number is None or wanted is None else abs(number - wanted)


def _number(cell: Any) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None


def _is_empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ == "NAType"
