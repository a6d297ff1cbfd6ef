"""What machines have against what their types declare: a GPU that nobody declares is never used, and paid for."""

from collections.abc import Mapping
from typing import Any

from cluster.amounts import ACCELERATOR
from cluster.catalogue import GUESTS, Rented, rented
from cluster.document import Path
from cluster.fleet import NodeType
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, warning
from cluster.lint.places import of_type
from cluster.vm_cluster import TYPES

CLOUDS = ("aws", "gcp", "azure")


def check(file: LaunchFile) -> Findings:
    """Wrong, missing and invented GPUs, and types that cannot be asked for by their GPU."""
    if file.provider == "local":
        return
    for kind in file.types:
        said = _mapping(_mapping(file.spec.get(TYPES)).get(kind.name))
        machine = machine_of(file.provider, kind.kind, _mapping(said.get("node_config")))
        at = of_type(file, kind)
        if kind is not file.head:
            yield from _without_cpus(file, kind, machine, at)
        if machine is not None:
            yield from _gpus(file, kind, machine, _mapping(said.get("resources")), at)
        if kind is not file.head:
            yield from _labels(file, kind, machine, at)


def machine_of(provider: str, kind: str, config: Mapping[str, Any]) -> Rented | None:
    """The machine as the catalogue knows it, with the GPUs that Google adds to it."""
    machine = rented(provider, kind)
    guests = config.get("guestAccelerators")
    if provider != "gcp" or machine is None or not isinstance(guests, list) or not guests:
        return machine
    first = _mapping(guests[0])
    word = str(first.get("acceleratorType", "")).rsplit("/", 1)[-1]
    count = first.get("acceleratorCount", 1)
    return Rented(
        machine.name, machine.cpus, machine.memory_gib, count if isinstance(count, int) else 1, GUESTS.get(word, word)
    )


def _gpus(file: LaunchFile, kind: NodeType, machine: Rented, said: Mapping[str, Any], at: Path) -> Findings:
    document, path = file.document, (*at, "resources", "GPU")
    mend = f"Write resources: {{CPU: {machine.cpus}, GPU: {machine.gpus}}}"
    declared = said.get("GPU")
    if declared is None:
        if machine.gpus and file.provider != "aws" and kind is not file.head:  # AWS is asked by Ray itself
            has = f"{machine.gpus} {machine.accelerator}"
            seen = f"{machine.name} has {has}, and no GPU is declared: no trial would get one"
            yield error(document, path, seen, mend)
    elif declared != machine.gpus and (machine.gpus or declared):
        has = f"{machine.gpus} {machine.accelerator}" if machine.gpus else "no GPU"
        more = "" if machine.gpus else ", so trials would wait for it or fail"
        yield error(
            document, path, f"{declared} GPU{'s' * (declared != 1)} declared, and {machine.name} has {has}{more}",
            mend if machine.gpus else f"Write resources: {{CPU: {machine.cpus}}}, or choose a GPU machine.",
        )  # fmt: skip


def _without_cpus(file: LaunchFile, kind: NodeType, machine: Rented | None, at: Path) -> Findings:
    if kind.machine.cpus or file.provider not in (*CLOUDS, "external"):
        return
    known = f"{{CPU: {machine.cpus}}}" if machine else "{CPU: 8, GPU: 1}"
    name = kind.kind or "this type"
    if file.provider == "aws":
        seen = f"{name} is not known here, so plans know nothing of it; Ray asks EC2"
        yield warning(file.document, (*at, "resources"), seen, f"Write what it has: resources: {known}")
    else:
        seen = f"no CPU is declared for {name}, and Ray starts no machine of which it knows nothing"
        yield error(file.document, (*at, "resources"), seen, f"Write what it has: resources: {known}")


def _labels(file: LaunchFile, kind: NodeType, machine: Rented | None, at: Path) -> Findings:
    if not kind.machine.gpus:
        return
    path, label = (*at, "labels", ACCELERATOR), kind.machine.labels.get(ACCELERATOR)
    word = machine.accelerator if machine and machine.accelerator else "A10G"
    if label is None:
        seen = f"no label says which GPU {kind.name} has, so Bundle(accelerator={word!r}) would never start one"
        yield warning(file.document, path, seen, f"Write labels: {{{ACCELERATOR}: {word}}}")
    elif (
        machine
        and machine.accelerator
        and label != machine.accelerator
        and not label.startswith(f"{machine.accelerator}-")
    ):
        seen = f"{label!r} is not what {machine.name} has"
        yield error(file.document, path, seen, f"Write {ACCELERATOR}: {machine.accelerator}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
