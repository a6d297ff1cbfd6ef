"""Spot machines: neither of Ray's autoscalers falls back when none are to be had."""

from cluster.amounts import MARKET, ON_DEMAND, SPOT
from cluster.fleet import NodeType
from cluster.kuberay_cluster import SPOT_SELECTORS
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, warning
from cluster.lint.places import of_type


def check(file: LaunchFile) -> Findings:
    """Heads on spot, spot types without a twin on demand or behind it, and markets that no label tells."""
    document = file.document
    if file.head.spot:
        seen = "the head is a spot machine, and with it the whole cluster may go at any time"
        yield error(document, of_type(file, file.head), seen, _take_out(file))
    for kind in file.workers:
        label = kind.machine.labels.get(MARKET)
        path = (*of_type(file, kind), "labels", MARKET)
        if kind.spot and label != SPOT:
            seen = f"{kind.name} is a spot type, and no label says so: a bundle could not avoid it"
            yield warning(document, path, seen, f"Write labels: {{{MARKET}: {SPOT}}}")
        if not kind.spot and label not in (None, ON_DEMAND):
            yield warning(
                document, path, f"{kind.name} is not a spot type, and its label is {label!r}", f"Write {ON_DEMAND}."
            )
        if not kind.spot or not kind.most:
            continue
        if not (twins := _twins(file, kind)):
            seen = f"{kind.name} has no on-demand twin, and Ray waits for spot machines without end"
            mend = f"Add a type with the same resources that is not spot, labelled {MARKET}: {ON_DEMAND}."
            yield warning(document, of_type(file, kind), seen, mend)
        for twin in twins:
            if MARKET not in twin.machine.labels:
                seen = f"{twin.name} is what {kind.name} falls back on, and no label says so"
                mend = f"Write labels: {{{MARKET}: {ON_DEMAND}}}"
                yield warning(document, (*of_type(file, twin), "labels", MARKET), seen, mend)
        first = max((twin.priority for twin in twins if _alike(twin, kind)), default=kind.priority - 1)
        if kind.priority <= first:
            seen = f"{kind.name} has no higher priority than its on-demand twin, which Ray may take though spot is free"
            yield warning(document, (*of_type(file, kind), "priority"), seen, f"Write priority: {first + 1}")


def _twins(file: LaunchFile, spot: NodeType) -> list[NodeType]:
    """Types on demand on which whatever fits the spot type fits too."""
    return [
        kind
        for kind in file.workers
        if not kind.spot
        and kind.most
        and kind.machine.gpus == spot.machine.gpus
        and kind.machine.cpus >= spot.machine.cpus
    ]


def _alike(one: NodeType, other: NodeType) -> bool:
    """Whether Ray finds them equally good for a trial, so that their priorities decide."""
    return (one.machine.cpus, one.machine.gpus) == (other.machine.cpus, other.machine.gpus)


def _take_out(file: LaunchFile) -> str:
    words = {
        "aws": "InstanceMarketOptions",
        "gcp": "preemptible and provisioningModel: SPOT",
        "azure": "priority: Spot",
        "kuberay": f"the node selector ({', '.join(SPOT_SELECTORS)})",
    }
    return f"Take {words.get(file.provider, 'the spot label')} out of the head's type."
