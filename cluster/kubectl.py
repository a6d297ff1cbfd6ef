"""A KubeRay cluster by way of kubectl, which has the user's credentials."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster.tunnel import forwarded, free_port


def apply(file: Path) -> int:
    """Has Kubernetes make what the file says."""
    return _call("apply", "-f", str(file))


def delete(file: Path) -> int:
    """Has Kubernetes end it, with all of its pods."""
    return _call("delete", "-f", str(file), "--wait=true")


def run_on_head(name: str, *command: str, interactive: bool = False) -> int:
    """Runs a command in the head's pod."""
    pod = _head_pod(name)
    return _call("exec", *(["-it"] if interactive else []), pod, "-c", "ray-head", "--", *command)


@contextmanager
def tunnel(name: str, port: int) -> Iterator[int]:
    """A port of this machine that leads to one of the head's pod, for as long as the block lasts."""

    def cause(said: str) -> str:
        last = (said.strip().splitlines() or ["it does not answer"])[-1]
        return f"kubectl finds no way to {name}: {last}. Look: kubectl get rayclusters,pods,services"

    here = free_port()
    with forwarded([_kubectl(), "port-forward", _head_pod(name), f"{here}:{port}"], here, cause):
        yield here


def _head_pod(name: str) -> str:
    labels = f"ray.io/cluster={name},ray.io/node-type=head"
    done = subprocess.run(  # noqa: S603
        [_kubectl(), "get", "pods", "-l", labels, "-o", "name"], capture_output=True, text=True, check=False
    )
    pods = done.stdout.split()
    if done.returncode or not pods:
        why = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no pod has its labels"
        raise ConnectionError(f"the head of {name} is not there: {why}. Start it: a440 cluster up cluster.yaml")
    return pods[0]


def _call(*words: str) -> int:
    return subprocess.call([_kubectl(), *words])  # noqa: S603


def _kubectl() -> str:
    found = shutil.which("kubectl")
    if found is None:
        raise ConnectionError(
            "there is no kubectl on this machine, which a KubeRay cluster is reached with. Install it, "
            "and look whether it sees your cluster: kubectl get nodes"
        )
    return found
