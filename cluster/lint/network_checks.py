"""Ports that the internet reaches."""

from collections.abc import Iterator, Mapping
from typing import Any

from cluster.document import Path
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Findings, error, warning
from cluster.vm_cluster import TYPES

_EVERYWHERE = ("0.0.0.0/0", "::/0")
SSH = 22


def check(file: LaunchFile) -> Findings:
    """Rules of AWS's security groups: the file's own, and the one that Ray would make."""
    if file.provider != "aws":
        return
    provider = file.spec.get("provider")
    group = provider.get("security_group") if isinstance(provider, Mapping) else None
    rules = group.get("IpPermissions") if isinstance(group, Mapping) else None
    for position, rule in enumerate(rules if isinstance(rules, list) else []):
        path: Path = ("provider", "security_group", "IpPermissions", position)
        if any(word in _EVERYWHERE for word in _networks(rule)):
            ports = _ports(rule)
            seen = f"{ports} from the whole internet"
            mend = "Write your own network: CidrIp: 203.0.113.7/32, and reach the dashboard through SSH."
            yield (warning if ports == "SSH is open" else error)(file.document, path, seen, mend)
    named = isinstance(group, Mapping) and group.get("GroupName")
    if not named and not all(_has_group(file, kind.name) for kind in file.types):
        seen = "Ray makes a security group of its own, with SSH open to the whole internet"
        mend = f"Name one that has rules already: security_group: {{GroupName: {file.name}}}"
        yield warning(file.document, ("provider", "security_group"), seen, mend)


def _has_group(file: LaunchFile, name: str) -> bool:
    found: Any = file.spec
    for word in (TYPES, name, "node_config"):
        found = found.get(word) if isinstance(found, Mapping) else None
    return isinstance(found, Mapping) and bool(found.get("SecurityGroupIds") or found.get("NetworkInterfaces"))


def _networks(rule: Any) -> Iterator[str]:
    for key, word in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6")):
        for part in (rule.get(key) or []) if isinstance(rule, Mapping) else []:
            if isinstance(part, Mapping):
                yield str(part.get(word))


def _ports(rule: Mapping[str, Any]) -> str:
    first, last = rule.get("FromPort"), rule.get("ToPort")
    if rule.get("IpProtocol") in ("-1", -1) or first is None or first == -1:
        return "every port is open"
    if first == last:
        return "SSH is open" if first == SSH else f"port {first} is open"
    return f"ports {first} to {last} are open"
