"""What a sampler knows: every trial that was asked for, and what was heard of it.

One history serves every algorithm. It is kept by number, and nothing in it depends on the order in which
trials finished between two proposals; it is built from the ledger's events alone, so a history that is read
back equals the live one.
"""

import copy
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from search.domains import Choice
from search.engines.trust import FEWEST, TESTED, foretold, trust
from search.goal import beyond
from search.pareto import ranking
from search.protocol import FINISHED, Lesson, Seen
from search.space import Flat, Space

OUTWEIGHED = 4  # lessons by one trial of the study's own: they tell where to look, and not what is best there
LEAST = 16  # own trials before none is left
FEW = 6  # trials at the longest length that was reached, before models are built where others ended earlier


@dataclass(slots=True)
class Past:
    """One trial of the past, or of the present.

    Attributes:
        number: of the trial; below 1 for those of earlier studies.
        place: how many trials had been asked for before this one.
        params: its flat point.
        given: whether somebody else chose the point: the user, or an earlier study.
        asked: how many had been asked for when this one was over; None while it runs.
        seen: by judged epoch, the best up to there.
        failed: whether it failed or diverged.
    """

    number: int
    place: int
    params: Flat
    given: bool = False
    asked: int | None = None
    seen: dict[int, Seen] = field(default_factory=dict)
    failed: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether more may be heard of it."""
        return self.asked is None

    @property
    def last(self) -> Seen | None:
        """What was seen of it at its greatest length."""
        return self.seen[max(self.seen)] if self.seen and not self.failed else None

    def was_known_to(self, other: "Past") -> bool:
        """Whether it was over when the other trial was asked for."""
        return self.asked is not None and self.asked <= other.place


@dataclass(frozen=True, slots=True)
class Evidence:
    """Trials that can be compared with each other, because they were seen at the same length.

    Attributes:
        pasts: `[N]` the trials, by number.
        units: `[N, D]` shares of [0, 1] per leaf of the space; NaN where the leaf is not active.
        losses: `[N, M]` per objective, less is better; normal scores where earlier studies are among them.
        margins: `[N, C]` how far each lies beyond the limits on outcomes; less than 0 within.
        epoch: at which they were seen.
        heard: how many trials were seen at any length, or failed; those of earlier studies are among them, as far as
            they are trusted.
        failed: how many of these failed.
        lessons: how many of the trials are those of earlier studies.
    """

    pasts: tuple[Past, ...]
    units: np.ndarray
    losses: np.ndarray
    margins: np.ndarray
    epoch: int
    heard: int
    failed: int
    lessons: int = 0

    def __len__(self) -> int:
        return len(self.pasts)

    def carries(self, startup: int) -> bool:
        """Whether a model can be built on it: where trials are stopped early, few have come so far at first.

        Args:
            startup: how many trials must have been heard of.
        """
        enough = min(FEW, startup, self.heard - self.failed)
        return self.heard >= startup and len(self) >= max(enough, 1)

    @property
    def excess(self) -> np.ndarray:
        """`[N]` by how much limits are broken; 0 where they are kept."""
        beyond: np.ndarray = np.maximum(self.margins, 0.0).sum(axis=1)
        return beyond

    def order(self) -> np.ndarray:
        """`[N]` places of the trials from best to worst."""
        return ranking(self.losses, self.excess)

    @property
    def best(self) -> Past:
        """The best of them."""
        return self.pasts[int(self.order()[0])]


class History:
    """All trials of a study as its sampler knows them.

    Args:
        space: that is searched.
        objectives: how many losses a trial has.
    """

    def __init__(self, space: Space, objectives: int = 1):
        self.space, self.objectives = space, objectives
        self.pasts: dict[int, Past] = {}
        self.lessons: list[Past] = []
        self.mine: list[Past] = []  # those that the sampler proposed itself
        self._keys: set[str] = set()
        self._units = np.empty((0, len(space.leaves)))
        self._rows: dict[int, int] = {}
        self.version = 0  # how often something was told
        self._levels: dict[int, dict[int, Past]] = {}  # epoch -> number -> the sound trials that were seen there
        self._pending: dict[int, Past] = {}  # these three by number, so that nobody has to look through all trials
        self._failed: dict[int, Past] = {}
        self._sound: dict[int, Past] = {}

    # -- what is told -------------------------------------------------------------------------------

    def adopt(self, number: int, params: Flat, given: bool) -> None:
        """A trial was asked for."""
        self.version += 1
        past = self.pasts[number] = self._pending[number] = Past(number, len(self.pasts), params, given)
        if not given:
            self.mine.append(past)
        self._keys.add(self._key(params))
        self._add_row(number, params)

    def observe(self, number: int, seen: Seen) -> None:
        """A trial was seen at a judged epoch, or at its end; what is not finite is a failure."""
        self.version += 1
        past = self.pasts[number]
        if not all(map(math.isfinite, (*seen.losses, *seen.margins))):
            self.fail(number)
        elif not past.failed:
            self._levels.setdefault(seen.epoch, {})[number] = self._sound[number] = past
            past.seen[seen.epoch] = seen
            if seen.epoch == FINISHED:
                self.end(number)

    def end(self, number: int) -> None:
        """A trial is over."""
        self.version += 1
        past = self.pasts[number]
        if past.asked is None:
            past.asked = len(self.pasts)
            del self._pending[number]

    def fail(self, number: int) -> None:
        """A trial failed: it counts as the worst, wherever it was seen before."""
        past = self.pasts[number]
        if not past.failed:
            past.failed = True
            self._failed[number] = past
            self._sound.pop(number, None)
            for epoch in past.seen:
                del self._levels[epoch][number]
        self.end(number)

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Trials of earlier studies, best first."""
        self.version += 1
        for lesson in sorted(lessons, key=lambda lesson: (beyond(lesson.margins), lesson.scores)):
            number = -len(self.lessons)
            past = Past(number, number, lesson.params, given=True, asked=0)
            past.seen[FINISHED] = Seen(FINISHED, lesson.scores, lesson.margins)
            self.lessons.append(past)
            self._add_row(number, lesson.params)

    # -- what can be asked --------------------------------------------------------------------------

    def since(self, first: int) -> "History":
        """The same history for a sampler that takes over: the first own trials are not its own."""
        later = copy.copy(self)
        later.mine = self.mine[first:]
        return later

    def __len__(self) -> int:
        return len(self.pasts)

    def was_tried(self, params: Flat) -> bool:
        """Whether a trial of this study had just these params."""
        return self._key(params) in self._keys

    def is_new(self, params: Flat) -> bool:
        """Whether a point keeps the limits and was not tried."""
        return not self.was_tried(params) and self.space.allows(params)

    def units(self, past: Past) -> np.ndarray:
        """`[D]` shares of [0, 1] per leaf; NaN where a leaf is not active."""
        row: np.ndarray = self._units[self._rows[past.number]]
        return row

    def stacked(self, pasts: Sequence[Past]) -> np.ndarray:
        """`[N, D]` the units of several trials."""
        rows: np.ndarray = self._units[[self._rows[past.number] for past in pasts]]
        return rows

    def levels(self) -> list[tuple[int, list[Past]]]:
        """The lengths at which sound trials were seen, the shortest first, with those trials."""
        return [(epoch, _by_place(self._levels[epoch])) for epoch in sorted(self._levels) if self._levels[epoch]]

    def pending(self) -> list[Past]:
        """The trials of which more may be heard, by number."""
        return _by_place(self._pending)

    def failed(self) -> list[Past]:
        """The trials that failed, by number."""
        return _by_place(self._failed)

    def order(self, pasts: Sequence[Past]) -> list[Past]:
        """Trials from best to worst, whatever their lengths: who came farther first, who failed last."""
        sound = [past for past in pasts if past.last is not None]
        found: list[Past] = []
        for epoch in sorted({max(past.seen) for past in sound}, reverse=True):
            level = [past for past in sound if max(past.seen) == epoch]
            losses = np.array([past.seen[epoch].losses for past in level])
            excess = np.array([past.seen[epoch].excess for past in level])
            found += [level[k] for k in ranking(losses, excess)]
        return found + [past for past in pasts if past.last is None]

    def evidence(self) -> Evidence:
        """The sound trials at the longest length that any of them came to.

        Trials of different lengths are not compared with each other (as in BOHB, Falkner et al. 2018,
        arXiv:1807.01774). A shorter length never stands in for a longer one, however few came to it: a model of
        first epochs leads to what learns fast at first, and by the measurement in `benchmarks/` does worse than
        random points. Trials of earlier studies are among them, thinned evenly from the best to the worst: ever fewer
        as the study's own come in, and only as far as they foretell these (`trust`).
        """
        epoch = max((epoch for epoch, trials in self._levels.items() if trials), default=FINISHED)
        own = _by_place(self._levels.get(epoch, {}))
        trusted = self._trusted()
        lasts = max(len(self.lessons) / OUTWEIGHED, LEAST)
        left = round(trusted * max(1 - len(self._sound) / lasts, 0.0))
        older = [self.lessons[k] for k in np.linspace(0, len(self.lessons) - 1, left).astype(int)]
        seen = [past.seen[epoch] for past in own] + [past.seen[FINISHED] for past in older]
        losses = np.array([s.losses for s in seen], dtype=float).reshape(len(seen), self.objectives)
        if older:
            losses[: len(own)] = normal_scores(losses[: len(own)])
        pasts = (*own, *older)
        limits = len(seen[0].margins) if seen else 0
        margins = np.array([s.margins for s in seen], dtype=float).reshape(len(seen), limits)
        heard = len(self._failed) + trusted + len(self._sound)
        return Evidence(pasts, self.stacked(pasts), losses, margins, epoch, heard, len(self._failed), len(older))

    def _trusted(self) -> int:
        """How many of the lessons there still are, by what came of the trials at the longest length that tells."""
        if not self.lessons:
            return 0
        levels = [(epoch, trials) for epoch, trials in self._levels.items() if len(trials) >= FEWEST]
        if not levels:
            return len(self.lessons)
        epoch, trials = max(levels)
        own = _by_place(trials)[:TESTED]
        scores = np.array([past.seen[FINISHED].losses for past in self.lessons])
        is_choice = np.array(
            [isinstance(leaf.domain, Choice) and not leaf.domain.ordered for leaf in self.space.leaves]
        )
        told = foretold(self.stacked(own), self.stacked(self.lessons), scores, is_choice)
        return round(len(self.lessons) * trust(told, np.array([past.seen[epoch].losses for past in own])))

    def _add_row(self, number: int, params: Flat) -> None:
        if len(self._rows) == len(self._units):
            self._units = np.concatenate([self._units, np.empty((max(64, len(self._units)), self._units.shape[1]))])
        row = len(self._rows)
        self._rows[number] = row
        self._units[row] = np.nan
        for place, leaf in self.space.walk(params):
            self._units[row, place] = leaf.domain.unit(params[leaf.name])

    def _key(self, params: Flat) -> str:
        return json.dumps(self.space.encode(params))


def normal_scores(values: np.ndarray) -> np.ndarray:
    """`[N, M]` per column, where each value stands among the others: quantiles of the normal distribution.

    Salinas et al. 2020, A quantile-based approach for hyperparameter transfer learning (arXiv:1909.13595): studies
    of different scales become comparable by their ranks.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    if not len(values):
        return values
    scores: np.ndarray = ndtri((rankdata(values, axis=0) - 0.5) / len(values))
    return scores


def _by_place(pasts: Mapping[int, Past]) -> list[Past]:
    """In the order in which they were asked for."""
    return sorted(pasts.values(), key=lambda past: past.place)
