"""The domains of one parameter: a float, an integer, or a choice among options.

Each domain turns a point of the unit interval into a value (`at`) and back (`cell`, `unit`), so that
random draws, grids, quasi-random sequences and models share one meaning of "log" and "step". A domain is
checked when it is made: a study with a wrong bound fails in the line that wrote it, not in the first trial.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from search.number import is_number, plain
from search.options import Choice, fixed, ordinal, warn_of_one
from search.scale import Bell, share_of, stretched
from search.spread import Spread, thinned

__all__ = [
    "Choice",
    "Domain",
    "Float",
    "Int",
    "choice",
    "fixed",
    "integer",
    "logint",
    "lognormal",
    "loguniform",
    "normal",
    "ordinal",
    "uniform",
    "variants",
]


@dataclass(frozen=True, slots=True)
class Float:
    """A real number of [low, high].

    Attributes:
        low: smallest value.
        high: largest value.
        log: spread evenly over orders of magnitude; needs low > 0.
        step: only low, low + step, low + 2 step ... up to high.
        bell: spread as a normal distribution instead, which gives low and high.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    bell: Bell | None = None

    def __post_init__(self) -> None:
        name = "loguniform" if self.log else "uniform"
        _check_bounds(name, self.low, self.high)
        _settle(self, low=plain(self.low), high=plain(self.high), log=bool(self.log))
        if self.log and self.low <= 0:
            above = self.high if self.high > 0 else 1
            raise ValueError(
                f"{name}({self.low}, {self.high}) has no logarithm at {self.low}. "
                f"Start above zero: loguniform({above / 1000:g}, {above:g})."
            )
        if not math.isfinite(float(self.high) / self.low if self.log else float(self.high) - self.low):
            raise ValueError(
                f"{name}({self.low}, {self.high}) spans more than a float can hold. Draw the bounds closer together."
            )
        if self.step is not None:
            if not is_number(self.step) or not 0 < self.step <= (self.high - self.low) * (1 + 1e-9):  # 0.15 - 0.1
                raise ValueError(
                    f"{name}({self.low}, {self.high}) cannot be walked in steps of {self.step!r}. "
                    f"Set a step between 0 and {self.high - self.low:g}."
                )
            _settle(self, step=plain(self.step))

    def at(self, u: float) -> float:
        """The value at `u` of [0, 1)."""
        if self.step is not None and not self.log and self.bell is None:
            return self._nth(min(math.floor(u * self._steps()), self._steps() - 1))
        return self.clip(self.bell.at(u) if self.bell else stretched(self.low, self.high, u, self.log))

    @property
    def size(self) -> float:
        """How many values there are; infinite without a step."""
        return math.inf if self.step is None else self._steps()

    def cell(self, value: float) -> tuple[float, float]:
        """The shares of [0, 1] that stand for `value`: from and to, which are equal without a step."""
        if self.step is None:
            share = self._share(value)
            return share, share
        k, steps = round((value - self.low) / self.step), self._steps()
        if not self.log and self.bell is None:
            return k / steps, (k + 1) / steps
        middle = self._nth(k)
        return (
            0.0 if k == 0 else self._share(middle - self.step / 2),
            1.0 if k == steps - 1 else self._share(middle + self.step / 2),
        )

    def unit(self, value: float) -> float:
        """The middle of the shares that stand for `value`."""
        return sum(self.cell(value)) / 2

    def _share(self, value: float) -> float:
        return self.bell.share_of(value) if self.bell else share_of(self.low, self.high, value, self.log)

    def clip(self, value: float) -> float:
        """The value of this domain nearest to `value`."""
        inside = float(min(max(value, self.low), self.high))
        if self.step is None:
            return inside
        return self._nth(min(round((inside - self.low) / self.step), self._steps() - 1))

    def holds(self, value: object) -> bool:
        """Whether `value` is a finite number within the bounds (and, with a step, on the lattice)."""
        if not is_number(value) or not self.low <= value <= self.high:
            return False
        return self.step is None or math.isclose(self.clip(value), value, abs_tol=1e-9 * self.step)

    def grid(self, points: int | None) -> Spread:
        """`points` values, evenly spread from low to high; every step where there is a step."""
        if self.step is None:
            if points is None:
                raise ValueError(
                    f"a grid over the continuous {self} needs a number of points. "
                    f"Set Grid(points=5, shuffle=True), or list the values: [{self.low:g}, {self.high:g}]."
                )
            if self.bell is not None:  # evenly many draws between two of them; the ends are five deviations away
                return Spread(points, lambda k: self.at((k + 0.5) / points))
            return Spread(points, lambda k: self.clip(stretched(self.low, self.high, _share(k, points), self.log)))
        if points is None or points >= self._steps():
            return Spread(self._steps(), self._nth)
        if points == 1:
            return Spread(1, lambda _: self.at(0.5))
        size, place = thinned(points, self._steps(), lambda k: self._place(_share(k, points)))
        return Spread(size, lambda k: self._nth(place(k)))

    def _steps(self) -> int:
        return 1 + int((Decimal(repr(self.high)) - Decimal(repr(self.low))) // Decimal(repr(self.step)))

    def _nth(self, k: int) -> float:
        """low + k step as it is written: 0.1 + 2 * 0.1 is 0.3, not 0.30000000000000004."""
        return float(Decimal(repr(self.low)) + k * Decimal(repr(self.step)))

    def _place(self, share: float) -> float:
        assert self.step is not None
        return (stretched(self.low, self._nth(self._steps() - 1), share, self.log) - self.low) / self.step

    def __str__(self) -> str:
        if self.bell is not None:
            return _shown("lognormal" if self.bell.log else "normal", self.bell.mean, self.bell.sd, self.step)
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
            if not is_number(bound) or bound != int(bound):
                raise ValueError(
                    f"{name}({self.low}, {self.high}{f', step={self.step!r}' if bound is self.step else ''}) "
                    f"has the fractional bound {bound!r}. "
                    f"Use whole bounds, {name}({math.floor(self.low)}, {math.ceil(self.high)}), "
                    f"or uniform({self.low}, {self.high}) for real numbers."
                )
        if self.log and self.low < 1:
            raise ValueError(
                f"{name}({self.low}, {self.high}) has no logarithm at {self.low}. "
                f"Start at one or above: logint(1, {max(self.high, 2)})."
            )
        if not 1 <= self.step <= self.high - self.low:
            raise ValueError(
                f"{name}({self.low}, {self.high}) cannot be walked in steps of {self.step}. "
                f"Set a step between 1 and {self.high - self.low}."
            )
        # 4.0 is a whole number, but layers=4.0 breaks models
        _settle(self, low=int(self.low), high=int(self.high), log=bool(self.log), step=int(self.step))

    def at(self, u: float) -> int:
        """The value at `u` of [0, 1)."""
        if self.log:
            return self.clip(math.floor(stretched(self.low, self.high + 1, u, True)))
        return self._nth(min(math.floor(u * self._steps()), self._steps() - 1))

    @property
    def size(self) -> int:
        """How many values there are."""
        return self._steps()

    def cell(self, value: float) -> tuple[float, float]:
        """The shares of [0, 1] that stand for `value`: from and to."""
        k, steps = (int(value) - self.low) // self.step, self._steps()
        if not self.log:
            return k / steps, (k + 1) / steps
        below, above = self._nth(k) - self.step // 2, self._nth(k) + (self.step + 1) // 2
        return (
            0.0 if k == 0 else share_of(self.low, self.high + 1, below, True),
            1.0 if k == steps - 1 else share_of(self.low, self.high + 1, above, True),
        )

    def unit(self, value: float) -> float:
        """The middle of the shares that stand for `value`."""
        return sum(self.cell(value)) / 2

    def clip(self, value: float) -> int:
        """The value of this domain nearest to `value`."""
        steps, rest = divmod(min(max(value, self.low), self.high) - self.low, self.step)  # exact for any int
        return self._nth(min(int(steps) + int(2 * rest >= self.step), self._steps() - 1))

    def holds(self, value: object) -> bool:
        """Whether `value` is a whole number within the bounds and on the steps."""
        return (
            is_number(value)
            and value == int(value)
            and self.low <= value <= self.high
            and (int(value) - self.low) % self.step == 0
        )

    def grid(self, points: int | None) -> Spread:
        """All values, or `points` of them evenly spread from low to high."""
        if points is None or points >= self._steps():
            return Spread(self._steps(), self._nth)
        if points == 1:
            return Spread(1, lambda _: self.at(0.5))
        size, place = thinned(points, self._steps(), lambda k: self._place(_share(k, points)))
        return Spread(size, lambda k: self._nth(place(k)))

    def _steps(self) -> int:
        return (self.high - self.low) // self.step + 1

    def _nth(self, k: int) -> int:
        return self.low + k * self.step

    def _place(self, share: float) -> float:
        return (stretched(self.low, self._nth(self._steps() - 1), share, self.log) - self.low) / self.step

    def __str__(self) -> str:
        return _shown("logint" if self.log else "integer", self.low, self.high, self.step if self.step > 1 else None)


Domain = Float | Int | Choice


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


def normal(mean: float, sd: float, step: float | None = None) -> Float:
    """A real number near `mean`: a normal distribution, cut off at five standard deviations.

    >>> print(normal(0, 1, step=0.5))
    normal(0, 1, step=0.5)
    """
    return _bell("normal", mean, sd, step, log=False)


def lognormal(mean: float, sd: float, step: float | None = None) -> Float:
    """A positive real number whose natural logarithm is normal with `mean` and `sd`, as in numpy and HyperOpt."""
    return _bell("lognormal", mean, sd, step, log=True)


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
    if len(options) == 1 and not branches:
        warn_of_one(options[0])
    return Choice((*options, *branches), (*(None,) * len(options), *branches.values()))


def variants(*options: Any, **branches: Mapping[str, Any]) -> Choice:
    """A choice whose trainable is given an option's parameters alone, without the option's name.

    As in HyperOpt and Ray Tune, whose spaces are read like that; a constant tells the options apart.

    >>> print(variants(sgd={"kind": fixed("sgd"), "momentum": uniform(0, 1)}, adam={"kind": fixed("adam")}))
    variants(sgd={'kind': fixed('sgd'), 'momentum': uniform(0, 1)}, adam={'kind': fixed('adam')})
    """
    found = choice(*options, **branches)
    return Choice(found.options, found.spaces, bare=True)


def _bell(name: str, mean: float, sd: float, step: float | None, log: bool) -> Float:
    if not is_number(mean) or not is_number(sd) or sd <= 0:
        raise ValueError(f"{name}({mean!r}, {sd!r}) is no bell. Give a mean and a deviation above zero: {name}(0, 1).")
    bell = Bell(plain(mean), plain(sd), log)
    try:
        low, high = bell.ends
    except OverflowError:
        raise ValueError(
            f"{name}({mean}, {sd}) spans more than a float can hold. Give the mean of the logarithm: {name}(-6.9, 1)."
        ) from None
    if step is None:
        return Float(low, high, bell=bell)
    if not is_number(step) or not 0 < step <= high - low:
        raise ValueError(f"{name}({mean}, {sd}, step={step!r}) has no such step. Set one up to {high - low:g}.")
    ends = [float(round(end / step) * Decimal(repr(step))) for end in (low, high)]  # as others quantise
    return Float(ends[0], ends[1], step=step, bell=bell)


def _settle(domain: Float | Int, **fields: Any) -> None:
    for name, value in fields.items():
        object.__setattr__(domain, name, value)


def _check_bounds(name: str, low: object, high: object) -> None:
    for bound in (low, high):
        if not is_number(bound):
            raise ValueError(f"{name}({low!r}, {high!r}) has the bound {bound!r}. Use two finite numbers.")
    assert is_number(low)
    assert is_number(high)
    if not low < high:
        raise ValueError(
            f"{name}({low}, {high}) has no room: {low} is not below {high}. "
            + (f"Swap them: {name}({high}, {low})." if low != high else f"Use choice({low}) for one value.")
        )


def _share(k: int, points: int) -> float:
    """Where value `k` of `points` lies between the first, 0, and the last, 1; a lone one lies in the middle."""
    return k / (points - 1) if points > 1 else 0.5


def _shown(name: str, low: float, high: float, step: float | None) -> str:
    return f"{name}({low!r}, {high!r}{f', step={step!r}' if step else ''})"
