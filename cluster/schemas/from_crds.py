"""Makes `kuberay.json.gz` from KubeRay's CustomResourceDefinitions.

python -m cluster.schemas.from_crds ray.io_rayclusters.yaml ray.io_rayjobs.yaml

A CRD is an OpenAPI schema with a page of prose to every field of a pod, in which whole pods come again and again, and
unknown fields are allowed because the API server prunes them in silence. Here prose and defaults go, equal parts are
written once, and a field that is not named is an error, as in `kubectl apply --validate=strict`.
"""

import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

_KEPT = {
    "type", "properties", "items", "required", "enum", "additionalProperties", "pattern", "minimum", "maximum", "anyOf",
    "minItems", "maxItems", "minLength", "maxLength", "oneOf", "allOf", "not",
}  # fmt: skip
_SMALL = 200  # characters; shorter parts are cheaper than a reference to them
ANY = {"type": "object"}


def schema(crds: Sequence[Path]) -> dict[str, Any]:
    """The schemas by kind, of version v1, with their common parts under `$defs`."""
    kinds = {}
    for path in crds:
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        version = next(version for version in spec["versions"] if version["name"] == "v1")
        found = strict(version["schema"]["openAPIV3Schema"])
        found["properties"] |= {"metadata": ANY, "status": ANY}
        kinds[spec["names"]["kind"]] = found
    shared: dict[str, tuple[str, Any]] = {}
    kinds = {kind: _share(found, shared, at_root=True) for kind, found in kinds.items()}
    return {"$defs": dict(shared.values()), "kinds": kinds}


def strict(found: Any) -> Any:
    """A schema without prose, in which fields that are not named are errors."""
    if isinstance(found, list):
        return [strict(part) for part in found]
    if not isinstance(found, dict):
        return found
    if found.get("x-kubernetes-int-or-string"):
        pattern = {"pattern": found["pattern"]} if "pattern" in found else {}
        return {"type": ["integer", "number", "string"], **pattern}
    kept = {
        word: {name: strict(part) for name, part in said.items()} if word == "properties" else strict(said)
        for word, said in found.items()
        if word in _KEPT
    }
    open_ended = found.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in found
    if "properties" in found and not open_ended:
        kept["additionalProperties"] = False
    return kept


def _share(found: Any, shared: dict[str, tuple[str, Any]], *, at_root: bool = False) -> Any:
    """The schema with its larger parts replaced by references; equal parts get the same one."""
    if isinstance(found, list):
        return [_share(part, shared) for part in found]
    if not isinstance(found, dict):
        return found
    inner = {
        word: {name: _share(part, shared) for name, part in said.items()}
        if word == "properties"
        else _share(said, shared)
        for word, said in found.items()
    }
    text = json.dumps(inner, sort_keys=True)
    if at_root or "type" not in inner or len(text) < _SMALL:
        return inner
    name, _ = shared.setdefault(text, (f"p{len(shared)}", inner))
    return {"$ref": f"#/$defs/{name}"}


if __name__ == "__main__":
    out = Path(__file__).with_name("kuberay.json.gz")
    text = json.dumps(schema([Path(word) for word in sys.argv[1:]]), separators=(",", ":"))
    out.write_bytes(gzip.compress(text.encode(), mtime=0))
    sys.stdout.write(f"{out}: {len(text)} bytes of JSON, {out.stat().st_size} packed\n")
