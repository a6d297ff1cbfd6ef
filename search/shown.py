"""How a value is written in the notation: its name, and the settings that differ from their defaults."""

import dataclasses
from typing import Any


def shown(value: Any) -> str:
    """A dataclass value as a user would write it.

    >>> from search.schedulers import ASHA
    >>> shown(ASHA(max_epochs=9, keep_1_in=3))
    'ASHA(max_epochs=9)'
    """
    words = []
    for field in dataclasses.fields(value):
        setting = getattr(value, field.name)
        required = field.default is dataclasses.MISSING
        if required or setting != field.default:
            words.append(f"{field.name}={setting!r}")
    return f"{type(value).__name__}({', '.join(words)})"
