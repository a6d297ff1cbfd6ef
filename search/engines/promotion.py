"""ASHA as its paper has it: every trial waits at its rung, and only the best there go on.

Li et al. 2018 (arXiv:1810.05934), algorithm 2. Ray Tune, Optuna and Katib offer the stopping form
alone; this one never spends an epoch on a trial that is not among the best 1 in `keep_1_in` of its
rung at that moment, which is what a single accelerator wants. Where a model chooses the points, the
draws are a yardstick of their own (`yardstick`).
"""

import math
from collections.abc import Container, Iterator, Sequence

from search.engines.rungs import Curves, rung
from search.goal import Goal
from search.protocol import Decision, Exploit, Go, Pause, Score
from search.schedulers import ASHA
from search.space import Flat


class Promotion:
    """`ASHA(promote=True)` at work on any goal; trials are known by id."""

    def __init__(self, pace: ASHA, goal: Goal | None = None):
        goal = goal or Goal("min", "loss")
        self._keep_1_in, self._by_draws = pace.keep_1_in, pace.by_draws
        self._curves = Curves() if goal.per else None
        self._rungs = {epoch: rung(goal, self._curves) for epoch in pace.rungs()}
        self._drawn = {epoch: rung(goal, self._curves) for epoch in self._rungs}
        self._guided: set[str] = set()
        self._waiting: dict[int, dict[str, Score]] = {epoch: {} for epoch in self._rungs}
        self._waits_at: dict[str, int] = {}

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        if guided and self._by_draws:
            self._guided.add(trial)

    def begin(self, trial: str) -> None:
        self.remove(trial)

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score in batch:
            if self._curves is not None:
                self._curves.add(score)
            if score.epoch in self._rungs:
                self.remove(score.trial)
                self._rungs[score.epoch].arrive(score)
                if score.trial not in self._guided:
                    self._drawn[score.epoch].arrive(score)
                self._waiting[score.epoch][score.trial] = score
                self._waits_at[score.trial] = score.epoch
                decisions[score.trial] = Pause(f"waits at the rung of epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("promotion never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        """The best waiting trial of the highest rung where one may go on."""
        for epoch in sorted(self._rungs, reverse=True):
            waiting = self._waiting[epoch]
            if not waiting:
                continue
            for trial in self._best(epoch):
                if trial in waiting and trial not in busy:
                    return trial
        return None

    def remove(self, trial: str) -> None:
        epoch = self._waits_at.pop(trial, None)
        if epoch is not None:
            self._waiting[epoch].pop(trial, None)

    def _best(self, epoch: int) -> Iterator[str]:
        """Who may go on from a rung, the best of each measure first, those aside that diverged."""
        here, drawn = self._rungs[epoch], self._drawn[epoch]
        if self._guided:
            yield from (trial for trial in here.best(len(here) // self._keep_1_in) if trial in self._guided)
        yield from drawn.best(len(drawn) // self._keep_1_in)
        yield from (t for t in self._waiting[epoch] if t in self._guided and self._is_spared(epoch, t))

    def _is_spared(self, epoch: int, trial: str) -> bool:
        """Whether so few of the draws at its rung are better (`yardstick`)."""
        score, drawn = self._waiting[epoch][trial], self._drawn[epoch]
        return math.isfinite(score.loss) and drawn.would_be_beaten_by(score) < len(drawn) // self._keep_1_in**2
