"""How many trials lie on machines at once, and what decides it.

A trial has one bundle or several equal ones. Where they may lie is Ray's word for it: "pack" and "spread" are wishes,
"strict_pack" puts all of a trial on one machine, "strict_spread" each of its bundles on another.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cluster.amounts import ACCELERATOR, DEVICES, GIB, UNIT, units
from cluster.machine import Machine
from cluster.selector import suits

_FIELD = {"CPU": "cpus", "GPU": "gpus", "memory": "memory_gib"}
_OTHERS = "connect to a cluster with {more}: a440 run ... --address HOST:PORT"


@dataclass(frozen=True, slots=True)
class Fit:
    """How many trials run at once, and which resource decides it.

    Attributes:
        at_once: trials that run together; 0 where none ever will.
        why: the resource that limits; where none fits, what is short and then the mend.
    """

    at_once: int
    why: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What one trial asks for, in Ray's words.

    Attributes:
        needs: amounts of one bundle; memory in bytes.
        workers: how many such bundles a trial has.
        strategy: where they lie: pack, spread, strict_pack or strict_spread.
        labels: selectors that a machine has to suit.
    """

    needs: Mapping[str, float]
    workers: int
    strategy: str
    labels: Mapping[str, str]


def fit(wish: Wish, machines: Sequence[Machine]) -> Fit:
    """How many such trials run at once; each bundle lies on one machine, and a share of a GPU on one GPU."""
    if not machines:
        return Fit(0, "this cluster has no machine that is alive. Start Ray on one: ray start --head.")
    suiting = [machine for machine in machines if suits(wish.labels, machine.labels)]
    if not suiting:
        return Fit(0, _no_label(wish.labels, machines))
    offers = [machine.resources() for machine in suiting]
    room = {name: [_times(name, need, offer) for offer in offers] for name, need in wish.needs.items()}
    places = [min(counts) for counts in zip(*room.values(), strict=True)]
    at_once = trials_on(places, wish.workers, wish.strategy)
    if at_once:
        return Fit(at_once, _what_limits(at_once, wish, offers, room))
    for name, need in wish.needs.items():
        if not any(room[name]):
            return Fit(0, _what_lacks(name, need, offers))
    if not any(places):
        return Fit(0, _nowhere_together(wish.needs, room, suiting))
    return Fit(0, _too_few(wish, places))


def trials_on(places: Sequence[int], workers: int, strategy: str) -> int:
    """How many trials of `workers` bundles lie on machines that take `places[i]` bundles each.

    With "strict_spread" T trials fit exactly when the sum of min(places[i], T) is at least T * workers: each machine
    takes at most one bundle of each trial (Gale and Ryser's condition for a 0-1 matrix with these margins).

    >>> trials_on([4, 1], 2, "pack"), trials_on([4, 1], 2, "strict_pack"), trials_on([4, 1], 2, "strict_spread")
    (2, 2, 1)
    """
    if strategy == "strict_pack":
        return sum(count // workers for count in places)
    most = sum(places) // workers
    if strategy == "strict_spread":
        return next((t for t in range(most, 0, -1) if sum(min(count, t) for count in places) >= t * workers), 0)
    return most


def _times(name: str, need: float, offer: Mapping[str, float]) -> int:
    """How often the need goes into one machine's offer of that resource."""
    needed, offered = units(need), units(offer.get(name, 0))
    if name in DEVICES and need < 1:
        return offered // UNIT * (UNIT // needed)
    return offered // needed


def _what_limits(at_once: int, wish: Wish, offers: list[dict[str, float]], room: Mapping[str, list[int]]) -> str:
    needs = wish.needs
    tightest = min(room, key=lambda name: sum(room[name]))
    total = sum(offer.get(tightest, 0) for offer in offers)
    each = (
        f"{wish.workers} times {_amount(tightest, needs[tightest])}"
        if wish.workers > 1
        else _amount(tightest, needs[tightest])
    )
    where = f"{at_once} at once: each needs {each} of {_number(tightest, total)}"
    if wish.workers > 1 and wish.strategy.startswith("strict"):
        return f"{where}, {_STRICT[wish.strategy]}."
    if sum(room[tightest]) // wish.workers == at_once:
        return f"{where}."
    others = ", ".join(_amount(name, need) for name, need in needs.items() if name != tightest)
    return f"{where} and {others} on the same machine."


_STRICT = {"strict_pack": "all on one machine", "strict_spread": "each on another machine"}


def _too_few(wish: Wish, places: Sequence[int]) -> str:
    """There is room for bundles, but not for all those of a trial."""
    amounts = " and ".join(_amount(name, need) for name, need in wish.needs.items())
    where = f", {_STRICT[wish.strategy]}" if wish.strategy in _STRICT else ""
    match wish.strategy:
        case "strict_pack":
            seen, most = f"the largest machine has room for {max(places)}", max(places)
        case "strict_spread":
            most = sum(count > 0 for count in places)
            seen = f"{most} machines have room"
        case _:
            seen, most = f"this cluster has room for {sum(places)}", sum(places)
    looser = " or strategy='pack'" if where and sum(places) >= wish.workers else ""
    return (
        f"each trial needs {wish.workers} workers with {amounts}{where}; {seen}. "
        f"Ask for less with Bundle(workers={most}){looser}, or {_OTHERS.format(more='more machines')}."
    )


def _no_label(wanted: Mapping[str, str], machines: Sequence[Machine]) -> str:
    """No machine suits the selectors: the first that none suits, and what there is."""
    alone = (name for name, value in wanted.items() if not any(suits({name: value}, m.labels) for m in machines))
    name = next(alone, None)
    if name is None:
        labels = ", ".join(f"{name} {value}" for name, value in wanted.items())
        return f"each trial needs {labels}; no machine has them together. Ask for less with Bundle(labels={{...}})."
    known = sorted({machine.labels[name] for machine in machines if name in machine.labels})
    field = f"accelerator={known[0]!r}" if name == ACCELERATOR and known else f"labels={{{name!r}: ...}}"
    if not known:
        declare = f"ray start --labels='{name}={wanted[name]}'"
        return f"each trial needs {name} {wanted[name]}; no machine has that label. Declare it: {declare}."
    return f"each trial needs {name} {wanted[name]}; this cluster has {', '.join(known)}. Write Bundle({field})."


def _what_lacks(name: str, need: float, offers: list[dict[str, float]]) -> str:
    """One resource that no machine has enough of, then the mend."""
    needed = _amount(name, need)
    amounts = [offer.get(name, 0) for offer in offers]
    if name not in _FIELD and not any(amounts):
        return f"each trial needs {needed}; this cluster has no resource {name!r}.{_near(name, offers)}"
    whole = [int(amount) if name in DEVICES else amount for amount in amounts]
    if len(offers) == 1 or sum(units(amount) for amount in whole) < units(need):
        seen = f"each trial needs {needed}; this cluster has {_number(name, sum(amounts))}."
    else:
        largest = _number(name, max(amounts))
        seen = f"each trial needs {needed} on one machine; the largest has {largest}."
    return f"{seen} {_ask_for_less(name, max(whole))}"


def _ask_for_less(name: str, largest: float) -> str:
    kind = "GPUs" if name == "GPU" and not largest else f"more {_noun(name, 2).removeprefix('GiB of ')}"
    connect = _OTHERS.format(more=kind)
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


def _nowhere_together(needs: Mapping[str, float], room: Mapping[str, list[int]], machines: Sequence[Machine]) -> str:
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


def _amount(name: str, amount: float) -> str:
    return f"{_number(name, amount)} {_noun(name, amount)}"


def _number(name: str, amount: float) -> str:
    return f"{amount / GIB:.3g}" if name == "memory" else f"{amount:.6g}"


def _noun(name: str, amount: float) -> str:
    if name == "memory":
        return "GiB of memory"
    return f"{name}s" if name in ("CPU", "GPU") and amount > 1 else name
