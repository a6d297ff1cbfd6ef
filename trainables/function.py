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

import functools
import inspect
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from trainables.contract import Brief, Metrics, Params
from trainables.rows import Given
from trainables.threaded import reported

Function = Callable[..., Any]
PATIENCE_S = 5.0  # for a function to come to its end
_NOTHING: Any = object()


class FunctionTraining:
    """A function under way. It cannot be saved: a trial that is taken up again starts at its beginning.

    Args:
        function: one of the three kinds.
        params: nested params.
        metric: the name that a bare number is reported under.
        given: the study's data, for a function that takes `data`.
    """

    saves = False

    def __init__(self, function: Function, params: Params, metric: str, given: Given | None = None):
        self._metric = metric
        if given is not None and takes(function, "data"):
            function = functools.partial(function, data=given)
        self._epochs = _reported(function, params) if takes(function, "report") else _yielded(function, params)

    def step(self) -> Metrics | None:
        outcome = next(self._epochs, _NOTHING)
        if outcome is _NOTHING:
            return None
        return outcome if isinstance(outcome, Mapping) else {self._metric: outcome}

    def save(self, folder: Path) -> None:
        raise AssertionError("a function has no state to save")

    def load(self, folder: Path) -> None:
        raise AssertionError("a function has no state to load")

    def close(self) -> None:
        """Ends the function, whose `finally` blocks run; raises RuntimeError where it goes on nevertheless."""
        self._epochs.close()


def function_training(function: Function, params: Params, brief: Brief) -> FunctionTraining:
    """A trial of a function under way."""
    return FunctionTraining(function, params, brief.metric, brief.given)


def check(function: Function) -> None:
    """Raises TypeError for a function that cannot be called with params, and `data` and `report` if it takes them."""
    inner = inspect.unwrap(function.func if isinstance(function, functools.partial) else function)
    name = getattr(inner, "__name__", type(inner).__name__)
    mend = f"Write def {name}(params): ..., or def {name}(params, report): ..."
    if inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner):
        raise TypeError(f"{name} is async, and nobody awaits it. Write a plain function, with asyncio.run inside.")
    try:
        signature = inspect.signature(function)
    except ValueError:
        raise TypeError(f"{name} does not say which arguments it takes. {mend}") from None
    try:
        signature.bind({}, **{name: None for name in ("data", "report") if takes(function, name)})
    except TypeError:
        raise TypeError(
            f"{name}{signature} cannot be called with one dict of params. {mend}"
            if signature.parameters
            else f"{name} takes no params. {mend}"
        ) from None
    if takes(function, "report") and inspect.isgeneratorfunction(inner):
        raise TypeError(f"{name} yields and takes report. Do one of them: yield metrics, or call report(metrics).")


def takes(function: Function, name: str) -> bool:
    """Whether a function wants `data` or `report` beside its params, which come first."""
    parameters = inspect.signature(function).parameters
    found = parameters.get(name)
    by_name = found is not None and found.kind in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY)
    return by_name and next(iter(parameters)) != name


def defaults(function: Function, name: str) -> bool:
    """Whether a function can be called without what it takes under that name."""
    parameter = inspect.signature(function).parameters[name]
    return parameter.default is not parameter.empty


def _yielded(function: Function, params: Params) -> Generator[Any, None, None]:
    """What a generator yields and what a plain function returns."""
    outcome = function(params)
    if not hasattr(outcome, "__next__"):
        if outcome is not None:
            yield outcome
        return
    final = yield from outcome
    if final is not None:
        yield final


def _reported(function: Function, params: Params) -> Generator[Any, None, None]:
    """What a function reports from its own thread, one epoch at a time."""
    return reported(lambda report: function(params, report=report), patience_s=PATIENCE_S)
