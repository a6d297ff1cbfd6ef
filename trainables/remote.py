"""A folder in an object store: a frozen value that travels to workers, and what is read and written in it.

Through pyarrow's filesystems, opened once per process and address. Objects appear whole or not at all, but there is no
rename, no append, no lock and no clock but the store's own.
"""

import functools
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from trainables import store_trouble
from trainables.uri import checked, child, scheme_of

CHUNK = 16 * 2**20
SETTINGS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "STORAGE_EMULATOR_HOST")
GS_S = 10  # Google's client would try for a quarter of an hour
FLAT = ("s3", "gs", "gcs")  # where folders are only parts of names, and need not be made
UNSEEN = ("gs", "gcs")  # where pyarrow knows those folders alone that it made itself, as objects of their own

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What lies in a folder: its path below it, its size in bytes (0 for a folder), when it was written, by the
    store's clock."""

    path: str
    is_folder: bool
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Remote:
    """A folder in an object store.

    Attributes:
        uri: its address.
        patience_s: how long an operation is tried again while the store cannot be reached.
        settings: the driver's variables that say where the store is, for hosts that do not have them; no secrets.
    """

    uri: str
    patience_s: float = 0.0
    settings: Mapping[str, str] = field(default_factory=dict, hash=False)

    @staticmethod
    def at(uri: str, patience_s: float = 0.0) -> "Remote":
        """The folder of an address, as this host's environment says where that is.

        Raises:
            ValueError: it is no such address.
        """
        here = {name: os.environ[name] for name in SETTINGS if "@" not in os.environ.get(name, "@")}
        return Remote(checked(uri), patience_s, here)

    def __str__(self) -> str:
        return self.uri

    def below(self, *names: str) -> "Remote":
        """A folder in this one."""
        return Remote(child(self.uri, *names), self.patience_s, self.settings)

    def read(self, path: str) -> bytes:
        """The bytes of a file; FileNotFoundError where it is not there."""
        return self._patiently(lambda: self._read(path))

    def write(self, path: str, data: bytes) -> None:
        """Puts a small file in place of what was there, whole or not at all."""
        self._patiently(lambda: self._write(path, data))

    def upload(self, source: Path, path: str) -> None:
        """Puts a file of any size there; one that was cut short by an error may stay behind."""
        self._patiently(lambda: self._upload(source, path))

    def download(self, path: str, target: Path) -> None:
        """Brings a file of any size here."""
        self._patiently(lambda: self._download(path, target))

    def entries(self, path: str = "", recursive: bool = False) -> list[Entry]:
        """What lies there, in the order of names; nothing where there is no such folder."""
        return self._patiently(lambda: self._entries(path, recursive))

    def remove(self, path: str) -> None:
        """Removes a file or a folder with all that is in it, if it is there."""
        self._patiently(lambda: self._remove(path))

    def _read(self, path: str) -> bytes:
        store, root = self._opened()
        with store.open_input_file(f"{root}/{path}") as file:
            return bytes(file.read())

    def _write(self, path: str, data: bytes) -> None:
        store, root = self._opened()
        self._make_room(store, f"{root}/{path}")
        with store.open_output_stream(f"{root}/{path}") as file:
            file.write(data)

    def _upload(self, source: Path, path: str) -> None:
        store, root = self._opened()
        self._make_room(store, f"{root}/{path}")
        with source.open("rb") as here, store.open_output_stream(f"{root}/{path}") as there:
            while chunk := here.read(CHUNK):
                there.write(chunk)

    def _download(self, path: str, target: Path) -> None:
        store, root = self._opened()
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open_input_file(f"{root}/{path}") as there, target.open("wb") as here:
            while chunk := there.read(CHUNK):
                here.write(chunk)

    def _entries(self, path: str, recursive: bool) -> list[Entry]:
        from pyarrow.fs import FileSelector, FileType

        store, root = self._opened()
        below = f"{root}/{path}".rstrip("/")
        unseen = scheme_of(self.uri) in UNSEEN
        found = store.get_file_info(FileSelector(below, recursive=recursive or unseen, allow_not_found=True))
        entries = [
            Entry(
                info.path[len(below) :].strip("/"),
                info.type == FileType.Directory,
                info.size or 0,
                info.mtime_ns or 0,
            )
            for info in found
        ]
        return sorted(entries if recursive or not unseen else _topmost(entries), key=lambda entry: entry.path)

    def _remove(self, path: str) -> None:
        from pyarrow.fs import FileType

        store, root = self._opened()
        place = f"{root}/{path}"
        match store.get_file_info(place).type:
            case FileType.Directory if scheme_of(self.uri) in UNSEEN:
                for entry in self._entries(path, recursive=True):
                    if not entry.is_folder:
                        store.delete_file(f"{place}/{entry.path}")
            case FileType.Directory:
                store.delete_dir(place)
            case FileType.File:
                store.delete_file(place)

    def _make_room(self, store: Any, place: str) -> None:
        if scheme_of(self.uri) not in FLAT:
            store.create_dir(place.rsplit("/", 1)[0], recursive=True)

    def _opened(self) -> tuple[Any, str]:
        for name, value in self.settings.items():
            os.environ.setdefault(name, value)
        return _filesystem(self.uri, tuple(os.environ.get(name) for name in SETTINGS))

    def _patiently(self, operation: Callable[[], T]) -> T:
        deadline, wait_s = time.monotonic() + self.patience_s, 0.5
        while True:
            try:
                return operation()
            except Exception as error:  # noqa: BLE001 - raised again, in one kind
                known = error if isinstance(error, OSError) else _as_oserror(error)
                if store_trouble.is_lasting(known) or time.monotonic() + wait_s > deadline:
                    raise known from known.__cause__
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, 8.0)


def _topmost(entries: Iterable[Entry]) -> list[Entry]:
    """What lies in a folder itself, of all that lies in it at any depth.

    >>> _topmost([Entry("a/b/c", False, 3, 7), Entry("a/d", False, 2, 9), Entry("e", False, 1, 8)])
    [Entry(path='a', is_folder=True, size=0, mtime_ns=9), Entry(path='e', is_folder=False, size=1, mtime_ns=8)]
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        name, below, _ = entry.path.partition("/")
        before = found.get(name)
        mtime_ns = max(entry.mtime_ns, before.mtime_ns if before else 0)
        found[name] = Entry(name, True, 0, mtime_ns) if below or entry.is_folder else entry
    return list(found.values())


def _as_oserror(error: Exception) -> OSError:
    """What a client raised in its own words, as what all others raise; anything else is a fault of ours."""
    if not type(error).__module__.startswith("pyarrow"):
        raise error
    return OSError(str(error))


@functools.lru_cache(maxsize=64)
def _filesystem(uri: str, settings: tuple[str | None, ...]) -> tuple[Any, str]:
    """pyarrow's filesystem and the path in it; opened anew where the environment says another place.

    Raises:
        ClosedError: it cannot be opened; the message has the mend.
    """
    from pyarrow.fs import FileSystem

    try:
        try:
            store, path = FileSystem.from_uri(_tuned(uri))
        except ValueError as error:
            if "allow_delayed_open" not in str(error):
                raise
            store, path = FileSystem.from_uri(uri)  # an older pyarrow, which asks thrice for every object
    except (ValueError, ImportError, NotImplementedError, OSError) as error:
        raise store_trouble.ClosedError(store_trouble.told(uri, error)) from error
    return store, path.rstrip("/")


def _tuned(uri: str) -> str:
    """The address with what its client does better."""
    extra = {"s3": "allow_delayed_open=true", "gs": f"retry_limit_seconds={GS_S}", "gcs": f"retry_limit_seconds={GS_S}"}
    setting = extra.get(scheme_of(uri))
    if setting is None or re.search(rf"[?&]{setting.split('=')[0]}=", uri):
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{setting}"
