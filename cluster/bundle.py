"""What one trial asks of the machines that run it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

from cluster.amounts import ACCELERATOR, DEVICES, GIB, SMALLEST, Named
from cluster.fit import Fit, Wish, fit
from cluster.fleet import Fleet
from cluster.machine import Machine
from cluster.selector import check_selector

STRATEGIES = ("pack", "spread", "strict_pack", "strict_spread")

_OWN_FIELD = {"cpu": "cpus", "cpus": "cpus", "gpu": "gpus", "gpus": "gpus"}
_OWN_FIELD |= {"memory": "memory_gib", "memory_gib": "memory_gib"}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bundle:
    """The resources of one trial: a share of one machine, or several such shares.

    >>> Bundle(gpus=0.25, custom={"tpu": 1})
    Bundle(gpus=0.25, custom={'tpu': 1})
    >>> Bundle(cpus=8, gpus=1, workers=4, strategy="strict_spread", accelerator="H100")
    Bundle(cpus=8, gpus=1, accelerator='H100', workers=4, strategy='strict_spread')

    Attributes:
        cpus: cores of each worker; a fraction lets several trials share one.
        gpus: of each worker; a share in (0, 1], or a whole number of GPUs.
        memory_gib: of each worker; reserved, not enforced; None reserves none.
        accelerator: the kind of GPU, in Ray's words: "H100", "A100-80G", "T4"; None for any.
        workers: how many such shares a trial has. It trains in the first; the others are for what it starts there
            through Ray (tasks, actors), and lie idle if it starts nothing.
        strategy: where the workers lie: "pack" (on few machines, if possible), "spread" (on many, if possible),
            "strict_pack" (on one), "strict_spread" (each on another).
        labels: selectors that each machine has to suit, by the label's name: "eu", "!spot", "in(a, b)".
        custom: any other resource that the cluster's machines declare, by name.
    """

    cpus: float = 1
    gpus: float = 0
    memory_gib: float | None = None
    accelerator: str | None = None
    workers: int = 1
    strategy: str = "pack"
    labels: Mapping[str, str] = Named()
    custom: Mapping[str, float] = Named()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cpus", _amount("cpus", self.cpus))
        object.__setattr__(self, "gpus", _whole_devices("gpus", "GPU", _amount("gpus", self.gpus)))
        if self.memory_gib is not None:
            object.__setattr__(self, "memory_gib", _memory(self.memory_gib))
        object.__setattr__(self, "workers", _workers(self.workers))
        object.__setattr__(self, "labels", _labels(self.labels))
        object.__setattr__(self, "custom", _custom(self.custom))
        _check_accelerator(self.accelerator, self.gpus, self.labels)
        if self.strategy not in STRATEGIES:
            raise ValueError(
                f"strategy={self.strategy!r} is no way to place workers. Write one of {', '.join(STRATEGIES)}: "
                f"Bundle(workers=4, strategy='spread')."
            )
        if not self.cpus and not self.gpus:
            raise ValueError(
                "a bundle with 0 CPUs and 0 GPUs runs on nothing. "
                "Set Bundle(cpus=1), or Bundle(cpus=0.1) for trials that mostly wait."
            )

    def __repr__(self) -> str:
        given = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        return f"Bundle({', '.join(f'{name}={value!r}' for name, value in given)})"

    def fit(self, cluster: Fleet | Iterable[Machine]) -> Fit:
        """How many trials run on a cluster at once, and why not more.

        >>> Bundle(gpus=0.4).fit([Machine(name="box", cpus=8, gpus=1)])
        Fit(at_once=2, why='2 at once: each needs 0.4 GPU of 1.')

        Args:
            cluster: its machines; of a fleet those that there are now.
        """
        machines = cluster.machines if isinstance(cluster, Fleet) else tuple(cluster)
        return fit(self.wish(), machines)

    def wish(self) -> Wish:
        """All that a trial asks for, in Ray's words."""
        return Wish(self.resources(), self.workers, self.strategy, self.selectors())

    def selectors(self) -> dict[str, str]:
        """The labels that each machine has to suit, the accelerator's among them."""
        return {**self.labels, **({ACCELERATOR: self.accelerator} if self.accelerator else {})}

    def resources(self) -> dict[str, float]:
        """One worker's share in Ray's words, without what it does not ask for; memory in bytes.

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


def _workers(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"workers={value!r} is no number of workers. Write a whole number of 1 or more: workers=4.")
    return value


def _labels(labels: Any) -> Named[str]:
    if not isinstance(labels, Mapping):
        raise TypeError(
            f"labels={labels!r} is {_article(type(labels).__name__)}, not a dict. "
            f"Write labels={{'ray.io/market-type': 'on-demand'}}: a label and what it has to be."
        )
    for name, value in labels.items():
        check_selector(name, value)
    return Named(labels)


def _check_accelerator(kind: Any, gpus: float, labels: Mapping[str, str]) -> None:
    if kind is None:
        return
    if not isinstance(kind, str):
        raise TypeError(f"accelerator={kind!r} is {_article(type(kind).__name__)}. Write a text: accelerator='H100'.")
    check_selector(ACCELERATOR, kind)
    if not gpus:
        raise ValueError(f"accelerator={kind!r} was asked for, but no GPU. Write Bundle(gpus=1, accelerator={kind!r}).")
    if ACCELERATOR in labels:
        raise ValueError(f"labels has {ACCELERATOR!r} beside accelerator={kind!r}. Leave one of them out.")


def _custom(custom: Any) -> Named[float]:
    if not isinstance(custom, Mapping):
        raise TypeError(
            f"custom={custom!r} is {_article(type(custom).__name__)}, not a dict. "
            f"Write custom={{'tpu': 1}}: a name and an amount for each resource."
        )
    return Named({name: _custom_amount(name, amount) for name, amount in custom.items()})


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
