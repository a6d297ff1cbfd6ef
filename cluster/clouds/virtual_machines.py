"""Launch files for `ray up`: AWS, Google Cloud, Azure, and machines of one's own."""

from cluster.amounts import ACCELERATOR, GIB, MARKET, ON_DEMAND, SPOT
from cluster.catalogue import Rented, rented
from cluster.clouds import blocks, choice
from cluster.clouds.choice import Chosen
from cluster.clouds.options import NOBODYS_HEAD, NOBODYS_PROJECT, NOBODYS_WORKER, Options
from cluster.clouds.template import fill, scalar
from cluster.installed_ray import defaults, version
from cluster.vm_cluster import FOR_TRIALS

REGIONS = {"aws": "us-east-1", "gcp": "us-central1", "azure": "westus2"}
IMAGES = {
    # AWS reads the parameter when it starts a machine; driver, Ubuntu 24.04, Python 3.12
    "aws": "resolve:ssm:/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id",
    "gcp": "projects/deeplearning-platform-release/global/images/family/common-cu129-ubuntu-2404-nvidia-580",
    "azure": "microsoft-dsvm:ubuntu-hpc:2404:latest",
}


def launch_text(kind: str, options: Options) -> str:
    """The launch file of one of the three clouds, or of own machines (`onprem`)."""
    if kind == "onprem":
        return _own_machines(options)
    region = options.region or REGIONS[kind]
    chosen = choice.worker(kind, options)
    worker = "gpu" if options.gpus else "cpu"
    spot = f"{worker}_spot" if options.spot else ""
    values = {
        "name": options.name,
        "ray": version(),
        "max_workers": str(options.max_workers),
        "idle": blocks.amount(options.idle_minutes),
        "metadata": blocks.metadata(options, worker, spot),
        "region": scalar(region),
        "types": _types(kind, options, chosen, worker, spot),
        "mounts": blocks.mounts(options),
        "setup": blocks.setup(options),
        "head_setup": _head_setup(kind),
        "starts": blocks.starts(),
        "allow": options.allow or "203.0.113.0/24",
        "user": scalar(options.user),
        "profile": scalar(options.profile),
        "zone": scalar(options.zone or f"{region}-a"),
        "project": scalar(options.project or NOBODYS_PROJECT),
        "resource_group": scalar(options.resource_group or options.name),
        "bucket": _bucket(options),
    }
    return fill(kind, values)


def _bucket(options: Options) -> str:
    return options.storage.removeprefix("s3://").split("/")[0] if options.storage.startswith("s3://") else "YOUR-BUCKET"


def _head_setup(kind: str) -> str:
    """What the head needs to start machines: the packages that Ray's own defaults ask for."""
    lines = []
    for command in defaults(kind).get("head_setup_commands", []):
        words = command.split("#")[0].strip()
        lines.append(f"  - ~/.a440/bin/{words}")
    return "\n".join(["head_setup_commands:", *lines])


def _types(kind: str, options: Options, chosen: Chosen, worker: str, spot: str) -> str:
    parts = [_type(kind, options, "head", None)]
    if spot:
        parts.append(_type(kind, options, spot, chosen, market=SPOT, least=options.min_workers))
    parts.append(_type(kind, options, worker, chosen, market=ON_DEMAND, least=0 if spot else options.min_workers))
    return "\n".join(parts)


def _type(kind: str, options: Options, name: str, chosen: Chosen | None, market: str = "", least: int = 0) -> str:
    lines = [f"  {name}:"]
    if chosen is None:
        lines += ["    resources: {CPU: 0}  # trials run on workers; a crash there must not take the head along"]
    else:
        lines += [
            f"    min_workers: {least}",
            f"    max_workers: {options.max_workers}",
            f"    resources: {_resources(kind, chosen)}",
            f"    labels: {_labels(chosen, market)}",
            *blocks.priority(market, "    "),
        ]
    lines.append("    node_config:")
    machine = chosen or Chosen(_head_machine(kind))
    config = {"aws": _aws, "gcp": _gcp, "azure": _azure}[kind](options, machine, market, is_head=chosen is None)
    lines += [f"      {line}" for line in config]
    return "\n".join(lines)


def _head_machine(kind: str) -> Rented:
    found = rented(kind, choice.HEADS[kind])
    assert found is not None
    return found


def _resources(kind: str, chosen: Chosen) -> str:
    machine = chosen.machine
    words = [f"CPU: {machine.cpus}"] + ([f"GPU: {machine.gpus}"] if machine.gpus else [])
    if kind != "aws":  # there Ray asks EC2; elsewhere it knows what is written here
        words.append(f"memory: {int(machine.memory_gib * GIB * FOR_TRIALS)}")
    return "{" + ", ".join(words) + "}"


def _labels(chosen: Chosen, market: str) -> str:
    words = [f"{ACCELERATOR}: {chosen.machine.accelerator}"] if chosen.machine.gpus else []
    return "{" + ", ".join([*words, f"{MARKET}: {market}"]) + "}"


def _aws(options: Options, chosen: Chosen, market: str, *, is_head: bool) -> list[str]:
    lines = [
        f"InstanceType: {chosen.machine.name}",
        f"ImageId: {scalar(options.image or IMAGES['aws'])}",
        f"IamInstanceProfile: {{Name: {scalar(options.profile)}}}",
        "BlockDeviceMappings: [{DeviceName: /dev/sda1, Ebs: {VolumeSize: 150, VolumeType: gp3}}]",
    ]
    return lines + (["InstanceMarketOptions: {MarketType: spot}"] if market == SPOT else [])


def _gcp(options: Options, chosen: Chosen, market: str, *, is_head: bool) -> list[str]:
    image = scalar(options.image or IMAGES["gcp"])
    lines = [
        f"machineType: {chosen.machine.name}",
        "disks:",
        "  - boot: true",
        "    autoDelete: true",
        "    type: PERSISTENT",
        "    initializeParams:",
        "      diskSizeGb: 150",
        f"      sourceImage: {image}",
    ]
    if chosen.guest:
        lines.append(
            f"guestAccelerators: [{{acceleratorType: {chosen.guest}, acceleratorCount: {chosen.machine.gpus}}}]"
        )
    plan = ["onHostMaintenance: TERMINATE"] if chosen.machine.gpus else []
    if market == SPOT:
        plan += ["provisioningModel: SPOT", "instanceTerminationAction: DELETE"]
    if plan:
        lines.append(f"scheduling: {{{', '.join(plan)}}}")
    if not is_head:  # Ray makes this account for the head, and gives it to the head alone
        account = f"ray-autoscaler-sa-v1@{options.project or NOBODYS_PROJECT}.iam.gserviceaccount.com"
        lines += [
            "serviceAccounts:  # for the bucket",
            f"  - email: {account}",
            '    scopes: ["https://www.googleapis.com/auth/cloud-platform"]',
        ]
    return lines


def _azure(options: Options, chosen: Chosen, market: str, *, is_head: bool) -> list[str]:
    image = dict(zip(("Publisher", "Offer", "Sku", "Version"), _urn(options), strict=True))
    lines = ["azure_arm_parameters:", f"  vmSize: {chosen.machine.name}"]
    lines += [f"  image{word}: {scalar(value)}" for word, value in image.items()]
    if market == SPOT:
        lines += ["  priority: Spot", "  billingProfile: {maxPrice: -1}  # up to the on-demand price"]
    return lines + (['  availability_zone: "none"'] if is_head else [])


def _urn(options: Options) -> list[str]:
    words = (options.image or IMAGES["azure"]).split(":")
    if len(words) != 4:
        raise ValueError(f"--image is {options.image!r}. Write Azure's four words: --image {IMAGES['azure']}")
    return words


def _own_machines(options: Options) -> str:
    workers = options.worker_ips or (NOBODYS_WORKER,)
    # Ray finds CPUs and GPUs by itself; written out, a plan knows them before the machines are up
    declared = [f"--num-cpus={options.cpus}"] if options.cpus else []
    declared.append(f"--num-gpus={options.gpus}")
    if options.accelerator and options.gpus:
        declared.append(f"--labels={ACCELERATOR}={options.accelerator}")
    values = {
        "name": options.name,
        "ray": version(),
        "max_workers": str(len(workers)),
        "idle": blocks.amount(options.idle_minutes),
        "metadata": blocks.metadata(options, "worker"),
        "head_ip": scalar(options.head_ip or NOBODYS_HEAD),
        "worker_ips": ", ".join(map(scalar, workers)),
        "user": scalar(options.user),
        "key": scalar(options.key),
        "mounts": blocks.mounts(options),
        "setup": blocks.setup(options),
        "starts": blocks.starts("RAY_enable_autoscaler_v2=0", ("--num-cpus=0", " ".join(declared))),
    }
    return fill("onprem", values)
