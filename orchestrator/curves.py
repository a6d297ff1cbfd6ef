"""Recorded learning curves: of any point the nearest one that was recorded, or what a function says of it.

A point that a table does not hold is given the curve of its nearest neighbour, as by the nearest-neighbour surrogates
over the tables of Syne Tune's black-box repository (Salinas et al. 2022, Syne Tune: a library for large scale
hyperparameter tuning and reproducible research, AutoML-Conf).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from orchestrator.simulation import Curve
from search import Goal, Space
from search.engines.cube import Cube
from search.points import Flat
from trainables.firewall import BadReportError, clean

TICK = 1e-9  # seconds that an epoch of a function takes at least, or a study that only time ends would never end
SAME = 1e-9  # apart in the unit cube, below which two points count as one
UNTIMED = "there are no seconds: every epoch counts as one second"


class Recording(Protocol):
    """Where the curves of a simulated study come from.

    Attributes:
        source: in words.
        longest: epochs of its curves; None where nobody knows before.
        takes_time: whether every curve does, so that time alone would end a study.
    """

    source: str
    longest: int | None
    takes_time: bool

    def curve(self, params: Flat) -> Curve:
        """The learning curve of a flat point."""

    def told(self, distances: Sequence[float]) -> list[str]:
        """What a reader of a study should know of the curves that it was given, a sentence each."""


@dataclass(frozen=True, slots=True)
class Row:
    """A curve of a table."""

    table: "Table"
    place: int
    distance: float

    def seconds_at(self, epoch: int) -> float | None:
        """Since the trial's start; None beyond the last epoch."""
        known = self.table.seconds[self.place]
        return None if epoch > len(known) else float(known[epoch - 1])

    def metrics_at(self, epoch: int) -> dict[str, float]:
        """Of one epoch."""
        return {name: float(values[self.place, epoch - 1]) for name, values in self.table.metrics.items()}


class Table:
    """Curves of N configurations over E epochs.

    Args:
        source: where they come from, in words.
        space: of the points.
        points: N flat ones.
        seconds: `[N, E]` since the trial's start; None where every epoch counts as one second.
        metrics: by name, `[N, E]`.
        notes: what was left out, a sentence each.
    """

    def __init__(
        self,
        source: str,
        space: Space,
        points: Sequence[Flat],
        seconds: np.ndarray | None,
        metrics: Mapping[str, np.ndarray],
        notes: Iterable[str] = (),
    ):
        self.points, self.metrics = list(points), dict(metrics)
        size, epochs = next(iter(self.metrics.values())).shape
        self.longest: int | None = epochs
        self.seconds = np.tile(np.arange(1.0, epochs + 1), (size, 1)) if seconds is None else seconds
        self.takes_time = bool((self.seconds[:, -1] >= TICK).all())
        self.source = f"{source}: {_count(size, 'curve')} of {_count(epochs, 'epoch')}"
        self._cube = Cube(space)
        self._units = np.array([self._cube.units(point) for point in self.points]) + 0.0  # no -0.0: bytes are keys
        self._known: dict[bytes, tuple[int, float]] = {}
        self._alike: dict[bytes, list[int]] = {}
        for place, units in enumerate(self._units):
            self._alike.setdefault(units.tobytes(), []).append(place)
        self.notes = [*notes, *([UNTIMED] if seconds is None else []), *self._several()]

    def curve(self, params: Flat) -> Row:
        """The curve of a flat point, or that of its nearest neighbour; the first one wins ties."""
        return Row(self, *self._nearest(params))

    def draw(self, params: Flat, seed: int) -> Row:
        """As `curve`, but where several curves are of that very point, the one on which a seed's lot falls."""
        place, distance = self._nearest(params)
        alike = self._alike[self._units[place].tobytes()]
        return Row(self, alike[int(np.random.default_rng(seed).integers(len(alike)))], distance)

    def _nearest(self, params: Flat) -> tuple[int, float]:
        """The first of the nearest places, and its distance."""
        units = self._cube.units(params)
        key = units.tobytes()
        if key not in self._known:
            distances = self.distances(units)
            place = int(np.argmin(distances))
            self._known[key] = place, 0.0 if distances[place] < SAME else float(distances[place])
        return self._known[key]

    def _several(self) -> list[str]:
        several = sum(len(places) > 1 for places in self._alike.values())
        drawn = "each trial draws one of them by its seed"
        return [f"with several curves: {several} of {_count(len(self._alike), 'point')}; {drawn}"] if several else []

    def distances(self, units: np.ndarray) -> np.ndarray:
        """`[N]` Euclidean distances of the points from `[D]` coordinates of the unit cube.

        A parameter that is active on one side only, and a choice without an order that differs, are 1 apart.
        """
        gaps = np.abs(self._units - units)
        gaps[:, self._cube.options > 0] = gaps[:, self._cube.options > 0] > SAME
        one_sided = np.isnan(self._units) != np.isnan(units)
        gaps = np.where(one_sided, 1.0, np.nan_to_num(gaps, nan=0.0))
        return np.asarray(np.sqrt((gaps**2).sum(axis=1)))

    def told(self, distances: Sequence[float]) -> list[str]:
        """What was left out of the table, and how many points were looked up exactly."""
        others = [distance for distance in distances if distance > 0]
        exact, every = len(distances) - len(others), _count(len(distances), "point")
        if not others:
            return [*self.notes, f"recorded exactly: all of {every}"]
        far = f"nearest curves, on average {np.mean(others):.2g} away in the unit cube"
        return [*self.notes, f"recorded exactly: {exact or 'none'} of {every}; the others have their {far}"]


class Drawn:
    """A curve that a function makes, epoch by epoch, as far as it is wanted."""

    distance = 0.0

    def __init__(self, epochs: Iterator[tuple[dict[str, float], float]]):
        self._epochs = epochs
        self._known: list[tuple[dict[str, float], float]] = []

    def seconds_at(self, epoch: int) -> float | None:
        """Since the trial's start; None where the function has come to its end."""
        while len(self._known) < epoch:
            following = next(self._epochs, None)
            if following is None:
                return None
            self._known.append(following)
        return self._known[epoch - 1][1]

    def metrics_at(self, epoch: int) -> dict[str, float]:
        """Of an epoch whose seconds are known."""
        return self._known[epoch - 1][0]


class Surrogate:
    """A function that says how any point would train.

    Args:
        function: called with nested params as a trainable; returns or yields a dict of metrics per epoch, each with the
            `seconds` since the trial's start, or without.
        space: of the points.
        goal: whose metrics each epoch needs; a bare number is the first of them.
        source: its name.
    """

    longest: int | None = None
    takes_time = True

    def __init__(self, function: Callable[[dict[str, Any]], Any], space: Space, goal: Goal, source: str):
        self.source = source
        self._function, self._space, self._goal = function, space, goal
        self._untimed = False

    def curve(self, params: Flat) -> Drawn:
        """What the function says of a flat point."""
        return Drawn(self._epochs(self._space.nest(params)))

    def told(self, distances: Sequence[float]) -> list[str]:
        """Whether there were no seconds."""
        return [UNTIMED] if self._untimed else []

    def _epochs(self, params: dict[str, Any]) -> Iterator[tuple[dict[str, float], float]]:
        last = 0.0
        for epoch, said in enumerate(self._said(params), start=1):
            metrics = dict(said) if isinstance(said, Mapping) else {self._goal.metric: said}
            self._untimed |= "seconds" not in metrics
            seconds = metrics.pop("seconds", last + 1.0)
            try:
                metrics = clean(metrics, f"at {params!r}", self._goal.metrics)
            except BadReportError as error:
                raise ValueError(f"{self.source}: {error}") from None
            is_time = isinstance(seconds, int | float | np.number) and 0 < seconds < math.inf
            if not is_time or seconds == last or seconds < last + TICK:
                raise ValueError(
                    f"{self.source} says seconds={seconds!r} at epoch {epoch} of {params!r}, after {last:g}. Give the "
                    f"seconds since the trial's start, the sum of its epochs' own: "
                    f"{{..., 'seconds': {last + (float(seconds) if is_time else 1.0):g}}}"
                )
            last = float(seconds)
            yield metrics, last

    def _said(self, params: dict[str, Any]) -> Iterator[Any]:
        """One report per epoch, of a function that yields them, returns them, or returns the only one."""
        try:
            outcome = self._function(params)
            one = isinstance(outcome, Mapping) or hasattr(outcome, "__float__") or not isinstance(outcome, Iterable)
            yield from [outcome] if one else outcome
        except Exception as error:
            raise ValueError(
                f"{self.source} raised {type(error).__name__}: {error} at {params!r}. Mend it there, or give "
                f"{{{self._goal.metric!r}: float('nan')}} for params that cannot be trained."
            ) from error


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"
