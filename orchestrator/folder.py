"""A study's folder on this host: what is in it, and who may write there.

    runs/digits-20261122-1430/
      study.yaml  ledger/  trials/t00001/checkpoints/  tables/  lease.json

The home of a study in an object store looks the same; `home.py` tells it from the folder here.

One driver writes at a time. On one host the kernel's lock decides, which a dead process cannot hold;
between hosts that share a folder, a heartbeat does.
"""

import contextlib
import fcntl
import itertools
import json
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

from orchestrator.home import address_of, new_working_copy, remote_of
from trainables.remote import Remote
from trainables.uri import checked, is_uri

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")
BEAT_S = 5.0
STALE_S = 60.0


class BusyError(RuntimeError):
    """Another driver holds the study."""


class StorageError(RuntimeError):
    """The disk refuses the ledger: what was written is safe, and the study can be resumed."""


class DriverError(RuntimeError):
    """A driver failed in the middle of a study, which can be resumed."""


def check_name(name: str) -> str:
    """A study's name; raises ValueError where it could not be a folder's."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", str(name)).strip(".-")[:64] or "study"
        raise ValueError(
            f"the study's name is {str(name)[:80]!r}. "
            f"Use up to 64 letters, digits, '.', '_' and '-', not starting with a dot: name: {slug}"
        )
    return name


def new_folder(storage: str | os.PathLike[str], name: str) -> Path:
    """Makes the folder of a new study, named by `name` and the time, and probes that it can be written.

    Raises:
        ValueError: the storage's scheme is unknown, or it cannot be written.
    """
    root = root_of(storage)
    if isinstance(root, Remote):
        return new_working_copy(root, name)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        for attempt in itertools.count(1):
            folder = root / (f"{name}-{stamp}" if attempt == 1 else f"{name}-{stamp}-{attempt}")
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                (folder / "ledger").mkdir()
                break
    except OSError as error:
        raise _unwritable(root, error) from None
    probe(folder)
    return folder


def root_of(storage: str | os.PathLike[str]) -> Path | Remote:
    """Where studies are made: a folder, which is made where it is missing, or one in an object store."""
    root = resolve(storage)
    if isinstance(root, str):
        return remote_of(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(root, error) from None
    return root


def _unwritable(root: Path, error: OSError) -> ValueError:
    return ValueError(f"storage {root} cannot be written ({error.strerror}). Choose: storage: ~/runs")


def resolve(storage: str | os.PathLike[str]) -> Path | str:
    """The storage as an absolute path, or as an address; raises ValueError for one that cannot be."""
    if not isinstance(storage, str | os.PathLike):
        raise TypeError(f"storage is {storage!r} ({type(storage).__name__}). Give a path: storage='runs'")
    text = os.fspath(storage)
    if is_uri(text):
        return checked(text)
    return Path(text.removeprefix("file://")).expanduser().resolve()


def probe(folder: Path) -> None:
    """Writes, forces to disk, renames and removes a small file; raises ValueError where that fails."""
    draft, final = folder / ".probe-draft", folder / ".probe"
    try:
        with draft.open("wb") as file:
            file.write(b"a440")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(final)
        final.unlink()
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error.strerror}). Free space or choose another storage."
        ) from None


class Lease:
    """The right to write in a study's folder, held until `release`.

    Raises:
        BusyError: another driver holds it; the message has its pid, host and the age of its heartbeat.
    """

    def __init__(self, folder: Path):
        self._path = folder / "lease.json"
        self._lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        self.lost = False
        holder = _holder(self._path)
        elsewhere = holder.get("host") not in (None, socket.gethostname()) and _age(self._path) < STALE_S
        if elsewhere or not _locked(self._lock):
            os.close(self._lock)
            raise BusyError(_told(folder, _holder(self._path)))
        self.taken_over = holder or None
        self._released = threading.Event()
        self._beat()
        self._thread = threading.Thread(target=self._beat_often, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Gives the right back."""
        self._released.set()
        self._thread.join(timeout=BEAT_S)
        if self._is_ours():
            self._path.unlink()
        os.close(self._lock)

    def _beat_often(self) -> None:
        while not self._released.wait(BEAT_S):
            if self._path.exists() and not self._is_ours():  # we slept too long, and another host took over
                self.lost = True
                return
            with contextlib.suppress(OSError):  # a full disk is the ledger's to tell
                self._beat()

    def _is_ours(self) -> bool:
        holder = _holder(self._path)
        return holder.get("pid") == os.getpid() and holder.get("host") == socket.gethostname()

    def _beat(self) -> None:
        draft = self._path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "beat": time.time()}))
        draft.replace(self._path)


def _locked(lock: int) -> bool:
    """Takes the kernel's lock; somebody who only looks holds it for a moment, so it is tried for a while."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.025)
        except OSError:
            return True  # a file system without locks: the heartbeat alone decides
    return False


def is_held(folder: Path) -> bool:
    """Whether a driver is at work in a folder, as far as can be told from here."""
    holder = _holder(folder / "lease.json")
    if holder.get("host") != socket.gethostname():
        return bool(holder) and _age(folder / "lease.json") < STALE_S
    try:
        lock = os.open(folder / ".lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return _age(folder / "lease.json") < STALE_S
    finally:
        os.close(lock)
    return False


def _holder(path: Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_text())
        return holder if isinstance(holder, dict) else {}
    except (OSError, ValueError):
        return {}


def _age(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return float("inf")


def _told(folder: Path, holder: dict[str, Any]) -> str:
    age_s = _age(folder / "lease.json")
    return (
        f"{address_of(folder)} is being written by another driver: "
        f"pid {holder.get('pid', '?')} on {holder.get('host', '?')}, heartbeat {age_s:.0f} s ago. "
        f"Wait for it, or end it: kill {holder.get('pid', 'PID')}"
    )
