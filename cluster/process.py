"""What a connection changes in this process while it lasts, and puts back at its end."""

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """These variables, for this process and those that it starts."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@contextmanager
def quiet(logger_name: str, level: int = logging.ERROR) -> Iterator[None]:
    """No lines of that logger below the level."""
    logger = logging.getLogger(logger_name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def sigterm_kept() -> Iterator[None]:
    """SIGTERM is afterwards what it was before, whoever claims it meanwhile."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        give_sigterm_back(before)


def give_sigterm_back(handler: object) -> None:
    """Sets the handler that `signal.getsignal` gave; only the main thread may."""
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # type: ignore[arg-type]  # what getsignal gave is what it takes
