"""One point in three forms: flat for tables and samplers, nested for trainables, coded as JSON.

A *flat* point has dotted names, `{"optimizer": "sgd", "optimizer.momentum": 0.9}`; a *nested* one groups
them, `{"optimizer": {"sgd": {"momentum": 0.9}}}`, and lists the copies of a repeat; a *coded* one keeps by its
place what JSON cannot hold. `search.space` says which names and values there are.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Literal

from search.domains import Int
from search.options import SCALARS, Choice
from search.repeat import Repeat
from search.spelling import did_you_mean

Flat = dict[str, Any]
Form = Literal["dict", "tuple", "value"]  # in which a trainable is given a group of values

LONGEST = 200  # characters of a text in ledger and tables; a longer option is kept by its place


def flatten(params: Mapping[str, Any], nested: Mapping[str, Any], prefix: str, flat: Flat) -> None:
    """Writes a nested point's values into `flat`, under dotted names."""
    for name, domain in params.items():
        if name in nested:
            _flatten(domain, nested[name], f"{prefix}{name}", flat)


def _flatten(domain: Any, value: Any, path: str, flat: Flat) -> None:
    match domain:
        case Mapping():
            _flatten_group(domain, value, path, flat)
        case Repeat():
            _flatten_copies(domain, value, path, flat)
        case Choice(bare=True) if not domain.holds(value):
            _flatten_bare(domain, value, path, flat)
        case Choice() if isinstance(value, Mapping) and not domain.holds(value):
            option = next(iter(value)) if len(value) == 1 else None
            if option is None or not domain.holds(option):
                raise ValueError(f"{path}={value!r} is none of the options of {domain}. Give one: {{option: {{...}}}}.")
            flat[path] = option
            _flatten_group(domain.spaces[domain.index(option)] or {}, value[option], path, flat)
        case _:
            flat[path] = value


def _flatten_bare(domain: Choice, value: Any, path: str, flat: Flat) -> None:
    """Finds the option whose parameters these are: the first that has them all."""
    for option, space in zip(domain.options, domain.spaces, strict=True):
        inner: Flat = {}
        try:
            _flatten_group(space or {}, value, path, inner)
            if space:
                space.within({name.removeprefix(f"{path}."): v for name, v in inner.items()})  # type: ignore[attr-defined]
        except ValueError:
            continue
        flat[path] = option
        flat.update(inner)
        return
    flat[path] = value


def _flatten_group(params: Mapping[str, Any], nested: object, path: str, flat: Flat) -> None:
    form: Form = getattr(params, "form", "dict")
    if form == "tuple" and isinstance(nested, list | tuple):
        nested = dict(zip(params, nested, strict=False))
    elif form == "value":
        nested = dict.fromkeys(params, nested)
    if not isinstance(nested, Mapping):
        raise ValueError(f"{path}={nested!r} should hold {', '.join(params) or 'nothing'}. Write {path}: {{...}}.")
    for name, value in nested.items():
        if name not in params:
            raise ValueError(f"{path}.{name}={value!r} is no parameter. {did_you_mean(str(name), params)}")
    flatten(params, nested, f"{path}.", flat)


def _flatten_copies(domain: Repeat, copies: object, path: str, flat: Flat) -> None:
    if not isinstance(copies, list | tuple):
        if isinstance(domain.n, Int):  # a flat point, whose number of copies stands alone
            flat[path] = copies
            return
        raise ValueError(f"{path}={copies!r} should be a list of {domain.n} copies. Write {path}: [...].")
    if isinstance(domain.n, Int):
        flat[path] = len(copies)
    elif len(copies) != domain.n:
        raise ValueError(f"{path} has {len(copies)} copies, and the space has {domain.n}. Give {domain.n} of them.")
    for copy, value in enumerate(copies):
        _flatten(domain.each, value, f"{path}.{copy}", flat)


def nest(params: Mapping[str, Any], flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Groups as dicts, an option with parameters as `{option: its parameters}`, copies as a list."""
    nested: dict[str, Any] = {}
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if (
            path in flat
            or isinstance(domain, Mapping)
            or (isinstance(domain, Repeat) and not isinstance(domain.n, Int))
        ):
            nested[name] = _nest(domain, flat, path)
    return nested


def _nest(domain: Any, flat: Mapping[str, Any], path: str) -> Any:
    match domain:
        case Mapping():
            group = nest(domain, flat, f"{path}.")
            form: Form = getattr(domain, "form", "dict")
            return group if form == "dict" else tuple(group.values()) if form == "tuple" else group["value"]
        case Repeat(n=n, each=each):
            copies = flat[path] if isinstance(n, Int) else n
            return [_nest(each, flat, f"{path}.{copy}") for copy in range(copies)]
        case Choice():
            value = flat[path]
            space = domain.spaces[domain.index(value)]
            if space is None:
                return value
            inner = _nest(space, flat, path)
            return inner if domain.bare else {value: inner}
    return flat[path]


def is_json(value: object) -> bool:
    """Whether JSON gives back `value` as it was, in few words; a subclass of str would come back as a str."""
    if type(value) not in SCALARS:
        return False
    if isinstance(value, str):
        return len(value) <= LONGEST
    return not isinstance(value, float) or math.isfinite(value)


def shown(value: object) -> str:
    """A value's text for tables: JSON where it has one, at most 200 characters."""
    try:
        text = value if isinstance(value, str) else json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        text = getattr(value, "__qualname__", None) or repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def shown_params(coded: Mapping[str, Any]) -> dict[str, Any]:
    """Encoded params as a table shows them: an option kept by place appears as its text."""
    return {k: v["shown"] if isinstance(v, Mapping) else v for k, v in coded.items()}
