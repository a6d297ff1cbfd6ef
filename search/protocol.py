"""What the conductor asks of a sampler and of a scheduler, and what it tells them.

Both are engines that know no Ray and no clock: the same calls drive them live, in a simulation and
from a ledger that is read back. Losses are always "less is better" and finite, or NaN for a failure.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from search.goal import beyond
from search.space import Flat


@dataclass(frozen=True, slots=True)
class Go:
    """The trial goes on."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The trial is over before its last epoch."""

    reason: str


@dataclass(frozen=True, slots=True)
class Pause:
    """The trial waits, with a checkpoint of this epoch, until the scheduler calls it again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Exploit:
    """The trial takes over another's weights and goes on with new params, at its own next epoch."""

    source: str
    source_epoch: int
    params: Flat


Decision = Go | Stop | Pause | Exploit


FINISHED = 2**31  # stands for "ran to its end" in place of an epoch, whatever the number of epochs


@dataclass(frozen=True, slots=True)
class Score:
    """One report as schedulers see it.

    Attributes:
        trial: its id.
        epoch: of the report.
        loss: of the first objective; NaN where the trial diverged.
        losses: of all objectives, where there are several.
        excess: by how much limits on outcomes are broken; 0 where they are kept.
        cost: what the trial has spent so far, in the unit that the goal is judged by.
    """

    trial: str
    epoch: int
    loss: float
    losses: tuple[float, ...] = ()
    excess: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The best that a trial has reported up to an epoch, as samplers see it.

    Attributes:
        epoch: a judged one, or `FINISHED`.
        losses: of all objectives; finite.
        margins: how far it lies beyond each limit on an outcome; less than 0 within.
        slopes: derivative of the first loss with respect to a parameter, by its name, where the trial reported it.
    """

    epoch: int
    losses: tuple[float, ...]
    margins: tuple[float, ...] = ()
    slopes: Mapping[str, float] = field(default_factory=dict)

    @property
    def excess(self) -> float:
        """By how much limits are broken; 0 where they are kept."""
        return beyond(self.margins)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A trial of an earlier study.

    Attributes:
        params: its flat point, of this study's space.
        scores: per objective, where it stood among the trials of its study: normal scores, less is better.
        margins: how far it lay beyond each limit on an outcome.
    """

    params: Flat
    scores: tuple[float, ...]
    margins: tuple[float, ...] = ()


class Drawn(dict[str, Any]):
    """A flat point that no model had a hand in: drawn at random, or one of a sequence that is spread evenly."""


class SamplerEngine(Protocol):
    """What the conductor asks for params; numbers count the study's trials from 1 and are never reused."""

    def propose(self, number: int) -> Flat | None:
        """The params of a new trial, `Drawn` or a model's choice; None when the space, or the sampler, is exhausted."""

    def adopt(self, number: int, params: Flat, given: bool = False) -> None:
        """Learns of a trial: one that it proposed itself, now or before the ledger was read, or one given."""

    def observe(self, number: int, seen: Seen) -> None:
        """Learns the best of a trial up to a judged epoch, or up to its end."""

    def end(self, number: int) -> None:
        """Learns that a trial is over and will report no more."""

    def fail(self, number: int) -> None:
        """Learns that a trial failed or diverged: its params are bad, not unknown."""

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Learns what earlier studies found."""


class SchedulerEngine(Protocol):
    """Judges trials at some epochs; trials are known by id."""

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        """A new trial exists; a model chose its params if it is guided."""

    def begin(self, trial: str) -> None:
        """A trial starts to run, for the first time or again."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        """Records the whole batch, then decides on each trial in it."""

    def adopt(self, trial: str, exploit: Exploit) -> None:
        """Learns of an exploit as a ledger recorded it."""

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        """A paused trial whose turn has come, or None.

        Args:
            more_to_come: whether new trials may follow.
            busy: trials that have been called already.
        """

    def remove(self, trial: str) -> None:
        """A trial is over."""
