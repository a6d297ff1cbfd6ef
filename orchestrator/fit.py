"""Whether the parts of a study fit together: trainable, data, space, goal and strategy, each right by itself."""

import random
import warnings
from typing import TYPE_CHECKING

from search import Space, check_agreement
from search.schedulers import last_epoch, needs_checkpoints
from trainables.checks import Points, check_data, check_settings
from trainables.families import called
from trainables.metrics import mode_of
from trainables.start import can_save, ends_by_itself, family_of

if TYPE_CHECKING:
    from orchestrator.study import Study


def check_fit(study: "Study") -> None:
    """Raises ValueError where parts that are right by themselves do not fit together."""
    check_data(study.train, study.data is not None)
    check_settings(study.train, study.goal.metrics, some_points(study.space))
    _check_goal(study)
    _check_strategy(study)


def some_points(space: Space) -> Points:
    """Some nested params as a study may draw them; drawn only where they are looked at."""
    return lambda: (space.nest(space.sample(random.Random(seed))) for seed in range(8))


def _check_goal(study: "Study") -> None:
    """Refuses less of what more is better of; where the name may be the user's own, only says so."""
    for objective in study.goal.objectives:
        mode = mode_of(objective.metric)
        if mode is None or mode == objective.mode:
            continue
        better = "more" if mode == "max" else "less"
        seen = f"the goal is '{objective}', and {better} {objective.metric} is better."
        if family_of(study.train).computes:
            raise ValueError(f"{seen} Write '{mode} {objective.metric}'.")
        warnings.warn(f"{seen} If it is what others mean by it, write '{mode} {objective.metric}'.", stacklevel=5)


def _check_strategy(study: "Study") -> None:
    scheduler = study.strategy.scheduler
    if needs_checkpoints(scheduler) and not can_save(study.train):
        raise ValueError(
            f"{scheduler} takes trials up again from checkpoints; {called(study.train)}() has none. "
            f"Derive a class from Trainable, or use {study.strategy.sampler} + ASHA(max_epochs=27)."
        )
    if scheduler.mutates and study.by_last:
        raise ValueError(
            f"{scheduler} changes params in mid-trial, and a mean over folds of several points is of none of them. "
            f"Use {study.strategy.sampler} + ASHA(max_epochs=5), or leave the folds out."
        )
    if last_epoch(scheduler) is None and not ends_by_itself(study.train):
        raise ValueError(
            f"{called(study.train)} trains until it is told to stop, and {study.strategy} never does. "
            f"Say how long: {study.strategy.sampler} + FullLength(epochs=27)."
        )
    check_agreement(study.strategy, study.goal, study.space)
    if study.learn_from and (scheduler.mutates or not study.strategy.sampler.learns):
        unable = scheduler if scheduler.mutates else study.strategy.sampler
        raise ValueError(
            f"{unable} learns from no earlier trial, and so from none of {', '.join(study.learn_from)}. "
            f"Use TPE() + ASHA(max_epochs=27), or leave learn_from out."
        )
