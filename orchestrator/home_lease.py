"""The right to write into a study's home, between drivers on different hosts.

Object stores have no locks. A driver writes its name, waits a moment and reads back who has it: of two that come in the
same moment one finds the other's name. It cannot exclude that a driver which was cut off for longer than a lease lasts
writes once more when it is back, before it looks at the lease again; `working_copy` finds that two ledgers have gone on
differently, and keeps both.
"""

import json
import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from orchestrator.folder import STALE_S, BusyError
from trainables.remote import Remote

NAME = "lease.json"
SETTLE_S = 1.0  # for two that come in the same moment
BEAT_S = 15.0  # a put each; four of them fit into a lease


class HomeLease:
    """A lease on a study's home, which its holder renews by `beat`.

    Args:
        home: of the study.
        folder: its working copy, whose own lease the caller holds: what another process on this host with this copy
            has left is nobody's any more.

    Raises:
        BusyError: another driver holds it; the message has its pid, host and the age of its heartbeat.
        OSError: the store cannot be reached.
    """

    def __init__(self, home: Remote, folder: Path):
        self._home, self._folder, self._token = home, str(folder.resolve()), uuid.uuid4().hex
        self.lost = False
        holder = holder_of(home)
        if holder and not _is_left(holder, folder) and (age := _age_s(home)) < STALE_S:
            raise BusyError(_told(home, holder, age))
        self.taken_over = holder or None
        self._write()
        time.sleep(SETTLE_S)
        if not self._is_ours():
            raise BusyError(_told(home, holder_of(home), 0.0))
        self._beat_at = time.monotonic()

    def beat(self) -> None:
        """Renews the lease when it is time to; finds that it is lost where another driver has taken it."""
        if self.lost or time.monotonic() - self._beat_at < BEAT_S:
            return
        holder = holder_of(self._home)
        if holder and holder.get("token") != self._token:
            self.lost = True
            return
        self._write()
        self._beat_at = time.monotonic()

    def release(self) -> None:
        """Gives the right back.

        Raises:
            OSError: the store cannot be reached; the lease runs out by itself.
        """
        if not self.lost and self._is_ours():
            self._home.remove(NAME)

    def _is_ours(self) -> bool:
        return holder_of(self._home).get("token") == self._token

    def _write(self) -> None:
        said = {"token": self._token, "pid": os.getpid(), "host": socket.gethostname(), "folder": self._folder}
        self._home.write(NAME, json.dumps(said).encode())


def holder_of(home: Remote) -> dict[str, Any]:
    """Who has the lease on a home; empty where nobody has."""
    try:
        holder = json.loads(home.read(NAME))
        return holder if isinstance(holder, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def is_leased(home: Remote, folder: Path) -> bool:
    """Whether a driver elsewhere than in `folder` is at work, as far as can be told from here."""
    holder = holder_of(home)
    return bool(holder) and not _is_left(holder, folder) and time.time() - _renewed_ns(home) / 1e9 < STALE_S


def _is_left(holder: dict[str, Any], folder: Path) -> bool:
    """Whether it is of a process that worked in this copy, and does not any more, for its lock is ours or free."""
    return holder.get("host") == socket.gethostname() and holder.get("folder") == str(folder.resolve())


def _renewed_ns(home: Remote) -> int:
    return next((entry.mtime_ns for entry in home.entries() if entry.path == NAME), 0)


def _age_s(home: Remote) -> float:
    """Seconds since the lease was renewed, by the store's own clock: hosts' clocks may differ."""
    renewed_ns = _renewed_ns(home)
    probe = f".clock-{uuid.uuid4().hex[:12]}"
    home.write(probe, b"")
    now_ns = next((entry.mtime_ns for entry in home.entries() if entry.path == probe), 0)
    home.remove(probe)
    return max(0.0, (now_ns - renewed_ns) / 1e9)


def _told(home: Remote, holder: dict[str, Any], age_s: float) -> str:
    pid, host = holder.get("pid", "?"), holder.get("host", "?")
    return (
        f"{home} is being written by another driver: pid {pid} on {host}, heartbeat {age_s:.0f} s ago. "
        f"Wait for it (a lease lasts {STALE_S:.0f} s), or end it: ssh {host} kill {pid}"
    )
