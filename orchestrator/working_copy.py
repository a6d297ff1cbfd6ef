"""The working copy of a study, brought up to date from its home: the small files, and of those what has changed.

A ledger is only ever continued, so of two copies one begins the other, and the longer one counts: the home's after work
on another host, this one's after a driver that was killed before its last upload. Where neither begins the other, two
drivers have written at the same time; then the home counts, and what is here is set aside.
"""

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.folder import is_held
from orchestrator.home import home_of
from trainables import store_trouble
from trainables.remote import Entry, Remote

SEEN = ".seen.json"
OURS = re.compile(r"study\.yaml|report\.html|ledger/([0-9]+\.jsonl|manifest\.json|quarantine\.txt)|tables/\w+\.parquet")


def refresh(folder: Path, *, ours: bool = False) -> list[str]:
    """Brings a working copy up to date; answers what is to be told, one sentence each.

    Where a driver is at work in it, it is newer than the home, and stays as it is.

    Args:
        folder: a working copy; any other folder is left alone.
        ours: whether the caller is that driver.

    Raises:
        ConnectionError: the home cannot be read; the message has the mend.
    """
    home = home_of(folder)
    if home is None:
        return []
    with _alone(folder):
        if not ours and is_held(folder):
            return []
        try:
            return _Refresh(folder, home).run()
        except OSError as error:
            raise ConnectionError(store_trouble.told(home.uri, error)) from error


def uploaded(folder: Path) -> set[str]:
    """The segments of the ledger that are in the home as they are here, by the last `refresh`."""
    seen = _read_seen(folder)
    paths = sorted((folder / "ledger").glob("*.jsonl"))
    return {path.name for path in paths if seen.get(f"ledger/{path.name}", [None])[0] == path.stat().st_size}


@dataclass
class _Refresh:
    """One pass over a home's small files."""

    folder: Path
    home: Remote
    fetched: dict[str, bytes] = field(default_factory=dict)

    def run(self) -> list[str]:
        there = self._there()
        seen = _read_seen(self.folder)
        for path, entry in there.items():
            if seen.get(path) != [entry.size, entry.mtime_ns] or self._lacks(path, entry):
                self.fetched[path] = self.home.read(path)
        ahead_here, ahead_there, apart = self._compare(there)
        told = []
        if apart or (ahead_here and ahead_there):
            told.append(self._set_aside())
            self.fetched |= {path: self.home.read(path) for path in there if path not in self.fetched}
        elif ahead_here:
            told.append(
                f"{self.folder.name}: {sum(ahead_here.values())} bytes of the ledger were here and not in {self.home}, "
                f"for its driver ended before its last upload; they count."
            )
            self.fetched = {}
        for path, data in sorted(self.fetched.items(), key=lambda item: (item[0].endswith("manifest.json"), item[0])):
            _put(self.folder / path, data)
        _put(self.folder / SEEN, json.dumps({p: [e.size, e.mtime_ns] for p, e in there.items()}).encode())
        return told

    def _there(self) -> dict[str, Entry]:
        """The home's small files by path."""
        found = {entry.path: entry for entry in self.home.entries()}
        for inner in ("ledger", "tables"):
            found |= {f"{inner}/{entry.path}": entry for entry in self.home.entries(inner)}
        return {path: entry for path, entry in found.items() if OURS.fullmatch(path) and not entry.is_folder}

    def _lacks(self, path: str, entry: Entry) -> bool:
        here = self.folder / path
        return not here.exists() or (_is_segment(path) and here.stat().st_size < entry.size)

    def _compare(self, there: dict[str, Entry]) -> tuple[dict[str, int], dict[str, int], bool]:
        """Bytes per segment by which this copy is ahead, by which the home is, and whether they are two ledgers."""
        ahead_here, ahead_there, apart = {}, {}, False
        names = {path for path in there if _is_segment(path)}
        names |= {f"ledger/{path.name}" for path in (self.folder / "ledger").glob("*.jsonl")}
        for path in sorted(names):
            here = _bytes(self.folder / path)
            theirs = self.fetched.get(path)
            if theirs is None:  # known from before, or not there
                theirs = here[: there[path].size] if path in there else b""
            apart = apart or not (here.startswith(theirs) or theirs.startswith(here))
            if len(here) > len(theirs):
                ahead_here[path] = len(here) - len(theirs)
            elif len(theirs) > len(here):
                ahead_there[path] = len(theirs) - len(here)
        return ahead_here, ahead_there, apart

    def _set_aside(self) -> str:
        aside = self.folder / f"set-aside-{time.strftime('%Y%m%d-%H%M%S')}"
        (self.folder / "ledger").rename(aside)
        (self.folder / "ledger").mkdir()
        return (
            f"{self.folder.name}: the ledger here and that in {self.home} go on differently, for two drivers have "
            f"written at the same time; the home's counts, and the other one is kept in {aside}."
        )


def _is_segment(path: str) -> bool:
    return path.startswith("ledger/") and path.endswith(".jsonl")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(path)


def _read_seen(folder: Path) -> dict[str, list[int]]:
    try:
        seen = json.loads((folder / SEEN).read_text())
        return seen if isinstance(seen, dict) else {}
    except (OSError, ValueError):
        return {}


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time brings a working copy up to date."""
    lock = os.open(folder / ".fetch", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
