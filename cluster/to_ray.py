"""The room's door to Ray: bundles in Ray's words, this machine as Ray counts it, and one connection.

A connection joins the Ray that is there, or starts one that listens on loopback only, behind a token. What
it changed in this process is put back when it ends.
"""

import logging
import os
import platform
import shutil
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray._common.usage.usage_lib import get_cluster_metadata
from ray._common.utils import get_ray_address_file
from ray._private import ray_constants
from ray._private.resource_and_label_spec import ResourceAndLabelSpec
from ray._private.services import find_node_ids, resolve_ip_for_localhost
from ray._private.utils import estimate_available_memory, get_num_cpus

from cluster.address import address_on_this_host, answers, is_loopback, parse
from cluster.auth_token import private_token_file
from cluster.bundle import Bundle
from cluster.light_ray import light
from cluster.machine import Machine
from cluster.process import environment, give_sigterm_back, quiet, sigterm_kept

_MIB = 2**20
_SHM = Path("/dev/shm")  # noqa: S108  # Ray's object store lies there
_LOOPBACK_ONLY = {ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR: "0"}  # Linux obeys it too, whatever its name

REFUSAL = (
    "the Ray at {address} refuses us without its token. Copy ~/.ray/auth_token from its head to this machine, "
    "then: chmod 600 ~/.ray/auth_token; export RAY_AUTH_MODE=token"
)


class RefusedError(ConnectionError):
    """A Ray that this process may not or cannot join; one that was merely found is then left alone."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The Ray that a study runs on.

    Attributes:
        machines: those alive when the connection was made.
        embedded: whether the connection started this Ray and stops it at its end.
        address: HOST:PORT of the head.
    """

    machines: tuple[Machine, ...]
    embedded: bool
    address: str


def placement(bundle: Bundle) -> Any:
    """The bundle as Ray Tune's `PlacementGroupFactory`: the trial's process lies in its first worker's share."""
    from ray.tune import PlacementGroupFactory  # a second to import, and only launching needs it

    shares = [bundle.resources() for _ in range(bundle.workers)]
    selectors = [bundle.selectors() for _ in shares] if bundle.selectors() else None
    return PlacementGroupFactory(shares, strategy=bundle.strategy.upper(), bundle_label_selector=selectors)


def local_machine(cpus: int | None = None) -> Machine:
    """What an embedded Ray would offer here, counted by Ray's own code without starting it."""
    with quiet("ray"):
        counted = ResourceAndLabelSpec(
            num_cpus=cpus or max(1, get_num_cpus(override_docker_cpu_warning=True)),  # half a CPU counts as 0
            object_store_memory=_object_store_bytes(),
        ).resolve(is_head=True, node_ip_address="127.0.0.1")
    return Machine.declaring(platform.node() or "localhost", counted.to_resource_dict())


@contextmanager
def connect(address: str | None = None, cpus: int | None = None) -> Iterator[Connection]:
    """A connection to Ray for as long as the block lasts.

    In this order: the Ray that this process is on already; the one at `address` or `RAY_ADDRESS`; the one
    that `ray start` left running on this host; an embedded one, stopped at the end. Others are never stopped.

    Args:
        address: HOST:PORT of a head, "auto" for the Ray on this host, "local" for an embedded one.
        cpus: CPUs of an embedded Ray, where the machine's own count is not wanted.
    """
    if cpus is not None and (isinstance(cpus, bool) or not isinstance(cpus, int) or cpus < 1):
        raise ValueError(f"cpus={cpus!r} is no number of CPUs. Write connect(cpus=2), a whole number from 1.")
    with ExitStack() as stack:
        if ray.is_initialized():
            yield _present(address, cpus)
        else:
            yield _opened(stack, address, cpus)


def on_every_node(function: Callable[..., Any], *arguments: Any, timeout_s: float) -> dict[str, Any]:
    """What a function answers on each node that is alive, by the node's name, all asked at the same time.

    Where it failed there, the exception; where there was no answer in time, a TimeoutError. The function takes no
    resources, and is found there by its name.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked: dict[Any, str] = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = ray.remote(function).options(num_cpus=0, max_retries=0, scheduling_strategy=there)
            asked[task.remote(*arguments)] = _unique(node["NodeName"], node["NodeID"], asked.values())
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=timeout_s)
    answers: dict[str, Any] = {asked[task]: TimeoutError(f"no answer in {timeout_s:g} s") for task in late}
    for task in late:
        ray.cancel(task, force=True)
    for task in ready:
        try:
            answers[asked[task]] = ray.get(task)
        except ray.exceptions.RayError as error:
            answers[asked[task]] = error
    return answers


def _unique(name: str, node_id: str, taken: Iterable[str]) -> str:
    """A node's name, with some of its id where another one has it too."""
    return f"{name} ({node_id[:8]})" if name in taken else name


def _present(address: str | None, cpus: int | None) -> Connection:
    """The Ray that this process is on already; it stays as it is."""
    here = ray.get_runtime_context().gcs_address
    _refuse_cpus(cpus, here)
    if address not in (None, "", "auto", "local", here):
        host, port = parse(str(address))
        if (resolve_ip_for_localhost(host), port) != parse(here):
            raise ConnectionError(
                f"this process is on the Ray at {here}, so it cannot join {address} too. "
                f"Call ray.shutdown() first, or leave the address out."
            )
    return Connection(machines(), embedded=False, address=here)


def _opened(stack: ExitStack, address: str | None, cpus: int | None) -> Connection:
    """Joins or starts a Ray; `stack` will leave it."""
    wanted = (os.environ.get("RAY_ADDRESS") or "") if address in (None, "", "auto") else str(address)
    if wanted not in ("", "auto", "local"):
        _refuse_cpus(cpus, wanted)
        return stack.enter_context(_joined(wanted))
    found = None if wanted == "local" or cpus else address_on_this_host(Path(get_ray_address_file(None)))
    if found:
        try:
            return stack.enter_context(_joined(found))
        except RefusedError:
            if "auto" in (address, wanted):
                raise
    elif "auto" in (address, wanted):
        raise ConnectionError(
            "no Ray that you started is running on this host. Start one with `ray start --head`, "
            "or leave the address out for a Ray of your own."
        )
    return stack.enter_context(_embedded(local_machine(cpus)))


@contextmanager
def _embedded(machine: Machine) -> Iterator[Connection]:
    """A Ray of our own: no dashboard, loopback only, a private token, stopped at the end."""
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(private_token_file(os.environ))}
    with _settings(token | {"RAY_USAGE_STATS_ENABLED": "0"} | _LOOPBACK_ONLY):
        try:
            started = _start(machine)
            yield Connection(machines(), embedded=True, address=started.address_info["gcs_address"])
        finally:
            ray.shutdown(wait_for_processes=True)


def _start(machine: Machine) -> Any:
    try:
        with light():
            return _init(
                address="local",
                num_cpus=int(machine.cpus),
                object_store_memory=_object_store_bytes(),
                include_dashboard=False,
                _node_name=machine.name,
            )
    except (RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
        logs = Path(get_ray_address_file(None)).parent / "session_latest" / "logs"
        raise ConnectionError(
            f"Ray could not start on this machine: {first_line(error)}. Look into {logs}, "
            f"or join a running Ray: a440 run ... --address HOST:PORT"
        ) from error


@contextmanager
def _joined(address: str) -> Iterator[Connection]:
    """A running Ray, tried first with short waits; left running at the end."""
    host, port = parse(address)
    encrypted = os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")
    if not answers(host, port, encrypted=encrypted):
        raise ConnectionError(
            f"no Ray answers at {address}. Start one there with `ray start --head --port={port}`, "
            f"or leave out the address (and unset RAY_ADDRESS) for a Ray on this machine."
        )
    outside = resolve_ip_for_localhost(host)  # Ray turns a loopback name into the outward address
    only_inside = is_loopback(host) and not answers(outside, port, encrypted=encrypted)
    with _settings(_token_if_there_is_one() | (_LOOPBACK_ONLY if only_inside else {})):
        _try_out(address)
        try:
            _join(address)
            yield Connection(machines(), embedded=False, address=ray.get_runtime_context().gcs_address)
        finally:
            ray.shutdown()


def _join(address: str) -> None:
    try:
        _init(address=address)
    except (RuntimeError, OSError, ValueError, ray.exceptions.RayError) as error:
        raise ConnectionError(
            f"the Ray at {address} answers, but cannot be joined: {first_line(error)}. "
            f"Check it with: ray status --address {address}"
        ) from error


def _try_out(address: str) -> None:
    """Raises what would keep us from the cluster, before Ray's own minute of retries."""
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token" and not _has_token():
        raise RefusedError(REFUSAL.format(address=address))  # Ray's library would abort the process
    try:
        client = ray._raylet.GcsClient(address=address)
        versions = get_cluster_metadata(client)
        nodes = client.get_all_node_info(timeout=10)
    except ray.exceptions.AuthenticationError as error:
        raise RefusedError(REFUSAL.format(address=address)) from error
    except (ray.exceptions.RayError, RuntimeError, ValueError, AttributeError) as error:
        raise RefusedError(
            f"what listens at {address} does not answer as the head of a Ray: {first_line(error)}. "
            f"Give the port that `ray start --head` printed, 6379 by default."
        ) from error
    _refuse_other_versions(versions, address)
    alive = {node_id.hex() for node_id, node in nodes.items() if node.state == node.ALIVE}
    if not alive & set(find_node_ids()):
        raise RefusedError(
            f"the Ray at {address} answers, but this machine is no node of it. Send the study there: "
            f"ray job submit --address http://{parse(address)[0]}:8265 --working-dir . -- a440 run study.yaml"
        )


def _refuse_other_versions(cluster: Mapping[str, str], address: str) -> None:
    """Pickled code travels between driver and workers, which Ray allows among equal versions only."""
    ours, theirs = platform.python_version(), cluster["python_version"]
    parts = 2 if os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL") == "minor" else 3
    same_python = ours.split(".")[:parts] == theirs.split(".")[:parts]
    if not same_python or ray.__version__ != cluster["ray_version"]:
        raise ConnectionError(
            f"the cluster at {address} runs Python {theirs} and Ray {cluster['ray_version']}, but this process "
            f"runs Python {ours} and Ray {ray.__version__}. Make an environment like the cluster's: "
            f"uv venv --python {theirs} && uv pip install 'ray[tune]=={cluster['ray_version']}' a440"
        )


def _refuse_cpus(cpus: int | None, address: str) -> None:
    if cpus is not None:
        raise ValueError(
            f"cpus={cpus} was asked for, but the Ray at {address} has its CPUs already. "
            f"Leave cpus out, or start a Ray of your own: connect('local', cpus={cpus})."
        )


def _init(**words: Any) -> Any:
    """`ray.init`, quietly; SIGTERM stays with whoever had claimed it, or becomes Ray's `sys.exit`."""
    claimed = signal.getsignal(signal.SIGTERM)
    context = ray.init(log_to_driver=False, logging_level=logging.ERROR, **words)
    logging.getLogger("ray").setLevel(logging.WARNING)
    # Set anew in either case, for Ray's C++ has put a handler before Python's that prints its own stack.
    give_sigterm_back(claimed if callable(claimed) else signal.getsignal(signal.SIGTERM))
    return context


def machines() -> tuple[Machine, ...]:
    """Those of the Ray that this process is on, as they declare themselves now."""
    return tuple(
        Machine.declaring(node["NodeName"], node["Resources"], node["Labels"]) for node in ray.nodes() if node["Alive"]
    )


def _object_store_bytes() -> int:
    """A tenth of the free memory, from 128 MiB to 1 GiB: studies pass configs and metrics, not data sets.

    Fitted into /dev/shm where that has room; a smaller one (64 MB in Docker) makes Ray use its folder in /tmp.
    """
    size = min(max(int(estimate_available_memory()) // 10, 128 * _MIB), 1024 * _MIB)
    if not _SHM.is_dir():
        return size
    room = shutil.disk_usage(_SHM).free * 9 // 10
    return min(size, room) if room >= 128 * _MIB else 128 * _MIB


def _token_if_there_is_one() -> dict[str, str]:
    """Ray turns its token on by itself for local addresses only; here it is on wherever it can be."""
    return {"RAY_AUTH_MODE": "token"} if not os.environ.get("RAY_AUTH_MODE") and _has_token() else {}


@contextmanager
def with_token() -> Iterator[None]:
    """Ray's libraries show the token, where this user has one, for as long as the block lasts."""
    with _settings(_token_if_there_is_one()):
        yield


def _has_token() -> bool:
    loader = ray._raylet.AuthenticationTokenLoader.instance()
    loader.reset_cache()
    try:
        return bool(loader.has_token(ignore_auth_mode=True))
    except ray.exceptions.AuthenticationError:  # RAY_AUTH_TOKEN_PATH leads to no token
        return False


@contextmanager
def _settings(changes: Mapping[str, str]) -> Iterator[None]:
    """Variables that Ray and its processes must see; its libraries keep copies, so they read them anew."""
    with quiet("ray"), sigterm_kept():
        try:
            with environment(changes):
                _read_environment_anew()
                yield
        finally:
            _read_environment_anew()


def _read_environment_anew() -> None:
    ray._raylet.Config.initialize("")
    ray._raylet.AuthenticationTokenLoader.instance().reset_cache()
    ray_constants.ENABLE_RAY_CLUSTER = ray_constants.env_bool(
        ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR, not ray_constants.IS_WINDOWS_OR_OSX
    )


def first_line(error: BaseException) -> str:
    """An error's first line, or its kind."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
