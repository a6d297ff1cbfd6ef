"""Label selectors, as Ray reads them: which machines a bundle may lie on.

"H100"           has that value        "!spot"           has another one, or none
"in(A100, H100)" has one of them       "!in(a, b)"       has none of them
"""

import re
from collections.abc import Mapping

_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_SELECTOR = re.compile(rf"(?P<no>!)?(?:in\((?P<many>{_WORD}(?:, ?{_WORD})*)\)|(?P<one>{_WORD}))")
_KEY = re.compile(rf"(?:[a-zA-Z0-9._-]{{1,253}}/)?{_WORD}")


def check_selector(name: object, value: object) -> None:
    """Raises TypeError or ValueError where Ray would not take the selector."""
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(
            f"labels has {name!r}: {value!r}. Write texts, say labels={{'ray.io/market-type': 'on-demand'}}."
        )
    if not _KEY.fullmatch(name):
        raise ValueError(f"labels has the key {name!r}. Write a label of the machines, say 'ray.io/region'.")
    if not _SELECTOR.fullmatch(value):
        raise ValueError(
            f"labels[{name!r}] is {value!r}. Write one value, several, or what it is not: 'eu', 'in(eu, us)', '!spot'."
        )


def suits(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether a machine with these labels is one that the selector wants.

    >>> suits({"ray.io/market-type": "!spot"}, {})
    True
    >>> suits({"zone": "in(a, b)"}, {"zone": "c"})
    False
    """
    return all(_holds(value, labels.get(name)) for name, value in selector.items())


def _holds(selector: str, label: str | None) -> bool:
    read = _SELECTOR.fullmatch(selector)
    assert read is not None  # it was checked when the bundle was made
    values = re.split(r", ?", read["many"]) if read["many"] else [read["one"]]
    return (label in values) != bool(read["no"])
