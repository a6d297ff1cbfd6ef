"""The machines that a cluster offers, and how many bundles lie on them at once."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.bundle import DEVICES, GIB, Bundle, Quantities

_UNIT = 10_000  # Ray cuts every amount down to ten-thousandths, so that 1/3 fits three times
_OF_RAY_ITSELF = re.compile(r"node:.*|object_store_memory|.*_group_(\d+_)?[0-9a-f]{16,}")
_FIELD = {"CPU": "cpus", "GPU": "gpus", "memory": "memory_gib"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one machine declares to Ray.

    Attributes:
        memory_gib: for trials, after Ray's object store has taken its part.
        custom: any other resource that it declares, by name.
    """

    name: str
    cpus: float
    gpus: float = 0
    memory_gib: float = 0
    custom: Mapping[str, float] = Quantities()

    def __post_init__(self) -> None:
        object.__setattr__(self, "custom", Quantities(self.custom))

    @classmethod
    def declaring(cls, name: str, resources: Mapping[str, float]) -> "Machine":
        """A machine from Ray's words, without what Ray declares for its own use.

        >>> Machine.declaring("box", {"CPU": 2.0, "memory": 2.0**30, "node:10.0.0.5": 1.0, "tpu": 4.0})
        Machine(name='box', cpus=2, gpus=0, memory_gib=1, custom={'tpu': 4})
        """
        of_trials = {word: amount for word, amount in resources.items() if not _OF_RAY_ITSELF.fullmatch(word)}
        memory = of_trials.pop("memory", 0) / GIB
        plain = {word: _plain(amount) for word, amount in of_trials.items()}
        cpus, gpus = plain.pop("CPU", 0), plain.pop("GPU", 0)
        return cls(name=name, cpus=cpus, gpus=gpus, memory_gib=_plain(memory), custom=plain)

    def resources(self) -> dict[str, float]:
        """The machine in Ray's words; memory in bytes."""
        memory = round(self.memory_gib * GIB)
        return {"CPU": self.cpus, "GPU": self.gpus, "memory": memory, **self.custom}


@dataclass(frozen=True, slots=True)
class Fit:
    """How many trials run at once, and which resource decides it.

    Attributes:
        at_once: trials that run together; 0 where none ever will.
        why: the resource that limits; where none fits, what is short and then the mend.
    """

    at_once: int
    why: str


def fit(bundle: Bundle, machines: Sequence[Machine]) -> Fit:
    """How many bundles run at once; each lies on one machine, and a share of a GPU on one GPU.

    >>> fit(Bundle(gpus=0.4), [Machine(name="box", cpus=8, gpus=1)])
    Fit(at_once=2, why='2 at once: each needs 0.4 GPU of 1.')
    """
    needs = bundle.resources()
    offers = [machine.resources() for machine in machines]
    if not offers:
        return Fit(0, "this cluster has no machine that is alive. Start Ray on one: ray start --head.")
    room = {name: [_times(name, need, offer) for offer in offers] for name, need in needs.items()}
    at_once = sum(min(counts) for counts in zip(*room.values(), strict=True))
    if at_once:
        return Fit(at_once, _what_limits(at_once, needs, offers, room))
    for name, need in needs.items():
        if not any(room[name]):
            return Fit(0, _what_lacks(name, need, offers))
    return Fit(0, _nowhere_together(needs, room, machines))


def _times(name: str, need: float, offer: Mapping[str, float]) -> int:
    """How often the need goes into one machine's offer of that resource."""
    units, offered = _units(need), _units(offer.get(name, 0))
    if name in DEVICES and need < 1:
        return offered // _UNIT * (_UNIT // units)
    return offered // units


def _units(amount: float) -> int:
    return int(amount * _UNIT + 1e-6)


def _what_limits(
    at_once: int, needs: dict[str, float], offers: list[dict[str, float]], room: dict[str, list[int]]
) -> str:
    tightest = min(room, key=lambda name: sum(room[name]))
    total = sum(offer.get(tightest, 0) for offer in offers)
    where = f"{at_once} at once: each needs {_amount(tightest, needs[tightest])} of {_number(tightest, total)}"
    if sum(room[tightest]) == at_once:
        return f"{where}."
    others = ", ".join(_amount(name, need) for name, need in needs.items() if name != tightest)
    return f"{where} and {others} on the same machine."


def _what_lacks(name: str, need: float, offers: list[dict[str, float]]) -> str:
    """One resource that no machine has enough of, then the mend."""
    needed = _amount(name, need)
    amounts = [offer.get(name, 0) for offer in offers]
    if name not in _FIELD and not any(amounts):
        return f"each trial needs {needed}; this cluster has no resource {name!r}.{_near(name, offers)}"
    whole = [int(amount) if name in DEVICES else amount for amount in amounts]
    if len(offers) == 1 or sum(_units(amount) for amount in whole) < _units(need):
        seen = f"each trial needs {needed}; this cluster has {_number(name, sum(amounts))}."
    else:
        largest = _number(name, max(amounts))
        seen = f"each trial needs {needed} on one machine; the largest has {largest}."
    return f"{seen} {_ask_for_less(name, max(whole))}"


def _ask_for_less(name: str, largest: float) -> str:
    kind = "GPUs" if name == "GPU" and not largest else f"more {_noun(name, 2).removeprefix('GiB of ')}"
    connect = f"connect to a cluster with {kind}: a440 run ... --address HOST:PORT"
    if name in _FIELD:
        if not largest and name != "GPU":
            return f"{connect[0].upper()}{connect[1:]}."
        amount = (int(largest / GIB * 10) / 10 or largest / GIB) if name == "memory" else largest
        less = f"{_FIELD[name]}={amount:g}"
    else:
        less = f"custom={{{name!r}: {largest:g}}}"
    return f"Ask for less with Bundle({less}), or {connect}."


def _near(name: str, offers: list[dict[str, float]]) -> str:
    """The mend for a resource that no machine declares."""
    known = sorted({known for offer in offers for known in offer if known not in _FIELD})
    folded = {word.lower(): word for word in known}
    if near := difflib.get_close_matches(name.lower(), folded, n=1):
        return f" Did you mean custom={{{folded[near[0]]!r}: ...}}?"
    declare = f"declare it where Ray starts: ray start --resources='{{\"{name}\": 1}}'"
    return f" It has {', '.join(known)}; use one, or {declare}." if known else f" Leave it out, or {declare}."


def _nowhere_together(needs: dict[str, float], room: dict[str, list[int]], machines: Sequence[Machine]) -> str:
    """Each need is met somewhere, but no machine meets them all."""
    wanted = " and ".join(_amount(name, need) for name, need in needs.items())
    closest = min(range(len(machines)), key=lambda i: sum(not counts[i] for counts in room.values()))
    short = [name for name, counts in room.items() if not counts[closest]]
    missing = " and ".join(_amount(name, needs[name]) for name in short)
    largest = _ask_for_less(short[0], machines[closest].resources().get(short[0], 0))
    return (
        f"each trial needs {wanted} on one machine; no machine has them together, "
        f"and {machines[closest].name} lacks {missing}. {largest}"
    )


def _plain(amount: float) -> float:
    return int(amount) if amount == int(amount) else amount


def _amount(name: str, amount: float) -> str:
    return f"{_number(name, amount)} {_noun(name, amount)}"


def _number(name: str, amount: float) -> str:
    return f"{amount / GIB:.3g}" if name == "memory" else f"{amount:.6g}"


def _noun(name: str, amount: float) -> str:
    if name == "memory":
        return "GiB of memory"
    return f"{name}s" if name in ("CPU", "GPU") and amount > 1 else name
