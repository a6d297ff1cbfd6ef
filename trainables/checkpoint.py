"""Checkpoints on disk: written whole or not at all, and trusted only when their checksums agree.

    checkpoints/e00009/manifest.json   {"epoch": 9, "files": {"state.pt": {"bytes": ..., "xxh3": ...}}}
    checkpoints/e00009/state.pt

A checkpoint is first written beside its place and then renamed; a truncated or altered one is passed
over for the one before it.
"""

import json
import mmap
import re
import shutil
import uuid
from collections.abc import Callable, Collection
from pathlib import Path

import xxhash

MANIFEST = "manifest.json"
_TRIES = 3  # to rename into a place that another writer may take at the same moment


def write(root: Path, epoch: int, save: Callable[[Path], None]) -> Path:
    """Writes the checkpoint of an epoch into `root`, in place of any other of that epoch.

    Raises:
        OSError: the disk is full, for example; what was there is as it was.
        ValueError: `save` took a name that is needed here.
    """
    final = root / folder_name(epoch)
    draft = root / f".e{epoch:05d}-{uuid.uuid4().hex[:12]}"
    draft.mkdir(parents=True)
    try:
        save(draft)
        if (draft / MANIFEST).exists():
            raise ValueError(f"save() wrote {MANIFEST}, a name that a440 needs. Give that file another name.")
        files = {p.relative_to(draft).as_posix(): _fingerprint(p) for p in sorted(draft.rglob("*")) if p.is_file()}
        (draft / MANIFEST).write_text(json.dumps({"epoch": epoch, "files": files}))
        _put(draft, final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def epochs(root: Path) -> list[int]:
    """The epochs that have a checkpoint, good or bad, newest first."""
    found = [epoch_of(path.name) for path in root.iterdir()] if root.is_dir() else []
    return sorted((epoch for epoch in found if epoch is not None), reverse=True)


def epoch_of(name: str) -> int | None:
    """The epoch of a checkpoint's folder; None where it is something else.

    >>> epoch_of("e00009"), epoch_of("e9")
    (9, None)
    """
    found = re.fullmatch(r"e([0-9]{5,9})", name)
    return None if found is None else int(found[1])


def folder_name(epoch: int) -> str:
    """What the folder of an epoch's checkpoint is called.

    >>> folder_name(9)
    'e00009'
    """
    return f"e{epoch:05d}"


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None when it is whole."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        for name, fingerprint in manifest["files"].items():
            if _fingerprint(folder / name) != fingerprint:
                return f"{name} does not have its checksum"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"it cannot be read ({type(error).__name__}: {error})"
    return None


def newest(root: Path, upto: int, after: int = 0) -> tuple[int, Path | None, list[str]]:
    """The newest whole checkpoint with `after < epoch <= upto`: its epoch, its folder, what was passed over."""
    passed: list[str] = []
    for epoch in epochs(root):
        if after < epoch <= upto:
            folder = root / folder_name(epoch)
            wrong = damage(folder)
            if wrong is None:
                return epoch, folder, passed
            passed.append(f"{folder.name}: {wrong}")
    return after, None, passed


def prune(root: Path, keep: Collection[int]) -> None:
    """Removes the checkpoints of all other epochs."""
    for epoch in epochs(root):
        if epoch not in keep:
            shutil.rmtree(root / folder_name(epoch), ignore_errors=True)


def tidy(root: Path, upto: int) -> None:
    """Removes what an earlier process left: drafts, and epochs after `upto`, which nobody knows of."""
    for path in root.iterdir() if root.is_dir() else ():
        if path.name.startswith(".e") or (epoch_of(path.name) or 0) > upto:
            shutil.rmtree(path, ignore_errors=True)


def _put(draft: Path, final: Path) -> None:
    for left in reversed(range(_TRIES)):
        shutil.rmtree(final, ignore_errors=True)
        try:
            draft.rename(final)
        except OSError:
            if not left:
                raise
        else:
            return


def _fingerprint(path: Path) -> dict[str, object]:
    size, digest = path.stat().st_size, xxhash.xxh3_128()  # against accidents, at the speed of memory
    if size:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            digest.update(view)
    return {"bytes": size, "xxh3": digest.hexdigest()}
