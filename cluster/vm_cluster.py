"""Clusters of virtual or own machines, as `ray up` reads them: defaults filled in, types as Ray would count them."""

import contextlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from cluster import catalogue, installed_ray, part
from cluster.amounts import GIB, MARKET, SPOT
from cluster.document import Document, Path
from cluster.fleet import NodeType
from cluster.launch_file import LaunchFile
from cluster.machine import Machine

LOCAL_TYPE = "local.cluster.node"  # Ray's name for the only type that machines reached over SSH have
TYPES = "available_node_types"
FOR_TRIALS = 0.7  # Ray keeps 30 % of a machine's memory for its object store


def read(document: Document) -> LaunchFile:
    """The cluster of a `ray up` file."""
    provider = part.mapping(document, ("provider",), document.data.get("provider"))
    kind = part.text(document, ("provider", "type"), provider.get("type"))
    spec = with_defaults(document, kind)
    metadata = part.mapping(document, ("metadata",), document.data.get("metadata"))
    ours = part.mapping(document, ("metadata", "a440"), metadata.get("a440"))
    prices = part.mapping(document, ("metadata", "a440", "prices"), ours.get("prices"))
    most = part.count(document, ("max_workers",), spec.get("max_workers", 2))
    head, workers = _types(document, spec, kind, prices, most)
    minutes = ours.get("spot_minutes")
    return LaunchFile(
        name=part.text(document, ("cluster_name",), spec.get("cluster_name")),
        provider=kind,
        head=head,
        workers=workers,
        most=most,
        idle_minutes=part.amount(document, ("idle_timeout_minutes",), spec.get("idle_timeout_minutes", 5)),
        storage=_text_or_none(document, ("metadata", "a440", "storage"), ours.get("storage")),
        spot_minutes=None if minutes is None else part.amount(document, ("metadata", "a440", "spot_minutes"), minutes),
        document=document,
        spec=spec,
    )


def with_defaults(document: Document, provider: str) -> dict[str, Any]:
    """The file as Ray completes it: keys at the top that are left out come from the provider's defaults."""
    spec = {**installed_ray.defaults(provider), **document.data}
    if provider == "local":
        machines = spec["provider"].get("worker_ips")
        there_are = len(part.sequence(document, ("provider", "worker_ips"), machines))
        if "coordinator_address" not in spec["provider"]:
            asked = part.count(document, ("max_workers",), spec.get("max_workers", there_are))
            spec["max_workers"] = min(asked, there_are)
            spec["min_workers"] = min(
                part.count(document, ("min_workers",), spec.get("min_workers", there_are)), spec["max_workers"]
            )
    return spec


def _types(
    document: Document, spec: Mapping[str, Any], provider: str, prices: Mapping[str, Any], most: int
) -> tuple[NodeType, tuple[NodeType, ...]]:
    if provider == "local":
        return _own_machines(document, spec, prices, most)
    kinds = part.mapping(document, (TYPES,), spec.get(TYPES))
    head_name = spec.get("head_node_type")
    if not isinstance(head_name, str) or head_name not in kinds:
        names = ", ".join(map(str, kinds)) or "none"
        mend = f"Write the name of a node type: head_node_type: {next(iter(kinds), 'head')}"
        raise part.fail(document, ("head_node_type",), f"{head_name!r} is not among the node types {names}", mend)
    read_types = {
        str(name): _type(
            document, name, part.mapping(document, (TYPES, name), kinds[name]), provider, prices, most, head_name
        )
        for name in kinds
    }
    return read_types.pop(head_name), tuple(read_types.values())


def _type(
    document: Document,
    name: str,
    said: Mapping[str, Any],
    provider: str,
    prices: Mapping[str, Any],
    most: int,
    head: Any,
) -> NodeType:
    at: Path = (TYPES, name)
    config = part.mapping(document, (*at, "node_config"), said.get("node_config"))
    labels = part.mapping(document, (*at, "labels"), said.get("labels"))
    resources = {
        word: part.amount(document, (*at, "resources", word), value)
        for word, value in part.mapping(document, (*at, "resources"), said.get("resources")).items()
    }
    if provider == "aws":  # Ray asks EC2 what the machine has; elsewhere it knows what the file says
        resources = {**_as_ec2_says(kind_of(provider, config), is_head=name == head), **resources}
    price = prices.get(name)
    return NodeType(
        name=name,
        machine=Machine.declaring(name, resources, {str(word): str(value) for word, value in labels.items()}),
        least=part.count(document, (*at, "min_workers"), said.get("min_workers", 0)),
        most=part.count(document, (*at, "max_workers"), said.get("max_workers", 0 if name == head else most)),
        spot=is_spot(provider, config) or labels.get(MARKET) == SPOT,
        priority=part.whole(document, (*at, "priority"), said.get("priority", 0)),
        price=None if price is None else part.amount(document, ("metadata", "a440", "prices", name), price),
        kind=kind_of(provider, config),
    )


def _as_ec2_says(kind: str, *, is_head: bool) -> dict[str, float]:
    """The resources that Ray's AWS provider finds out by itself."""
    machine = catalogue.rented("aws", kind)
    if machine is None:
        return {}
    found: dict[str, float] = {"CPU": machine.cpus}
    if not is_head:
        found["memory"] = int(machine.memory_gib * GIB * FOR_TRIALS)
    if machine.gpus:
        found |= {"GPU": machine.gpus, f"accelerator_type:{machine.accelerator}": 1}
    return found


def kind_of(provider: str, config: Mapping[str, Any]) -> str:
    """The provider's word for the machine, "" where the file says none."""
    if provider == "azure":
        said = config.get("azure_arm_parameters")
        config = said if isinstance(said, Mapping) else {}
    word = {"aws": "InstanceType", "gcp": "machineType", "azure": "vmSize"}.get(provider, "")
    return str(config.get(word) or "").rsplit("/", 1)[-1]


def is_spot(provider: str, config: Mapping[str, Any]) -> bool:
    """Whether the node's configuration asks for machines that may be taken back."""
    match provider:
        case "aws":
            options = config.get("InstanceMarketOptions")
            return isinstance(options, Mapping) and options.get("MarketType") == "spot"
        case "gcp":
            return any(
                plan.get("preemptible") is True or plan.get("spot") is True or plan.get("provisioningModel") == "SPOT"
                for plan in _plans(config)
            )
        case "azure":
            parameters = config.get("azure_arm_parameters")
            return isinstance(parameters, Mapping) and str(parameters.get("priority")).lower() in ("spot", "low")
    return False


def _plans(config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Google's scheduling, which Ray's examples write as a list and Google's API as a mapping."""
    for word in ("scheduling", "schedulingConfig"):
        said = config.get(word)
        yield from (plan for plan in (said if isinstance(said, list) else [said]) if isinstance(plan, Mapping))


def _own_machines(
    document: Document, spec: Mapping[str, Any], prices: Mapping[str, Any], most: int
) -> tuple[NodeType, tuple[NodeType, ...]]:
    """Head and workers reached over SSH; what they declare is in their start commands, or found by Ray on the spot."""
    least = part.count(document, ("min_workers",), spec.get("min_workers", 0))
    found = []
    for name, key, bounds in (
        ("head", "head_start_ray_commands", (0, 0)),
        ("worker", "worker_start_ray_commands", (least, most)),
    ):
        commands = [str(line) for line in part.sequence(document, (key,), spec.get(key))]
        price = prices.get(name)
        found.append(
            NodeType(
                name=name,
                machine=Machine.declaring(name, *declared(commands)),
                least=bounds[0],
                most=bounds[1],
                price=None if price is None else part.amount(document, ("metadata", "a440", "prices", name), price),
            )
        )
    return found[0], (found[1],)


def declared(commands: list[str]) -> tuple[dict[str, float], dict[str, str]]:
    """Resources and labels that a `ray start` command declares.

    >>> declared(["ray stop", "ray start --address=$RAY_HEAD_IP:6379 --num-gpus=2 --labels=zone=a"])
    ({'GPU': 2.0}, {'zone': 'a'})
    """
    start = next((line for line in commands if re.search(r"\bray start\b", line)), "")
    options = _options(start)
    resources = {word: float(options[key]) for word, key in _AMOUNTS if _is_number(options.get(key, ""))}
    with contextlib.suppress(ValueError):
        resources |= {str(word): float(value) for word, value in json.loads(options.get("--resources", "{}")).items()}
    labels = dict(pair.split("=", 1) for pair in options.get("--labels", "").split(",") if "=" in pair)
    return resources, labels


_AMOUNTS = (("CPU", "--num-cpus"), ("GPU", "--num-gpus"), ("memory", "--memory"))


def _options(command: str) -> dict[str, str]:
    """`--key=value` and `--key value` of a shell command."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = command.split()
    found = {}
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word.startswith("--"):
            key, equals, value = word.partition("=")
            found[key] = value if equals else following
    return found


def _is_number(word: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", word) is not None


def _text_or_none(document: Document, path: Path, value: Any) -> str | None:
    return None if value is None else part.text(document, path, value)
