"""The packed schema is what a CRD says, strictly."""

import pytest
import yaml
from jsonschema import Draft202012Validator

from cluster.schemas.from_crds import schema, strict

QUANTITY = {"anyOf": [{"type": "integer"}, {"type": "string"}], "pattern": "^[0-9]+(m|Gi)?$"}
POD = {
    "description": "prose " * 40,
    "type": "object",
    "properties": {
        "image": {"type": "string", "description": "prose"},
        "cpu": {**QUANTITY, "x-kubernetes-int-or-string": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {}},
        "mode": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "ports": {"type": "array", "items": {"type": "integer", "format": "int32"}},
        "padding_so_that_the_part_is_worth_a_reference": {"type": "string"},
    },
    "required": ["image"],
}
SPEC = {"type": "object", "properties": {"head": POD, "worker": POD}}
THING = {"type": "object", "properties": {"kind": {"type": "string"}, "spec": SPEC}}
VERSIONS = [
    {"name": "v1alpha1", "schema": {"openAPIV3Schema": {"type": "object"}}},
    {"name": "v1", "schema": {"openAPIV3Schema": THING}},
]
CRD = {"spec": {"names": {"kind": "Thing"}, "versions": VERSIONS}}


@pytest.fixture
def packed(tmp_path):
    path = tmp_path / "crd.yaml"
    path.write_text(yaml.safe_dump(CRD))
    return schema([path])


@pytest.mark.parametrize(
    ("head", "wrong"),
    [
        ({"image": "x"}, False),
        ({"image": "x", "cpu": 2, "labels": {"a": "b"}, "free": {"anything": 1}, "mode": "b", "ports": [1]}, False),
        ({"image": "x", "cpu": "500m"}, False),
        ({"image": "x", "cpu": "5 cores"}, True),
        ({"image": "x", "cpu": []}, True),
        ({"image": "x", "imge": "x"}, True),
        ({"cpu": 1}, True),
        ({"image": 1}, True),
        ({"image": "x", "labels": {"a": 1}}, True),
        ({"image": "x", "mode": "c"}, True),
        ({"image": "x", "ports": ["a"]}, True),
    ],
)
def test_what_a_crd_allows_is_allowed_and_nothing_else(packed, head, wrong):
    whole = Draft202012Validator({"$defs": packed["$defs"], **packed["kinds"]["Thing"]})

    document = {"kind": "Thing", "metadata": {"name": "x"}, "status": {}, "spec": {"head": head, "worker": head}}

    assert bool(list(whole.iter_errors(document))) == wrong


def test_equal_parts_are_written_once_and_prose_not_at_all(packed):
    assert len(packed["$defs"]) == 1  # the pod, which the spec holds twice
    assert "prose" not in str(packed)
    assert strict(POD)["additionalProperties"] is False
