"""ASHA in its stopping form for goals that Ray's cannot judge: several objectives, limits, equal cost.

Li et al. 2018 (arXiv:1810.05934). At a rung a trial goes on when fewer than 1 in `keep_1_in` of those that ever came
there are better; for a batch with one plain objective that is Ray's own rule, which `tests/search` holds it to.
"""

import math
from collections.abc import Container, Sequence

from search.engines.rungs import Curves, rung
from search.goal import Goal
from search.protocol import Decision, Exploit, Go, Score, Stop
from search.schedulers import ASHA
from search.space import Flat


class Halving:
    """`ASHA()` at work on any goal; a batch is recorded whole before anyone in it is judged."""

    def __init__(self, pace: ASHA, goal: Goal):
        self._keep_1_in = pace.keep_1_in
        self._curves = Curves() if goal.per else None
        self._rungs = {epoch: rung(goal, self._curves) for epoch in pace.rungs()}

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        """Nothing to note before its first rung."""

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        for score in batch:
            if self._curves is not None:
                self._curves.add(score)
            if score.epoch in self._rungs:
                self._rungs[score.epoch].arrive(score)
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score in batch:
            if score.epoch in self._rungs and isinstance(decisions[score.trial], Go) and not self._goes_on(score):
                decisions[score.trial] = Stop(f"not among the best at epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("ASHA never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        """What it reported still counts."""

    def _goes_on(self, score: Score) -> bool:
        here = self._rungs[score.epoch]
        return not math.isnan(score.loss) and here.beaten_by(score.trial) < len(here) / self._keep_1_in
