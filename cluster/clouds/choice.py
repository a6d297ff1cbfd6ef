"""Which machine of a cloud a worker is: the smallest of the catalogue with that many GPUs of that kind."""

from dataclasses import dataclass

from cluster.catalogue import GPU_MACHINES, GUESTS, Rented, accelerator_kinds, rented
from cluster.clouds.options import Options

COMMON = {"aws": "A10G", "gcp": "L4", "azure": "T4", "kuberay": "L4", "local": "T4", "onprem": ""}
HEADS = {"aws": "m6i.xlarge", "gcp": "n2-standard-4", "azure": "Standard_D4s_v5"}
CPU_WORKERS = {"aws": "m6i.2xlarge", "gcp": "n2-standard-8", "azure": "Standard_D8s_v5"}
_GUESTS_OF_N1 = {"T4": (1, 2, 4), "V100": (1, 2, 4, 8), "P100": (1, 2, 4), "P4": (1, 2, 4)}


@dataclass(frozen=True, slots=True)
class Chosen:
    """A worker's machine.

    Attributes:
        guest: Google's word for GPUs that are added to the machine, "" where they belong to it.
    """

    machine: Rented
    guest: str = ""


def kind_of_gpu(kind: str, options: Options) -> str:
    """Ray's word for the GPU that was asked for."""
    return options.accelerator or COMMON[kind] if options.gpus else ""


def worker(kind: str, options: Options) -> Chosen:
    """The worker's machine; ValueError with what there is, where a cloud has no such one."""
    if not options.gpus:
        found = rented(kind, CPU_WORKERS[kind])
        assert found is not None
        return Chosen(found)
    wanted = kind_of_gpu(kind, options)
    if kind == "gcp" and options.gpus in _GUESTS_OF_N1.get(wanted, ()):
        base = rented(kind, f"n1-standard-{8 * options.gpus if options.gpus < 8 else 64}")
        assert base is not None
        guest = next(word for word, name in GUESTS.items() if name == wanted)
        return Chosen(Rented(base.name, base.cpus, base.memory_gib, options.gpus, wanted), guest)
    alike = accelerator_kinds(kind, wanted)
    fitting = [machine for machine in alike if machine.gpus == options.gpus]
    if fitting:
        return Chosen(fitting[0])
    if alike:
        counts = sorted({machine.gpus for machine in alike})
        raise ValueError(
            f"{kind} has no machine with {options.gpus} {wanted}; it has {', '.join(map(str, counts))}. "
            f"Write --gpus {counts[0]}"
        )
    kinds = sorted(
        {machine.accelerator for machine in GPU_MACHINES[kind].values()}
        | ({*_GUESTS_OF_N1} if kind == "gcp" else set())
    )
    raise ValueError(f"no machine of {kind} with {wanted!r} is known here. Write --accelerator {'|'.join(kinds)}")
