"""A cluster that is only pretended, on this host: Ray's own autoscaler over machines that declare what a file says.

`with Simulation(fleet) as cluster:` starts a head with the fleet's node types; trials run as processes of this host
on machines that come and go. No study knows the difference, so what a cloud would do is seen before it is paid for.
`ray.cluster_utils.AutoscalingCluster` would do this, but lacks a file in Ray 2.60 and stops every Ray of the host.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from cluster.auth_token import private_token_file
from cluster.fleet import GROUP, NodeType
from cluster.tunnel import free_port

HEAD = "ray.head.default"  # Ray's fake provider knows its head by this name
HEAD_ID = f"{'f' * 51}00000"  # and by this id
OBJECT_STORE_BYTES = 80_000_000  # the least that Ray takes; a simulation holds many machines on one host
START_S = 60.0
STARTED = "Ray runtime started"  # what `ray start` says when its node is there
MARK = "A440_SIMULATION"  # by which all processes of a simulation are found at its end

QUICK = {  # how often Ray looks; its own 5 s, and 60 s for a silent node, are for clouds
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}


_FAKE = {
    "RAY_FAKE_CLUSTER": "1",
    "RAY_enable_autoscaler_v2": "1",
    "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
}


class Simulation:
    """A pretended cluster for as long as a `with` block lasts.

    Args:
        head: what the head declares.
        types: that the autoscaler may start; none for a head alone.
        most: nodes in all beside the head; None for as many as the types allow.
        idle_s: after which an idle node goes.
        speed: how many nodes may be on their way at once, as a multiple of those that run (`upscaling_speed`).
        dashboard: whether the head has its HTTP server, to which jobs are sent; only a head without types takes jobs,
            for with a pretended id it does not find its own agent.

    Attributes:
        address: HOST:PORT of its head, once it is started.
        jobs_address: of its HTTP server; empty without one.
        folder: where its logs are, until it ends.
    """

    def __init__(
        self,
        head: NodeType,
        types: Sequence[NodeType],
        *,
        most: int | None = None,
        idle_s: float = 6.0,
        speed: float = 100.0,
        dashboard: bool = False,
    ):
        self._head, self._types, self._most, self._idle_s = head, tuple(types), most, idle_s
        self._speed = speed
        self._mark = secrets.token_hex(8)
        self._exhausted: list[str] = []
        self._reclaim: list[str] = []
        self._boot_s = 0.0
        self._dashboard = dashboard
        self.address = self.jobs_address = ""

    def __enter__(self) -> "Simulation":
        self.folder = Path(tempfile.mkdtemp(prefix="a440s-", dir="/tmp"))  # short: Ray's sockets lie in it
        self.address = f"127.0.0.1:{free_port()}"
        self.jobs_address = f"http://127.0.0.1:{free_port()}" if self._dashboard else ""
        self._token = private_token_file(os.environ)
        (self.folder / "autoscaler.json").write_text(json.dumps(self._config()))
        self._told()
        with (self.folder / "head.log").open("w") as log:
            self._process = subprocess.Popen(  # noqa: S603
                self._command(), env=self._environment(), stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_S
        while STARTED not in (self.folder / "head.log").read_text():
            if self._process.poll() is not None or time.monotonic() > until:
                words = (self.folder / "head.log").read_text()[-2000:]
                self._end()
                raise ConnectionError(f"the simulated cluster did not start. Ray said: {words}")
            time.sleep(0.1)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def exhaust(self, *names: str) -> None:
        """From now on the cloud has no machines of these types; of none for all to come again."""
        self._exhausted = list(names)
        self._told()

    def boot_takes(self, seconds: float) -> None:
        """How long a machine takes to come."""
        self._boot_s = seconds
        self._told()

    def reclaim(self, *names: str) -> None:
        """Takes one machine of each of these types away without notice, as a cloud does with spot machines."""
        self._reclaim = list(names)
        self._told()
        self._reclaim = []

    def _told(self) -> None:
        faults = {"exhausted": self._exhausted, "boot_s": self._boot_s, "reclaim": self._reclaim}
        draft = self.folder / "faults.draft"
        draft.write_text(json.dumps(faults))
        draft.replace(self.folder / "faults.json")

    def _config(self) -> dict[str, Any]:
        """What Ray's autoscaler reads in place of a launch file."""
        provider = {
            "type": "external",
            "module": "cluster.pretended.PretendedMachines",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "launch_multiple": True,
            "head_node_id": HEAD_ID,
            "gcs_address": self.address,
            "control": str(self.folder / "faults.json"),
        }
        kinds = {HEAD: {"resources": _resources(self._head), "node_config": {}, "min_workers": 0, "max_workers": 0}}
        for kind in self._types:
            kinds[kind.name] = {
                "resources": {**_resources(kind), "object_store_memory": OBJECT_STORE_BYTES},
                "labels": {GROUP: kind.name, **kind.machine.labels},
                "node_config": {},
                "min_workers": kind.least,
                "max_workers": kind.most,
                "priority": kind.priority,
            }
        commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
        return {
            "cluster_name": "simulation",
            "provider": provider,
            "auth": {},
            "docker": {},
            "head_node_type": HEAD,
            "available_node_types": kinds,
            "max_workers": sum(kind.most for kind in self._types) if self._most is None else self._most,
            "upscaling_speed": self._speed,
            "idle_timeout_minutes": self._idle_s / 60,
            **{f"{name}_commands": [] for name in commands},
            "file_mounts": {},
            **{name: [] for name in ("cluster_synced_files", "rsync_exclude", "rsync_filter")},
            "file_mounts_sync_continuously": False,
        }

    def _command(self) -> list[str]:
        amounts = _resources(self._head)
        port = self.address.rsplit(":", 1)[1]
        own = {k: v for k, v in amounts.items() if k not in ("CPU", "GPU")}
        return [
            *(sys.executable, "-m", "ray.scripts.scripts" if self._dashboard else "cluster.light_ray"),
            *("start", "--head", "--block", f"--port={port}"),
            *("--node-ip-address=127.0.0.1", f"--temp-dir={self.folder}"),
            *self._http(),
            *(f"--num-cpus={amounts.get('CPU', 0):.0f}", f"--num-gpus={amounts.get('GPU', 0):.0f}"),
            *(f"--resources={json.dumps(own)}", f"--object-store-memory={OBJECT_STORE_BYTES}"),
            *([f"--autoscaling-config={self.folder / 'autoscaler.json'}"] if self._types else []),
            *("--dashboard-agent-listen-port=0", "--disable-usage-stats"),
        ]

    def _http(self) -> list[str]:
        if not self.jobs_address:
            return ["--include-dashboard=false"]
        port = self.jobs_address.rsplit(":", 1)[1]
        return ["--include-dashboard=true", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"]

    def _environment(self) -> dict[str, str]:
        home = str(Path(__file__).resolve().parents[1])  # the head's autoscaler imports `cluster.pretended`
        paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
        return {
            **{k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"},
            **QUICK,
            MARK: self._mark,
            "PYTHONPATH": os.pathsep.join(paths),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self._token),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # whatever its name: all listen on loopback only
            **(_FAKE if self._types else {}),
        }

    def _end(self) -> None:
        """Ends all processes of the simulation: the autoscaler first, which would replace what goes."""
        self._process.kill()
        self._process.wait()
        for _ in range(20):
            left = _marked(self._mark)
            for process in left:
                process.kill()
            if not left:
                return
            time.sleep(0.1)


def _marked(mark: str) -> list[Any]:
    """The processes whose environment carries the mark."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # it has just ended, or is another user's
            continue
    return found


def _resources(kind: NodeType) -> dict[str, float]:
    """A machine's resources for the autoscaler, without memory, which all machines share here."""
    return {name: amount for name, amount in kind.machine.resources().items() if amount and name != "memory"}
