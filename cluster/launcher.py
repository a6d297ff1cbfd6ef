"""Ray's cluster launcher and kubectl, behind the same verbs: up, down, status, attach, and a way to the head's jobs.

What Ray's launcher lacks is added around it: SSH is tried first and explained, the token is made and kept private, an
on-prem cluster comes up whole (its v2 autoscaler forgets the last worker), and `down` really stops the workers.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from io import StringIO
from pathlib import Path
from typing import Any

from cluster import kubectl
from cluster.auth_token import private_token_file
from cluster.launch_file import LaunchFile, read
from cluster.ssh import Ssh

START_S = "300"  # for a machine to answer SSH; Ray's own 900 s pass in silence
PORT = 8265


class Cluster:
    """A cluster as its launch file describes it.

    Args:
        path: of the launch file.

    Raises:
        ValueError, FileNotFoundError: the file cannot be read.
    """

    def __init__(self, path: str | Path):
        self.path, self.file = Path(path), read(path)
        if self.file.simulated:
            raise ValueError(
                f"{path} describes machines that are only pretended, so nothing can be started from it. "
                f"Run a study on it with: a440 cluster simulate {path} study.yaml"
            )

    @property
    def kuberay(self) -> bool:
        """Whether Kubernetes starts it."""
        return self.file.provider == "kuberay"

    def up(self) -> int:
        """Starts the cluster, or brings a running one to what the file says; the launcher's exit code."""
        private_token_file(os.environ)
        if self.kuberay:
            return kubectl.apply(self.path)
        if self.file.provider == "local":
            self._check_ssh()
        return self._ray("up", "-y")

    def down(self) -> int:
        """Ends all of its machines, or what runs of Ray on them; the launcher's exit code."""
        if self.kuberay:
            return kubectl.delete(self.path)
        code = self._ray("down", "-y")
        if self.file.provider == "local":
            self._stop_workers()
        return code

    def status(self) -> int:
        """Shows what the head says; the exit code."""
        if self.kuberay:
            return kubectl.run_on_head(self.file.name, "ray", "status")
        return self._ray("exec", command="RAY_AUTH_MODE=token ray status")

    def attach(self) -> int:
        """A shell on the head."""
        if self.kuberay:
            return kubectl.run_on_head(self.file.name, "bash", interactive=True)
        return self._ray("attach")

    @contextmanager
    def jobs_address(self) -> Iterator[str]:
        """Where the head's jobs server is reached from this machine, for as long as the block lasts."""
        if self.kuberay:
            with kubectl.tunnel(self.file.name, PORT) as port:
                yield f"http://127.0.0.1:{port}"
        else:
            with self.head().tunnel(PORT) as port:
                yield f"http://127.0.0.1:{port}"

    def head(self) -> Ssh:
        """How its head is reached.

        Raises:
            ConnectionError: it has none that runs.
        """
        if self.file.provider == "local":
            return self._ssh(str(self._provider()["head_ip"]))
        from ray.autoscaler._private.commands import _bootstrap_config, get_head_node_ip

        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # each step of finding it is told
            try:
                host = get_head_node_ip(str(self.path))
            except (RuntimeError, SystemExit) as error:
                raise ConnectionError(
                    f"the cluster {self.file.name} has no head that runs: {error}. "
                    f"Start it: a440 cluster up {self.path}"
                ) from error
            auth = _bootstrap_config(deepcopy(dict(self.file.document.data)))["auth"]  # Ray may have made a key
        return self._ssh(host, auth)

    def _check_ssh(self) -> None:
        """Raises ConnectionError naming every machine that cannot be reached, with what to do."""
        hosts = [str(self._provider()["head_ip"]), *self._workers()]
        with ThreadPoolExecutor(len(hosts)) as pool:
            failures = [trouble for trouble in pool.map(self._trouble, hosts) if trouble]
        if failures:
            raise ConnectionError("\n".join(failures))

    def _trouble(self, host: str) -> str:
        try:
            self._ssh(host).check()
        except ConnectionError as error:
            return str(error)
        return ""

    def _stop_workers(self) -> None:
        """`ray down` leaves the workers' Ray running for a minute, and on an unlucky day for ever."""
        with ThreadPoolExecutor(max(1, len(self._workers()))) as pool:
            for trouble in pool.map(self._stopped, self._workers()):
                if trouble:
                    print(trouble, file=sys.stderr)

    def _stopped(self, host: str) -> str:
        try:
            self._ssh(host).run("ray stop")
        except ConnectionError as error:
            return str(error)
        return ""

    def _ssh(self, host: str, auth: dict[str, Any] | None = None) -> Ssh:
        how = auth if auth is not None else dict(self.file.spec.get("auth") or {})
        key, proxy = how.get("ssh_private_key") or "", how.get("ssh_proxy_command") or ""
        return Ssh(host, how.get("ssh_user") or "", str(key), str(proxy))

    def _provider(self) -> dict[str, Any]:
        return dict(self.file.spec["provider"])

    def _workers(self) -> list[str]:
        return [str(host) for host in self._provider().get("worker_ips") or ()]

    def _ray(self, verb: str, *options: str, command: str = "") -> int:
        """One of Ray's own commands, with its output as it comes."""
        plain = ["--log-style=pretty", f"--log-color={'auto' if sys.stdout.isatty() else 'false'}"]
        words: Sequence[str] = [verb, *plain, str(self.path), *options, *([command] if command else [])]
        more = {"AUTOSCALER_NODE_START_WAIT_S": START_S, "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
        if self.file.provider == "local":
            more["RAY_UP_enable_autoscaler_v2"] = "0"  # with v2 the last worker never joins
        return subprocess.call(  # noqa: S603
            [sys.executable, "-m", "ray.scripts.scripts", *words], env={**os.environ, **more}
        )


def describe(file: LaunchFile) -> str:
    """A cluster in a few lines: types, numbers, prices."""
    lines = [f"cluster  {file.name} on {file.provider}"]
    for kind in file.types:
        machine = kind.machine
        many = "1" if kind is file.head else f"{kind.least} to {kind.most}"
        amounts = [f"{machine.cpus:g} CPUs", *([f"{machine.gpus:g} GPUs"] if machine.gpus else [])]
        words = [kind.kind, *amounts, *(["spot"] if kind.spot else [])]
        price = f", {kind.price:g} an hour each" if kind.price is not None else ""
        lines.append(f"  {kind.name:<12} {many:<8} {' '.join(filter(None, words))}{price}")
    if (cost := file.cost_per_hour()) is not None:
        lines.append(f"costs    {cost[0]:.4g} an hour with no more than there always are, {cost[1]:.4g} with all")
    if file.provider != "local":
        lines.append(f"idle     a node is ended after {file.idle_minutes:g} min without work")
    if file.storage:
        lines.append(f"storage  {file.storage}")
    return "\n".join(lines)
