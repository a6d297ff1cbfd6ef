"""The domains of one parameter: a float, an integer, or a choice among options.

Each domain turns a point of the unit interval into a value (`at`), so that random draws, grids and
quasi-random sequences share one meaning of "log" and "step". A domain is checked when it is made: a
study with a wrong bound fails in the line that wrote it, not in the first trial.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Domain = "Float | Int | Choice"


@dataclass(frozen=True, slots=True)
class Float:
    """A real number of [low, high].

    Attributes:
        low: smallest value.
        high: largest value.
        log: spread evenly over orders of magnitude; needs low > 0.
        step: only low, low + step, low + 2 step ... up to high.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        name = "loguniform" if self.log else "uniform"
        _check_bounds(name, self.low, self.high)
        if self.log and self.low <= 0:
            raise ValueError(
                f"{name}({self.low}, {self.high}) has no logarithm at {self.low}. "
                f"Start above zero: loguniform({self.high / 1000:g}, {self.high:g})."
            )
        if self.step is not None and not 0 < self.step <= self.high - self.low:
            raise ValueError(
                f"{name}({self.low}, {self.high}) cannot be walked in steps of {self.step}. "
                f"Set a step between 0 and {self.high - self.low:g}."
            )

    def at(self, u: float) -> float:
        """The value at `u` of [0, 1)."""
        if self.step is None:
            value = _lerp(self.low, self.high, u, self.log)
        elif self.log:
            value = self.low + self.step * round((_lerp(self.low, self.high, u, True) - self.low) / self.step)
        else:
            value = self.low + self.step * math.floor(u * self._steps())
        return min(max(value, self.low), self.high)

    def clip(self, value: float) -> float:
        """The value of this domain nearest to `value`."""
        if self.step is not None:
            last = self.low + self.step * (self._steps() - 1)
            value = min(self.low + self.step * round((value - self.low) / self.step), last)
        return float(min(max(value, self.low), self.high))

    def holds(self, value: object) -> bool:
        """Whether `value` is a finite number within the bounds (and, with a step, on the lattice)."""
        if not _is_number(value) or not self.low <= value <= self.high:  # type: ignore[operator]
            return False
        return self.step is None or math.isclose(self.clip(value), value, abs_tol=1e-9)  # type: ignore[arg-type]

    def grid(self, points: int | None) -> "Sequence[float]":
        """`points` values, evenly spread from low to high; every step where there is a step."""
        if points is None and self.step is None:
            raise ValueError(
                f"a grid over the continuous {self} needs a number of points. "
                f"Set Grid(points=5), or list the values: [{self.low:g}, {self.high:g}]."
            )
        if points is None or (self.step is not None and points >= self._steps()):
            return _Lattice(self.low, self.step or 0.0, self._steps())
        if points == 1:
            return [self.at(0.5)]
        ends = [_lerp(self.low, self.high, k / (points - 1), self.log) for k in range(points)]
        return list(dict.fromkeys(self.clip(value) for value in ends))

    def _steps(self) -> int:
        assert self.step is not None
        return math.floor((self.high - self.low) / self.step + 1e-9) + 1

    def __str__(self) -> str:
        return _shown("loguniform" if self.log else "uniform", self.low, self.high, self.step)


@dataclass(frozen=True, slots=True)
class Int:
    """A whole number of [low, high], both included.

    Attributes:
        low: smallest value.
        high: largest value.
        log: spread evenly over orders of magnitude; needs low >= 1.
        step: only low, low + step, low + 2 step ... up to high.
    """

    low: int
    high: int
    log: bool = False
    step: int = 1

    def __post_init__(self) -> None:
        name = "logint" if self.log else "integer"
        _check_bounds(name, self.low, self.high)
        for bound in (self.low, self.high, self.step):
            if bound != int(bound):
                raise ValueError(
                    f"{name}({self.low}, {self.high}) has the fractional bound {bound}. "
                    f"Use whole bounds, {name}({math.floor(self.low)}, {math.ceil(self.high)}), "
                    f"or uniform({self.low}, {self.high}) for real numbers."
                )
        if self.log and self.low < 1:
            raise ValueError(
                f"{name}({self.low}, {self.high}) has no logarithm at {self.low}. "
                f"Start at one or above: logint(1, {self.high})."
            )
        if not 1 <= self.step <= self.high - self.low:
            raise ValueError(
                f"{name}({self.low}, {self.high}) cannot be walked in steps of {self.step}. "
                f"Set a step between 1 and {self.high - self.low}."
            )
        for field in ("low", "high", "step"):  # 4.0 is a whole number, but layers=4.0 breaks models
            object.__setattr__(self, field, int(getattr(self, field)))

    def at(self, u: float) -> int:
        """The value at `u` of [0, 1)."""
        if self.log:
            return int(self.clip(math.floor(_lerp(self.low, self.high + 1, u, True))))
        return self.low + self.step * min(math.floor(u * self._steps()), self._steps() - 1)

    def clip(self, value: float) -> int:
        """The value of this domain nearest to `value`."""
        nearest = round((min(max(value, self.low), self.high) - self.low) / self.step)
        return self.low + self.step * min(nearest, self._steps() - 1)

    def holds(self, value: object) -> bool:
        """Whether `value` is a whole number within the bounds and on the steps."""
        return (
            _is_number(value)
            and value == int(value)  # type: ignore[call-overload]
            and self.low <= value <= self.high  # type: ignore[operator]
            and (value - self.low) % self.step == 0  # type: ignore[operator]
        )

    def grid(self, points: int | None) -> "Sequence[int]":
        """All values, or `points` of them evenly spread from low to high."""
        if points is None or points >= self._steps():
            return range(self.low, self.high + 1, self.step)
        if points == 1:
            return [self.at(0.5)]
        ends = [_lerp(self.low, self.high, k / (points - 1), self.log) for k in range(points)]
        return list(dict.fromkeys(self.clip(value) for value in ends))

    def _steps(self) -> int:
        return (self.high - self.low) // self.step + 1

    def __str__(self) -> str:
        return _shown("logint" if self.log else "integer", self.low, self.high, self.step if self.step > 1 else None)


@dataclass(frozen=True, eq=False, slots=True)
class Choice:
    """One of several options of any type, each with parameters of its own where it is given any.

    Options are told apart by their place, so that lists, dicts and functions may be options.

    Attributes:
        options: the values, in the order they were given.
        spaces: for each option the parameters that exist only when it is chosen, or None.
    """

    options: tuple[Any, ...]
    spaces: tuple[Mapping[str, Any] | None, ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.options, str | bytes):
            raise ValueError(
                f"the options of a choice are the text {self.options!r}, which would be read letter by letter. "
                f"Write choice({self.options!r}, ...) or a list [{self.options!r}, ...]."
            )
        object.__setattr__(self, "options", tuple(self.options))
        object.__setattr__(self, "spaces", tuple(self.spaces) or (None,) * len(self.options))
        if not self.options:
            raise ValueError("a choice among no options was given. Name at least two: choice('relu', 'gelu').")
        if len(self.options) == 1 and self.spaces[0] is None:
            warnings.warn(f"choice({self.options[0]!r}) leaves nothing to choose. Add an option.", stacklevel=3)
        assert len(self.spaces) == len(self.options)
        for i, option in enumerate(self.options):
            if any(_same(option, other) for other in self.options[:i]):
                raise ValueError(f"a choice names the option {option!r} twice. Keep one of the two.")

    def at(self, u: float) -> Any:
        """The option at `u` of [0, 1)."""
        return self.options[min(int(u * len(self.options)), len(self.options) - 1)]

    def index(self, value: object) -> int:
        """The place of `value` among the options; raises ValueError where it is none of them."""
        for i, option in enumerate(self.options):
            if _same(option, value):
                return i
        raise ValueError(f"{value!r} is none of the options {list(self.options)!r}. Use one of them.")

    def holds(self, value: object) -> bool:
        """Whether `value` is one of the options."""
        return any(_same(option, value) for option in self.options)

    def grid(self, points: int | None) -> "Sequence[Any]":
        """All options, whatever `points` says."""
        return self.options

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Choice) or len(self.options) != len(other.options):
            return False
        pairs = zip(self.options, other.options, strict=True)
        return all(_same(a, b) for a, b in pairs) and self.spaces == other.spaces

    def __hash__(self) -> int:
        return hash((Choice, len(self.options)))  # options may be unhashable; equality does the rest

    def __str__(self) -> str:
        words = [repr(option) for option, space in zip(self.options, self.spaces, strict=True) if space is None]
        for option, space in zip(self.options, self.spaces, strict=True):
            if space is not None:
                words.append(f"{option}={{{', '.join(f'{k!r}: {v}' for k, v in space.items())}}}")
        return f"choice({', '.join(words)})"


def uniform(low: float, high: float, step: float | None = None) -> Float:
    """A real number, every value as likely as any other."""
    return Float(low, high, step=step)


def loguniform(low: float, high: float, step: float | None = None) -> Float:
    """A positive real number, every order of magnitude as likely as any other."""
    return Float(low, high, log=True, step=step)


def integer(low: int, high: int, step: int = 1) -> Int:
    """A whole number of [low, high], both included."""
    return Int(low, high, step=step)


def logint(low: int, high: int, step: int = 1) -> Int:
    """A positive whole number, every order of magnitude as likely as any other."""
    return Int(low, high, log=True, step=step)


def choice(*options: Any, **branches: Mapping[str, Any]) -> Choice:
    """One of the options; a keyword is an option with parameters of its own.

    A single list holds the options themselves, as in Ray Tune and HyperOpt.

    >>> print(choice("relu", "gelu"))
    choice('relu', 'gelu')
    >>> print(choice(sgd={"momentum": uniform(0, 0.99)}, adam={}))
    choice(sgd={'momentum': uniform(0, 0.99)}, adam={})
    """
    if len(options) == 1 and isinstance(options[0], list | tuple) and not branches:
        options = tuple(options[0])
    for name, space in branches.items():
        if not isinstance(space, Mapping):
            raise ValueError(
                f"choice({name}={space!r}) gives the option {name!r} no parameters of its own. "
                f"Write choice({name!r}, ...) for a plain option, {name}={{...}} for one with parameters."
            )
    return Choice((*options, *branches), (*(None,) * len(options), *branches.values()))


class _Lattice(Sequence[float]):
    """low, low + step, low + 2 step ...: as long as it likes, and never written out."""

    def __init__(self, low: float, step: float, length: int):
        self.low, self.step, self.length = low, step, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < self.length:
            raise IndexError(i)
        return self.low + self.step * i


def _check_bounds(name: str, low: object, high: object) -> None:
    for bound in (low, high):
        if not _is_number(bound):
            raise ValueError(f"{name}({low!r}, {high!r}) has the bound {bound!r}. Use two finite numbers.")
    if not low < high:  # type: ignore[operator]
        raise ValueError(
            f"{name}({low}, {high}) has no room: {low} is not below {high}. "
            + (f"Swap them: {name}({high}, {low})." if low != high else f"Use choice({low}) for one value.")
        )


def _is_number(value: object) -> bool:
    """Whether `value` is a finite int or float (numpy's too), and no bool."""
    if isinstance(value, bool) or not hasattr(value, "__float__") or hasattr(value, "__len__"):
        return False
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return False


def _same(a: object, b: object) -> bool:
    """Equal and of one type, so that True, 1 and 1.0 are three options; arrays count by identity."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    equal = a == b
    return equal if isinstance(equal, bool) else False


def _lerp(low: float, high: float, u: float, log: bool) -> float:
    if log:
        return math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
    return low + u * (high - low)


def _shown(name: str, low: float, high: float, step: float | None) -> str:
    return f"{name}({low!r}, {high!r}{f', step={step!r}' if step else ''})"
