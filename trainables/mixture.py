"""Several models as one: the mean of their probabilities or numbers, or their vote."""

from collections.abc import Sequence
from typing import Any

from trainables.metrics import Predictions, expanded


def mixed(members: Sequence[Predictions], classes: Sequence[Any] | None) -> Predictions:
    """What an ensemble says.

    Args:
        members: what each model says of the same rows, one at least.
        classes: `[C]` of the targets; None where they are numbers, whose mean is taken. Models that give
            probabilities are averaged in them; where one gives only labels, they vote, and the first class wins ties.
    """
    import numpy as np

    if len(members) == 1:
        return members[0]
    if classes is None:
        numbers = np.mean([np.asarray(member.numbers, float) for member in members], axis=0)
        return Predictions(lambda: numbers)
    known = np.asarray(classes)
    votes = _probabilities(members, known)
    if votes is None:
        labels = np.stack([np.asarray(member.labels) for member in members])
        votes = np.mean(labels[:, :, None] == known, axis=0)
    return Predictions(lambda: known[votes.argmax(axis=1)], lambda: votes, known)


def _probabilities(members: Sequence[Predictions], classes: Any) -> Any:
    """`[N, C]` their mean; None where a member has none."""
    import numpy as np

    found = []
    for member in members:
        try:
            scores = np.asarray(member.scores, float)
        except ValueError:
            return None
        if scores.ndim == 1 and len(classes) == 2 and scores.min() >= 0 and scores.max() <= 1:
            scores = np.stack([1 - scores, scores], axis=1)
        scores = expanded(scores, member.classes, classes)
        if scores.ndim != 2 or scores.shape[1] != len(classes) or not np.allclose(scores.sum(axis=1), 1, atol=1e-3):
            return None  # margins of a support vector machine, for example: no two are on one scale
        found.append(scores)
    return np.mean(found, axis=0)
