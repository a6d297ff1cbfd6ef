"""Machines that are only pretended: Ray's fake provider, with the faults of a cloud.

Ray's autoscaler loads this module on the head of a simulated cluster (`simulation.py`); each of its nodes is a real
raylet on this host that declares what a machine of that type would. A control file says what goes wrong:

    {"exhausted": ["gpu_spot"], "boot_s": 30, "reclaim": ["gpu_spot", "gpu_spot"]}

Exhausted types are refused as a cloud refuses them, `boot_s` is how long a machine takes to come, and each entry of
`reclaim` takes away one machine of that type without notice.
"""

import json
import threading
import time
from pathlib import Path
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.node_launch_exception import NodeLaunchException
from ray.autoscaler.tags import TAG_RAY_USER_NODE_TYPE

from cluster.light_ray import light

LOOK_S = 0.2


class PretendedMachines(FakeMultiNodeProvider):
    """Ray's fake provider, told by a control file what goes wrong."""

    def __init__(self, provider_config: dict[str, Any], cluster_name: str):
        super().__init__(provider_config, cluster_name)
        self._control = Path(provider_config["control"])
        threading.Thread(target=self._reclaim_often, name="reclaim", daemon=True).start()

    def create_node_with_resources_and_labels(
        self,
        node_config: dict[str, Any],
        tags: dict[str, str],
        count: int,
        resources: dict[str, Any],
        labels: dict[str, str],
    ) -> None:
        faults, kind = _read(self._control), tags[TAG_RAY_USER_NODE_TYPE]
        if kind in faults.get("exhausted", ()):
            raise NodeLaunchException("InsufficientInstanceCapacity", f"no capacity for {kind} at the moment", None)
        time.sleep(faults.get("boot_s", 0))
        with light():
            super().create_node_with_resources_and_labels(node_config, tags, count, resources, labels)

    def _reclaim_often(self) -> None:
        while True:
            time.sleep(LOOK_S)
            faults = _read(self._control)
            wanted = faults.get("reclaim") or []
            left = [kind for kind in wanted if not self._reclaim(kind)]
            if left != wanted:
                _write(self._control, {**faults, "reclaim": left})

    def _reclaim(self, kind: str) -> bool:
        """Takes the newest machine of a type away, if there is one."""
        with self.lock:
            there = [
                name
                for name, node in self._nodes.items()
                if "node" in node and node["tags"][TAG_RAY_USER_NODE_TYPE] == kind
            ]
            node = self._nodes.pop(there[-1]) if there else None
        if node is not None:
            node["node"].kill_all_processes(check_alive=False, allow_graceful=False)
        return node is not None


def _read(control: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(control.read_text()))
    except (OSError, ValueError):  # it is just being written
        return {}


def _write(control: Path, faults: dict[str, Any]) -> None:
    draft = control.with_suffix(".draft")
    draft.write_text(json.dumps(faults))
    draft.replace(control)
