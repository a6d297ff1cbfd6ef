"""Amounts as Kubernetes writes them: `500m`, `8`, `16Gi`, `1e3`."""

import re
from decimal import ROUND_UP, Decimal
from typing import Any

_WRITTEN = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_POWERS = {"n": -3, "u": -2, "m": -1, "k": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}


def quantity(written: Any) -> Decimal:
    """The number that a quantity means; ValueError where Kubernetes would refuse it.

    >>> quantity("16Gi") == 16 * 2**30, quantity("500m")
    (True, Decimal('0.500'))
    """
    read = None if isinstance(written, bool) else _WRITTEN.fullmatch(str(written))
    if read is None:
        raise ValueError(f"{written!r} is no quantity of Kubernetes. Write a number and a unit: 500m, 8, 16Gi.")
    suffix = read[2] or ""
    base = 1024 if suffix.endswith("i") else 1000
    return Decimal(read[1]) * Decimal(base) ** _POWERS.get(suffix.removesuffix("i").replace("K", "k"), 0)


def whole(written: Any) -> int:
    """The quantity, rounded up as Ray's autoscaler rounds it.

    >>> whole("1500m")
    2
    """
    return int(quantity(written).to_integral_value(rounding=ROUND_UP))
