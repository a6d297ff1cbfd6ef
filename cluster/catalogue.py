"""Machines that clouds rent, and what each has: enough to know a GPU machine by its name.

It covers what one commonly trains on: of AWS the m5, m6i, m7i, c5, c6i, r5, g4dn, g5, g6, g6e, p3, p4, p5 families;
of Google Cloud n1, n2, e2, c3, g2, a2 and a3 (n1 gets its GPUs from `guestAccelerators`); of Azure the D, E and F
series, NC of T4, V100, A100 and H100, NV of A10, and ND of A100, H100 and H200. A name that is not here is not known,
which is never an error: a launch file can say itself what a machine has. Figures are the providers' published ones; the
kind of accelerator is the word that Ray finds on the node itself and puts into its label `ray.io/accelerator-type`, so
an A100 is an A100 whatever its memory.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rented:
    """What a machine of a cloud has.

    Attributes:
        cpus: hardware threads, as Ray counts them.
        memory_gib: all of it.
        accelerator: Ray's word for its GPUs, "" where it has none.
    """

    name: str
    cpus: int
    memory_gib: float
    gpus: int = 0
    accelerator: str = ""


_GPU_MACHINES = {
    "aws": """
        g4dn.xlarge 4 16 1 T4; g4dn.2xlarge 8 32 1 T4; g4dn.4xlarge 16 64 1 T4; g4dn.8xlarge 32 128 1 T4
        g4dn.16xlarge 64 256 1 T4; g4dn.12xlarge 48 192 4 T4; g4dn.metal 96 384 8 T4
        g5.xlarge 4 16 1 A10G; g5.2xlarge 8 32 1 A10G; g5.4xlarge 16 64 1 A10G; g5.8xlarge 32 128 1 A10G
        g5.16xlarge 64 256 1 A10G; g5.12xlarge 48 192 4 A10G; g5.24xlarge 96 384 4 A10G; g5.48xlarge 192 768 8 A10G
        g6.xlarge 4 16 1 L4; g6.2xlarge 8 32 1 L4; g6.4xlarge 16 64 1 L4; g6.8xlarge 32 128 1 L4
        g6.16xlarge 64 256 1 L4; g6.12xlarge 48 192 4 L4; g6.24xlarge 96 384 4 L4; g6.48xlarge 192 768 8 L4
        g6e.xlarge 4 32 1 L40S; g6e.2xlarge 8 64 1 L40S; g6e.4xlarge 16 128 1 L40S; g6e.8xlarge 32 256 1 L40S
        g6e.16xlarge 64 512 1 L40S; g6e.12xlarge 48 384 4 L40S; g6e.24xlarge 96 768 4 L40S
        g6e.48xlarge 192 1536 8 L40S
        p3.2xlarge 8 61 1 V100; p3.8xlarge 32 244 4 V100; p3.16xlarge 64 488 8 V100; p3dn.24xlarge 96 768 8 V100
        p4d.24xlarge 96 1152 8 A100; p4de.24xlarge 96 1152 8 A100
        p5.4xlarge 16 256 1 H100; p5.48xlarge 192 2048 8 H100; p5e.48xlarge 192 2048 8 H200
        p5en.48xlarge 192 2048 8 H200
    """,
    "gcp": """
        g2-standard-4 4 16 1 L4; g2-standard-8 8 32 1 L4; g2-standard-12 12 48 1 L4; g2-standard-16 16 64 1 L4
        g2-standard-32 32 128 1 L4; g2-standard-24 24 96 2 L4; g2-standard-48 48 192 4 L4; g2-standard-96 96 384 8 L4
        a2-highgpu-1g 12 85 1 A100; a2-highgpu-2g 24 170 2 A100; a2-highgpu-4g 48 340 4 A100
        a2-highgpu-8g 96 680 8 A100; a2-megagpu-16g 96 1360 16 A100
        a2-ultragpu-1g 12 170 1 A100; a2-ultragpu-2g 24 340 2 A100; a2-ultragpu-4g 48 680 4 A100
        a2-ultragpu-8g 96 1360 8 A100
        a3-highgpu-1g 26 234 1 H100; a3-highgpu-2g 52 468 2 H100; a3-highgpu-4g 104 936 4 H100
        a3-highgpu-8g 208 1872 8 H100; a3-megagpu-8g 208 1872 8 H100; a3-ultragpu-8g 224 2952 8 H200
    """,
    "azure": """
        Standard_NC4as_T4_v3 4 28 1 T4; Standard_NC8as_T4_v3 8 56 1 T4; Standard_NC16as_T4_v3 16 110 1 T4
        Standard_NC64as_T4_v3 64 440 4 T4
        Standard_NC6s_v3 6 112 1 V100; Standard_NC12s_v3 12 224 2 V100; Standard_NC24s_v3 24 448 4 V100
        Standard_NV36ads_A10_v5 36 440 1 A10; Standard_NV72ads_A10_v5 72 880 2 A10
        Standard_NC24ads_A100_v4 24 220 1 A100; Standard_NC48ads_A100_v4 48 440 2 A100
        Standard_NC96ads_A100_v4 96 880 4 A100
        Standard_NC40ads_H100_v5 40 320 1 H100; Standard_NC80adis_H100_v5 80 640 2 H100
        Standard_ND96asr_v4 96 900 8 A100; Standard_ND96amsr_A100_v4 96 1900 8 A100
        Standard_ND96isr_H100_v5 96 1900 8 H100; Standard_ND96isr_H200_v5 96 1850 8 H200
    """,
}

GUESTS = {
    "nvidia-tesla-t4": "T4", "nvidia-tesla-v100": "V100", "nvidia-tesla-p100": "P100", "nvidia-tesla-p4": "P4",
    "nvidia-l4": "L4", "nvidia-tesla-a100": "A100", "nvidia-a100-80gb": "A100", "nvidia-h100-80gb": "H100",
    "nvidia-h100-mega-80gb": "H100", "nvidia-h200-141gb": "H200",
}  # fmt: skip
"""Google's words for a GPU, in `guestAccelerators` and on the nodes of its Kubernetes, and Ray's."""

_AWS_SIZES = {"large": 2, "xlarge": 4, **{f"{n}xlarge": 4 * n for n in (2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 48)}}
_AWS_GIB_PER_CPU = {"m": 4, "c": 2, "r": 8}
_GCP_GIB_PER_CPU = {"standard": 4, "highmem": 8, "highcpu": 1}
_AZURE_GIB_PER_CPU = {"D": 4, "E": 8, "F": 2}


def _read(table: str) -> dict[str, Rented]:
    rows = (row.split() for row in table.replace("\n", ";").split(";") if row.strip())
    return {name: Rented(name, int(cpus), float(gib), int(gpus), kind) for name, cpus, gib, gpus, kind in rows}


GPU_MACHINES = {provider: _read(table) for provider, table in _GPU_MACHINES.items()}


def rented(provider: str, name: str) -> Rented | None:
    """What a provider's machine has, or None where its name is not known here.

    >>> rented("aws", "g5.xlarge")
    Rented(name='g5.xlarge', cpus=4, memory_gib=16.0, gpus=1, accelerator='A10G')
    >>> rented("gcp", "n1-standard-8").memory_gib
    30.0
    """
    if (machine := GPU_MACHINES.get(provider, {}).get(name)) is not None:
        return machine
    match provider:
        case "aws":
            return _aws(name)
        case "gcp":
            return _gcp(name)
        case "azure":
            return _azure(name)
    return None


def _aws(name: str) -> Rented | None:
    read = re.fullmatch(r"([mcr])(?:5|5a|6i|6a|7i|7a)\.(\w+)", name)
    cpus = _AWS_SIZES.get(read[2]) if read else None
    return Rented(name, cpus, float(cpus * _AWS_GIB_PER_CPU[read[1]])) if read and cpus else None


def _gcp(name: str) -> Rented | None:
    read = re.fullmatch(r"(n1|n2|n2d|e2|c3)-(standard|highmem|highcpu)-(\d+)", name)
    if read is None:
        return None
    per_cpu = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9} if read[1] == "n1" else _GCP_GIB_PER_CPU
    per_cpu = {**per_cpu, "highcpu": 2} if read[1] == "c3" else per_cpu
    return Rented(name, int(read[3]), int(read[3]) * float(per_cpu[read[2]]))


def _azure(name: str) -> Rented | None:
    read = re.fullmatch(r"Standard_([DEF])(\d+)[a-z]*_v[3-6]|Standard_(F)(\d+)s_v2", name)
    if read is None:
        return None
    series, cpus = read[1] or read[3], int(read[2] or read[4])
    return Rented(name, cpus, float(cpus * _AZURE_GIB_PER_CPU[series]))


def accelerator_kinds(provider: str, kind: str) -> tuple[Rented, ...]:
    """The provider's machines with that accelerator, the smallest first.

    >>> [machine.name for machine in accelerator_kinds("aws", "H200")]
    ['p5e.48xlarge', 'p5en.48xlarge']
    """
    alike = [machine for machine in GPU_MACHINES.get(provider, {}).values() if machine.accelerator == kind]
    return tuple(sorted(alike, key=lambda machine: (machine.gpus, machine.cpus)))
