"""A launch file as a value: what a cluster would be, read from Ray's YAML or from a Kubernetes object.

`ray up` files (`cluster_name`, `provider`) and KubeRay's objects (RayCluster, RayJob, RayService) become the same
frozen value, so that a plan, a price or a check need not ask which it was. Two things have no place in Ray's schema and
are ours: prices and where studies are stored, under `metadata.a440` in a `ray up` file, and as annotations
`a440/price-per-hour`, `a440/storage`, `a440/spot-minutes` in a KubeRay object.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cluster.amounts import Named
from cluster.document import Document, documents
from cluster.fleet import GROUP, Fleet, NodeType
from cluster.machine import Machine

SIMULATION = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
"""Ray's provider whose nodes are processes of one machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchFile:
    """What a launch file says.

    Attributes:
        name: of the cluster.
        provider: "aws", "gcp", "azure", "kuberay", "local" (machines reached over SSH), "external", or another.
        head: the head's type; of its nodes there is always one.
        workers: the other types.
        most: nodes in all beside the head; None where only the types bound it.
        idle_minutes: how long a node may do nothing before it is ended.
        storage: where the file says that studies lie, such as `s3://bucket/studies`.
        spot_minutes: how long to wait for spot machines before on-demand ones are taken.
        document: what was read, with its lines and its text.
        spec: the same with Ray's defaults filled in; of a KubeRay object, the cluster's `spec`.
        at: the path of `spec` inside the document.
    """

    name: str
    provider: str
    head: NodeType
    workers: tuple[NodeType, ...]
    most: int | None
    idle_minutes: float
    storage: str | None
    spot_minutes: float | None
    document: Document
    spec: Mapping[str, Any]
    at: tuple[str, ...] = ()

    @property
    def types(self) -> tuple[NodeType, ...]:
        """All types, the head's first."""
        return (self.head, *self.workers)

    @property
    def simulated(self) -> bool:
        """Whether its nodes are processes of one machine, as `init local` writes it."""
        provider = self.spec.get("provider")
        return isinstance(provider, Mapping) and provider.get("module") == SIMULATION

    def fleet(self) -> Fleet:
        """What a study would find: the nodes that there always are, and the types of which there may be more."""
        heads = [_node(self.head)]
        always = [_node(kind) for kind in self.workers for _ in range(kind.least)]
        spot = {} if self.spot_minutes is None else {"spot_s": self.spot_minutes * 60}
        return Fleet((*heads, *always), self.types, self.most, **spot)

    def cost_per_hour(self) -> tuple[float, float] | None:
        """What the least and the most nodes cost for an hour; None where a price is missing."""
        kinds = [kind for kind in self.types if kind is self.head or kind.most]
        if any(kind.price is None for kind in kinds):
            return None
        prices = {kind.name: kind.price or 0.0 for kind in kinds}
        least = prices[self.head.name] + sum(kind.least * prices[kind.name] for kind in kinds if kind is not self.head)
        dearest = sorted((prices[kind.name] for kind in kinds for _ in range(kind.most)), reverse=True)
        return least, prices[self.head.name] + sum(dearest[: self.most])


def _node(kind: NodeType) -> Machine:
    return replace(kind.machine, labels=Named({**kind.machine.labels, GROUP: kind.name}))


def read(path: str | os.PathLike[str]) -> LaunchFile:
    """The one cluster that a file describes."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error.reason}. Give a launch file in YAML.") from None
    except IsADirectoryError:
        raise FileNotFoundError(f"{path} is a folder. Give a launch file: {path}/cluster.yaml") from None
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no {path}. Write one: a440 cluster init aws > {path}") from None
    return parse(text, str(path))


def parse(text: str, name: str = "cluster.yaml") -> LaunchFile:
    """The one cluster that a text describes; `name` is the file's, for messages.

    >>> parse("{cluster_name: c, provider: {type: local, head_ip: 10.0.0.1, worker_ips: [10.0.0.2]}}").most
    1
    """
    found = [document for document in documents(text, name) if describes_a_cluster(document)]
    if len(found) != 1:
        seen = f"{len(found)} clusters" if found else "no cluster: neither `cluster_name` nor a RayCluster or RayJob"
        raise ValueError(
            f"{name} holds {seen}. Give a file with one; a440 cluster init --help shows how they are made."
        )
    return read_document(found[0])


def read_document(document: Document) -> LaunchFile:
    """The cluster that one document describes; raises ValueError with the line and the mend where none can be read."""
    from cluster import kuberay_cluster, vm_cluster  # each makes LaunchFile, so neither can come first

    return kuberay_cluster.read(document) if of_kuberay(document) else vm_cluster.read(document)


def of_kuberay(document: Document) -> bool:
    """Whether it is an object of KubeRay."""
    return str(document.data.get("apiVersion", "")).startswith("ray.io/")


def describes_a_cluster(document: Document) -> bool:
    """Whether it is a launch file at all; files for kubectl hold services and volumes too."""
    return of_kuberay(document) or (
        "apiVersion" not in document.data
        and bool({"cluster_name", "provider", "available_node_types"} & set(document.data))
    )
