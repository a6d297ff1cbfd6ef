"""From what a user brought to a training under way: a function, a class, an estimator, or a class of models."""

import copy
import inspect
from collections.abc import Callable, Iterable
from typing import Any

from trainables import function
from trainables.contract import Brief, Params, Training
from trainables.families import ESTIMATOR, FUNCTION, Family, called, family_of_class, folds_of, looks_like_an_estimator
from trainables.folds import folded
from trainables.meter import MEASURED
from trainables.repeated import RepeatedTraining
from trainables.seeds import sow
from trainables.spelling import nearest

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


def check_data(source: Any, given: bool) -> None:
    """Raises ValueError where a study gives data that a trainable does not take, or does not give what it needs."""
    family, name = family_of(source), called(source)
    if family.needs_data and not given:
        raise ValueError(f"{name} has nothing to learn from. Give the study data: Study(..., data='digits')")
    if given and family is FUNCTION and not function.takes(source, "data"):
        raise ValueError(f"{name} takes no data, and the study gives some. Write def {name}(params, data): ...")
    if not given and family is FUNCTION and function.takes(source, "data") and not function.defaults(source, "data"):
        raise ValueError(f"{name} takes data, and the study gives none. Write Study(..., data='digits').")
    if given and family.given_to is not None:
        method, argument = family.given_to
        if not function.takes(getattr(source, method), argument):
            raise ValueError(
                f"{name}.{method} takes no data, and the study gives some. "
                f"Write def {method}(self, params, {argument}): ..."
            )
    if not given and folds_of(source) is not None:
        raise ValueError(f"{name} validates by folds of the study's data. Give them: Study(..., data='digits')")
    if family.is_network:
        _check_own_data(name, getattr(source, "data", None), given)


def _check_own_data(name: str, data: Any, given: bool) -> None:
    if data is None and not given:
        raise ValueError(
            f"{name} has no data. Write def data(self, params): ... in it, or give the study some: Study(..., data=...)"
        )
    if data is not None and given and not function.takes(data, "given"):
        raise ValueError(
            f"{name} brings data of its own, and the study gives some. "
            f"Make batches of these, def data(self, params, given): ..., or leave data out of the study."
        )


def check_params(source: Any, points: Iterable[Params]) -> None:
    """Raises ValueError where a space names what a bare estimator does not have."""
    if family_of(source) is not ESTIMATOR:
        return
    from trainables.sklearn_model import flattened

    estimator: Any = source() if inspect.isclass(source) else source
    known = estimator.get_params(deep=True)
    for name in dict.fromkeys(name for point in points for name, _ in flattened(point)):
        if name not in known:
            raise ValueError(
                f"the space has {name!r}, and {type(estimator).__name__} has no such parameter. {nearest(name, known)}"
            )


def kind_of_estimator(source: Any) -> str | None:
    """`classes` or `numbers`, as a bare estimator predicts; None for any other trainable."""
    if family_of(source) is not ESTIMATOR:
        return None
    from sklearn.base import is_classifier, is_regressor

    estimator: Any = source() if inspect.isclass(source) else source
    return "classes" if is_classifier(estimator) else "numbers" if is_regressor(estimator) else None


def check_metrics(source: Any, wanted: tuple[str, ...]) -> None:
    """Raises ValueError where an estimator is asked for a metric that nobody computes."""
    from trainables.metrics import METRICS, settled

    if not family_of(source).needs_data:  # whoever brings data may report what it likes
        return
    own = settled(getattr(source, "metrics", ()))
    for name in wanted:
        if name not in METRICS and name not in own and name not in MEASURED:
            raise ValueError(
                f"the goal asks for {name}, which nobody computes. {nearest(name, [*METRICS, *own, *MEASURED])}"
            )


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
