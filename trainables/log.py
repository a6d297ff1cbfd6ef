"""A trial's own log: what it prints goes to a file in its folder, capped and rotated."""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

LARGEST = 5 * 2**20  # bytes of one file; two are kept


class _Log(io.TextIOBase):
    """A text stream into a file that is opened at the first word and rotated when it is full."""

    def __init__(self, path: Path):
        self._path = path
        self._file: io.TextIOWrapper | None = None
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        with self._lock:
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("a", encoding="utf-8", errors="backslashreplace")
            self._file.write(text)
            if self._file.tell() > LARGEST:
                self._file.close()
                self._path.replace(self._path.with_suffix(".1.txt"))
                self._file = None
        return len(text)

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Sends what is printed meanwhile to `path`."""
    log = _Log(path)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        log.close()
