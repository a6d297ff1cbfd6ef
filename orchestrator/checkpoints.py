"""Where a trial's best model lies, and how it comes to this host from an object store."""

from pathlib import Path

from orchestrator.home import address_of, home_of
from trainables import store_trouble
from trainables.checkpoint import epochs, folder_name
from trainables.remote import Remote
from trainables.shelf import RemoteShelf


def placed(folder: Path, trial: str, epoch: int) -> Path | str | None:
    """The checkpoint of a trial's epoch, or its newest: a folder here, or its address; None where there is none."""
    shelf = _remote_shelf(folder, trial)
    root = _root(folder, trial)
    if shelf is None:
        found = _chosen(epochs(root), epoch)
        return None if found is None else root / folder_name(found)
    try:
        found = _chosen(shelf.epochs(), epoch)
    except OSError:  # a store that is away is told by who needs the checkpoint, and a summary does not
        return None
    return None if found is None else shelf.home.below(folder_name(found)).uri


def fetched(folder: Path, trial: str, epoch: int) -> Path | None:
    """The same on this host's disk.

    Raises:
        ValueError: it is damaged.
    """
    shelf = _remote_shelf(folder, trial)
    if shelf is None:
        place = placed(folder, trial, epoch)
        return None if place is None else Path(place)
    try:
        found = _chosen(shelf.epochs(), epoch)
        wrong = None if found is None else shelf.fetch(found)
    except OSError as error:
        raise ConnectionError(store_trouble.told(shelf.home.uri, error)) from error
    if found is None:
        return None
    if wrong is not None:
        raise ValueError(
            f"{shelf.home}/{folder_name(found)} is damaged: {wrong}. Train it again: a440 retrain {address_of(folder)}"
        )
    return shelf.root / folder_name(found)


def _remote_shelf(folder: Path, trial: str) -> RemoteShelf | None:
    home: Remote | None = home_of(folder)
    return None if home is None else RemoteShelf(home.below("trials", trial, "checkpoints"), _root(folder, trial))


def _root(folder: Path, trial: str) -> Path:
    return folder / "trials" / trial / "checkpoints"


def _chosen(there: list[int], epoch: int) -> int | None:
    """An epoch where it has a checkpoint, else the newest that has one."""
    return epoch if epoch in there else max(there, default=None)
