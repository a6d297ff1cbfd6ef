"""Where a trial's checkpoints are: on a disk that is written to directly, or in an object store by way of scratch.

In a store there is no renaming, so the manifest goes last: a checkpoint whose manifest is not there, or whose files are
not those that it names, is passed over like any other that is damaged.
"""

import json
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from trainables import checkpoint
from trainables.checkpoint import MANIFEST, epoch_of, folder_name
from trainables.remote import Remote

Found = tuple[int, Path | None, list[str]]


class Shelf(Protocol):
    """The checkpoints of one trial."""

    def write(self, epoch: int, save: Callable[[Path], None]) -> None:
        """Writes the checkpoint of an epoch; when it returns, that is where it will be looked for."""

    def epochs(self) -> list[int]:
        """The epochs that have a checkpoint, good or bad, newest first."""

    def newest(self, upto: int, after: int = 0) -> Found:
        """The newest whole checkpoint with `after < epoch <= upto`: epoch, folder here, what was passed over."""

    def next_whole(self, after: int) -> tuple[int, Path | None]:
        """The earliest whole checkpoint later than an epoch."""

    def prune(self, keep: Collection[int]) -> None:
        """Removes the checkpoints of all other epochs."""

    def tidy(self, upto: int) -> None:
        """Removes what an earlier process left: drafts, and epochs after `upto`, which nobody knows of."""


@dataclass(frozen=True)
class LocalShelf:
    """Checkpoints on a disk of this host, or one that all hosts share.

    Attributes:
        root: their folder.
    """

    root: Path

    def write(self, epoch: int, save: Callable[[Path], None]) -> None:
        checkpoint.write(self.root, epoch, save)

    def epochs(self) -> list[int]:
        return checkpoint.epochs(self.root)

    def newest(self, upto: int, after: int = 0) -> Found:
        return checkpoint.newest(self.root, upto, after)

    def next_whole(self, after: int) -> tuple[int, Path | None]:
        later = [epoch for epoch in reversed(self.epochs()) if epoch > after]
        whole = (epoch for epoch in later if checkpoint.damage(self.root / folder_name(epoch)) is None)
        found = next(whole, 0)
        return found, self.root / folder_name(found) if found else None

    def prune(self, keep: Collection[int]) -> None:
        checkpoint.prune(self.root, keep)

    def tidy(self, upto: int) -> None:
        checkpoint.tidy(self.root, upto)


@dataclass(frozen=True)
class RemoteShelf:
    """Checkpoints in an object store.

    Attributes:
        home: their folder there.
        root: a folder here for those that are on their way; the newest stays, in case it is wanted again.
    """

    home: Remote
    root: Path

    def write(self, epoch: int, save: Callable[[Path], None]) -> None:
        folder = checkpoint.write(self.root, epoch, save)
        checkpoint.prune(self.root, [epoch])
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if path.is_file() and name != MANIFEST:
                self.home.upload(path, f"{folder.name}/{name}")
        self.home.write(f"{folder.name}/{MANIFEST}", (folder / MANIFEST).read_bytes())

    def epochs(self) -> list[int]:
        found = (epoch_of(entry.path) for entry in self.home.entries() if entry.is_folder)
        return sorted((epoch for epoch in found if epoch is not None), reverse=True)

    def newest(self, upto: int, after: int = 0) -> Found:
        passed: list[str] = []
        for epoch in self.epochs():
            if after < epoch <= upto:
                wrong = self.fetch(epoch)
                if wrong is None:
                    return epoch, self.root / folder_name(epoch), passed
                passed.append(f"{folder_name(epoch)}: {wrong}")
        return after, None, passed

    def next_whole(self, after: int) -> tuple[int, Path | None]:
        later = [epoch for epoch in reversed(self.epochs()) if epoch > after]
        found = next((epoch for epoch in later if self.fetch(epoch) is None), 0)
        return found, self.root / folder_name(found) if found else None

    def prune(self, keep: Collection[int]) -> None:
        for epoch in self.epochs():
            if epoch not in keep:
                self.home.remove(folder_name(epoch))

    def tidy(self, upto: int) -> None:
        checkpoint.tidy(self.root, upto)
        self.prune([epoch for epoch in self.epochs() if epoch <= upto])

    def fetch(self, epoch: int) -> str | None:
        """Brings a checkpoint here, unless it is here already; answers what is wrong with it."""
        folder = self.root / folder_name(epoch)
        try:
            manifest = self.home.read(f"{folder.name}/{MANIFEST}")
        except FileNotFoundError:
            return f"{MANIFEST} is missing"
        held = (folder / MANIFEST).is_file() and (folder / MANIFEST).read_bytes() == manifest
        if held and checkpoint.damage(folder) is None:
            return None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in _named(manifest):
            if not _is_inside(name):
                return f"its manifest names {name!r}, which is not in it"
            try:
                self.home.download(f"{folder.name}/{name}", folder / name)
            except FileNotFoundError:
                (folder / name).unlink(missing_ok=True)
                return f"{PurePosixPath(name).name} is missing"
        (folder / MANIFEST).write_bytes(manifest)
        return checkpoint.damage(folder)


def _named(manifest: bytes) -> list[str]:
    """The files that a manifest names; none where it is garbage, which is told when it is read."""
    try:
        return [str(name) for name in json.loads(manifest)["files"]]
    except (ValueError, KeyError, TypeError):
        return []


def _is_inside(name: str) -> bool:
    """Whether a name from a store stays in the folder that it is brought to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and bool(path.parts) and ".." not in path.parts and name != MANIFEST
