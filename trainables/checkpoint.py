"""Checkpoints on disk: written whole or not at all, and trusted only when their checksums agree.

    checkpoints/e00009/manifest.json   {"epoch": 9, "files": {"state.pt": {"bytes": ..., "sha256": ...}}}
    checkpoints/e00009/state.pt

A checkpoint is first written beside its place and then renamed; a truncated or altered one is passed
over for the one before it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path


def write(root: Path, epoch: int, save: Callable[[Path], None]) -> Path:
    """Writes the checkpoint of an epoch into `root`, in place of any other of that epoch."""
    final = root / f"e{epoch:05d}"
    draft = root / f".e{epoch:05d}-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        save(draft)
        files = {p.relative_to(draft).as_posix(): _fingerprint(p) for p in sorted(draft.rglob("*")) if p.is_file()}
        (draft / "manifest.json").write_text(json.dumps({"epoch": epoch, "files": files}))
        shutil.rmtree(final, ignore_errors=True)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return final


def epochs(root: Path) -> list[int]:
    """The epochs that have a checkpoint, good or bad, newest first."""
    if not root.is_dir():
        return []
    names = [p.name[1:] for p in root.iterdir() if p.name.startswith("e")]
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def damage(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None when it is whole."""
    try:
        files = json.loads((folder / "manifest.json").read_text())["files"]
        for name, fingerprint in files.items():
            if _fingerprint(folder / name) != fingerprint:
                return f"{name} does not have its checksum"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def newest(root: Path, upto: int, after: int = 0) -> tuple[int, Path | None, list[str]]:
    """The newest whole checkpoint with `after < epoch <= upto`: its epoch, its folder, what was passed over."""
    passed: list[str] = []
    for epoch in epochs(root):
        if after < epoch <= upto:
            folder = root / f"e{epoch:05d}"
            wrong = damage(folder)
            if wrong is None:
                return epoch, folder, passed
            passed.append(f"{folder.name}: {wrong}")
    return after, None, passed


def prune(root: Path, keep: Collection[int]) -> None:
    """Removes the checkpoints of all other epochs."""
    for epoch in epochs(root):
        if epoch not in keep:
            shutil.rmtree(root / f"e{epoch:05d}", ignore_errors=True)


def _fingerprint(path: Path) -> dict[str, object]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
