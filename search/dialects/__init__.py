"""Spaces of other tuners, read into ours and written out again: Ray Tune, HyperOpt, Optuna.

A space that is brought along keeps its meaning: a trainable is given the params in the form that it was given before,
constants included. What a dialect cannot say is refused with the mend; nothing is dropped in silence.
"""

from collections.abc import Mapping
from typing import Any

from search.space import Space

__all__ = ["read_space", "suggest", "to_hyperopt", "to_optuna", "to_tune"]


def read_space(space: Any) -> Space:
    """A space in our own words, in those of Ray Tune's `param_space`, as a HyperOpt tree or as Optuna's distributions.

    Raises:
        ValueError: it is none, or it holds what cannot be searched, such as `tune.sample_from`.
    """
    if isinstance(space, Space):
        return space
    match _dialect(space):
        case "ray":
            from search.dialects.tune import from_tune

            return from_tune(space)
        case "hyperopt":
            from search.dialects.hyperopt import from_hyperopt

            return from_hyperopt(space)
        case "optuna":
            from search.dialects.optuna import from_optuna

            return from_optuna(space)
    return Space(space)


def to_tune(space: Space) -> dict[str, Any]:
    """The space as Ray Tune's `param_space`."""
    from search.to_ray.param_space import to_tune as write

    return write(space)


def to_hyperopt(space: Space) -> dict[str, Any]:
    """The space as HyperOpt's tree; `space_eval` gives what our trainables are given."""
    from search.dialects.hyperopt import to_hyperopt as write

    return write(space)


def to_optuna(space: Space) -> dict[str, Any]:
    """The space as Optuna's distributions by flat names; one with conditions is for `suggest`."""
    from search.dialects.optuna import to_optuna as write

    return write(space)


def suggest(space: Space, trial: Any) -> dict[str, Any]:
    """A point of the space from an Optuna trial, conditions included, as a trainable is given it."""
    from search.dialects.optuna import suggest as ask

    return ask(space, trial)


def _dialect(space: Any) -> str | None:
    """Whose words are in it: `ray`, `hyperopt`, `optuna`, or None for ours."""
    if isinstance(space, Mapping):
        if set(space) == {"grid_search"} and isinstance(space["grid_search"], list | tuple):
            return "ray"
        return next((found for value in space.values() if (found := _dialect(value)) is not None), None)
    if isinstance(space, list | tuple):
        return next((found for value in space if (found := _dialect(value)) is not None), None)
    room = type(space).__module__.split(".")
    if room[:2] == ["ray", "tune"] or room[:2] == ["optuna", "distributions"] or room[0] == "hyperopt":
        return room[0]
    return None
