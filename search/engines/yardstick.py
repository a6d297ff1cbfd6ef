"""ASHA for studies in which a model chooses the points: draws are the yardstick, and the model cannot move it.

At a rung ASHA (Li et al. 2018, arXiv:1810.05934) keeps the best share of all that came there. A model crowds its rungs
with what starts as well as its best trials: the bar rises with every one of them, until trials that start more slowly
and would end best are cut at the first rung for good, random ones among them, and the model never hears of them. So
trials that no model chose are held against each other alone, and a model's trial goes on as well where it is among the
best 1 in `keep_1_in` ** 2 of the draws, those that the next rung, too, would have kept. Without a model this is ASHA.
"""

import copy
import math
from collections.abc import Callable, Container, Sequence

from search.engines.rungs import Curves, rung
from search.goal import Goal
from search.protocol import Decision, Exploit, Go, SchedulerEngine, Score, Stop
from search.schedulers import ASHA
from search.space import Flat


class Yardstick:
    """`ASHA()` at work: trials are stopped by two measures.

    Args:
        pace: the rungs.
        goal: what trials are judged by.
        plain: makes an engine of ASHA that knows one measure: all that came to a rung.
    """

    def __init__(self, pace: ASHA, goal: Goal, plain: Callable[[], SchedulerEngine]):
        self._among_drawn = plain()
        self._among_all: SchedulerEngine | None = None  # until a model chooses a trial, all are drawn
        self._guided: set[str] = set()
        self._curves = Curves() if goal.per else None
        self._drawn = {epoch: rung(goal, self._curves) for epoch in pace.rungs()}
        self._spared_1_in = pace.keep_1_in**2

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        if guided and self._among_all is None:
            self._among_all = copy.deepcopy(self._among_drawn)
        if self._among_all is not None:
            self._among_all.add(trial, params, guided)
        if guided:
            self._guided.add(trial)
        else:
            self._among_drawn.add(trial, params)

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        drawn = [score for score in batch if score.trial not in self._guided]
        for score in batch:
            if self._curves is not None:
                self._curves.add(score)
        for score in drawn:
            if score.epoch in self._drawn:
                self._drawn[score.epoch].arrive(score)
        among_all = {} if self._among_all is None else self._among_all.judge(batch)
        decisions = among_all | self._among_drawn.judge(drawn)
        for trial, decision in decisions.items():
            if isinstance(decision, Stop) and trial in self._guided:
                mine = [score for score in batch if score.trial == trial and score.epoch in self._drawn]
                if all(self._is_spared(score) for score in mine):
                    decisions[trial] = Go()
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("ASHA never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        if self._among_all is not None:
            self._among_all.remove(trial)
        if trial not in self._guided:
            self._among_drawn.remove(trial)

    def _is_spared(self, score: Score) -> bool:
        """Whether so few of the draws at its rung are better."""
        here = self._drawn[score.epoch]
        return math.isfinite(score.loss) and here.would_be_beaten_by(score) < len(here) / self._spared_1_in
