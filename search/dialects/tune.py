"""Ray Tune's `param_space`, read by the names of its classes: Ray is not loaded to read a space.

`tune.grid_search([...])` becomes a choice, which `Grid()` walks whole and other samplers draw from. Constants are
kept as `fixed`. A dict inside `tune.choice` may hold domains, as Tune itself resolves them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from search.dialects.branches import branch_names, branches, repeated
from search.domains import Choice, Float, Int, fixed, normal
from search.repeat import Repeat
from search.space import Space, alone


def from_tune(space: Any) -> Space:
    """A `param_space` in our words.

    Raises:
        ValueError: `sample_from`, whose function cannot be searched; a domain without bounds.
    """
    if not isinstance(space, Mapping) or _is_grid(space):
        raise ValueError(f"the space is {space!r}. Give names and domains: {{'lr': tune.loguniform(1e-5, 1e-1)}}.")
    return _group("", space)


def _group(prefix: str, space: Mapping[Any, Any]) -> Space:
    return Space({str(name): _read(f"{prefix}{name}", value) for name, value in space.items()})


def _read(name: str, value: Any) -> Any:
    match type(value).__name__:
        case "Float":
            return _float(name, value)
        case "Integer" if type(value).__module__.startswith("ray.tune"):
            return _int(value)
        case "Categorical" if type(value).__module__.startswith("ray.tune"):
            return _choice(name, list(value.categories))
        case "Function" if type(value).__module__.startswith("ray.tune"):
            raise ValueError(
                f"{name} is tune.sample_from(...), a function that only draws and cannot be searched. "
                f"Give its range, {name}=uniform(0, 1), and say what it depends on by choice(a={{...}}, b={{...}}) "
                f"or by limits."
            )
    if isinstance(value, Float | Int | Choice | Repeat | Space):
        return value
    if isinstance(value, Mapping):
        return _choice(name, list(value["grid_search"])) if _is_grid(value) else _group(f"{name}.", value)
    if isinstance(value, list | tuple) and any(_holds_domain(item) for item in value):
        items = {str(place): _read(f"{name}.{place}", item) for place, item in enumerate(value)}
        return Space(items, form="tuple")
    return fixed(value)


def _float(name: str, value: Any) -> Float:
    sampler, step = _unwrapped(value)
    if type(sampler).__name__ == "_Normal":
        return normal(sampler.mean, sampler.sd, step=step)
    if not math.isfinite(value.lower) or not math.isfinite(value.upper):
        raise ValueError(f"{name} has no bounds. Give them: {name}=tune.uniform(0, 1).")
    low, high, log = value.lower, value.upper, type(sampler).__name__ == "_LogUniform"
    if step is None:
        return Float(low, high, log=log)
    return Float(_inward(low, step, up=True), _inward(high, step, up=False), log=log, step=step)


def _int(value: Any) -> Int | Choice:
    sampler, step = _unwrapped(value)
    log = type(sampler).__name__ == "_LogUniform"
    step = 1 if step is None else int(step)
    low = -(-value.lower // step) * step
    high = value.upper - 1 if step == 1 else value.upper // step * step
    return fixed(int(low)) if low == high else Int(int(low), int(high), log=log, step=step)


def _unwrapped(value: Any) -> tuple[Any, float | None]:
    """A domain's sampler, and the step where it is quantised."""
    sampler = value.sampler
    return (sampler.get_sampler(), sampler.q) if type(sampler).__name__ == "Quantized" else (sampler, None)


def _inward(bound: float, step: float, up: bool) -> float:
    """The multiple of a step next to a bound, inside of it."""
    scaled = bound / step
    nearest = round(scaled)
    if not math.isclose(scaled, nearest):
        nearest = math.ceil(scaled) if up else math.floor(scaled)
    return float(f"{nearest * step:.12g}")


def _choice(name: str, options: Sequence[Any]) -> Choice | Repeat:
    if not any(map(_holds_domain, options)):
        return Choice(tuple(options))
    if all(isinstance(option, list | tuple) for option in options):
        found = repeated(options, lambda item: _read(name, item), lambda a, b: a is b)
        if found is not None:
            return found
    spaces = [_branch_space(name, option) if _holds_domain(option) else None for option in options]
    pairs = zip(options, spaces, strict=True)
    told = [option if space is None or isinstance(option, Mapping) else () for option, space in pairs]
    return branches(options, branch_names(told), spaces)


def _branch_space(name: str, option: Any) -> Space:
    found = _read(name, option)
    return found if isinstance(found, Space) else alone(found)


def _is_grid(value: Mapping[Any, Any]) -> bool:
    return set(value) == {"grid_search"} and isinstance(value["grid_search"], list | tuple)


def _holds_domain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return _is_grid(value) or any(map(_holds_domain, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_domain, value))
    return type(value).__module__.startswith("ray.tune") or isinstance(value, Float | Int | Choice | Repeat)
