"""Clusters of Kubernetes pods, as KubeRay and Ray's autoscaler read them from a RayCluster, RayJob or RayService.

Ray's own reading (`kuberay/autoscaling_config.py`) needs a running Kubernetes and raises at the first gap; this one
follows it rule by rule: amounts come from the group's `resources`, else `rayStartParams`, else the first container.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cluster import part
from cluster.amounts import MARKET, SPOT
from cluster.document import Document, Path
from cluster.fleet import NodeType
from cluster.launch_file import LaunchFile
from cluster.machine import Machine
from cluster.quantity import whole

HEAD = "headgroup"  # KubeRay's name for the head's group
PRICE, STORAGE, SPOT_MINUTES = "a440/price-per-hour", "a440/storage", "a440/spot-minutes"
SPECS = {"RayCluster": ("spec",), "RayJob": ("spec", "rayClusterSpec"), "RayService": ("spec", "rayClusterConfig")}

SPOT_SELECTORS = {
    "cloud.google.com/gke-spot": "true",
    "cloud.google.com/gke-preemptible": "true",
    "eks.amazonaws.com/capacityType": "SPOT",
    "karpenter.sh/capacity-type": "spot",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Node selectors by which a pod asks for spot machines, per Kubernetes service."""


@dataclass(frozen=True, slots=True)
class Group:
    """The head's group or a group of workers, with its place in the file."""

    document: Document
    at: Path
    said: Mapping[str, Any]
    is_head: bool

    @property
    def name(self) -> str:
        return HEAD if self.is_head else str(self.said.get("groupName", ""))

    @property
    def start(self) -> Mapping[str, Any]:
        """`rayStartParams`."""
        return part.mapping(self.document, (*self.at, "rayStartParams"), self.said.get("rayStartParams"))

    @property
    def template(self) -> Mapping[str, Any]:
        return part.mapping(self.document, (*self.at, "template"), self.said.get("template"))

    @property
    def pod(self) -> Mapping[str, Any]:
        """The pod's `spec`."""
        return part.mapping(self.document, (*self.at, "template", "spec"), self.template.get("spec"))

    @property
    def container(self) -> Mapping[str, Any]:
        """Ray's container, which is always the first."""
        at = (*self.at, "template", "spec", "containers")
        found = part.sequence(self.document, at, self.pod.get("containers"))
        return part.mapping(self.document, (*at, 0), found[0]) if found else {}

    def kubernetes(self) -> Iterator[tuple[Path, str, Any]]:
        """What the container may take and what it asks for: place, resource, quantity; limits first."""
        at = (*self.at, "template", "spec", "containers", 0, "resources")
        resources = part.mapping(self.document, at, self.container.get("resources"))
        for bound in ("limits", "requests"):
            for word, amount in part.mapping(self.document, (*at, bound), resources.get(bound)).items():
                yield (*at, bound, word), str(word), amount

    def amount(self, word: str, parameter: str, is_it: str) -> int | None:
        """CPU, GPU or memory, from the first place that says it."""
        own = part.mapping(self.document, (*self.at, "resources"), self.said.get("resources"))
        if word in own:
            return self.whole((*self.at, "resources", word), own[word])
        if parameter in self.start:
            return self._integer((*self.at, "rayStartParams", parameter), self.start[parameter])
        for at, name, amount in self.kubernetes():
            found = name.endswith("gpu") if is_it == "gpu" else name == is_it
            if found and ((number := self.whole(at, amount)) > 0 or is_it != "gpu"):
                return number
        return None

    def custom(self) -> dict[str, int]:
        """Other resources: of the group's `resources`, or the JSON in quotes that `rayStartParams` carries."""
        own = part.mapping(self.document, (*self.at, "resources"), self.said.get("resources"))
        if own:
            rest = {word: amount for word, amount in own.items() if word not in ("CPU", "GPU", "TPU", "memory")}
            return {word: self.whole((*self.at, "resources", word), amount) for word, amount in rest.items()}
        if "resources" not in self.start:
            return {}
        at, words = (*self.at, "rayStartParams", "resources"), str(self.start["resources"])
        mend = """Write JSON with whole numbers inside quotes: resources: '"{\\"disk\\": 2}"'"""
        try:
            found = json.loads(words[1:-1].replace("\\", ""))
        except ValueError:
            raise part.fail(self.document, at, f"{words!r} is not read by Ray", mend) from None
        if not isinstance(found, dict) or not all(type(amount) is int for amount in found.values()):
            raise part.fail(self.document, at, f"{words!r} is not read by Ray", mend)
        return found

    def whole(self, at: Path, written: Any) -> int:
        """A quantity, rounded up."""
        try:
            return whole(written)
        except ValueError as error:
            seen, _, mend = str(error).partition(". ")
            raise part.fail(self.document, at, seen, mend) from None

    def _integer(self, at: Path, written: Any) -> int:
        try:
            return int(str(written))
        except ValueError:
            raise part.fail(
                self.document, at, f"{written!r} is not a whole number", 'Write it in quotes: "4"'
            ) from None


def groups(document: Document) -> tuple[Group, ...]:
    """The head's group and those of the workers."""
    spec, at = cluster_spec(document)
    head = part.mapping(document, (*at, "headGroupSpec"), spec.get("headGroupSpec"))
    workers = part.sequence(document, (*at, "workerGroupSpecs"), spec.get("workerGroupSpecs"))
    return (
        Group(document, (*at, "headGroupSpec"), head, is_head=True),
        *(
            Group(document, place := _place(at, n), part.mapping(document, place, said), is_head=False)
            for n, said in enumerate(workers)
        ),
    )


def _place(at: Path, position: int) -> Path:
    return (*at, "workerGroupSpecs", position)


def cluster_spec(document: Document) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """The cluster's spec inside an object, and where it stands."""
    kind = str(document.data.get("kind"))
    if kind not in SPECS:
        mend = f"Give an object of kind {', '.join(SPECS)}."
        raise part.fail(document, ("kind",), f"{kind!r} describes no cluster", mend)
    spec: Mapping[str, Any] = document.data
    for depth in range(len(SPECS[kind])):
        at = SPECS[kind][: depth + 1]
        spec = part.mapping(document, at, spec.get(at[-1]))
    return spec, SPECS[kind]


def read(document: Document) -> LaunchFile:
    """The cluster of a KubeRay object."""
    spec, at = cluster_spec(document)
    head, *workers = groups(document)
    scaler = part.mapping(document, (*at, "autoscalerOptions"), spec.get("autoscalerOptions"))
    idle_s = part.amount(
        document, (*at, "autoscalerOptions", "idleTimeoutSeconds"), scaler.get("idleTimeoutSeconds", 60)
    )
    metadata = part.mapping(document, ("metadata",), document.data.get("metadata"))
    ours = part.mapping(document, ("metadata", "annotations"), metadata.get("annotations"))
    minutes = _number(document, ("metadata", "annotations", SPOT_MINUTES), ours.get(SPOT_MINUTES))
    scales, storage = spec.get("enableInTreeAutoscaling") is True, ours.get(STORAGE)
    return LaunchFile(
        name=str(metadata.get("name") or metadata.get("generateName") or ""),
        provider="kuberay",
        head=_type(head, scales, ours),
        workers=tuple(_type(group, scales, {}) for group in workers),
        most=None,
        idle_minutes=idle_s / 60,
        storage=None if storage is None else part.text(document, ("metadata", "annotations", STORAGE), storage),
        spot_minutes=minutes,
        document=document,
        spec=spec,
        at=at,
    )


def _type(group: Group, scales: bool, ours: Mapping[str, Any]) -> NodeType:
    least, most = (0, 0) if group.is_head else bounds(group, scales)
    labels = labels_of(group)
    annotations = {**ours, **_annotations(group)}
    at = (*group.at, "template", "metadata", "annotations", PRICE)
    selector = part.mapping(
        group.document, (*group.at, "template", "spec", "nodeSelector"), group.pod.get("nodeSelector")
    )
    return NodeType(
        name=group.name,
        machine=Machine.declaring(group.name, resources_of(group), labels),
        least=least,
        most=most,
        spot=is_spot(group) or labels.get(MARKET) == SPOT,
        priority=part.whole(group.document, (*group.at, "priority"), group.said.get("priority", 0)),
        price=_number(group.document, at, annotations.get(PRICE)),
        kind=str(selector.get("node.kubernetes.io/instance-type", "")),
    )


def bounds(group: Group, scales: bool) -> tuple[int, int]:
    """The least and the most pods: replicas times hosts; without autoscaling both are `replicas`, within bounds."""
    hosts = part.count(group.document, (*group.at, "numOfHosts"), group.said.get("numOfHosts", 1))
    words = (("minReplicas", 0), ("maxReplicas", part.MANY), ("replicas", 0))
    least, most, now = (
        part.count(group.document, (*group.at, word), group.said.get(word, other)) for word, other in words
    )
    if not scales:
        least = most = min(max(now, least), most)
    return min(least * hosts, part.MANY), min(most * hosts, part.MANY)


def resources_of(group: Group) -> dict[str, float]:
    """What a pod of the group declares, in Ray's words; memory in bytes."""
    for at, _, written in group.kubernetes():
        group.whole(at, written)  # each has to be a quantity, whether Ray looks at it or not
    cpus = group.amount("CPU", "num-cpus", "cpu")
    if cpus is None:
        seen = "neither num-cpus nor a CPU limit says how many CPUs this group has, and Ray's autoscaler stops at that"
        raise part.fail(group.document, group.at, seen, 'Write rayStartParams: {num-cpus: "4"}')
    found: dict[str, float] = {"CPU": cpus}
    if (gpus := group.amount("GPU", "num-gpus", "gpu")) is not None:
        found["GPU"] = gpus
    if (memory := group.amount("memory", "memory", "memory")) is not None:
        found["memory"] = memory
    custom = group.custom()
    if "TPU" not in custom and (tpus := group.amount("TPU", "", "google.com/tpu")) is not None:
        found["TPU"] = tpus
    return {**found, **custom}


def labels_of(group: Group) -> dict[str, str]:
    """The labels that the autoscaler knows: those of the group alone, not those in `rayStartParams`."""
    said = part.mapping(group.document, (*group.at, "labels"), group.said.get("labels"))
    return {str(word): str(value) for word, value in said.items()}


def is_spot(group: Group) -> bool:
    """Whether the pods may run on spot machines alone, by node selector or required affinity."""
    selector = group.pod.get("nodeSelector")
    wanted = dict(selector) if isinstance(selector, Mapping) else {}
    wanted |= {key: values[0] for key, values in _required(group.pod) if len(values) == 1}
    return any(str(wanted.get(key)).lower() == value.lower() for key, value in SPOT_SELECTORS.items())


def _required(pod: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Required node affinities: keys and the values that they allow."""
    found: Any = pod.get("affinity")
    for key in ("nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"):
        found = found.get(key) if isinstance(found, Mapping) else None
    for term in found if isinstance(found, list) else []:
        rules = term.get("matchExpressions") if isinstance(term, Mapping) else None
        for rule in rules if isinstance(rules, list) else []:
            if isinstance(rule, Mapping) and rule.get("operator") == "In" and isinstance(rule.get("values"), list):
                yield str(rule.get("key")), rule["values"]


def _annotations(group: Group) -> Mapping[str, Any]:
    at = (*group.at, "template", "metadata")
    metadata = part.mapping(group.document, at, group.template.get("metadata"))
    return part.mapping(group.document, (*at, "annotations"), metadata.get("annotations"))


def _number(document: Document, path: Path, written: Any) -> float | None:
    """Annotations are texts, so a number in quotes."""
    if written is None:
        return None
    try:
        number = float(written)
    except (TypeError, ValueError):
        number = -1.0
    if not 0 <= number < float("inf"):
        raise part.fail(document, path, f"{written!r} is not an amount", 'Write a number from 0 in quotes: "0.52"')
    return number
