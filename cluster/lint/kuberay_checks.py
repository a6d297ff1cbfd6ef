"""What KubeRay's schema misses: GPUs that one half of a group has, open services, versions that disagree."""

import re
from collections.abc import Mapping
from typing import Any

from cluster import installed_ray
from cluster.amounts import ACCELERATOR
from cluster.kuberay_cluster import Group, groups
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, warning
from cluster.lint.image_checks import image_findings
from cluster.lint.start_checks import HEALTH
from cluster.part import MANY
from cluster.quantity import whole

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,48}[a-z0-9])?")  # KubeRay makes names of services of it
PUBLIC = ("LoadBalancer", "NodePort")


def check(file: LaunchFile) -> Findings:
    """The cluster, then each of its groups."""
    document = file.document
    if not _NAME.fullmatch(file.name):
        mend = "Write up to 50 small letters, digits and dashes: name: gpus"
        yield error(document, ("metadata", "name"), f"{file.name!r} cannot name services of Kubernetes", mend)
    yield from _access(file)
    yield from _endurance(file)
    yield from _versions(file)
    scales = file.spec.get("enableInTreeAutoscaling") is True
    for group in groups(document):
        yield from _gpus(file, group)
        yield from _images(file, group)
        if not group.is_head:
            yield from _scaling(file, group, scales)


def _access(file: LaunchFile) -> Findings:
    auth = file.spec.get("authOptions")
    if isinstance(auth, Mapping) and auth.get("mode") == "token":
        return
    at = (*file.at, "authOptions", "mode")
    head = file.spec.get("headGroupSpec")
    head = head if isinstance(head, Mapping) else {}
    service = head.get("serviceType")
    if service in PUBLIC or head.get("enableIngress") is True:
        door = service if service in PUBLIC else "an ingress"
        seen = f"the dashboard is reached through {door} without a token: whoever reaches it runs code here"
        yield error(file.document, at, seen, "Write authOptions: {mode: token}, and serviceType: ClusterIP.")
    else:
        seen = "Ray's processes ask for no token: whatever runs in this Kubernetes can run code here"
        yield warning(file.document, at, seen, "Write authOptions: {mode: token}")


def _endurance(file: LaunchFile) -> Findings:
    head = groups(file.document)[0]
    said = head.container.get("env")
    variables = [str(one.get("name")) for one in said if isinstance(one, Mapping)] if isinstance(said, list) else []
    if "gcsFaultToleranceOptions" not in file.spec and "RAY_REDIS_ADDRESS" not in variables:
        seen = "Ray's state is in the head's memory alone: a new head pod ends every trial"
        mend = "Write gcsFaultToleranceOptions: {backend: rocksdb, storage: {size: 1Gi}}"
        yield warning(file.document, (*file.at, "gcsFaultToleranceOptions"), seen, mend)
    if not any(name.startswith("RAY_health_check_") for name in variables):
        words = HEALTH.removeprefix("export ").rstrip(";")
        seen = "a node that falls silent is noticed after a minute"
        at = (*head.at, "template", "spec", "containers", 0, "env")
        yield warning(file.document, at, seen, f"Add to env of the head's container: {words}")


def _versions(file: LaunchFile) -> Findings:
    said, here = file.spec.get("rayVersion"), installed_ray.version()
    if said is not None and str(said) != here:
        seen = f"Ray {said} is asked for, and here runs {here}"
        yield warning(file.document, (*file.at, "rayVersion"), seen, f"Write rayVersion: {here}")


def _gpus(file: LaunchFile, group: Group) -> Findings:
    """GPUs of the pod against GPUs that Ray is told of."""
    at = (*group.at, "rayStartParams", "num-gpus")
    limits = [(path, word, whole(amount)) for path, word, amount in group.kubernetes() if word.endswith("gpu")]
    has = next((count for path, _, count in limits if "limits" in path), 0)
    if limits and not has and any(count for *_, count in limits):
        word = limits[0][1]
        seen = f"{word} is asked for, but not in limits, and Kubernetes hands GPUs out by limits"
        yield error(file.document, limits[0][0], seen, f"Write resources: {{limits: {{{word}: {limits[0][2]}}}}}")
        return
    told = group.start.get("num-gpus")
    own = group.said.get("resources")
    told = own.get("GPU", told) if isinstance(own, Mapping) else told
    if told is not None and str(told) != str(has):
        seen = f"Ray is told of {told} GPUs, and the pod has {has}"
        yield error(file.document, at, seen, f'Write num-gpus: "{has}", or nvidia.com/gpu: {told} in limits.')
    elif told is None and has:
        seen = f"the pod has {has} GPUs, and Ray is left to find them"
        yield warning(file.document, at, seen, f'Write rayStartParams: {{num-gpus: "{has}"}}')
    labels = group.said.get("labels")
    if has and not group.is_head and not (isinstance(labels, Mapping) and ACCELERATOR in labels):
        seen = f"no label says which GPU {group.name} has, so Bundle(accelerator='L4') would never start one"
        mend = f"Write labels: {{{ACCELERATOR}: L4}} beside groupName."
        yield warning(file.document, (*group.at, "labels", ACCELERATOR), seen, mend)


def _images(file: LaunchFile, group: Group) -> Findings:
    image: Any = group.container.get("image")
    at = (*group.at, "template", "spec", "containers", 0, "image")
    if isinstance(image, str):
        yield from image_findings(file, at, image)
        asked = file.spec.get("rayVersion")
        version = re.search(r"rayproject/ray:(\d+\.\d+\.\d+)", image)
        if version and asked is not None and version[1] != str(asked):
            seen = f"{image} is not Ray {asked}, which rayVersion says"
            yield error(file.document, at, seen, f"Write rayproject/ray:{asked}-py312, or rayVersion: {version[1]}")


def _scaling(file: LaunchFile, group: Group, scales: bool) -> Findings:
    words = {"minReplicas": 0, "replicas": 0, "maxReplicas": MANY}
    least, now, most = (int(group.said.get(word, other)) for word, other in words.items())  # read, so numbers
    if "replicas" in group.said and least <= most and not least <= now <= most:
        seen = f"{now} replicas are not between {least} and {most}"
        yield warning(file.document, (*group.at, "replicas"), seen, f"Write replicas: {min(max(now, least), most)}")
    if not scales and least != most:
        seen = f"{group.name} may have from {least} to {most} pods, and nothing scales it"
        mend = "Write enableInTreeAutoscaling: true, or as many minReplicas as maxReplicas."
        yield warning(file.document, (*group.at, "maxReplicas"), seen, mend)
    if scales and "labels" in group.start:
        seen = "labels in rayStartParams are not seen by Ray's autoscaler"
        yield warning(
            file.document, (*group.at, "rayStartParams", "labels"), seen, "Write labels: {...} beside groupName."
        )
