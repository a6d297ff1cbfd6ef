"""One point in three forms: flat for tables and samplers, nested for trainables, coded as JSON.

A *flat* point has dotted names, `{"optimizer": "sgd", "optimizer.momentum": 0.9}`; a *nested* one groups
them, `{"optimizer": {"sgd": {"momentum": 0.9}}}`; a *coded* one keeps by its place what JSON cannot hold.
`search.space` says which names and values there are.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from search.options import SCALARS, Choice
from search.spelling import did_you_mean

Flat = dict[str, Any]

LONGEST = 200  # characters of a text in ledger and tables; a longer option is kept by its place


def flatten(params: Mapping[str, Any], nested: Mapping[str, Any], prefix: str, flat: Flat) -> None:
    """Writes a nested point's values into `flat`, under dotted names."""
    for name, domain in params.items():
        if name not in nested:
            continue
        path, value = f"{prefix}{name}", nested[name]
        if _is_group(domain):
            _flatten_group(domain, value, path, flat)
        elif isinstance(domain, Choice) and isinstance(value, Mapping) and not domain.holds(value):
            option = next(iter(value)) if len(value) == 1 else None
            if option is None or not domain.holds(option):
                raise ValueError(f"{path}={value!r} is none of the options of {domain}. Give one: {{option: {{...}}}}.")
            flat[path] = option
            _flatten_group(domain.spaces[domain.index(option)] or {}, value[option], path, flat)
        else:
            flat[path] = value


def _flatten_group(params: Mapping[str, Any], nested: object, path: str, flat: Flat) -> None:
    if not isinstance(nested, Mapping):
        raise ValueError(f"{path}={nested!r} should hold {', '.join(params) or 'nothing'}. Write {path}: {{...}}.")
    for name, value in nested.items():
        if name not in params:
            raise ValueError(f"{path}.{name}={value!r} is no parameter. {did_you_mean(str(name), params)}")
    flatten(params, nested, f"{path}.", flat)


def nest(params: Mapping[str, Any], flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Groups as dicts, an option with parameters as `{option: its parameters}`."""
    nested: dict[str, Any] = {}
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if _is_group(domain):
            nested[name] = nest(domain, flat, f"{path}.")
        elif path in flat:
            value = flat[path]
            space = domain.spaces[domain.index(value)] if isinstance(domain, Choice) else None
            nested[name] = value if space is None else {value: nest(space, flat, f"{path}.")}
    return nested


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


def _is_group(domain: object) -> bool:
    return isinstance(domain, Mapping)
