"""How often the user has asked a driver to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def counted_stops() -> Iterator[list[int]]:
    """Counts Ctrl-C and SIGTERM while the block lasts: one asks to stop, two insist, three do not wait."""
    stops: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield stops
        return

    def stop(number: int, frame: Any) -> None:
        stops.append(number)
        if len(stops) >= 3:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stops
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
