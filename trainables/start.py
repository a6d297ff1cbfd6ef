"""From what a user brought to a training under way: a function, a class, or a class of PyTorch models."""

import inspect
from collections.abc import Callable
from typing import Any

from trainables.contract import ClassTraining, Params, Trainable, Training
from trainables.function import FunctionTraining

Start = Callable[[Params, int], Training]


def starter(source: Any, metric: str) -> Start:
    """How trials of `source` begin.

    Args:
        source: a function of params, a `Trainable` or a `TorchTrainable` class.
        metric: the goal's metric, under which a bare number is reported.

    Raises:
        TypeError: `source` is none of these.
    """
    kind = kind_of(source)
    if kind == "function":
        return lambda params, seed: FunctionTraining(source, params, metric)
    if kind == "class":
        return lambda params, seed: ClassTraining(source(), params)

    from trainables.torch_model import TorchTraining

    return lambda params, seed: TorchTraining(source(), params, seed)


def kind_of(source: Any) -> str:
    """`function`, `class` or `torch`; raises TypeError for anything else."""
    if inspect.isclass(source):
        if inspect.isabstract(source):
            lacking = ", ".join(sorted(getattr(source, "__abstractmethods__", ())))
            raise TypeError(f"{source.__name__} lacks the methods {lacking}. Define them in the class.")
        if issubclass(source, Trainable):
            return "class"
        if any(base.__module__ == "trainables.torch_model" for base in source.__mro__):
            return "torch"
        raise TypeError(
            f"{source.__name__} is a class that a440 does not know. "
            f"Derive it from Trainable or TorchTrainable: class {source.__name__}(TorchTrainable): ..."
        )
    if callable(source):
        if not inspect.signature(source).parameters:
            raise TypeError(f"{_name(source)} takes no params. Write def {_name(source)}(params): ...")
        return "function"
    raise TypeError(f"{source!r} cannot be trained. Give a function of params, or a class derived from Trainable.")


def can_save(source: Any) -> bool:
    """Whether trials of `source` can be taken up again where they stopped."""
    return kind_of(source) != "function"


def ends_by_itself(source: Any) -> bool:
    """Whether trials of `source` may end without being told to."""
    return kind_of(source) != "torch"


def _name(source: Any) -> str:
    return getattr(source, "__name__", type(source).__name__)
