"""Optuna's distributions, and a trial of its define-by-run."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from search.domains import Choice, Float, Int, fixed
from search.space import Flat, Leaf, Space


def from_optuna(space: Any) -> Space:
    """A mapping of names to distributions in our words."""
    if not isinstance(space, Mapping):
        raise ValueError(f"the space is {space!r}. Give names and distributions: {{'lr': FloatDistribution(0, 1)}}.")
    return Space({name: _read(value) for name, value in space.items()})


def _read(value: Any) -> Any:
    match type(value).__name__:
        case "FloatDistribution":
            if value.low == value.high:
                return fixed(value.low)
            return Float(value.low, value.high, log=value.log, step=value.step)
        case "IntDistribution":
            if value.low == value.high:
                return fixed(value.low)
            return Int(value.low, value.high, log=value.log, step=value.step)
        case "CategoricalDistribution":
            return Choice(tuple(value.choices))
    return value


def to_optuna(space: Space) -> dict[str, Any]:
    """The space as distributions, by flat names.

    Raises:
        ValueError: conditions, limits or beliefs, which a set of distributions cannot say.
    """
    if any(leaf.condition for leaf in space.leaves):
        raise ValueError(
            "Optuna's distributions know no conditions. Ask an Optuna trial instead: suggest(space, trial)."
        )
    if space.limits or space.prior:
        raise ValueError("Optuna knows neither limits nor beliefs. Leave them out: to_optuna(Space(dict(space))).")
    return {leaf.name: _written(leaf) for leaf in space.leaves}


def suggest(space: Space, trial: Any) -> dict[str, Any]:
    """A point from an Optuna trial, parameter by parameter; only those that are active are asked for.

    They have their flat names in Optuna; a choice is asked for by the places of its options, for these may be of any
    type, and so is a parameter that branches share by name and its condition.
    """
    branches = Counter(leaf.name for leaf in space.leaves)
    point: Flat = {}
    for _, leaf in space.walk(point):
        point[leaf.name] = _asked(trial, leaf.name if branches[leaf.name] == 1 else leaf.label, leaf.domain)
    return space.nest(point)


def _written(leaf: Leaf) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match leaf.domain:
        case Choice(options=options):
            return CategoricalDistribution(options)
        case Int(low=low, log=True, step=step) if step > 1 or low < 1:
            return CategoricalDistribution(list(leaf.domain.grid(None)))
        case Int(low=low, log=log, step=step):
            return IntDistribution(low, leaf.domain.clip(leaf.domain.high), log=log, step=step)
        case Float(bell=None, low=low, high=high, log=log, step=None):
            return FloatDistribution(low, high, log=log)
        case Float(bell=None, low=low, high=high, log=False, step=step):
            return FloatDistribution(low, leaf.domain.clip(high), step=step)
    if math.isfinite(leaf.domain.size):
        return CategoricalDistribution(list(leaf.domain.grid(None)))
    raise ValueError(
        f"Optuna has no {leaf.domain}. Use uniform({leaf.domain.low:g}, {leaf.domain.high:g}) for {leaf.name}."
    )


def _asked(trial: Any, label: str, domain: Float | Int | Choice) -> Any:
    match domain:
        case Choice(options=options):
            return options[trial.suggest_categorical(label, range(len(options)))]
        case Float(bell=None, step=None):
            return trial.suggest_float(label, domain.low, domain.high, log=domain.log)
        case Int(step=1):
            return trial.suggest_int(label, domain.low, domain.high, log=domain.log)
        case Int(log=False, step=step):
            return trial.suggest_int(label, domain.low, domain.clip(domain.high), step=step)
        case Float(bell=None, log=False, step=step):
            return domain.clip(trial.suggest_float(label, domain.low, domain.clip(domain.high), step=step))
    return domain.at(min(trial.suggest_float(label, 0, 1), 1 - 1e-12))
