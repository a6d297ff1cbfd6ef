"""How Ray is started on nodes: who may reach it, and what it survives."""

import re
from collections.abc import Iterator, Mapping

from cluster.address import is_loopback
from cluster.launch_file import LaunchFile
from cluster.lint.finding import Finding, Findings, error, warning
from cluster.lint.places import commands, runs_commands

HEAD, WORKER = "head_start_ray_commands", "worker_start_ray_commands"
_TOKEN = re.compile(r"RAY_AUTH_MODE=['\"]?token\b|AUTH_MODE=token")
_HOST = re.compile(r"--dashboard-host[= ]['\"]?([^\s'\"]+)")
HEALTH = (
    "export RAY_health_check_initial_delay_ms=1000 RAY_health_check_period_ms=1000 "
    "RAY_health_check_timeout_ms=2000 RAY_health_check_failure_threshold=3;"
)


def check(file: LaunchFile) -> Findings:
    """Start commands of head and workers."""
    if not runs_commands(file):
        return
    yield from _head(file)
    if any(kind.most for kind in file.workers):
        yield from _worker(file)
    yield from _token(file)


def _head(file: LaunchFile) -> Findings:
    document, lines = file.document, commands(file, HEAD)
    start = _start(lines)
    if start is None or "--head" not in start:
        yield error(document, (HEAD,), "nothing starts a head", "Write `ray start --head --port=6379` there.")
        return
    yield from _stops_before(file, HEAD, lines)
    scales = any(kind.most for kind in file.workers)
    if scales and "--autoscaling-config" not in start:
        seen = "the head is not told of the workers, so none is ever started"
        yield error(document, (HEAD,), seen, "Add --autoscaling-config=~/ray_bootstrap_config.yaml to ray start.")
    text = _environment(file, HEAD)
    if scales and "RAY_health_check_" not in text:
        seen = "a node that falls silent is noticed after a minute"
        yield warning(document, (HEAD,), seen, f"Write before ray start: {HEALTH}")
    if "RAY_gcs_storage=rocksdb" not in text and "RAY_REDIS_ADDRESS" not in text:
        seen = "Ray's state is in the head's memory alone: a restart of Ray there ends every trial"
        mend = "Write before ray start: export RAY_gcs_storage=rocksdb RAY_gcs_storage_path=$HOME/.ray/gcs;"
        yield warning(document, (HEAD,), seen, mend)
    if file.provider == "local" and scales and "RAY_enable_autoscaler_v2=0" not in text:
        seen = "with Ray's second autoscaler the last of these machines never joins"
        mend = "Write before ray start: export RAY_enable_autoscaler_v2=0;"
        yield error(document, (HEAD,), seen, mend)


def _worker(file: LaunchFile) -> Findings:
    document, lines = file.document, commands(file, WORKER)
    start = _start(lines)
    if start is None:
        yield error(
            document, (WORKER,), "nothing starts a worker", "Write `ray start --address=$RAY_HEAD_IP:6379` there."
        )
        return
    yield from _stops_before(file, WORKER, lines)
    if "RAY_HEAD_IP" not in start:
        seen = "workers are not told where the head is"
        yield error(document, (WORKER,), seen, "Write ray start --address=$RAY_HEAD_IP:6379")


def _token(file: LaunchFile) -> Findings:
    document = file.document
    head, worker = (_TOKEN.search(_environment(file, key)) is not None for key in (HEAD, WORKER))
    host = _HOST.search(_start(commands(file, HEAD)) or "")
    public = host is not None and not is_loopback(host[1])
    if not head:
        mend = "Write before ray start, on head and workers: export RAY_AUTH_MODE=token;"
        if public and host is not None:
            seen = f"the dashboard listens on {host[1]} without a token: whoever reaches it runs code here"
            yield error(document, (HEAD,), seen, f"Write --dashboard-host=127.0.0.1. {mend}")
        else:
            seen = "Ray's processes ask each other for no token: whoever reaches a port of theirs runs code here"
            yield warning(document, (HEAD,), seen, mend)
        return
    scales = any(kind.most for kind in file.workers)
    if scales and not worker:
        mend = "Write before ray start: export RAY_AUTH_MODE=token;"
        yield error(document, (WORKER,), "workers show no token, and the head asks for one", mend)
    yield from _token_travels(file)


def _token_travels(file: LaunchFile) -> Iterator[Finding]:
    mounts = file.spec.get("file_mounts")
    targets = list(mounts) if isinstance(mounts, Mapping) else []
    text = " ".join(_environment(file, key) for key in (HEAD, WORKER))
    if "auth_token" in " ".join(map(str, targets)) or re.search(r"RAY_AUTH_TOKEN(_PATH)?=", text):
        return
    seen = "nodes ask for a token, and none is sent to them"
    yield error(file.document, ("file_mounts",), seen, "Write file_mounts: {~/.ray/auth_token: ~/.ray/auth_token}")


def _start(lines: list[str]) -> str | None:
    return next((line for line in lines if re.search(r"\bray start\b", line)), None)


def _stops_before(file: LaunchFile, key: str, lines: list[str]) -> Findings:
    before = " ; ".join(lines).split("ray start")[0]
    if "ray stop" not in before:
        seen = "nothing stops a Ray that still runs there, and then ray start fails"
        yield warning(file.document, (key,), seen, "Write `- ray stop` as the first command.")


def _environment(file: LaunchFile, key: str) -> str:
    """Start commands and set-up commands, either of which may export a variable."""
    setup = ("setup_commands", "head_setup_commands" if key == HEAD else "worker_setup_commands")
    return "\n".join(line for word in (key, *setup) for line in commands(file, word))
