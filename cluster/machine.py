"""A machine of a cluster, as it declares itself to Ray."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cluster.amounts import GIB, Named, plain

_OF_RAY_ITSELF = re.compile(r"node:.*|object_store_memory|.*_group_(\d+_)?[0-9a-f]{16,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What one machine declares to Ray.

    Attributes:
        memory_gib: for trials, after Ray's object store has taken its part.
        custom: any other resource that it declares, by name.
        labels: by which a bundle may ask for it, such as `ray.io/accelerator-type`.
    """

    name: str
    cpus: float
    gpus: float = 0
    memory_gib: float = 0
    custom: Mapping[str, float] = Named()
    labels: Mapping[str, str] = Named()

    def __post_init__(self) -> None:
        object.__setattr__(self, "custom", Named(self.custom))
        object.__setattr__(self, "labels", Named(self.labels))

    @classmethod
    def declaring(cls, name: str, resources: Mapping[str, float], labels: Mapping[str, str] | None = None) -> "Machine":
        """A machine from Ray's words, without what Ray declares for its own use.

        >>> Machine.declaring("box", {"CPU": 2.0, "memory": 2.0**30, "node:10.0.0.5": 1.0, "tpu": 4.0})
        Machine(name='box', cpus=2, gpus=0, memory_gib=1, custom={'tpu': 4}, labels={})
        """
        of_trials = {word: amount for word, amount in resources.items() if not _OF_RAY_ITSELF.fullmatch(word)}
        memory = of_trials.pop("memory", 0) / GIB
        amounts = {word: plain(amount) for word, amount in of_trials.items()}
        cpus, gpus = amounts.pop("CPU", 0), amounts.pop("GPU", 0)
        own = {word: text for word, text in (labels or {}).items() if word != "ray.io/node-id"}
        return cls(name=name, cpus=cpus, gpus=gpus, memory_gib=plain(memory), custom=amounts, labels=own)

    def resources(self) -> dict[str, float]:
        """The machine in Ray's words; memory in bytes."""
        memory = round(self.memory_gib * GIB)
        return {"CPU": self.cpus, "GPU": self.gpus, "memory": memory, **self.custom}
