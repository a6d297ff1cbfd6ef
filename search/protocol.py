"""What the conductor asks of a sampler and of a scheduler, and what it tells them.

Both are engines that know no Ray and no clock: the same calls drive them live, in a simulation and
from a ledger that is read back. Losses are always "less is better" and finite, or NaN for a failure.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Protocol

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


@dataclass(frozen=True, slots=True)
class Score:
    """One report as the engines see it: `loss` is NaN where the trial diverged."""

    trial: str
    epoch: int
    loss: float


class SamplerEngine(Protocol):
    """Proposes flat points; numbers count the study's trials from 1 and are never reused."""

    def propose(self, number: int) -> Flat | None:
        """The params of a new trial; None when the space is exhausted."""

    def adopt(self, number: int, params: Flat) -> None:
        """Learns of a proposal that was made elsewhere: read from a ledger, or given by the user."""

    def observe(self, number: int, epoch: int, loss: float) -> None:
        """Learns the best loss of a trial up to a judged epoch, or up to its end."""

    def fail(self, number: int) -> None:
        """Learns that a trial failed or diverged: its params are bad, not unknown."""


class SchedulerEngine(Protocol):
    """Judges trials at some epochs; trials are known by id."""

    def add(self, trial: str, params: Flat) -> None:
        """A new trial exists."""

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
