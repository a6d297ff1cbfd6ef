"""A driver whose Ray is gone is ended, and one that hangs: it says where it stands, and lets its machines go.

When a head is started anew, its cluster has forgotten the driver, and Ray Tune waits for ever for actors that nobody
knows. Nothing is lost by ending the driver: the ledger has all that was reported.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable

LOOK_S = 10.0
SILENT_S = 90.0  # a head that keeps its state on disk is back by then, and the study goes on
STILL_S, HUNG_S = 300.0, 1800.0  # after which a loop that stands still says so, and is ended
LEAVE_S = 45.0  # for a driver that was told to end; Ray's own clean-up may wait for the dead


class Watchdog:
    """Looks after one driver for as long as a `with` block lasts.

    Args:
        resume: what to tell of how the study goes on; it may be set later.
        look_s: between two looks.
        leave: ends the process; for tests.

    Attributes:
        gone: why the driver is to end; None while it is not.
    """

    def __init__(self, resume: str = "", *, look_s: float = LOOK_S, leave: Callable[[int], None] = os._exit):
        self.resume, self._look_s, self._leave = resume, look_s, leave
        self._head: Callable[[], str] | None = None
        self._known: str | None = None
        self._moved_at = self._heard_at = time.monotonic()
        self._gone_at: float | None = None
        self._said_still = self._loops = False
        self._looks_still = 0
        self.gone: str | None = None
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_often, name="watchdog", daemon=True)

    def __enter__(self) -> "Watchdog":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()

    def watch(self, head: Callable[[], str]) -> None:
        """Looks from now on whether the head is still the one that it is now.

        Args:
            head: answers what cluster it is; raises ConnectionError where it does not answer.
        """
        self._known, self._heard_at = head(), time.monotonic()
        self._head = head

    def moved(self) -> None:
        """The driver's loop is alive."""
        self._moved_at, self._loops, self._looks_still = time.monotonic(), True, 0

    def rest(self) -> None:
        """The driver's loop is over; what follows may take its time."""
        self._loops = False

    def why(self) -> str | None:
        """Looks at once, for a driver that failed: why its Ray is gone; None while the head is the one that it was."""
        return self.gone or self._what_is_wrong(time.monotonic(), patience_s=0.0)

    def _look_often(self) -> None:
        while not self._closing.wait(self._look_s):
            self._look(time.monotonic())

    def _look(self, now: float) -> None:
        self._looks_still += 1
        if self._gone_at is None:
            self.gone = self._what_is_wrong(now)
            self._gone_at = now if self.gone else None
        elif now - self._gone_at > LEAVE_S:
            print(f"{self.gone} It does not end by itself, so it is ended. {self.resume}", file=sys.stderr)
            sys.stderr.flush()
            self._leave(1)
        if not self.gone and self._loops and not self._said_still and now - self._moved_at > STILL_S:
            self._said_still = True
            print(f"the driver has not moved for {STILL_S / 60:.0f} min; it stands here:", file=sys.stderr)
            faulthandler.dump_traceback(sys.stderr)

    def _what_is_wrong(self, now: float, patience_s: float = SILENT_S) -> str | None:
        was_stopped = self._looks_still <= 2  # by Ctrl-Z, as this thread was
        if self._loops and now - self._moved_at > HUNG_S and not was_stopped:
            return f"The driver has not moved for {HUNG_S / 60:.0f} min."
        if self._head is None:
            return None
        try:
            is_same = self._head() == self._known
        except ConnectionError:
            silent = now - self._heard_at
            return f"Ray's head has not answered for {silent:.0f} s." if silent >= patience_s else None
        self._heard_at = now
        return None if is_same else "Ray's head was started anew, and its cluster does not know this study any more."
