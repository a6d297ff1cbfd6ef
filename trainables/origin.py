"""Whose code a file is: the user's own, an installed package's, or a440's."""

import functools
import sysconfig
import traceback
from pathlib import Path

OURS = ("orchestrator", "search", "trainables", "cluster")
_ROOF = Path(__file__).parents[1]


@functools.cache
def is_own(file: str) -> bool:
    """Whether a file of Python code is the user's own; `<string>` and cells of a notebook are."""
    path = Path(file)
    if file.startswith("<frozen") or {"site-packages", "dist-packages"} & set(path.parts):
        return False
    libraries = [Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")]
    homes = [*libraries, *(_ROOF / room for room in OURS)]
    return not any(path.is_relative_to(home) or path.resolve().is_relative_to(home) for home in homes)


def own_line(error: BaseException) -> str | None:
    """The user's line that raised an error, as `model.py:12`; None where no line is."""
    found = None
    seen: BaseException | None = error
    while seen is not None:
        for frame in traceback.extract_tb(seen.__traceback__):
            if is_own(frame.filename):
                found = f"{Path(frame.filename).name}:{frame.lineno}"
        if found:
            return found
        seen = seen.__cause__
    return None
