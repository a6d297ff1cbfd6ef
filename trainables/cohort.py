"""Several trials in one process, each a session that does not notice the others.

A trial of milliseconds costs less than asking a process to train it. So one call trains many: each member as far as it
would train in a process of its own before it has something to say, and all that they said comes back together. What
they draw from the process's generators is kept apart, an exception of one ends that one, and a member that takes its
time ends the call, so that the others are heard of. Members that can be trained in one kernel launch are, where that
is wanted: they take one turn together.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from trainables.contract import Training
from trainables.endings import LostError
from trainables.seeds import Generators
from trainables.session import Session

CALL_S = 0.25  # of training in one call; its members are gone round, so that each has its turn


class Stacked(Protocol):
    """What trains members together."""

    def groups(self, trainings: Mapping[str, Any]) -> list[list[str]]:
        """Who is trained with whom."""

    def train(self, turns: Sequence[tuple[Any, int, int]]) -> bool:
        """An epoch of trainings, with the seed and the next epoch of each; whether it could be."""


class Cohort:
    """The members at work in one process.

    Args:
        make: a new session; sessions are used again.
        call_s: how long a call trains at least, if there is so much to do.
        stacks: of the process, which train members together; None where each trains by itself.

    Attributes:
        stacked: members that were trained together by the last call.
    """

    def __init__(self, make: Callable[[], Session], call_s: float = CALL_S, stacks: Stacked | None = None):
        self._make, self._call_s, self._stacks = make, call_s, stacks
        self.stacked: set[str] = set()
        self._members: dict[str, Session] = {}
        self._turns: deque[str] = deque()
        self._drawn: dict[str, Generators] = {}
        self._spare: list[Session] = []
        self._broken_by = ""

    def __len__(self) -> int:
        return len(self._members)

    def take(self, legs: Iterable[Mapping[str, Any]], dropped: Collection[str] = ()) -> None:
        """Begins legs, and ends those of other trials."""
        for trial in dropped:
            self._end(trial)
        for leg in legs:
            session = self._spare.pop() if self._spare else self._make()
            session.begin(leg)
            self._members[leg["trial"]] = session
            self._turns.append(leg["trial"])

    def advance(self) -> list[dict[str, Any]]:
        """Trains each member until it has something to say, or the time of the call is over; what they said.

        Raises:
            LostError: the process cannot be trusted any more, of which what was said before is answered first.
        """
        if self._broken_by and self._broken_by not in self._members:
            raise LostError(f"its process was broken by {self._broken_by}, which ran in it before")
        said: dict[str, dict[str, Any]] = {}
        until = time.monotonic() + self._call_s
        try:
            self._go_round(said, until)
        except LostError:
            if not any(map(_has_news, said.values())):
                raise  # else it is raised again by the next call
        for trial, told in said.items():
            if told["end"] is not None:
                self._end(trial)
        return [
            {"trial": trial, "stacked": trial in self.stacked, **told}
            for trial, told in said.items()
            if _has_news(told)
        ]

    def _go_round(self, said: dict[str, dict[str, Any]], until: float) -> None:
        """Gives each member its turn, or those of a stack theirs together, until the time is over."""
        together = self._together(said)
        done: set[str] = set()
        for trial in list(self._turns):
            if any(map(_has_news, said.values())) and time.monotonic() >= until:
                return
            if trial in done or (trial in said and said[trial]["end"] is not None):
                continue
            turn = together.get(trial, [trial])
            if len(turn) == 1 or not self._train_together(turn, said, until):
                for one in turn:
                    _join(said, one, self._advance(one))
            done.update(turn)
            for one in turn:
                self._turns.remove(one)
                self._turns.append(one)

    def _together(self, said: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
        """With whom each member is trained together; all of them are built for that."""
        self.stacked = set()
        if self._stacks is None:
            return {}
        for trial in list(self._turns):
            _join(said, trial, self._guarded(trial, Session.ready))
        built = {trial: session.training for trial, session in self._members.items() if session.training is not None}
        groups = self._stacks.groups(built)
        self.stacked = {trial for group in groups for trial in group}
        return {trial: group for group in groups for trial in group}

    def _train_together(self, group: list[str], said: dict[str, dict[str, Any]], until: float) -> bool:
        """Epoch after epoch, until one of them has to be heard; whether they could be."""
        assert self._stacks is not None
        sessions = {trial: self._members[trial] for trial in group}
        goes_on, trained = True, False
        while goes_on:
            if not self._stacks.train([(session.training, *session.sown) for session in sessions.values()]):
                self.stacked -= set(group)
                return trained
            trained = True
            for trial in group:
                told = self._guarded(trial, Session.epoch)
                goes_on &= told.pop("goes_on", False) and not getattr(sessions[trial].training, "is_over", False)
                _join(said, trial, told)
            goes_on = goes_on and time.monotonic() < until
        return True

    def at(self, trial: str, epoch: int) -> Callable[[Training], None] | None:
        """What gives a training a member's weights, where that has just trained that epoch; None where nothing can."""
        session = self._members.get(trial)
        return getattr(session.training, "give", None) if session is not None and session.at == epoch else None

    def keep(self) -> dict[str, int]:
        """Writes checkpoints of all members; per trial the newest saved epoch, 0 where there is none."""
        return {trial: session.keep() for trial, session in self._members.items()}

    def end(self) -> None:
        """Ends all legs."""
        for trial in list(self._members):
            self._end(trial)

    def _advance(self, trial: str) -> dict[str, Any]:
        """One member's turn; the generators are where it left them, whatever the others drew."""
        session = self._members[trial]
        if (drawn := self._drawn.pop(trial, None)) is not None:
            drawn.restore()
        said = self._guarded(trial, Session.advance)
        if len(self._members) > 1 and said["end"] is None and session.draws_on:
            self._drawn[trial] = Generators()
        return said

    def _guarded(self, trial: str, work: Callable[[Session], dict[str, Any]]) -> dict[str, Any]:
        """What a member says, of whom it is remembered if it breaks the process."""
        session = self._members[trial]
        try:
            return work(session)
        finally:
            if session.is_lost:
                self._broken_by = trial

    def _end(self, trial: str) -> None:
        session = self._members.pop(trial, None)
        if session is None:
            return
        self._drawn.pop(trial, None)
        with suppress(ValueError):
            self._turns.remove(trial)
        session.end()
        self._spare += [session] if not session.is_lost else []


def _join(said: dict[str, dict[str, Any]], trial: str, told: dict[str, Any]) -> None:
    """Puts what a member says behind what it said before in the same call."""
    known = said.setdefault(trial, told)
    if known is not told:
        for part in ("reports", "saved", "notes"):
            known[part] += told[part]
        known["end"] = told["end"]


def _has_news(told: Mapping[str, Any]) -> bool:
    return bool(told["reports"] or told["notes"] or told["end"] is not None)
