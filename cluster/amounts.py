"""Amounts and labels by name, as frozen values; and what Ray counts as whole devices."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

GIB = 2**30
UNIT = 10_000  # Ray cuts every amount down to ten-thousandths, so that 1/3 fits three times
SMALLEST = 1 / UNIT
DEVICES = frozenset({"GPU", "TPU", "NPU", "HPU", "neuron_cores", "RBLN", "FURIOSA", "TTNPU", "MBLT"})
"""Resources that come as whole devices: a share never straddles two (Ray: custom_unit_instance_resources)."""

ACCELERATOR = "ray.io/accelerator-type"
MARKET = "ray.io/market-type"
SPOT, ON_DEMAND = "spot", "on-demand"

V = TypeVar("V")


class Named(Mapping[str, V], Generic[V]):
    """Values by name that cannot change: equal to the dict they print as, and hashable.

    >>> Named({"tpu": 1, "disk": 2})
    {'disk': 2, 'tpu': 1}
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, V] | None = None) -> None:
        self._values = dict(sorted((values or {}).items()))

    def __getitem__(self, name: str) -> V:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)


def plain(amount: float) -> float:
    """Whole numbers without their point."""
    return int(amount) if amount == int(amount) else amount


def units(amount: float) -> int:
    """An amount as Ray counts it, in ten-thousandths.

    >>> units(1 / 3)
    3333
    """
    return int(amount * UNIT + 1e-6)
