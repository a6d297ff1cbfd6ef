"""A rung: who came there, and who of them is better than whom.

With one plain objective less is better at equal epochs. With several, or with limits on outcomes, whoever keeps the
limits comes first, then the better front, then the less crowded place on it: the ranking of NSGA-II, as in Schmucker
et al. 2021, Multi-objective asynchronous successive halving (arXiv:2106.12639). Judged per second or per joule,
trials are compared at equal cost: with what each of the others had reached when it had spent as much.
"""

import bisect
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from search.goal import Goal
from search.protocol import Score

Beaten = Callable[[Sequence[Score]], list[float]]  # by how many of the others each score is beaten


class Rung(Protocol):
    """All that ever reached an epoch."""

    def arrive(self, score: Score) -> None:
        """A trial reports there; the newest report counts, and one that diverged comes last."""

    def beaten_by(self, trial: str) -> float:
        """How many of those that came there are better."""

    def would_be_beaten_by(self, score: Score) -> float:
        """How many of them are better than one that did not come there itself."""

    def best(self, count: int) -> list[str]:
        """So many of them, the best first, without those that diverged."""

    def __len__(self) -> int: ...


def rung(goal: Goal, curves: "Curves | None") -> Rung:
    """An empty rung for a goal; `curves` where trials are compared at equal cost."""
    if goal.is_plain:
        return PlainRung()
    return RankedRung(curves.beaten if curves is not None else _dominated)


class PlainRung:
    """One loss, kept in order."""

    def __init__(self) -> None:
        self._ranks: dict[str, tuple[float, str]] = {}
        self._order: list[tuple[float, str]] = []

    def arrive(self, score: Score) -> None:
        if score.trial in self._ranks:
            del self._order[bisect.bisect_left(self._order, self._ranks[score.trial])]
        rank = (score.loss if math.isfinite(score.loss) else math.inf, score.trial)
        self._ranks[score.trial] = rank
        bisect.insort(self._order, rank)

    def beaten_by(self, trial: str) -> float:
        return bisect.bisect_left(self._order, (self._ranks[trial][0], ""))

    def would_be_beaten_by(self, score: Score) -> float:
        return bisect.bisect_left(self._order, (score.loss, ""))

    def best(self, count: int) -> list[str]:
        return [trial for loss, trial in self._order[:count] if loss < math.inf]

    def __len__(self) -> int:
        return len(self._order)


class RankedRung:
    """Scores of any kind, ranked when somebody asks."""

    def __init__(self, beaten: Beaten):
        self._beaten = beaten
        self._scores: dict[str, Score] = {}
        self._places: dict[str, float] | None = None

    def arrive(self, score: Score) -> None:
        self._scores[score.trial] = score
        self._places = None

    def beaten_by(self, trial: str) -> float:
        return self._ranked()[trial]

    def would_be_beaten_by(self, score: Score) -> float:
        return self._beaten([*self._sound(), score])[-1]

    def best(self, count: int) -> list[str]:
        places = self._ranked()
        order = sorted(places, key=lambda trial: (places[trial], self._scores[trial].loss, trial))
        return [trial for trial in order[:count] if places[trial] < math.inf]

    def __len__(self) -> int:
        return len(self._scores)

    def _ranked(self) -> dict[str, float]:
        if self._places is None:
            sound = self._sound()
            self._places = {
                **dict.fromkeys(self._scores, math.inf),
                **{score.trial: place for score, place in zip(sound, self._beaten(sound), strict=True)},
            }
        return self._places

    def _sound(self) -> list[Score]:
        return [score for score in self._scores.values() if not math.isnan(score.loss)]


class Curves:
    """What each trial had reached at what cost."""

    def __init__(self) -> None:
        self._costs: dict[str, list[float]] = {}
        self._bests: dict[str, list[float]] = {}

    def add(self, score: Score) -> None:
        """A trial reports, at a judged epoch or between two."""
        if math.isnan(score.loss) or not math.isfinite(score.cost):
            return
        costs, bests = self._costs.setdefault(score.trial, []), self._bests.setdefault(score.trial, [])
        if not costs or score.cost > costs[-1]:
            costs.append(score.cost)
            bests.append(min(score.loss, bests[-1] if bests else math.inf))

    def reached(self, trial: str, cost: float) -> float:
        """The best loss of a trial when it had spent `cost`; infinite before its first report."""
        place = bisect.bisect_right(self._costs.get(trial, []), cost)
        return self._bests[trial][place - 1] if place else math.inf

    def beaten(self, scores: Sequence[Score]) -> list[float]:
        """By how many of the others each score is beaten at its own cost."""
        return [
            sum(self.reached(other.trial, score.cost) < score.loss for other in scores if other is not score)
            for score in scores
        ]


def _dominated(scores: Sequence[Score]) -> list[float]:
    """By how many each is beaten in limits, fronts and crowding; equals are beaten by the same."""
    import numpy as np

    from search.pareto import standing

    if not scores:
        return []
    losses = np.array([score.losses or (score.loss,) for score in scores])
    keys = [tuple(row) for row in standing(losses, np.array([score.excess for score in scores])).tolist()]
    order = sorted(keys)
    return [float(bisect.bisect_left(order, key)) for key in keys]
