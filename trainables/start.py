"""From what a user brought to a training under way: a function, a class, an estimator, or a class of models."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

from trainables import function
from trainables.contract import Brief, Params, Training
from trainables.families import (
    ESTIMATOR,
    FUNCTION,
    Family,
    family_of_class,
    folds_of,
    looks_like_an_estimator,
    refuse_model,
)
from trainables.folds import folded
from trainables.repeated import RepeatedTraining
from trainables.seeds import sow

Start = Callable[[Params, int], Training]


def starter(source: Any, brief: Brief, repeats: int = 1) -> Start:
    """How trials of `source` begin: from params and a seed, alike whatever ran in this process before.

    Args:
        source: a function of params, an estimator, or a class derived from one of ours.
        brief: what the study asks for, and gives.
        repeats: how often a point is trained, each time from another seed.

    Raises:
        TypeError: `source` is none of these.
    """
    family = family_of(source)
    build, folds = family.build(), folds_of(source)
    fresh = inspect.isclass(source)

    def make(params: Params, brief: Brief) -> Training:
        return build(source() if fresh else _own(source), _own(params), brief)

    def start(params: Params, seed: int) -> Training:
        sow(seed, 0)
        if folds is not None and family.deals_folds and not brief.whole:
            return folded(make, params, brief, folds, _fold_epochs(source, params))
        return make(params, brief)

    if repeats > 1:
        return lambda params, seed: RepeatedTraining(start, params, seed, repeats)
    return start


def _fold_epochs(source: Any, params: Params) -> int:
    """How long each fold is trained."""
    epochs = params.get("epochs", getattr(source, "fold_epochs", None))
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise ValueError(
            f"{source.__name__} does not say how long a fold is trained. Write fold_epochs = 27 in it, or put "
            f"epochs=integer(5, 50) into the space."
        )
    return epochs


def family_of(source: Any) -> Family:
    """The family of a trainable.

    Raises:
        TypeError: it has none, or cannot be made anew for every trial; the message has the mend.
    """
    refuse_model(source)
    if inspect.isclass(source):
        return _family_of_class(source)
    if family_of_class(type(source)) not in (None, ESTIMATOR):
        name = type(source).__name__
        raise TypeError(f"{name}() is one object, and every trial needs its own. Give the class: {name}.")
    if looks_like_an_estimator(source):
        return ESTIMATOR
    if not callable(source):
        raise TypeError(f"{source!r} cannot be trained. Give a function of params, or a class derived from Trainable.")
    function.check(source)
    return FUNCTION


def kind_of(source: Any) -> str:
    """The name of its family; raises TypeError where it has none."""
    return family_of(source).kind


def can_save(source: Any) -> bool:
    """Whether trials of `source` can be taken up again where they stopped."""
    return family_of(source) is not FUNCTION


def ends_by_itself(source: Any) -> bool:
    """Whether trials of `source` may end without being told to."""
    return family_of(source).ends or folds_of(source) is not None


def _family_of_class(source: type) -> Family:
    name, family = source.__name__, family_of_class(source)
    if family is None:
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
        mend = (
            f"Give one of them: {name}(...)."
            if family is ESTIMATOR
            else "Give its arguments defaults, or take them from params."
        )
        raise TypeError(f"{name}() is made anew for every trial, and cannot be ({error}). {mend}") from None
    return family


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
