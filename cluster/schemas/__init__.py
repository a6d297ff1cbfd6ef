"""Schemas that launch files are held against: Ray's own from the installed package, KubeRay's from here."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.exceptions import ValidationError

from cluster import installed_ray

NEWEST = "ray.io/v1"


@cache
def _of_kuberay() -> dict[str, Any]:
    packed = files("cluster.schemas").joinpath("kuberay.json.gz").read_bytes()
    found: dict[str, Any] = json.loads(gzip.decompress(packed))
    return found


def kuberay_errors(kind: str, data: Any) -> Iterator[ValidationError]:
    """What KubeRay's schema of that kind finds, unknown fields among it; nothing for a kind that is not here."""
    whole = _of_kuberay()
    if kind in whole["kinds"]:
        yield from Draft202012Validator({"$defs": whole["$defs"], **whole["kinds"][kind]}).iter_errors(data)


@cache
def _of_ray() -> Draft7Validator:
    return Draft7Validator(installed_ray.schema())


def ray_errors(data: Any) -> Iterator[ValidationError]:
    """What Ray's schema of launch files finds."""
    yield from _of_ray().iter_errors(data)
