"""What one trial asks of the machine that runs it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

GIB = 2**30
SMALLEST = 0.0001  # Ray counts every resource in ten-thousandths
DEVICES = frozenset({"GPU", "TPU", "NPU", "HPU", "neuron_cores", "RBLN", "FURIOSA", "TTNPU", "MBLT"})
"""Resources that come as whole devices: a share never straddles two (Ray: custom_unit_instance_resources)."""

_OWN_FIELD = {"cpu": "cpus", "cpus": "cpus", "gpu": "gpus", "gpus": "gpus"}
_OWN_FIELD |= {"memory": "memory_gib", "memory_gib": "memory_gib"}


class Quantities(Mapping[str, float]):
    """Named amounts that cannot change: equal to the dict they print as, and hashable.

    >>> Quantities({"tpu": 1, "disk": 2})
    {'disk': 2, 'tpu': 1}
    """

    __slots__ = ("_amounts",)

    def __init__(self, amounts: Mapping[str, float] | None = None) -> None:
        self._amounts = dict(sorted((amounts or {}).items()))

    def __getitem__(self, name: str) -> float:
        return self._amounts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._amounts)

    def __len__(self) -> int:
        return len(self._amounts)

    def __hash__(self) -> int:
        return hash(tuple(self._amounts.items()))

    def __repr__(self) -> str:
        return repr(self._amounts)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bundle:
    """The share of one machine that each trial gets.

    >>> Bundle(gpus=0.25, custom={"tpu": 1})
    Bundle(gpus=0.25, custom={'tpu': 1})

    Attributes:
        cpus: cores; a fraction lets several trials share one.
        gpus: a share in (0, 1], or a whole number of GPUs.
        memory_gib: reserved, not enforced; None reserves none.
        custom: any other resource that the cluster's machines declare, by name.
    """

    cpus: float = 1
    gpus: float = 0
    memory_gib: float | None = None
    custom: Mapping[str, float] = Quantities()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cpus", _amount("cpus", self.cpus))
        object.__setattr__(self, "gpus", _whole_devices("gpus", "GPU", _amount("gpus", self.gpus)))
        if self.memory_gib is not None:
            object.__setattr__(self, "memory_gib", _memory(self.memory_gib))
        object.__setattr__(self, "custom", _custom(self.custom))
        if not self.cpus and not self.gpus:
            raise ValueError(
                "a bundle with 0 CPUs and 0 GPUs runs on nothing. "
                "Set Bundle(cpus=1), or Bundle(cpus=0.1) for trials that mostly wait."
            )

    def __repr__(self) -> str:
        parts = [f"cpus={self.cpus!r}"] if self.cpus != 1 else []
        parts += [f"gpus={self.gpus!r}"] if self.gpus else []
        parts += [f"memory_gib={self.memory_gib!r}"] if self.memory_gib is not None else []
        parts += [f"custom={self.custom!r}"] if self.custom else []
        return f"Bundle({', '.join(parts)})"

    def resources(self) -> dict[str, float]:
        """The bundle in Ray's words, without what it does not ask for; memory in bytes.

        >>> Bundle(memory_gib=0.5).resources()
        {'CPU': 1, 'memory': 536870912}
        """
        amounts = {"CPU": self.cpus, "GPU": self.gpus, "memory": round((self.memory_gib or 0) * GIB)}
        return {name: amount for name, amount in (amounts | dict(self.custom)).items() if amount}


def _amount(field: str, value: Any) -> float:
    """A finite number of at least zero, as a plain int or float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(
            f"{field}={value!r} is {_article(type(value).__name__)}, not a number. Write {field}=1 or {field}=0.5."
        )
    number = float(value)
    if not math.isfinite(number) or number < 0:
        raise ValueError(f"{field}={number} is no amount. Write a finite number of at least 0, say {field}=1.")
    if 0 < number < SMALLEST:
        raise ValueError(
            f"{field}={number} is finer than Ray counts. Write {field}={SMALLEST} or more, or {field}=0 for none."
        )
    return int(number) if number.is_integer() else number


def _whole_devices(field: str, device: str, amount: float) -> float:
    if amount > 1 and amount != int(amount):
        raise ValueError(
            f"{field}={amount} cannot be given: above one, {device}s come whole. "
            f"Write {field}={math.ceil(amount)}, or a share of one such as {field}=0.5."
        )
    return amount


def _memory(gib: Any) -> float:
    amount = _amount("memory_gib", gib)
    if amount * GIB < 1:
        raise ValueError(
            f"memory_gib={amount} reserves nothing. Write memory_gib=4 for 4 GiB, or leave memory_gib out."
        )
    return amount


def _custom(custom: Any) -> Quantities:
    if not isinstance(custom, Mapping):
        raise TypeError(
            f"custom={custom!r} is {_article(type(custom).__name__)}, not a dict. "
            f"Write custom={{'tpu': 1}}: a name and an amount for each resource."
        )
    return Quantities({name: _custom_amount(name, amount) for name, amount in custom.items()})


def _custom_amount(name: Any, value: Any) -> float:
    if not isinstance(name, str) or not name:
        raise TypeError(f"custom has the resource name {name!r}. Write a word in quotes, say custom={{'tpu': 1}}.")
    if name == "object_store_memory":
        raise ValueError(
            "custom['object_store_memory'] belongs to Ray's object store. Reserve memory with Bundle(memory_gib=1)."
        )
    if field := _OWN_FIELD.get(name.lower()):
        raise ValueError(f"custom[{name!r}] has a field of its own. Write Bundle({field}={value!r}).")
    amount = _amount(f"custom[{name!r}]", value)
    return _whole_devices(f"custom[{name!r}]", name, amount) if name in DEVICES else amount


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"
