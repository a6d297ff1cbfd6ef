"""What the engines are told: a report as a scheduler sees it, a trial as a sampler does, a lesson as it is kept."""

import math
from collections.abc import Mapping
from typing import Any

from orchestrator.ledger import Event
from orchestrator.record import TrialRecord
from search import Goal, Space
from search.protocol import Lesson, Score, Seen

SLOPE = "grad/"  # begins the names under which a trial reports derivatives of the goal's metric


def score(goal: Goal, event: Event) -> Score:
    """A report as the scheduler sees it; one that is not sound diverged."""
    metrics = event["metrics"]
    if not goal.is_sound(metrics):
        return Score(event["trial"], event["epoch"], math.nan)
    losses = goal.losses(metrics)
    return Score(
        event["trial"],
        event["epoch"],
        losses[0],
        losses if goal.others else (),
        goal.excess(metrics),
        goal.cost(metrics, event["seconds"]),
    )


def seen(goal: Goal, trial: TrialRecord, epoch: int) -> Seen:
    """A trial's best report up to an epoch, as the sampler sees it."""
    metrics, sign = trial.metrics, goal.loss(1.0)
    slopes = {name.removeprefix(SLOPE): sign * value for name, value in metrics.items() if name.startswith(SLOPE)}
    return Seen(epoch, goal.losses(metrics), goal.margins(metrics), slopes)


def unsound(goal: Goal, metrics: Mapping[str, float]) -> str:
    """The first metric of the goal that is no finite number, with its value."""
    values = {name: metrics.get(name, math.nan) for name in goal.metrics}
    return next(f"{name}={value}" for name, value in values.items() if not math.isfinite(value))


def written(lesson: Lesson, space: Space) -> dict[str, Any]:
    """A lesson as JSON."""
    return {"params": space.encode(lesson.params), "scores": lesson.scores, "margins": lesson.margins}


def read(coded: Mapping[str, Any], space: Space) -> Lesson:
    """The lesson that `written` wrote."""
    return Lesson(space.decode(coded["params"]), tuple(coded["scores"]), tuple(coded["margins"]))
