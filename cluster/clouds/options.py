"""The few options from which a launch file is made, with a mend for each that cannot be."""

import ipaddress
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cluster import installed_ray

KINDS = ("aws", "gcp", "azure", "kuberay", "onprem", "local")
KUBERNETES = ("gke", "eks", "aks", "karpenter")

NOBODYS_HEAD, NOBODYS_WORKER = "192.0.2.10", "192.0.2.11"  # RFC 5737: addresses for documentation
NOBODYS_PROJECT = "your-project-id"

_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,30}[a-z0-9])?")
_WORDS = (
    "region",
    "zone",
    "project",
    "resource_group",
    "image",
    "profile",
    "user",
    "key",
    "storage",
    "package",
    "accelerator",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a launch file is made of; the defaults give one GPU per worker and from none to four workers.

    Attributes:
        gpus: of each worker; 0 makes CPU workers.
        accelerator: Ray's word for the GPU; "" takes the cloud's common cheap one.
        cpus: of each worker, where no machine type says it: pods, the simulation, own machines (None: Ray counts).
        spot: workers from the spot market, with an on-demand type of the same machine to fall back on.
        spot_minutes: how long to wait for spot machines before on-demand ones are taken.
        price: of a worker for an hour; `spot_price` and `head_price` alike.
        storage: where studies lie: `s3://bucket/studies`, or a folder that every machine mounts.
        package: what pip installs on the nodes; "" is the a440 that runs here.
        image: of machines or pods, in the provider's words; "" takes one that is known to have the GPU's driver.
        allow: the network that may reach SSH, as 203.0.113.0/24.
        profile: of AWS, which the machines carry to start others and to reach the bucket.
        kubernetes: whose node labels choose GPUs and spot machines: gke, eks, aks or karpenter.
    """

    name: str = "a440"
    gpus: int = 1
    accelerator: str = ""
    cpus: int | None = None
    min_workers: int = 0
    max_workers: int = 4
    spot: bool = False
    spot_minutes: float = 5
    idle_minutes: float = 5
    price: float | None = None
    spot_price: float | None = None
    head_price: float | None = None
    storage: str = ""
    package: str = ""
    image: str = ""
    region: str = ""
    zone: str = ""
    project: str = ""
    resource_group: str = ""
    allow: str = ""
    profile: str = "a440-node"
    kubernetes: str = "gke"
    user: str = "ubuntu"
    key: str = "~/.ssh/id_ed25519"
    head_ip: str = ""
    worker_ips: tuple[str, ...] = ()

    def check(self, kind: str) -> None:
        """Raises ValueError where no launch file of that kind can be made."""
        if kind not in KINDS:
            raise ValueError(f"no kind of cluster is called {kind!r}. Write one of {', '.join(KINDS)}.")
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                f"the name {self.name!r} is not one that every cloud takes. "
                f"Write up to 32 small letters, digits and dashes: --name gpus"
            )
        self._check_numbers()
        for word in _WORDS:
            value = getattr(self, word)
            if not value.isprintable() or re.search(r"[\s'\"`$\\;|&<>]", value):
                option = word.replace("_", "-")
                raise ValueError(f"--{option} is {value!r}. Write it without spaces, quotes and signs of the shell.")
        self._check_networks(kind)
        if kind == "kuberay" and self.kubernetes not in KUBERNETES:
            raise ValueError(f"--kubernetes is {self.kubernetes!r}. Write one of {', '.join(KUBERNETES)}.")

    def _check_numbers(self) -> None:
        if not 0 <= self.min_workers <= self.max_workers:
            raise ValueError(
                f"--min-workers is {self.min_workers} and --max-workers {self.max_workers}. "
                f"Write the smaller first: --min-workers 0 --max-workers {max(1, self.max_workers)}"
            )
        for word, least in (("max_workers", 1), ("gpus", 0), ("idle_minutes", 1), ("spot_minutes", 0)):
            if getattr(self, word) < least:
                option = word.replace("_", "-")
                raise ValueError(f"--{option} is {getattr(self, word)}. Write {least} or more: --{option} {least}")
        if self.cpus is not None and self.cpus < 1:
            raise ValueError(f"--cpus is {self.cpus}. Write 1 or more: --cpus 4")
        for word in ("price", "spot_price", "head_price"):
            if getattr(self, word) is not None and not 0 <= getattr(self, word) < float("inf"):
                option = word.replace("_", "-")
                raise ValueError(f"--{option} is {getattr(self, word)}. Write what an hour costs: --{option} 1.2")

    def _check_networks(self, kind: str) -> None:
        for word, value in (("head-ip", self.head_ip), *(("worker-ip", one) for one in self.worker_ips)):
            if value and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.:-]*[A-Za-z0-9])?", value):
                raise ValueError(f"--{word} is {value!r}. Write an address or a host's name: --{word} 10.0.0.5")
        if len({*self.worker_ips, self.head_ip}) < len(self.worker_ips) + 1:
            raise ValueError("an address comes twice among --head-ip and --worker-ip. Give every machine once.")
        if kind == "onprem" and self.spot:
            raise ValueError("--spot has no meaning for machines of your own. Leave it out.")
        if self.allow:
            try:
                network = ipaddress.ip_network(self.allow, strict=False)
            except ValueError:
                raise ValueError(f"--allow is {self.allow!r}. Write a network: --allow 203.0.113.0/24") from None
            if network.prefixlen == 0:
                raise ValueError(
                    f"--allow {self.allow} is the whole internet. Write your own network: --allow 203.0.113.7/32"
                )

    def packages(self) -> str:
        """What pip installs: Ray as it is here, and a440."""
        return f"'ray[default]=={installed_ray.version()}' {self.package_word()}"

    def package_word(self) -> str:
        """a440 as pip takes it on a node: a pinned version, an address, or a wheel that was copied there."""
        if self.wheel() is not None:
            return f"~/{Path(self.package).name}"
        return f"'{self.package or f'a440=={_own_version()}'}'"

    def wheel(self) -> Path | None:
        """The package, where it is a file here that has to travel."""
        path = Path(self.package)
        return path.absolute() if self.package.endswith(".whl") and "://" not in self.package else None


def _own_version() -> str:
    try:
        return version("a440")
    except PackageNotFoundError:
        return "0.1.0"
