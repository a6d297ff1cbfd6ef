"""ASHA as its paper has it: every trial waits at its rung, and only the best there go on.

Li et al. 2018 (arXiv:1810.05934), algorithm 2. Ray Tune, Optuna and Katib offer the stopping form
alone; this one never spends an epoch on a trial that is not among the best 1 in `keep_1_in` of its
rung at that moment, which is what a single accelerator wants.
"""

import bisect
import math
from collections.abc import Container, Sequence

from search.protocol import Decision, Exploit, Go, Pause, Score
from search.schedulers import ASHA
from search.space import Flat

Rank = tuple[float, str]  # by loss, and by id among equals


class Promotion:
    """`ASHA(promote=True)` at work; trials are known by id."""

    def __init__(self, pace: ASHA):
        self._rungs = {epoch: _Rung(pace.keep_1_in) for epoch in pace.rungs()}
        self._waits_at: dict[str, int] = {}

    def add(self, trial: str, params: Flat) -> None:
        """Nothing to note before its first rung."""

    def begin(self, trial: str) -> None:
        self.remove(trial)

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score in batch:
            if score.epoch in self._rungs:
                self.remove(score.trial)
                self._rungs[score.epoch].arrive(score.trial, score.loss)
                self._waits_at[score.trial] = score.epoch
                decisions[score.trial] = Pause(f"waits at the rung of epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("promotion never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        """The best waiting trial of the highest rung where one is among the top fraction."""
        for _, rung in sorted(self._rungs.items(), reverse=True):
            if (trial := rung.best_waiting(busy)) is not None:
                return trial
        return None

    def remove(self, trial: str) -> None:
        epoch = self._waits_at.pop(trial, None)
        if epoch is not None:
            self._rungs[epoch].leave(trial)


class _Rung:
    """All that ever reached an epoch, in order, and those of them who wait there."""

    def __init__(self, keep_1_in: int):
        self._keep_1_in = keep_1_in
        self._ranks: dict[str, Rank] = {}
        self._order: list[Rank] = []
        self._waiting: list[Rank] = []

    def arrive(self, trial: str, loss: float) -> None:
        if trial in self._ranks:  # the same epoch once more: the newest report counts
            del self._order[bisect.bisect_left(self._order, self._ranks[trial])]
        rank = (loss if math.isfinite(loss) else math.inf, trial)
        self._ranks[trial] = rank
        bisect.insort(self._order, rank)
        if math.isfinite(rank[0]):  # who diverged is never called again
            bisect.insort(self._waiting, rank)

    def leave(self, trial: str) -> None:
        place = bisect.bisect_left(self._waiting, self._ranks[trial])
        if self._waiting[place : place + 1] == [self._ranks[trial]]:
            del self._waiting[place]

    def best_waiting(self, busy: Container[str]) -> str | None:
        top = self._order[: len(self._order) // self._keep_1_in][-1:]
        for rank in self._waiting:
            if not top or rank > top[0]:
                return None
            if rank[1] not in busy:
                return rank[1]
        return None
