"""From what a user brought to a training under way: a function, a class, or a class of PyTorch models."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

from trainables import function
from trainables.contract import ClassTraining, Params, Trainable, Training
from trainables.repeated import RepeatedTraining
from trainables.seeds import sow

Start = Callable[[Params, int], Training]


def starter(source: Any, metric: str, repeats: int = 1) -> Start:
    """How trials of `source` begin: from params and a seed, alike whatever ran in this process before.

    Args:
        source: a function of params, a `Trainable` or a `TorchTrainable` class.
        metric: the goal's metric, under which a bare number is reported.
        repeats: how often a point is trained, each time from another seed.

    Raises:
        TypeError: `source` is none of these.
    """
    build = _builder(source, metric)

    def start(params: Params, seed: int) -> Training:
        sow(seed, 0)
        return build(_own(params))

    if repeats > 1:
        return lambda params, seed: RepeatedTraining(start, params, seed, repeats)
    return start


def kind_of(source: Any) -> str:
    """`function`, `class` or `torch`; raises TypeError for anything else."""
    if inspect.isclass(source):
        return _kind_of_class(source)
    if _is_trainable(type(source)):
        name = type(source).__name__
        raise TypeError(f"{name}() is one object, and every trial needs its own. Give the class: {name}.")
    if not callable(source):
        raise TypeError(f"{source!r} cannot be trained. Give a function of params, or a class derived from Trainable.")
    function.check(source)
    return "function"


def can_save(source: Any) -> bool:
    """Whether trials of `source` can be taken up again where they stopped."""
    return kind_of(source) != "function"


def ends_by_itself(source: Any) -> bool:
    """Whether trials of `source` may end without being told to."""
    return kind_of(source) != "torch"


def _builder(source: Any, metric: str) -> Callable[[Params], Training]:
    kind = kind_of(source)
    if kind == "function":
        return lambda params: function.FunctionTraining(_own(source), params, metric)
    if kind == "class":
        return lambda params: ClassTraining(source(), params)

    from trainables.torch_model import TorchTraining

    return lambda params: TorchTraining(source(), params)


def _kind_of_class(source: type) -> str:
    name = source.__name__
    if not _is_trainable(source):
        raise TypeError(
            f"{name} is a class that a440 does not know. "
            f"Derive it from Trainable or TorchTrainable: class {name}(TorchTrainable): ..."
        )
    if inspect.isabstract(source):
        lacking = ", ".join(sorted(getattr(source, "__abstractmethods__", ())))
        raise TypeError(f"{name} lacks the methods {lacking}. Define them in the class.")
    try:
        inspect.signature(source).bind()
    except TypeError as error:
        raise TypeError(
            f"{name}() is made anew for every trial, and cannot be ({error}). "
            f"Give its arguments defaults, or take them from params."
        ) from None
    return "class" if issubclass(source, Trainable) else "torch"


def _is_trainable(kind: type) -> bool:
    """Whether a class is derived from ours; told without loading torch."""
    return issubclass(kind, Trainable) or any(base.__module__ == "trainables.torch_model" for base in kind.__mro__)


def _own(thing: Any) -> Any:
    """A copy that a trial may change; what cannot be copied is shared by the trials of a worker."""
    match thing:
        case dict():
            return {key: _own(value) for key, value in thing.items()}
        case list():
            return [_own(value) for value in thing]
    try:
        return copy.deepcopy(thing)
    except Exception:  # noqa: BLE001 - whatever its own copying raises
        return thing
