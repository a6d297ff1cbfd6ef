"""The median rule: a trial stops when its best so far is worse than most others were on average by then.

Golovin et al. 2017, Google Vizier: a service for black-box optimization, section 3.2.2: the running averages of all
that came as far, from the first epoch at which anybody may be stopped. Ray's own computes every average anew for
every report, and compares with whatever others have reported at the moment; here each epoch keeps its averages in
order, a batch is recorded whole before anyone in it is judged, and one that diverged counts for nobody.
"""

import bisect
import math
from collections.abc import Container, Sequence

from search.goal import Goal
from search.protocol import Decision, Exploit, Go, Score, Stop
from search.schedulers import MedianStop
from search.space import Flat

PEERS = 500  # newest trials that one is compared with at equal cost


class Medians:
    """`MedianStop()` at work; trials are known by id."""

    def __init__(self, pace: MedianStop, goal: Goal | None = None):
        self._pace, self._at_cost = pace, bool(goal and goal.per)
        self._best: dict[str, float] = {}
        self._sums: dict[str, tuple[int, float]] = {}
        self._averages: dict[int, list[float]] = {}  # by epoch, in order
        self._mine: dict[tuple[str, int], float] = {}
        self._costs: dict[str, list[float]] = {}  # of each trial, its costs and averages report by report
        self._paths: dict[str, list[float]] = {}

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        """Nothing to note before its first report."""

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        for score in batch:
            if not math.isnan(score.loss):
                self._record(score)
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score in batch:
            if isinstance(decisions[score.trial], Go) and self._is_behind(score):
                decisions[score.trial] = Stop(f"worse than the median at epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("the median rule never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        """What it reported still counts."""

    def _record(self, score: Score) -> None:
        trial = score.trial
        self._best[trial] = min(score.loss, self._best.get(trial, math.inf))
        if score.epoch < self._pace.grace_epochs:
            return
        count, total = self._sums.get(trial, (0, 0.0))
        self._sums[trial] = count + 1, total + score.loss
        average = self._mine[trial, score.epoch] = (total + score.loss) / (count + 1)
        bisect.insort(self._averages.setdefault(score.epoch, []), average)
        if self._at_cost and math.isfinite(score.cost):
            self._costs.setdefault(trial, []).append(score.cost)
            self._paths.setdefault(trial, []).append(average)

    def _is_behind(self, score: Score) -> bool:
        if math.isnan(score.loss):
            return True
        if score.epoch < self._pace.grace_epochs:
            return False
        others = self._others_at_cost(score) if self._at_cost else self._others(score)
        return len(others) >= self._pace.least and self._best[score.trial] > _median(others)

    def _others(self, score: Score) -> list[float]:
        """The averages of the others at this epoch, in order."""
        averages = list(self._averages[score.epoch])
        del averages[bisect.bisect_left(averages, self._mine[score.trial, score.epoch])]
        return averages

    def _others_at_cost(self, score: Score) -> list[float]:
        """The averages of the others when they had spent as much, in order."""
        peers = [trial for trial in self._costs if trial != score.trial][-PEERS:]
        places = {trial: bisect.bisect_right(self._costs[trial], score.cost) for trial in peers}
        return sorted(self._paths[trial][place - 1] for trial, place in places.items() if place)


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
