"""A trial's own log: what it prints goes to a file in its folder, capped and rotated.

One stream serves a worker for as long as it lives, because a logging handler that one trial's code made
keeps the stream it found, and is still there for the next trial. A full disk costs the log, not the trial.
"""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from trainables.secrets import redact

LARGEST = 5 * 2**20  # bytes of one file; two are kept


class Log(io.TextIOBase):
    """A text stream into the log of the trial that is at work, and past it while none is."""

    def __init__(self) -> None:
        self._beneath: TextIO | None = None
        self._path: Path | None = None
        self._file: io.FileIO | None = None
        self._size = 0
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def into(self, path: Path) -> Iterator[None]:
        """Sends what is printed meanwhile to `path`; the one before it is kept as `NAME.1.txt`."""
        if sys.stdout is not self:
            self._beneath = sys.stdout
        before = self._path
        self._turn_to(path)
        try:
            with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
                yield
        finally:
            self._turn_to(before)

    def write(self, text: str) -> int:
        data = redact(text).encode("utf-8", errors="backslashreplace")[-LARGEST:]
        with self._lock:
            if self._path is not None:
                with contextlib.suppress(OSError):
                    self._append(data)
            elif self._beneath is not None:
                self._beneath.write(text)
        return len(text)

    def fileno(self) -> int:
        """The worker's own output: what asks for a descriptor (a child process) writes there."""
        return self._real().fileno()

    @property
    def buffer(self) -> Any:
        """The worker's own output, for what writes bytes."""
        return self._real().buffer

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What text is written as."""
        return "utf-8"

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Nobody's to close: a library that closes its stream must not silence the trials to come."""

    def _real(self) -> TextIO:
        if self._beneath is None:
            raise io.UnsupportedOperation("this process has no output of its own")
        return self._beneath

    def _turn_to(self, path: Path | None) -> None:
        with self._lock:
            self._path = path
            if self._file is not None:
                self._file.close()
                self._file = None

    def _append(self, data: bytes) -> None:
        """Unbuffered, so that a crash of the process leaves what was said before it."""
        assert self._path is not None
        if self._file is not None and self._size + len(data) > LARGEST:
            self._file.close()
            self._file = None
            self._path.replace(self._path.with_suffix(".1.txt"))
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
            self._size = self._file.tell()
        self._size += self._file.write(data)
