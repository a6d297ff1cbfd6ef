"""What the schemas say, in words: keys that are unknown, missing, twice, or of the wrong type."""

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from jsonschema.exceptions import ValidationError

from cluster.document import Document, Path, written
from cluster.kuberay_cluster import SPECS
from cluster.launch_file import of_kuberay
from cluster.lint.finding import Finding, Findings, error, nearest, warning
from cluster.schemas import NEWEST, kuberay_errors, ray_errors

_TYPES = {
    "object": "a mapping", "array": "a list", "integer": "a whole number", "number": "a number", "string": "a text",
    "boolean": "true or false",
}  # fmt: skip
_MEND = {
    "object": "Write `key: value` lines below it.",
    "array": "Write one item per line, each with a dash.",
    "integer": "Write it without quotes and point: 4",
    "number": "Write it without quotes: 5",
    "string": 'Write it in quotes: "4"',
    "boolean": "Write true or false, without quotes.",
}


def check(document: Document) -> Findings:
    """Duplicate keys, and what Ray's or KubeRay's schema finds."""
    for path, line in document.twice:
        first = f"the key comes twice, and only the one in line {line} counts"
        yield Finding(line, written(path), "error", first, "Keep one of the two.")
    if of_kuberay(document):
        yield from _kuberay(document)
        return
    data = _as_ray_validates(document.data)
    for problem in ray_errors(data):
        yield from _words(document, problem)


def _as_ray_validates(data: Mapping[str, Any]) -> dict[str, Any]:
    """What Ray fills in or takes out before it looks at the schema, done to a copy."""
    copied: dict[str, Any] = deepcopy(dict(data))
    provider = copied.get("provider")
    kind = provider.get("type") if isinstance(provider, Mapping) else None
    if kind == "local":
        copied.pop("min_workers", None)
    types = copied.get("available_node_types")
    if kind == "aws" and isinstance(types, Mapping):
        for said in types.values():
            if isinstance(said, dict):
                said.setdefault("resources", {})
    return copied


def _kuberay(document: Document) -> Findings:
    version, kind = document.data.get("apiVersion"), document.data.get("kind")
    if version != NEWEST:
        yield warning(document, ("apiVersion",), f"{version} is no longer the operator's version", f"Write {NEWEST}.")
        return
    if kind == "RayService":  # its own schema is not here, but the cluster inside is a RayCluster's
        inner = document.data.get("spec")
        spec = inner.get("rayClusterConfig") if isinstance(inner, Mapping) else None
        for problem in kuberay_errors("RayCluster", {"spec": spec or {}}):
            inside: Path = tuple(problem.absolute_path)[1:]
            yield from _words(document, problem, (*SPECS["RayService"], *inside))
        return
    if str(kind) not in SPECS:
        return  # reading says so
    for problem in kuberay_errors(str(kind), document.data):
        yield from _words(document, problem)


def _words(document: Document, problem: ValidationError, at: Path | None = None) -> Iterator[Finding]:
    """A schema's error as findings, one per unknown or missing key."""
    path: Path = tuple(problem.absolute_path) if at is None else at
    match problem.validator:
        case "additionalProperties":
            known = problem.schema.get("properties", {})
            for word in problem.instance:
                if word not in known:
                    yield error(document, (*path, word), "no such key is known here", nearest(str(word), known))
        case "required":
            for word in map(str, problem.validator_value):
                if word not in problem.instance:
                    yield error(document, (*path, word), "this key is missing", f"Write {word}: there.")
        case "type":
            wanted: list[str] = (
                problem.validator_value if isinstance(problem.validator_value, list) else [str(problem.validator_value)]
            )
            words = " or ".join(_TYPES.get(word, word) for word in wanted)
            yield error(
                document, path, f"{_short(problem.instance)} is not {words}", _MEND.get(wanted[0], "Change it.")
            )
        case "enum":
            mend = f"Write one of {', '.join(map(str, problem.validator_value))}."
            yield error(document, path, f"{_short(problem.instance)} is not known here", mend)
        case "pattern":
            seen = f"{_short(problem.instance)} is no quantity of Kubernetes"
            yield error(document, path, seen, "Write a number and a unit: 500m, 8, 16Gi.")
        case _:
            yield error(document, path, _first_sentence(problem.message), "Change it so that the schema holds.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _first_sentence(message: str) -> str:
    return re.sub(r"\s+", " ", message).rstrip(".")[:160]
