"""Checks on the settings of samplers and schedulers: what was set, and what may be."""

from typing import Any

from search.number import is_number, is_whole


def check_whole(value: Any, least: int = 1, example: int = 10, *names: str) -> None:
    """Raises ValueError where one of the named settings is no whole number of `least` or more."""
    for name in names:
        if not is_whole(getattr(value, name), least):
            raise ValueError(f"{_seen(value, name)} is no whole number of {least} or more. Set {name}={example}.")


def check_between(value: Any, low: float, high: float, example: float, *names: str) -> None:
    """Raises ValueError where one of the named settings is no number above `low` and up to `high`."""
    for name in names:
        setting = getattr(value, name)
        if not is_number(setting) or not low < setting <= high:
            raise ValueError(f"{_seen(value, name)} is no number above {low:g} up to {high:g}. Set {name}={example:g}.")


def check_share(value: Any, example: float, *names: str) -> None:
    """Raises ValueError where one of the named settings is no number of [0, 1]."""
    for name in names:
        setting = getattr(value, name)
        if not is_number(setting) or not 0 <= setting <= 1:
            raise ValueError(f"{_seen(value, name)} is no share from 0 to 1. Set {name}={example:g}.")


def check_flag(value: Any, *names: str) -> None:
    """Raises ValueError where one of the named settings is neither True nor False."""
    for name in names:
        if not isinstance(getattr(value, name), bool):
            raise ValueError(f"{_seen(value, name)} is neither True nor False. Set {name}=True.")


def _seen(value: Any, name: str) -> str:
    return f"{type(value).__name__}({name}={getattr(value, name)!r})"
