"""What the installed Ray ships as files: its version, the schema of launch files, the defaults that it fills in.

They are found by the package's path, because importing Ray takes seconds.
"""

import json
from copy import deepcopy
from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

MINIMAL: dict[str, Any] = {
    "available_node_types": {"ray.head.default": {}, "ray.worker.default": {}},
    "head_node_type": "ray.head.default",
}
"""The defaults of provider `external` (Ray: MINIMAL_EXTERNAL_CONFIG)."""


@cache
def version() -> str:
    """The version of the installed Ray, such as 2.60.0; "" where there is none."""
    try:
        return version_of("ray")
    except PackageNotFoundError:
        return ""


@cache
def _autoscaler() -> Path:
    spec = find_spec("ray")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("Ray is not installed, and launch files are Ray's. Install it: pip install 'ray[tune]'")
    return Path(spec.submodule_search_locations[0]) / "autoscaler"


@cache
def schema() -> dict[str, Any]:
    """Ray's own JSON schema of launch files."""
    found: dict[str, Any] = json.loads((_autoscaler() / "ray-schema.json").read_text())
    return found


@cache
def providers() -> tuple[str, ...]:
    """The providers that come with defaults, and `external`."""
    return (*sorted(path.parent.name for path in _autoscaler().glob("*/defaults.yaml")), "external")


def defaults(provider: str) -> dict[str, Any]:
    """What Ray takes for keys that a launch file leaves out; a copy of one's own."""
    return deepcopy(_defaults(provider))


@cache
def _defaults(provider: str) -> dict[str, Any]:
    if provider == "external":
        return MINIMAL
    if provider not in providers():
        return {}
    found: dict[str, Any] = yaml.safe_load((_autoscaler() / provider / "defaults.yaml").read_text())
    return found
