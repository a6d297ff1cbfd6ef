"""Several trials in one process, each a session that does not notice the others.

A trial of milliseconds costs less than asking a process to train it. So one call trains many: each member as far as it
would train in a process of its own before it has something to say, and all that they said comes back together. What
they draw from the process's generators is kept apart, an exception of one ends that one, and a member that takes its
time ends the call, so that the others are heard of.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from trainables.seeds import Generators
from trainables.session import LostError, Session

CALL_S = 0.25  # of training in one call; its members are gone round, so that each has its turn


class Cohort:
    """The members at work in one process.

    Args:
        make: a new session; sessions are used again.
        call_s: how long a call trains at least, if there is so much to do.
    """

    def __init__(self, make: Callable[[], Session], call_s: float = CALL_S):
        self._make, self._call_s = make, call_s
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
        said: list[dict[str, Any]] = []
        until = time.monotonic() + self._call_s
        for _ in range(len(self._turns)):
            if said and time.monotonic() >= until:
                break
            trial = self._turns[0]
            try:
                told = self._advance(trial)
            except LostError:
                if not said:
                    raise
                break  # it is raised again by the next call
            said.append({"trial": trial, **told})
            self._turns.popleft()
            if told["end"] is None:
                self._turns.append(trial)
            else:
                self._end(trial)
        return said

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
        said = session.advance()
        if session.is_lost:
            self._broken_by = trial
        if len(self._members) > 1 and said["end"] is None and session.draws_on:
            self._drawn[trial] = Generators()
        return said

    def _end(self, trial: str) -> None:
        session = self._members.pop(trial, None)
        if session is None:
            return
        self._drawn.pop(trial, None)
        with suppress(ValueError):
            self._turns.remove(trial)
        session.end()
        self._spare += [session] if not session.is_lost else []
