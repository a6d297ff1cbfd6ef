"""What machines cost: those that trials would have an autoscaler start, for an hour."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cluster.fit import Wish, fit
from cluster.fleet import Fleet, NodeType, type_of


@dataclass(frozen=True, slots=True)
class Outlay:
    """What a cluster costs while a study runs on it.

    Attributes:
        machines: how many of each node type there are or will be, the head's among them.
        an_hour: of all of them, in the currency of the prices; None where a price is not known.
        unpriced: the types whose price is not known.
    """

    machines: dict[str, int]
    an_hour: float | None
    unpriced: tuple[str, ...]

    def __str__(self) -> str:
        there = ", ".join(f"{count} {name}" for name, count in self.machines.items())
        if self.an_hour is None:
            return f"unknown: no price for {', '.join(self.unpriced)}"
        return f"{self.an_hour:.4g} an hour at {there}"


def outlay(wish: Wish, fleet: Fleet, trials: int) -> Outlay:
    """What the machines for so many trials at once cost: those that there are, and those that would be started."""
    kinds = {kind.name: kind for kind in fleet.types}
    there = [kinds[name] for machine in fleet.machines if (name := type_of(machine, fleet.types)) is not None]
    used = [*there, *started_for(wish, fleet, trials)]
    unpriced = tuple(dict.fromkeys(kind.name for kind in used if kind.price is None))
    cost = None if unpriced or not used else sum(kind.price or 0.0 for kind in used)
    return Outlay(dict(Counter(kind.name for kind in used)), cost, unpriced)


def started_for(wish: Wish, fleet: Fleet, trials: int) -> tuple[NodeType, ...]:
    """The nodes that so many trials at once would have started: of those that fit the smallest, by their priority."""
    started: list[NodeType] = []
    fitting = [kind for kind in fleet.to_start() if fit(wish, [kind.machine] * max(1, kind.most)).at_once]
    for kind in sorted(fitting, key=lambda kind: (kind.machine.gpus, kind.machine.cpus, -kind.priority)):
        if _holds(wish, fleet, started) >= trials:
            break
        started.append(kind)
    return tuple(started)


def _holds(wish: Wish, fleet: Fleet, started: Sequence[NodeType]) -> int:
    return fit(wish, [*fleet.machines, *(kind.machine for kind in started)]).at_once
