"""The trials of a study that no other one beats in every objective, and how much they cover."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.record import BAD, Record, TrialRecord
from search import Goal
from search.space import shown_params

if TYPE_CHECKING:
    import pandas as pd

BEYOND = 0.1  # of its range, by which the reference lies behind the worst value


@dataclass(frozen=True)
class Front:
    """A Pareto front.

    Attributes:
        goal: of the study.
        trials: those on the front, the best in the first objective first; all keep the limits on outcomes.
        reference: per objective a value that is worse than those of interest.
        hypervolume: the volume between the front and the reference, in units of the objectives.
    """

    goal: Goal
    trials: tuple[TrialRecord, ...]
    reference: Mapping[str, float]
    hypervolume: float

    def __len__(self) -> int:
        return len(self.trials)

    def __str__(self) -> str:
        against = ", ".join(f"{name}={value:g}" for name, value in self.reference.items())
        return f"{len(self)} trials, hypervolume {self.hypervolume:g} against {against}"

    def rows(self) -> list[dict[str, Any]]:
        """One dict per trial: `trial epoch`, the goal's metrics, `params.*`."""
        return [
            {
                "trial": trial.id,
                "epoch": trial.best_epoch,
                **{name: trial.metrics[name] for name in self.goal.metrics},
                **{f"params.{name}": value for name, value in shown_params(trial.point).items()},
            }
            for trial in self.trials
        ]

    def frame(self) -> "pd.DataFrame":
        """The same as a DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows())

    def as_json(self) -> str:
        """One JSON object."""
        fields = {"hypervolume": self.hypervolume, "reference": dict(self.reference), "trials": self.rows()}
        return json.dumps(fields, default=str)


def front_of(record: Record, reference: Mapping[str, float] | None = None) -> Front:
    """The front of a study.

    Args:
        record: of the study.
        reference: per objective a value that bounds the hypervolume; where it is not given, a tenth of the range
            behind the worst value of the trials within the limits. Volumes are compared under one reference.

    Raises:
        ValueError: the reference names other metrics than the goal's objectives.
    """
    import numpy as np

    from search.pareto import hypervolume

    goal, names = record.goal, [objective.metric for objective in record.goal.objectives]
    if reference is not None and set(reference) != set(names):
        raise ValueError(
            f"the reference names {', '.join(map(str, reference))}, and the objectives are {', '.join(names)}. "
            f"Give a value for each: front({_mend(record, names)!r}), or in the shell "
            f"{' '.join(f'--reference {name}={value:g}' for name, value in _mend(record, names).items())}."
        )
    trials = sorted(record.front(), key=lambda trial: trial.rank or ())
    losses = np.array([(trial.rank or ())[1:] for trial in trials]).reshape(len(trials), len(names))
    bounds = _worst(record, len(names)) if reference is None else _losses(goal, [reference[name] for name in names])
    values = {o.metric: o.loss(float(bound)) for o, bound in zip(goal.objectives, bounds, strict=True)}
    return Front(goal, tuple(trials), values, hypervolume(losses, np.array(bounds)))


def _mend(record: Record, names: Sequence[str]) -> dict[str, float]:
    """A reference that bounds what the study found."""
    bounds = _worst(record, len(names))
    return {o.metric: float(f"{o.loss(bound):.3g}") for o, bound in zip(record.goal.objectives, bounds, strict=True)}


def _losses(goal: Goal, values: Sequence[float]) -> list[float]:
    return [objective.loss(float(value)) for objective, value in zip(goal.objectives, values, strict=True)]


def _worst(record: Record, objectives: int) -> list[float]:
    sound = [trial for trial in record.trials.values() if trial.rank is not None and trial.status not in BAD]
    within = [trial for trial in sound if trial.keeps_limits]
    ranks = [(trial.rank or ())[1:] for trial in within or sound]
    columns = list(zip(*ranks, strict=True)) or [(0.0,)] * objectives
    return [max(column) + BEYOND * ((max(column) - min(column)) or 1.0) for column in columns]
