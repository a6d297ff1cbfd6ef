"""Launch files for Kubernetes: a RayCluster for the KubeRay operator."""

from cluster.amounts import ACCELERATOR, MARKET, ON_DEMAND, SPOT
from cluster.catalogue import GUESTS
from cluster.clouds import blocks, choice
from cluster.clouds.options import Options
from cluster.clouds.template import fill, scalar
from cluster.installed_ray import version

SPOT_MARKS = {
    "gke": ("cloud.google.com/gke-spot", "true", None),
    "eks": ("eks.amazonaws.com/capacityType", "SPOT", "ON_DEMAND"),
    "aks": ("kubernetes.azure.com/scalesetpriority", "spot", None),
    "karpenter": ("karpenter.sh/capacity-type", "spot", "on-demand"),
}
"""Per Kubernetes service the label of spot nodes, its value, and the value of the others where they have one."""

CPUS, GIB_PER_CPU = 7, 4  # of an 8-CPU node, with room for the kubelet


def launch_text(options: Options) -> str:
    """A RayCluster with one group of workers, or two where spot machines come first."""
    if options.wheel() is not None:
        raise ValueError(
            f"--package is the file {options.package}, and pods see no files of this machine. "
            f"Write an address that pip takes: --package 'a440 @ https://.../a440.whl', or build it into --image."
        )
    worker = "gpu" if options.gpus else "cpu"
    spot = f"{worker}-spot" if options.spot else ""
    groups = [_group(options, spot, SPOT, options.min_workers)] if spot else []
    groups.append(_group(options, worker, ON_DEMAND, 0 if spot else options.min_workers))
    values = {
        "name": options.name,
        "ray": version(),
        "annotations": _annotations(options, bool(spot)),
        "idle_s": blocks.amount(options.idle_minutes * 60),
        "image": scalar(options.image or f"rayproject/ray:{version()}-py312"),
        "install": _install(options),
        "health": _health(),
        "groups": "\n".join(groups),
    }
    return fill("kuberay", values)


def _install(options: Options) -> str:
    return f'["pip install --quiet {options.package_word()}"]'


def _annotations(options: Options, spot: bool) -> str:
    known = {
        "a440/storage": scalar(options.storage) if options.storage else "",
        "a440/spot-minutes": f'"{blocks.amount(options.spot_minutes)}"' if spot else "",
        "a440/price-per-hour": ""
        if options.head_price is None
        else f'"{blocks.amount(options.head_price)}"  # the head',
    }
    lines = [f"  {name}: {value}" for name, value in known.items() if value]
    if not options.storage:
        lines.insert(0, "  # a440/storage: s3://bucket/studies  # where studies lie; every pod must read and write it")
    return "\n".join(["annotations:" if any(known.values()) else "annotations: {}", *lines])


def _health() -> str:
    pairs = (word.split("=", 1) for word in blocks.HEALTH.split())
    return "\n".join(f'- {{name: {name}, value: "{value}"}}' for name, value in pairs)


def _group(options: Options, name: str, market: str, least: int) -> str:
    kind = choice.kind_of_gpu("kuberay", options)
    labels = [f"{ACCELERATOR}: {kind}"] if kind else []
    price = options.price
    if market == SPOT and options.spot_price is not None:
        price = options.spot_price
    cpus = options.cpus or CPUS
    limits = [f'cpu: "{cpus}"', f"memory: {cpus * GIB_PER_CPU}Gi"]
    limits += [f'nvidia.com/gpu: "{options.gpus}"'] if options.gpus else []
    start = [f'num-cpus: "{cpus}"', *([f'num-gpus: "{options.gpus}"'] if options.gpus else [])]
    values = {
        "group": name,
        "least": str(least),
        "most": str(options.max_workers),
        "labels": ", ".join([*labels, f"{MARKET}: {market}"]),
        "priority": "\n".join(blocks.priority(market)),
        "start": ", ".join(start),
        "price": ""
        if price is None
        else f'metadata: {{annotations: {{a440/price-per-hour: "{blocks.amount(price)}"}}}}',
        "placement": "\n".join(_placement(options, kind, market)),
        "image": scalar(options.image or f"rayproject/ray:{version()}-py312{'-gpu' if options.gpus else ''}"),
        "install": _install(options),
        "limits": ", ".join(limits),
    }
    return fill("kuberay_group", values).rstrip("\n")


def _placement(options: Options, kind: str, market: str) -> list[str]:
    """Node selector, tolerations and affinity of a pod."""
    key, spot, other = SPOT_MARKS[options.kubernetes]
    selector = _gpu_selector(options, kind)
    tolerations = ["{key: nvidia.com/gpu, operator: Exists, effect: NoSchedule}"] if kind else []
    lines = []
    if options.spot and (market == SPOT or other):
        selector[key] = spot if market == SPOT else str(other)
    if market == SPOT:
        tolerations.append(f"{{key: {key}, operator: Exists, effect: NoSchedule}}")
    if selector:
        lines.append(f"nodeSelector: {{{', '.join(f'{word}: {_text(value)}' for word, value in selector.items())}}}")
    if tolerations:
        lines += ["tolerations:", *(f"  - {one}" for one in tolerations)]
    if options.spot and market != SPOT and not other:  # nodes that are not spot have no label of their own
        term = f"{{matchExpressions: [{{key: {key}, operator: DoesNotExist}}]}}"
        lines += [
            "affinity:",
            "  nodeAffinity:",
            "    requiredDuringSchedulingIgnoredDuringExecution:",
            f"      nodeSelectorTerms: [{term}]",
        ]
    return lines


def _gpu_selector(options: Options, kind: str) -> dict[str, str]:
    """Google's nodes say their GPU; Karpenter's too; elsewhere the GPU's resource has to do."""
    if not kind:
        return {}
    if options.kubernetes == "gke":
        word = next((word for word, name in GUESTS.items() if name == kind), None)
        if word is None:
            known = "|".join(sorted({*GUESTS.values()}))
            raise ValueError(f"no GPU of Google's Kubernetes is called {kind!r}. Write --accelerator {known}")
        return {"cloud.google.com/gke-accelerator": word}
    if options.kubernetes == "karpenter":
        return {"karpenter.k8s.aws/instance-gpu-name": kind.lower()}
    return {}


def _text(value: str) -> str:
    return f'"{value}"'
