"""Plain functions as trainables: they yield metrics, return them, or call a `report` they are given.

    def train(params):            # a generator: one dict per epoch; stopping it early closes it
        for epoch in range(9):
            yield {"loss": ...}

    def train(params):            # its final and only report: a dict, or the goal's metric as a number
        return 0.3

    def train(params, report):    # for loops that somebody else runs: report(loss=0.3) or report({"loss": 0.3})
        fit(callback=lambda logs: report(logs))

The third kind runs in a thread and waits inside `report` until its next epoch is wanted.
"""

import inspect
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from trainables.contract import Metrics, Params

Function = Callable[..., Any]


class _Left(BaseException):
    """Raised inside a user's function to end it; a BaseException, so that `except Exception` lets it pass."""


class FunctionTraining:
    """A function under way. It cannot be saved: a trial that is taken up again starts at its beginning.

    Args:
        function: one of the three kinds.
        params: nested params.
        metric: the name that a bare number is reported under.
    """

    saves = False

    def __init__(self, function: Function, params: Params, metric: str):
        self._metric = metric
        self._epochs = _reported(function, params) if takes_report(function) else _yielded(function, params)

    def step(self) -> Metrics | None:
        outcome = next(self._epochs, None)
        if outcome is None or isinstance(outcome, dict):
            return outcome
        return {self._metric: outcome}

    def save(self, folder: Path) -> None:
        raise AssertionError("a function has no state to save")

    def load(self, folder: Path) -> None:
        raise AssertionError("a function has no state to load")

    def close(self) -> None:
        self._epochs.close()  # type: ignore[attr-defined]


def takes_report(function: Function) -> bool:
    """Whether a function wants `report` beside its params."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [p for p in inspect.signature(function).parameters.values() if p.kind in positional]
    return (len(wanted) >= 2 and wanted[1].default is inspect.Parameter.empty) or any(
        p.name == "report" for p in wanted
    )


def _yielded(function: Function, params: Params) -> Iterator[Any]:
    """What a generator yields and what a plain function returns."""
    outcome = function(params)
    if not inspect.isgenerator(outcome):
        if outcome is not None:
            yield outcome
        return
    final = yield from outcome
    if final is not None:
        yield final


def _reported(function: Function, params: Params) -> Iterator[Any]:
    """What a function reports from its own thread, one epoch at a time."""
    wanted: queue.Queue[bool] = queue.Queue()
    told: queue.Queue[tuple[str, Any]] = queue.Queue()

    def report(metrics: Metrics | None = None, /, **more: Any) -> None:
        """Reports one epoch; returns when the next one is wanted."""
        told.put(("epoch", {**(metrics or {}), **more}))
        if not wanted.get():
            raise _Left

    def run() -> None:
        try:
            if wanted.get():
                told.put(("end", function(params, report)))
        except _Left:
            return
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits for it
            told.put(("error", error))

    thread = threading.Thread(target=run, name="train", daemon=True)
    thread.start()
    try:
        while True:
            wanted.put(True)
            kind, value = told.get()
            if kind == "error":
                raise value
            if kind == "end":
                if value is not None:
                    yield value
                return
            yield value
    finally:
        wanted.put(False)
        thread.join(timeout=5)
