"""What a machine of a cluster says of itself, and what is wrong with it beside the others."""

import os
import platform
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cluster.amounts import GIB
from cluster.auth_token import token_file

PACKAGES = ("ray", "a440", "torch", "pandas", "pyarrow")
FREE_GIB, SHM_GIB = 5.0, 0.5
CLOCK_S, DNS_S = 2.0, 1.0
FILES = 8192


@dataclass(frozen=True, slots=True)
class Checkup:
    """What one machine says of itself.

    Attributes:
        versions: of Python and packages; None where one is missing.
        at: seconds since 1970 on its clock, when it answered.
        free_gib: of the disk that Ray writes to; `shm_gib` of shared memory.
        dns_s: how long it takes to look up its own name.
        token: None where it has no token file, else its mode.
        files: how many files a process may open.
    """

    versions: Mapping[str, str | None]
    at: float
    free_gib: float
    shm_gib: float
    dns_s: float
    token: int | None
    files: int


def examine() -> Checkup:
    """A checkup of this machine."""
    shm = Path("/dev/shm")  # noqa: S108
    return Checkup(
        {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
        time.time(),
        shutil.disk_usage(tempfile.gettempdir()).free / GIB,
        shutil.disk_usage(shm).free / GIB if shm.is_dir() else 0.0,
        _lookup_s(),
        _mode(token_file(os.environ)),
        _open_files(),
    )


def findings(node: str, there: Checkup, here: Checkup, asked_s: float) -> list[str]:
    """What is wrong with a machine, two sentences each.

    Args:
        node: its name.
        there: what it said.
        here: what the driver's machine says.
        asked_s: how long the answer took; its clock is not known better than that.
    """
    found = []
    for name, ours in here.versions.items():
        theirs = there.versions.get(name)
        if theirs != ours:
            mend = f"pip install '{name}=={ours}'" if name != "python" else f"uv venv --python {ours}"
            found.append(f"{node} has {name} {theirs or 'not at all'}, and the driver {ours}. On it: {mend}")
    behind = there.at - here.at
    if abs(behind) > CLOCK_S + asked_s:
        way = "ahead of" if behind > 0 else "behind"
        found.append(f"{node}'s clock is {abs(behind):.0f} s {way} the driver's. On it: sudo timedatectl set-ntp true")
    if there.free_gib < FREE_GIB:
        found.append(f"{node} has {there.free_gib:.1f} GiB of disk left. Free some, or start Ray with --temp-dir=DIR")
    if there.shm_gib < SHM_GIB:
        found.append(
            f"{node} has {there.shm_gib:.2f} GiB of shared memory, and Ray's objects go to disk. "
            f"In Docker: --shm-size=8g"
        )
    if there.dns_s > DNS_S:
        found.append(
            f"{node} takes {there.dns_s:.1f} s to look up its own name, and Ray does so often. "
            f"Add it to /etc/hosts there, or mend /etc/resolv.conf"
        )
    if there.token is not None and there.token & 0o077:
        found.append(f"{node}'s token file can be read by others. On it: chmod 600 ~/.ray/auth_token")
    if there.files < FILES:
        found.append(f"a process on {node} may open {there.files} files. Before ray start: ulimit -n 65536")
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _lookup_s() -> float:
    began = time.monotonic()
    with suppress(OSError):
        socket.gethostbyname(socket.gethostname())
    return time.monotonic() - began


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _open_files() -> int:
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return most if most != resource.RLIM_INFINITY else 2**31
