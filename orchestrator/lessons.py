"""What earlier studies found, for the sampler of a new one: their trials, scored by where they stood.

Losses of two studies cannot be compared, for data and epochs differ; ranks can (Salinas et al. 2020,
arXiv:1909.13595). Of each study its trials are put in order, those that trained longer before those that were
stopped, and travel with the normal score of their place.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.home import address_of, local
from orchestrator.record import BAD, Record, TrialRecord
from orchestrator.results import Results
from orchestrator.working_copy import refresh
from search import Goal, Space
from search.engines.history import normal_scores
from search.points import Flat, shown
from search.protocol import Lesson

MOST = 200  # trials of one study, evenly from its best to its worst


def lessons_of(folders: Iterable[str | Path], space: Space, goal: Goal) -> tuple[list[Lesson], list[str]]:
    """The trials of studies that lie in `space` and reported what `goal` names, and a sentence on each study.

    Raises:
        ValueError: a folder is no study, or none of its trials can be used.
    """
    lessons: list[Lesson] = []
    notes = []
    for folder in dict.fromkeys(local(folder).resolve() for folder in folders):
        found, trials = _study(folder, space, goal)
        lessons += found
        notes.append(f"learned from {len(found)} of {trials} trials of {folder.name}")
    return lessons, notes


def _study(folder: Path, space: Space, goal: Goal) -> tuple[list[Lesson], int]:
    try:
        refresh(folder)
        record = _judged_by(goal, Results(folder))
    except FileNotFoundError as error:
        raise ValueError(f"learn_from: {error}") from None
    trials = [trial for trial in record.trials.values() if trial.status not in BAD and goal.is_sound(trial.metrics)]
    usable = [(trial, point) for trial in trials if (point := point_in(trial.point, space)) is not None]
    if not usable:
        reason, same = (f"lies in the space {space}", "parameters") if trials else (
            f"reported {', '.join(goal.metrics)}", "metrics")  # fmt: skip
        raise ValueError(
            f"learn_from: none of the {len(record.trials)} trials of {address_of(folder)} {reason}. "
            f"Leave it out, or name a study of the same {same}: a440 list"
        )
    usable = [usable[k] for k in _thinned([trial for trial, _ in usable], goal)]
    scores = normal_scores(_places([trial for trial, _ in usable], goal))
    return [
        Lesson(point, tuple(map(float, row)), goal.margins(trial.metrics))
        for (trial, point), row in zip(usable, scores, strict=True)
    ], len(record.trials)


def _judged_by(goal: Goal, results: Results) -> Record:
    """A study's record with the best epoch of each trial by another goal."""
    record = Record()
    for event in results.events():
        record.apply(event | {"goal": str(goal)} if "goal" in event else event)
    return record


def _places(trials: list[TrialRecord], goal: Goal) -> np.ndarray:
    """`[N, M]` per objective, the place of each trial: who trained longer comes first."""
    columns = []
    for objective in range(len(goal.objectives)):
        keys = [(-trial.epoch, goal.losses(trial.metrics)[objective]) for trial in trials]
        places = {key: place for place, key in enumerate(sorted(set(keys)))}
        columns.append([places[key] for key in keys])
    return np.array(columns, dtype=float).T


def _thinned(trials: list[TrialRecord], goal: Goal) -> list[int]:
    order = np.argsort(_places(trials, goal)[:, 0], kind="stable")
    return [int(order[k]) for k in np.linspace(0, len(order) - 1, min(len(order), MOST)).astype(int)]


def point_in(coded: Mapping[str, Any], space: Space) -> Flat | None:
    """A trial's params as a point of another space; None where they are none."""
    try:
        flat = space.check(space.decode(coded))
    except (ValueError, IndexError, KeyError, TypeError):
        return None
    moved = any(isinstance(v, Mapping) and shown(flat[name]) != v["shown"] for name, v in coded.items() if name in flat)
    return None if moved or set(coded) - set(flat) else flat
