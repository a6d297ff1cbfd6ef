"""What was seen of trials at all lengths of training, made comparable for one model.

Klein et al. 2020, Model-based asynchronous hyperparameter and neural architecture search (arXiv:2003.10865): one model
over the parameters and over how far a trial was trained lets short trials tell about long ones, as much as they do. A
trial counts at each length at which it was seen. What training alone improves on from one length to the next, in the
median of those that were seen at both, is taken off, so that the model is left with what the parameters do.
"""

from dataclasses import dataclass

import numpy as np

from search.engines.history import History, Past
from search.protocol import Seen


@dataclass(frozen=True, slots=True)
class Ladder:
    """Sightings, R of them: the longest trials first, and of each length the best first.

    Attributes:
        units: `[R, D]` the points; NaN where a leaf is not active.
        stages: `[R]` how far they were trained: places of the lengths in shares of [0, 1].
        losses: `[R]` of the first objective, as if all had been trained as far as the longest.
        margins: `[R, C]` how far each lies beyond the limits on outcomes.
        is_longest: `[R]` whether the trial was seen at no greater length.
        unseen: trials that run and of which nothing was seen.
    """

    units: np.ndarray
    stages: np.ndarray
    losses: np.ndarray
    margins: np.ndarray
    is_longest: np.ndarray
    unseen: list[Past]

    def __len__(self) -> int:
        return len(self.losses)


def ladder(history: History) -> Ladder:
    """The sightings of a history."""
    levels = history.levels()
    later, rows = 0.0, list[tuple[Past, float, float, Seen, bool]]()
    for place in range(len(levels) - 1, -1, -1):
        epoch, pasts = levels[place]
        if place + 1 < len(levels):
            later += _gained(pasts, epoch, levels[place + 1][0])
        stage = place / max(len(levels) - 1, 1)
        seen = [(past, past.seen[epoch]) for past in pasts]
        fresh = [(past, stage, s.losses[0] + later, s, epoch == max(past.seen)) for past, s in seen]
        rows += sorted(fresh, key=lambda row: row[2])
    return Ladder(
        history.stacked([past for past, *_ in rows]),
        np.array([stage for _, stage, *_ in rows]),
        np.array([loss for _, _, loss, *_ in rows]),
        np.array([seen.margins for *_, seen, _ in rows], dtype=float).reshape(len(rows), -1),
        np.array([is_longest for *_, is_longest in rows]),
        [past for past in history.pending() if not past.seen],
    )


def _gained(pasts: list[Past], epoch: int, later: int) -> float:
    """By how much the loss of those that went on changed from one length to the next, in the median."""
    changes = [past.seen[later].losses[0] - past.seen[epoch].losses[0] for past in pasts if later in past.seen]
    return float(np.median(changes)) if changes else 0.0
