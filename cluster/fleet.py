"""The machines that there are, and those that an autoscaler would start."""

from dataclasses import dataclass
from itertools import islice

from cluster.machine import Machine

GROUP = "ray.io/node-group"  # the label in which Ray keeps the name of a machine's type


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeType:
    """A kind of machine that an autoscaler starts and ends.

    Attributes:
        name: in the launch file.
        machine: what each of its nodes declares to Ray.
        least: how many there always are.
        most: how many there may be.
        spot: whether the provider may take them back at any time.
        priority: of types that suit alike Ray starts the one with the highest, of equals the first in the file.
        price: of one node for an hour, in the currency of whoever pays; None where it is not known.
        kind: the provider's word for it, such as `g5.xlarge`.
    """

    name: str
    machine: Machine
    least: int = 0
    most: int = 0
    spot: bool = False
    priority: int = 0
    price: float | None = None
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a study can run on.

    Attributes:
        machines: alive now; with nothing running, those that there always are.
        types: that an autoscaler may start, the head's among them; none where nothing scales.
        most: nodes in all beside the head, over the types; None for no such bound.
        spot_s: how long spot machines may not come before on-demand ones are asked for; None for ever.
    """

    machines: tuple[Machine, ...]
    types: tuple[NodeType, ...] = ()
    most: int | None = None
    spot_s: float | None = 300.0

    @property
    def scales(self) -> bool:
        """Whether there may be more machines than there are."""
        return len(self.at_most()) > len(self.machines)

    def at_most(self) -> tuple[Machine, ...]:
        """The machines at the autoscaler's maximum, those with most GPUs first: the ones that are, and the rest.

        Machines that are alive count for the type whose label or resources they have.
        """
        return (*self.machines, *(kind.machine for kind in self.to_start()))

    def to_start(self) -> tuple[NodeType, ...]:
        """The nodes that may still be started, one entry each."""
        more = [
            kind
            for kind in sorted(self.types, key=lambda kind: (-kind.machine.gpus, -kind.machine.cpus))
            for _ in range(self.room_for(kind))
        ]
        return tuple(more if self.most is None else islice(more, self._room()))

    def room_for(self, kind: NodeType) -> int:
        """How many more nodes of a type may be started, if no other type is."""
        alive = sum(type_of(machine, self.types) == kind.name for machine in self.machines)
        left = max(0, kind.most - alive)
        return left if self.most is None else min(left, self._room())

    def _room(self) -> int:
        """How many more nodes the bound over all types allows."""
        workers = {kind.name for kind in self.types if kind.most}
        alive = sum(type_of(machine, self.types) in workers for machine in self.machines)
        return max(0, (self.most or 0) - alive)


def type_of(machine: Machine, types: tuple[NodeType, ...]) -> str | None:
    """The type that a machine is of: as its label says, or one with the same CPUs and GPUs."""
    names = {kind.name for kind in types}
    if (group := machine.labels.get(GROUP)) in names:
        return group
    alike = [kind for kind in types if (kind.machine.cpus, kind.machine.gpus) == (machine.cpus, machine.gpus)]
    labelled = [kind for kind in alike if kind.machine.labels.items() <= machine.labels.items()]
    return next((kind.name for kind in [*labelled, *alike]), None)
