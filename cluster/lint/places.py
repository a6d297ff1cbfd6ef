"""Where things stand in either kind of launch file."""

from collections.abc import Sequence
from typing import Any

from cluster.document import Path
from cluster.fleet import NodeType
from cluster.launch_file import LaunchFile
from cluster.vm_cluster import TYPES


def of_type(file: LaunchFile, kind: NodeType) -> Path:
    """A node type or a group of workers."""
    if file.provider != "kuberay":
        return (TYPES, kind.name)
    if kind is file.head:
        return (*file.at, "headGroupSpec")
    return (*file.at, "workerGroupSpecs", file.workers.index(kind))


def bound(file: LaunchFile, kind: NodeType, which: str) -> Path:
    """The key of a type's `least` or `most`."""
    words = {"least": "min_workers", "most": "max_workers"}
    if file.provider == "kuberay":
        words = {"least": "minReplicas", "most": "maxReplicas"}
    return (*of_type(file, kind), words[which])


def minutes(file: LaunchFile) -> Path:
    """The idle time."""
    if file.provider == "kuberay":
        return (*file.at, "autoscalerOptions", "idleTimeoutSeconds")
    return ("idle_timeout_minutes",)


def storage(file: LaunchFile) -> Path:
    """Where the file says that studies lie."""
    if file.provider == "kuberay":
        return ("metadata", "annotations", "a440/storage")
    return ("metadata", "a440", "storage")


def commands(file: LaunchFile, key: str) -> list[str]:
    """Shell commands under that key, Ray's defaults where the file leaves them out."""
    said: Any = file.spec.get(key)
    return [str(line) for line in said] if isinstance(said, Sequence) and not isinstance(said, str) else []


def is_written(file: LaunchFile, key: str) -> bool:
    """Whether the file itself has that key."""
    return key in file.document.data


def runs_commands(file: LaunchFile) -> bool:
    """Whether nodes are set up by commands at all; a provider may start them in its own way."""
    provider = file.spec.get("provider")
    return not (isinstance(provider, dict) and provider.get("disable_node_updaters") is True)
