"""What a driver writes into a working copy, brought to the study's home by a thread of its own.

At most UPLOAD_S after it was written, within about a second where a trial has ended, and at once at the end. Objects
cannot be appended to, so the ledger's newest segment goes whole each time; it is kept small for that. A reader of the
home never finds a manifest that names more than is there: it is read before the segments and put after them.

A store that is slow or away never slows the driver: it is told once, and tried again ever more slowly.
"""

import threading
import time
from collections import deque
from pathlib import Path

from orchestrator.home_lease import HomeLease
from orchestrator.working_copy import uploaded
from trainables import store_trouble
from trainables.remote import Remote

UPLOAD_S = 5.0
HURRY_S = 0.5  # gathers what comes together
LONGEST_WAIT_S = 30.0
LAST_S = 30.0  # to go on trying at the end
SEGMENT_BYTES = 256 * 2**10  # of a ledger that is mirrored

_MANIFEST = "ledger/manifest.json"


class Mirror:
    """The uploads of one driver.

    Args:
        folder: a working copy.
        home: its home.
        lease: on that home; renewed here, and nothing is uploaded once it is lost.

    Attributes:
        news: what the driver is to note, one sentence each.
    """

    def __init__(self, folder: Path, home: Remote, lease: HomeLease):
        self._folder, self._home, self._lease = folder, home, lease
        self._there: dict[str, tuple[int, int]] = {
            f"ledger/{name}": _state(folder / "ledger" / name) for name in uploaded(folder)
        }
        self._manifest: bytes | None = None
        self.news: deque[str] = deque()
        self._trouble: str | None = None
        self._wanted, self._closing = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._upload_often, name="mirror", daemon=True)
        self._thread.start()

    def hurry(self) -> None:
        """Something was written that must not be lost."""
        self._wanted.set()

    def close(self) -> str | None:
        """Uploads what is left; answers what is to be told where that was not possible."""
        self._closing.set()
        self._wanted.set()
        self._thread.join(timeout=LAST_S)
        deadline, wait_s = time.monotonic() + LAST_S, 1.0
        while not self._thread.is_alive() and not self._try():
            if time.monotonic() + wait_s > deadline or self._lease.lost:
                break
            time.sleep(wait_s)
            wait_s *= 2
        if not self._thread.is_alive() and self._trouble is None and not self._lease.lost:
            return None
        why = "another driver has taken the study over" if self._lease.lost else self._trouble or "the store hangs"
        return (
            f"what was written last did not reach {self._home} ({why}). "
            f"It is in {self._folder}; bring it there when the store can be reached: a440 resume {self._home}"
        )

    def _upload_often(self) -> None:
        wait_s = UPLOAD_S
        while not self._closing.is_set():
            if self._wanted.wait(timeout=wait_s) and self._trouble is None:
                self._closing.wait(timeout=HURRY_S)
            elif self._trouble is not None:
                self._closing.wait(timeout=wait_s)
            self._wanted.clear()
            if self._closing.is_set():
                return
            longer_s = min(1.0 if wait_s == UPLOAD_S else 2 * wait_s, LONGEST_WAIT_S)
            wait_s = UPLOAD_S if self._try() else longer_s

    def _try(self) -> bool:
        """One pass; the answer says whether the store took it all."""
        try:
            self._lease.beat()
            if self._lease.lost:
                return True
            self._upload()
        except Exception as error:  # noqa: BLE001 - whatever it is, the study goes on
            if self._trouble is None:
                self.news.append(
                    f"{store_trouble.told(self._home.uri, error)} The study goes on, and what it writes is kept in "
                    f"{self._folder} meanwhile."
                )
            self._trouble = str(error)
            return False
        self._trouble = None
        return True

    def _upload(self) -> None:
        manifest = _bytes(self._folder / _MANIFEST)
        for path in sorted((self._folder / "ledger").glob("*.jsonl")):
            self._put(path)
        self._put(self._folder / "ledger" / "quarantine.txt")
        if manifest is not None and manifest != self._manifest:
            self._home.write(_MANIFEST, manifest)
            self._manifest = manifest
        for path in (self._folder / "study.yaml", *sorted((self._folder / "tables").glob("[!.]*"))):
            self._put(path)

    def _put(self, path: Path) -> None:
        """Uploads a file if it has changed; one that is written to meanwhile is uploaded again the next time."""
        name = path.relative_to(self._folder).as_posix()
        state = _state(path) if path.exists() else None
        if state is not None and self._there.get(name) != state:
            self._home.write(name, path.read_bytes())
            self._there[name] = state


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
