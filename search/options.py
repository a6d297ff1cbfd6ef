"""A choice among options of any type, told apart by their place; in order where their order means something."""

import keyword
import warnings
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

SCALARS = (str, int, float, bool, type(None))  # what JSON and tables hold as it is


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """One of several options of any type, each with parameters of its own where it is given any.

    Options are told apart by their place, so that lists, dicts and functions may be options.

    Attributes:
        options: the values, in the order they were given; numpy's scalars become Python's.
        spaces: for each option the parameters that exist only when it is chosen, or None.
        ordered: whether neighbours are alike, as in `ordinal(16, 32, 64)`; models then treat places as numbers.
        bare: whether a trainable is given an option's parameters alone instead of `{option: parameters}`, as other
            tuners do it; spaces that come from them are like that.
    """

    options: tuple[Any, ...]
    spaces: tuple[Mapping[str, Any] | None, ...] = ()
    ordered: bool = False
    bare: bool = False
    _places: dict[tuple[type, Any], int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", _listed(self.options))
        object.__setattr__(self, "spaces", tuple(self.spaces) or (None,) * len(self.options))
        if not self.options:
            raise ValueError("a choice among no options was given. Name at least two: choice('relu', 'gelu').")
        object.__setattr__(self, "_places", {})
        for i, (option, space) in enumerate(zip(self.options, self.spaces, strict=True)):
            if self._find(option, before=i) is not None:
                raise ValueError(f"a choice names the option {option!r} twice. Keep one of the two.")
            if space is not None and not _is_word(option):
                raise ValueError(
                    f"the option {option!r} has parameters of its own, but is no word. "
                    f"Name it by a word: choice(sgd={{'momentum': uniform(0, 0.99)}}, adam={{}})."
                )
            if type(option) in SCALARS:
                self._places[type(option), option] = i

    def at(self, u: float) -> Any:
        """The option at `u` of [0, 1)."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]

    def index(self, value: object) -> int:
        """The place of `value` among the options; raises ValueError where it is none of them."""
        place = self._find(_plain(value), before=len(self.options))
        if place is None:
            raise ValueError(f"{value!r} is none of the options {list(self.options)!r}. Use one of them.")
        return place

    @property
    def size(self) -> int:
        """How many options there are."""
        return len(self.options)

    def cell(self, value: object) -> tuple[float, float]:
        """The shares of [0, 1] that stand for `value`: from and to."""
        place = self.index(value)
        return place / len(self.options), (place + 1) / len(self.options)

    def unit(self, value: object) -> float:
        """The middle of the shares that stand for `value`."""
        return sum(self.cell(value)) / 2

    def holds(self, value: object) -> bool:
        """Whether `value` is one of the options."""
        return self._find(_plain(value), before=len(self.options)) is not None

    def grid(self, points: int | None) -> tuple[Any, ...]:
        """All options, whatever `points` says."""
        return self.options

    def _find(self, value: Any, before: int) -> int | None:
        if type(value) in SCALARS:
            return self._places.get((type(value), value))
        return next((i for i, option in enumerate(self.options[:before]) if _same(option, value)), None)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice) or len(self.options) != len(other.options):
            return False
        if (self.ordered, self.bare) != (other.ordered, other.bare):
            return False
        pairs = zip(self.options, other.options, strict=True)
        return all(_same(a, b) for a, b in pairs) and self.spaces == other.spaces

    def __hash__(self) -> int:
        return hash((Choice, len(self.options)))  # options may be unhashable; equality does the rest

    def __str__(self) -> str:
        if self.ordered:
            return f"ordinal({', '.join(map(repr, self.options))})"
        if len(self.options) == 1 and self.spaces[0] is None:
            return f"fixed({self.options[0]!r})"
        words = [repr(option) for option, space in zip(self.options, self.spaces, strict=True) if space is None]
        for option, space in zip(self.options, self.spaces, strict=True):
            if space is not None:
                words.append(f"{option}={written(space)}")
        return f"{'variants' if self.bare else 'choice'}({', '.join(words)})"


def fixed(value: Any) -> Choice:
    """A constant that stands in the table beside what is searched, and is never varied.

    >>> print(fixed(0.9))
    fixed(0.9)
    """
    return Choice((value,))


def ordinal(*options: Any) -> Choice:
    """One of several values whose order means something: neighbours are alike.

    >>> print(ordinal(16, 32, 64, 128))
    ordinal(16, 32, 64, 128)
    """
    if len(options) == 1 and isinstance(options[0], list | tuple):
        options = tuple(options[0])
    if len(options) == 1:
        warn_of_one(options[0])
    return Choice(options, ordered=len(options) > 1)


def listed(options: Iterable[Any]) -> Choice:
    """A choice as a bare list means it; says so where there is nothing to choose."""
    found = tuple(options)
    if len(found) == 1:
        warn_of_one(found[0])
    return Choice(found)


def warn_of_one(option: Any) -> None:
    """A choice with a single option is a constant, or a slip."""
    warnings.warn(
        f"a choice of {option!r} alone leaves nothing to choose. Add an option, or say that it is meant: "
        f"fixed({option!r}).",
        stacklevel=3,
    )


def _listed(options: object) -> tuple[Any, ...]:
    if isinstance(options, str | bytes):
        raise ValueError(
            f"the options of a choice are the text {options!r}, which would be read letter by letter. "
            f"Write choice({options!r}, ...) or a list [{options!r}, ...]."
        )
    if isinstance(options, Mapping | Set) or not isinstance(options, Iterable):
        raise ValueError(
            f"the options of a choice are {options!r} ({type(options).__name__}), which have no order. "
            f"Write a list: choice(['relu', 'gelu'])."
        )
    found = tuple(_plain(option) for option in options)
    for option in found:
        if type(option).__module__.partition(".")[0] == __name__.partition(".")[0]:  # a domain, a group, a repeat
            raise ValueError(
                f"the domain {option} is an option of a choice, and would be given as it is. "
                f"Name the option and what it has: choice(first={{'value': {option}}}, second={{}})."
            )
    return found


def _plain(value: Any) -> Any:
    """A scalar of numpy as Python's, for tables, JSON and models; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        scalar = value.item()
        return scalar if type(scalar) in (bool, int, float, str) else value
    return value


def _same(a: Any, b: Any) -> bool:
    """Equal and of one type, so that True, 1 and 1.0 are three options; arrays count by identity."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_same(value, b[key]) for key, value in a.items())
    try:
        return bool(a == b)
    except (TypeError, ValueError, RuntimeError):  # arrays, frames and tensors of many values
        return False


def _is_word(option: object) -> bool:
    return isinstance(option, str) and option.isidentifier() and not keyword.iskeyword(option)


def written(params: Any) -> str:
    """Parameters in the notation: `{'momentum': uniform(0, 0.99)}`."""
    if isinstance(params, Mapping) and getattr(params, "form", "dict") == "dict":
        return "{" + ", ".join(f"{name!r}: {written(domain)}" for name, domain in params.items()) + "}"
    return repr(params) if isinstance(params, list | tuple) else str(params)
