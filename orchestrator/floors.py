"""Makes sure that `orchestrator`, `search`, `trainables` and `cluster` are ours.

These are common names: a user's own `search.py`, or another distribution, may stand before them on the
path. Ray puts the driver's working folder first on every worker's path, so a file that does no harm
here can still hide ours there.
"""

import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

ROOMS = ("orchestrator", "search", "trainables", "cluster")
HOME = Path(__file__).resolve().parent.parent


def check_names() -> None:
    """Raises ImportError where one of our names leads to something else in this process."""
    for room in ROOMS:
        spec = importlib.util.find_spec(room)
        origin = Path(spec.origin).resolve() if spec is not None and spec.origin else None
        if origin is None or origin.parent.parent != HOME:
            raise ImportError(
                f"the module {room!r} is {origin}, not a440's. "
                f"Rename that file, or run: pip install --force-reinstall --no-deps a440"
            )


def check_workers(folders: Iterable[str | Path]) -> None:
    """Raises ValueError where a folder that workers search first holds one of our names."""
    for folder in folders:
        path = Path(folder).resolve()
        if path == HOME:
            continue
        for room in ROOMS:
            found = importlib.machinery.PathFinder.find_spec(room, [str(path)])
            if found is not None and found.origin is not None:
                raise ValueError(
                    f"{found.origin} hides a440's {room!r} on Ray's workers. Rename it, or run from another folder."
                )


def worker_folders() -> list[str]:
    """The folders that Ray puts first on its workers' path: the driver's, and its script's."""
    script = Path(sys.argv[0]).resolve().parent if sys.argv and sys.argv[0] else Path.cwd()
    return [str(Path.cwd()), str(script)] if not (script / "a440").exists() else [str(Path.cwd())]
