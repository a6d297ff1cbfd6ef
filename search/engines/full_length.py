"""No judgement: every trial runs to its end."""

from collections.abc import Container, Sequence

from search.protocol import Decision, Exploit, Go, Score
from search.space import Flat


class Unjudged:
    """`FullLength()` at work."""

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        """Nothing to note."""

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        return {score.trial: Go() for score in batch}

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("full length never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        """Nothing to note."""
