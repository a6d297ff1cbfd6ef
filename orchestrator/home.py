"""Where a study lies: a folder, or a home in an object store with a working copy on this host.

    s3://bucket/runs/digits-20261122-143000            its home: the same files as a local study's folder
    ~/.cache/a440/3f9c0d1e2b4a/digits-20261122-143000  the working copy, which knows its home by the file .home

Whoever works on a study works in a folder; a working copy is one, so nothing else needs to know of homes but what
brings files here (`working_copy.py`), brings them there (`mirror.py`), or tells people where a study is (`address_of`).
"""

import hashlib
import itertools
import os
import shutil
import time
import uuid
from pathlib import Path

from trainables import store_trouble
from trainables.remote import SETTINGS, Remote
from trainables.uri import checked, is_uri, name_of, parent

MARK = ".home"


def remote_of(place: str | os.PathLike[str]) -> Remote:
    """The object store of an address, as this host's environment says where it is."""
    return Remote.at(str(place))


def working_copy(uri: str) -> Path:
    """The folder on this host for a study's home; the same for the same address. It is made where it is missing."""
    uri = checked(uri)
    where = "\n".join([parent(uri), *(os.environ.get(name, "") for name in SETTINGS if "ENDPOINT" in name)])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "a440"
    folder = cache / hashlib.sha256(where.encode()).hexdigest()[:12] / name_of(uri)
    try:
        for level in (cache, folder.parent, folder):
            level.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home_of(folder) is None:
            draft = folder / f"{MARK}-{uuid.uuid4().hex[:8]}"
            draft.write_text(uri, encoding="utf-8")
            draft.replace(folder / MARK)
    except OSError as error:
        raise ValueError(
            f"the working copy of {uri} cannot be made at {folder} ({error.strerror}). "
            f"Choose another place for such: export XDG_CACHE_HOME=/path/with/room"
        ) from None
    return folder


def home_of(folder: Path) -> Remote | None:
    """The home of a working copy; None for a study that lies where it is worked on."""
    try:
        return remote_of((folder / MARK).read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError):
        return None


def address_of(folder: Path) -> str:
    """What people call a study's folder, and give to `a440 resume`: its path, or the address of its home."""
    home = home_of(folder)
    return str(folder) if home is None else home.uri


def forget(folder: Path) -> None:
    """Removes a working copy that was made for an address without a study, and that no driver has begun to fill."""
    if home_of(folder) is not None and not (folder / "ledger").exists() and not (folder / ".lock").exists():
        shutil.rmtree(folder, ignore_errors=True)


def parent_of(folder: Path) -> Path | str:
    """Where a study's folder or home lies, and others like it."""
    home = home_of(folder)
    return folder.resolve().parent if home is None else parent(home.uri)


def absolute(folder: Path) -> str:
    """A name for a study that holds from everywhere: its full path, or the address of its home."""
    return str(folder.resolve()) if home_of(folder) is None else address_of(folder)


def local(place: str | os.PathLike[str]) -> Path:
    """The folder on this host of a study, by its path or address; what is in it may not be the newest."""
    if is_uri(os.fspath(place)):
        return working_copy(os.fspath(place))
    return Path(place).expanduser()


def new_working_copy(storage: Remote, name: str) -> Path:
    """The working copy of a new study, whose home is named by `name` and the time.

    Raises:
        ValueError: the store cannot be used.
    """
    stamp = time.strftime("%Y%m%d-%H%M%S")
    try:
        taken = {entry.path for entry in storage.entries()}
    except OSError as error:
        raise ValueError(store_trouble.told(storage.uri, error)) from error
    for attempt in itertools.count(1):
        own = f"{name}-{stamp}" if attempt == 1 else f"{name}-{stamp}-{attempt}"
        folder = working_copy(storage.below(own).uri)
        if own not in taken and not (folder / "ledger").exists():
            break
    (folder / "ledger").mkdir()
    return folder


def probe(storage: str) -> None:
    """Writes, reads, lists and removes a small object; raises ValueError, with the mend, where that fails."""
    remote, name = remote_of(storage), f".probe-{uuid.uuid4().hex[:12]}"
    try:
        remote.write(name, name.encode())
        whole = remote.read(name) == name.encode() and name in [entry.path for entry in remote.entries()]
        remote.remove(name)
    except (OSError, ValueError) as error:
        raise ValueError(store_trouble.told(remote.uri, error)) from error
    if not whole:
        raise ValueError(
            f"{remote} does not give back what was written to it. Choose another: storage: s3://bucket/runs"
        )


def homes(root: str) -> list[str]:
    """The addresses of the studies below one, the newest ledger first.

    Raises:
        ConnectionError: the store cannot be read; the message has the mend.
    """
    remote = remote_of(root)
    try:
        found = {}
        for entry in remote.entries():
            if entry.is_folder and (segments := remote.entries(f"{entry.path}/ledger")):
                found[remote.below(entry.path).uri] = max(segment.mtime_ns for segment in segments)
    except OSError as error:
        raise ConnectionError(store_trouble.told(remote.uri, error)) from error
    return sorted(found, key=lambda uri: found[uri], reverse=True)
