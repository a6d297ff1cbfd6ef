"""Keys of `provider`, which Ray's schema leaves open, so that a typo is never told."""

import re
from collections.abc import Mapping

from cluster import installed_ray
from cluster.clouds.options import NOBODYS_HEAD, NOBODYS_PROJECT
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, nearest, warning

_ALL = {
    "type", "use_internal_ips", "use_external_head_ip", "cache_stopped_nodes", "disable_node_updaters",
    "disable_launch_config_check", "foreground_node_launch", "worker_liveness_check", "worker_rpc_drain",
}  # fmt: skip
KNOWN = {
    "aws": {"region", "availability_zone", "security_group", "key_pair", "aws_credentials", "cloudwatch"},
    "gcp": {"region", "availability_zone", "project_id", "gcp_credentials"},
    "azure": {
        "location", "resource_group", "subscription_id", "tags", "availability_zone", "unique_id", "subnet_mask",
        "subnet", "nsg", "msi", "msi_name", "msi_resource_group", "msi_identity_id", "msi_identity_principal_id",
        "use_existing_msi", "subnet_id",
    },
    "local": {"head_ip", "worker_ips", "external_head_ip", "coordinator_address"},
}  # fmt: skip
"""What Ray 2.60's providers read of their configuration, found in their source."""

_NAMES = {"gcp": r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?", "azure": r"[a-zA-Z][a-zA-Z0-9-]{0,30}"}


def check(file: LaunchFile) -> Findings:
    """Unknown providers and keys, zones outside their region, names that a cloud refuses, what is not filled in yet."""
    document = file.document
    provider = document.data.get("provider")
    if not isinstance(provider, Mapping):
        return
    if file.provider not in installed_ray.providers():
        yield error(
            document,
            ("provider", "type"),
            f"Ray has no provider {file.provider!r}",
            nearest(file.provider, installed_ray.providers()),
        )
        return
    known = KNOWN.get(file.provider, set()) | _ALL
    for word in provider if file.provider in KNOWN else ():
        if word not in known:
            seen = f"{file.provider} reads no such key, and Ray drops it in silence"
            yield error(document, ("provider", word), seen, nearest(str(word), known))
    yield from _places(file, provider)
    pattern = _NAMES.get(file.provider, r"[\w.-]+")
    if not re.fullmatch(pattern, file.name):
        mend = f"Write small letters, digits and dashes: cluster_name: {_tame(file.name)}"
        yield error(document, ("cluster_name",), f"{file.name!r} cannot name machines of {file.provider}", mend)


def _tame(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "gpus"


def _places(file: LaunchFile, provider: Mapping[str, object]) -> Findings:
    document = file.document
    zone, region = provider.get("availability_zone"), provider.get("region")
    if file.provider in ("aws", "gcp") and isinstance(zone, str) and isinstance(region, str):
        outside = [word.strip() for word in zone.split(",") if not word.strip().startswith(region)]
        if outside:
            mend = f"Write a zone of it: availability_zone: {region}{'a' if file.provider == 'aws' else '-a'}"
            yield error(document, ("provider", "availability_zone"), f"{outside[0]} is not in {region}", mend)
    if file.provider == "gcp" and not isinstance(provider.get("project_id"), str):
        seen = "no project is named, and Ray asks for one"
        yield error(document, ("provider", "project_id"), seen, "Write it: gcloud config get project")
    if provider.get("project_id") == NOBODYS_PROJECT:
        seen = "the project's name is still to be filled in"
        yield warning(document, ("provider", "project_id"), seen, "Write yours everywhere: gcloud config get project")
    if file.provider == "local":
        yield from _own_machines(file, provider)


def _own_machines(file: LaunchFile, provider: Mapping[str, object]) -> Findings:
    document = file.document
    for word in ("available_node_types", "head_node", "worker_nodes"):
        if document.data.get(word):
            seen = "machines over SSH have no node types, and Ray stops at them"
            yield error(
                document, (word,), seen, "Remove it; say what they have in worker_start_ray_commands: --num-gpus=2"
            )
    if "coordinator_address" in provider:
        return
    for word in ("head_ip", "worker_ips"):
        if not provider.get(word):
            mend = f"Write {word}: {'10.0.0.1' if word == 'head_ip' else '[10.0.0.2, 10.0.0.3]'}"
            yield error(document, ("provider", word), "no machine is named", mend)
    workers = provider.get("worker_ips")
    addresses = [str(one) for one in workers] if isinstance(workers, list) else []
    for position, address in enumerate(addresses):
        if address in (*addresses[:position], provider.get("head_ip")):
            seen = f"{address} comes twice, and one machine cannot be two nodes"
            yield error(document, ("provider", "worker_ips", position), seen, "Name every machine once.")
    prefix = NOBODYS_HEAD.rsplit(".", 1)[0]
    for path, address in (
        (("provider", "head_ip"), str(provider.get("head_ip"))),
        *((("provider", "worker_ips", n), address) for n, address in enumerate(addresses)),
    ):
        if address.startswith(f"{prefix}."):
            yield warning(document, path, f"{address} is an address for examples", "Write your machine's.")
