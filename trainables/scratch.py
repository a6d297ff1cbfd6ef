"""A folder on this host's disk for what is on its way to an object store, or from there; it goes with the process.

Workers are often killed, so whoever makes a new one first removes those whose process is gone: each holds a lock on its
own, which the kernel takes back from the dead, in containers too.
"""

import atexit
import fcntl
import functools
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "a440-scratch-"
_LOCK = ".lock"


def scratch() -> Path:
    """This process's own, below TMPDIR; it is private, and the same at every call."""
    return _made(os.getpid())


@functools.cache
def _made(process: int) -> Path:
    """A folder of a process, for a forked child must not share its parent's."""
    _sweep(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)  # never closed: it is held until the process ends
    atexit.register(_remove_own, folder, process)
    return folder


def _sweep(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_uid == os.getuid() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    """Whether nobody holds its lock; one without a lock is just being made."""
    lock = os.open(folder / _LOCK, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True


def _remove_own(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)
