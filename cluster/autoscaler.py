"""The autoscaler and the jobs server of the Ray that this process is on, as Ray's head tells of them."""

import time
from collections.abc import Mapping
from pathlib import Path

import ray
from ray._common.utils import get_ray_address_file
from ray._private import ray_constants, worker
from ray.autoscaler.v2.sdk import get_cluster_status, request_cluster_resources

from cluster.address import address_on_this_host
from cluster.fit import Wish
from cluster.scaling import Launch, Scaling, reasons
from cluster.to_ray import first_line, machines, with_token

__all__ = ["demand", "jobs_address_here", "machines", "scaling", "session"]

LOG_BYTES = 2**16
LATELY_S = 120.0  # for which a refusal of the provider counts


def scaling() -> Scaling:
    """What the autoscaler of the Ray that this process is on is doing.

    Raises:
        ConnectionError: Ray's head does not answer.
    """
    try:
        status = get_cluster_status(ray.get_runtime_context().gcs_address, timeout=10)
    except (ray.exceptions.RayError, RuntimeError) as error:
        raise ConnectionError(f"Ray's head does not answer: {first_line(error)}. Look: ray status") from error
    now, demands, why = time.time(), status.resource_demands, reasons(_monitor_log())
    groups = [
        (Wish(part.bundle, part.count, (group.strategy or "PACK").lower(), {}), 1)
        for group in demands.placement_group_demand
        for part in group.bundles_by_count
    ]
    tasks = [
        (Wish(part.bundle, 1, "pack", {}), part.count)
        for demand in demands.ray_task_actor_demand
        for part in demand.bundles_by_count
    ]
    return Scaling(
        at_work=status.stats.autoscaler_version is not None,
        waiting=(*groups, *tasks),
        launching=tuple(Launch(p.ray_node_type_name, p.count, now - p.request_ts_s) for p in status.pending_launches),
        booting=tuple(node.ray_node_type_name for node in status.pending_nodes),
        refused=tuple(
            Launch(f.ray_node_type_name, f.count, now - f.failed_ts_s, f.details or why.get(f.ray_node_type_name, ""))
            for f in status.failed_launches
            if now - f.failed_ts_s < LATELY_S
        ),
        idle=len(status.idle_nodes),
    )


def _monitor_log() -> str:
    """The end of the autoscaler's log; empty where this host is not the head."""
    file = Path(worker.global_worker.node.get_logs_dir_path()) / "monitor.log"
    try:
        with file.open("rb") as log:
            log.seek(max(0, file.stat().st_size - LOG_BYTES))
            return log.read().decode(errors="replace")
    except OSError:
        return ""


def session() -> str:
    """The name of this Ray's session, which a head that is started anew has only where its state lies on disk.

    Raises:
        ConnectionError: the head does not answer.
    """
    try:
        client = ray._raylet.GcsClient(address=ray.get_runtime_context().gcs_address)
        found = client.internal_kv_get(b"session_name", ray_constants.KV_NAMESPACE_SESSION, timeout=5)
    except (ray.exceptions.RayError, RuntimeError, ValueError) as error:
        raise ConnectionError(f"Ray's head does not answer: {first_line(error)}. Look: ray status") from error
    return bytes(found or b"").decode()


def demand(wish: Wish, trials: int, selector: Mapping[str, str]) -> None:
    """Asks the autoscaler for machines of a kind, enough for so many trials; 0 takes the request back.

    It holds until it is replaced or taken back, and is the cluster's only one: a program that asks too replaces it.
    """
    share = {"resources": dict(wish.needs), "label_selector": {**wish.labels, **selector}}
    request_cluster_resources(ray.get_runtime_context().gcs_address, [share] * (trials * wish.workers), timeout=10)


def jobs_address_here() -> str | None:
    """Where the Ray of this host takes jobs; None where it does not, or there is none."""
    here = address_on_this_host(Path(get_ray_address_file(None)))
    if here is None:
        return None
    with with_token():
        client = ray._raylet.GcsClient(address=here)
        server = client.internal_kv_get(b"webui:url", ray_constants.KV_NAMESPACE_DASHBOARD, timeout=5)
    return f"http://{server.decode()}" if server else None
