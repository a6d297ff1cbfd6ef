"""Where a study's trials keep what they keep: checkpoints and logs, on a disk or in an object store."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from trainables.log import LARGEST
from trainables.remote import Remote
from trainables.scratch import scratch
from trainables.shelf import LocalShelf, RemoteShelf, Shelf

PATIENCE_S = 30.0  # that a worker tries again while its store is away: longer than a fail-over, shorter than an epoch
SHIP_S = 30.0  # between two uploads of a log


class Store(Protocol):
    """A study's trials, as one worker sees them.

    Attributes:
        mend: what to do where a checkpoint could not be written.
        write_s: what the last one took.
    """

    mend: str
    write_s: float

    def shelf(self, trial: str) -> Shelf:
        """A trial's checkpoints."""

    def log(self, trial: str) -> Path:
        """The file that takes what a trial prints."""

    def ship(self, trial: str, at_once: bool) -> None:
        """Brings what was printed to where it is kept, now or when it is time to."""

    def leave(self, trial: str) -> None:
        """This worker is through with a trial's leg."""


def store_of(place: "Path | Remote | Store") -> Store:
    """The store of a study, by its folder."""
    if isinstance(place, LocalStore | RemoteStore):
        return place
    return RemoteStore(place) if isinstance(place, Remote) else LocalStore(Path(str(place)))


class LocalStore:
    """A folder that is written to directly.

    Args:
        folder: of the study, as this host sees it.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self.mend, self.write_s = f"Free space in {folder}", 0.0

    def shelf(self, trial: str) -> Shelf:
        return LocalShelf(self._folder / "trials" / trial / "checkpoints")

    def log(self, trial: str) -> Path:
        return self._folder / "trials" / trial / "log.txt"

    def ship(self, trial: str, at_once: bool) -> None:
        """It is there."""

    def leave(self, trial: str) -> None:
        """There is nothing to clear away."""


class RemoteStore:
    """A folder in an object store, by way of this process's scratch.

    Args:
        home: of the study.
    """

    def __init__(self, home: Remote):
        self._home = Remote(home.uri, PATIENCE_S, home.settings)
        self._impatient = Remote(home.uri, 0.0, home.settings)
        self.mend, self.write_s = f"See that {home} can be reached and written", 0.0
        self._earlier: dict[str, bytes] = {}
        self._shipped: dict[str, tuple[int, float]] = {}
        self._at_work: set[str] = set()

    def shelf(self, trial: str) -> Shelf:
        return RemoteShelf(self._home.below("trials", trial, "checkpoints"), self._place(trial) / "checkpoints")

    def log(self, trial: str) -> Path:
        self._at_work.add(trial)
        return self._place(trial) / "log.txt"

    def ship(self, trial: str, at_once: bool) -> None:
        """Puts the end of the log there, behind what earlier legs printed; a store that is away costs the log only."""
        path = self.log(trial)
        size, at = self._shipped.get(trial, (0, time.monotonic()))
        self._shipped.setdefault(trial, (size, at))
        if not at_once and time.monotonic() - at < SHIP_S:
            return
        with suppress(OSError):
            now = path.stat().st_size
            if now != size:
                self._put_log(trial, path)
                self._shipped[trial] = (now, time.monotonic())

    def leave(self, trial: str) -> None:
        self._at_work.discard(trial)
        done = self._place(trial) if self._at_work else scratch() / "trials"  # with what was fetched of other trials
        shutil.rmtree(done, ignore_errors=True)
        self._earlier.pop(trial, None)
        self._shipped.pop(trial, None)

    def _put_log(self, trial: str, path: Path) -> None:
        name = f"trials/{trial}/log.txt"
        if trial not in self._earlier:
            self._earlier[trial] = b""
            with suppress(FileNotFoundError):
                self._earlier[trial] = self._impatient.read(name)
        turned = path.with_suffix(".1.txt")
        parts = [self._earlier[trial], turned.read_bytes() if turned.exists() else b"", path.read_bytes()]
        self._impatient.write(name, b"".join(parts)[-LARGEST:])

    def _place(self, trial: str) -> Path:
        return scratch() / "trials" / trial
