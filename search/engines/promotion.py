"""ASHA as its paper has it: every trial waits at its rung, and only the best there go on.

Li et al. 2018 (arXiv:1810.05934), algorithm 2. Ray Tune, Optuna and Katib offer the stopping form
alone; this one never spends an epoch on a trial that is not among the best 1 in `keep_1_in` of its
rung at that moment, which is what a single accelerator wants.
"""

import math
from collections.abc import Container, Sequence

from search.protocol import Decision, Exploit, Go, Pause, Score
from search.schedulers import ASHA
from search.space import Flat


class Promotion:
    """`ASHA(promote=True)` at work; trials are known by id."""

    def __init__(self, pace: ASHA):
        self._keep_1_in = pace.keep_1_in
        self._rungs: dict[int, dict[str, float]] = {epoch: {} for epoch in pace.rungs()}
        self._promoted: dict[int, set[str]] = {epoch: set() for epoch in pace.rungs()}
        self._waiting: dict[str, int] = {}

    def add(self, trial: str, params: Flat) -> None:
        """Nothing to note before its first rung."""

    def begin(self, trial: str) -> None:
        epoch = self._waiting.pop(trial, None)
        if epoch is not None:
            self._promoted[epoch].add(trial)

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        decisions: dict[str, Decision] = {}
        for score in batch:
            decisions[score.trial] = Go()
            if score.epoch in self._rungs:
                self._rungs[score.epoch][score.trial] = math.inf if math.isnan(score.loss) else score.loss
                self._waiting[score.trial] = score.epoch
                decisions[score.trial] = Pause(f"waits at the rung of epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("promotion never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        """The best waiting trial of the highest rung where one is among the top fraction."""
        for epoch in sorted(self._rungs, reverse=True):
            ranked = sorted(self._rungs[epoch], key=lambda trial: (self._rungs[epoch][trial], trial))
            top = ranked[: len(ranked) // self._keep_1_in]
            for trial in top:
                waits = self._waiting.get(trial) == epoch and trial not in busy
                if waits and math.isfinite(self._rungs[epoch][trial]):
                    return trial
        return None

    def remove(self, trial: str) -> None:
        self._waiting.pop(trial, None)
