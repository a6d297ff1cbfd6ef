"""Loops that somebody else runs: each in a thread of its own, in which it waits until its next epoch is wanted.

Such a loop, a user's function or a library's trainer, calls a `Report` once per epoch. While it waits there, whoever
trains may save what it trains. The generators of `random`, numpy and torch are the process's: what is sown before an
epoch is wanted is what the loop draws from.
"""

import queue
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from trainables.seeds import sow

PATIENCE_S = 5.0  # for a loop to come to its end
THREAD = "train"  # the name of its thread
_NOTHING: Any = object()
_ENOUGH = "no more epochs are wanted"


class Report:
    """What a loop calls once per epoch, from whichever thread; it returns when the next one is wanted.

    If none is, it raises SystemExit, which `except Exception` lets pass and of which a thread dies quietly.
    """

    def __init__(self) -> None:
        self.told: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self.wanted = threading.Semaphore(0)
        self._left = False

    def __call__(self, metrics: Any = _NOTHING, /, **more: Any) -> None:
        if self._left:
            time.sleep(0.1)  # somebody swallows our exception in a loop, which is not to take a core
            raise SystemExit(_ENOUGH)
        if more and metrics is not _NOTHING:
            more = {**metrics, **more}
        self.told.put(("epoch", dict(more) if more or metrics is _NOTHING else metrics))
        self.wanted.acquire()
        if self._left:
            self.wanted.release()  # for the next thread that waits here
            raise SystemExit(_ENOUGH)

    def leave(self) -> None:
        """Ends every thread that waits, or will call."""
        self._left = True
        self.wanted.release()


def reported(
    run: Callable[[Report], Any], what: str = "function", patience_s: float = PATIENCE_S
) -> Generator[Any, None, None]:
    """What a loop reports from its own thread, one epoch at a time, and what it returns; its errors are raised here.

    The thread starts with the first epoch, and closing the generator ends it.

    Args:
        run: the loop.
        what: its name, for messages.
        patience_s: how long it may take to end.

    Raises:
        RuntimeError: it goes on although it was told to end.
    """
    report = Report()

    def work() -> None:
        try:
            outcome = run(report)
            report.told.put(("end", outcome))
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it, if one does
            report.told.put(("error", error))

    thread = threading.Thread(target=work, name=THREAD, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = report.told.get()
            if kind == "error":
                raise value
            if kind == "epoch" or value is not None:
                yield value
            if kind == "end":
                return
            report.wanted.release()
    finally:
        report.leave()
        thread.join(patience_s)
        if thread.is_alive():
            raise RuntimeError(
                f"the {what} still runs {patience_s:g} s after it was told to end. "
                f"Let what ends it, a SystemExit, pass: write `except Exception`, not `except:`."
            )


def size_of(model: Any) -> int:
    """Bytes of a torch module."""
    return sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())


def sown() -> Callable[[], None]:
    """What sows once more what was sown last, whatever is drawn until then.

    A library draws while it sets up its loop, and it does so again for a loop that goes on from a checkpoint. An
    epoch is to begin from the same numbers in both.
    """
    import torch

    mixed = torch.initial_seed()  # of the seed and the epoch, as `sow` mixed them
    return lambda: sow(0, mixed)
