"""What can be told of a trainable before anything runs: whether its data, its params and the goal's metrics fit it."""

import inspect
import time
from collections.abc import Callable, Iterable
from typing import Any

from trainables import function
from trainables.contract import Params
from trainables.families import ESTIMATOR, FUNCTION, Family, called, folds_of
from trainables.folds import Folds
from trainables.loop import Loop
from trainables.meter import MEASURED
from trainables.metrics import METRICS, Own, settled
from trainables.repeated import SEED_SPREAD, SPREAD
from trainables.rows import Given
from trainables.spelling import nearest
from trainables.start import family_of
from trainables.targets import kind_of_loss, wanted_kind

Points = Callable[[], Iterable[Params]]
PATIENCE_S = 0.5  # to build estimators that are only looked at


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


def kind_of_targets(source: Any, points: Points) -> str | None:
    """`classes` or `numbers`, as a trainable itself takes them; None where it does not tell.

    Args:
        source: of a study.
        points: nested params as the study may draw them; only what is built from params is built from the first.
    """
    if family_of(source).estimates:
        return next((kind for kind in map(_kind, _built(source, points)) if kind), None)
    return wanted_kind(own_metrics(source)) or kind_of_loss(getattr(source, "loss", None))


def own_metrics(source: Any) -> dict[str, str | Own]:
    """Those that a class names for all rows at once, beside the goal's."""
    metrics = getattr(source, "metrics", ())
    family = family_of(source)
    is_ours = family.estimates or (family.is_network and family.computes)
    return settled(metrics) if is_ours and not callable(metrics) else {}


def check_settings(source: Any, wanted: tuple[str, ...], points: Points) -> None:
    """Checks what a class says of itself, and what it builds, against the goal.

    Args:
        source: of a study.
        wanted: the goal's metrics.
        points: as in `kind_of_targets`.

    Raises:
        ValueError, TypeError: a loss, a metric, a parameter or a whole model does not fit; the message has the mend.
    """
    family = family_of(source)
    folds_of(source)
    if family.is_network and family.computes:
        _check_network(source)
    if family.estimates or family.kind == "torch":
        _check_metrics(source, wanted, family)
    if family.estimates:
        _check_estimators(source, wanted, points)


def _check_network(source: Any) -> None:
    name, loop, loss = source.__name__, getattr(source, "loop", Loop()), getattr(source, "loss", None)
    if not isinstance(loop, Loop) and not callable(loop):
        raise TypeError(f"{name}.loop is {loop!r}. Write loop = Loop(batch_size=64), or def loop(self, params): ...")
    if isinstance(loss, str):
        from trainables.losses import check_name

        check_name(loss)
    if inspect.isclass(loss):
        raise TypeError(f"{name}.loss is a class, and one of it is wanted. Write loss = nn.{loss.__name__}().")


def _check_metrics(source: Any, wanted: tuple[str, ...], family: Family) -> None:
    own = getattr(source, "metrics", ())
    if callable(own) and family.is_network:  # they are known when they are computed
        return
    known = [*METRICS, *settled(own), *MEASURED, *(("loss", "train_loss") if family.is_network else ("rounds",))]
    for name in wanted:
        if name not in known and name.removesuffix(SEED_SPREAD).removesuffix(SPREAD) not in known:
            raise ValueError(f"the goal asks for {name}, which nobody computes. {nearest(name, known)}")


def check_given(source: Any, given: Given, folds: Folds | None, points: Points) -> None:
    """Raises ValueError where rows cannot be dealt into a study's folds, or an estimator does not take their classes.

    Args:
        source: of a study.
        given: its data.
        folds: by which it validates; None for none. A bare estimator has as many as the data say.
        points: as in `kind_of_targets`.
    """
    if folds is not None:
        bare = family_of(source) is ESTIMATOR
        (Folds(given.folds) if bare else folds).splits(given.rows, given.by, given.classes)
    if not family_of(source).estimates or family_of(source).grows or given.classes is None:
        return
    for estimator in _built(source, points):
        kind = type(_last(estimator))
        if kind.__module__.split(".")[0] == "xgboost" and given.classes != tuple(range(len(given.classes))):
            raise ValueError(
                f"{kind.__name__} takes no classes but 0, 1, 2 ..., and of the targets one is {given.classes[-1]!r}. "
                f"Derive from BoostingTrainable, which numbers them: class Grown(BoostingTrainable): ..."
            )


def check_can_be_kept(source: Any, points: Points) -> None:
    """Raises ValueError where an estimator holds what cannot be read back from a folder, such as a lambda."""
    from trainables.sklearn_model import check_can_be_kept as check

    if family_of(source).estimates and not family_of(source).grows:
        for estimator in _built(source, points):
            check(estimator)


# -- what is built from params -----------------------------------------------------------------------


def _check_estimators(source: Any, wanted: tuple[str, ...], points: Points) -> None:
    rounds = getattr(source, "rounds", 1)
    if isinstance(rounds, bool) or not isinstance(rounds, int) or rounds < 1:
        raise ValueError(f"{called(source)} grows by rounds={rounds!r}. Write rounds = 10 in it, or any more than 0.")
    if family_of(source) is ESTIMATOR:
        _check_names(source, points)
    for estimator in _built(source, points):
        _check_kind(estimator, wanted)
        _check_scores(estimator, wanted)
        for part in (estimator, *estimator.get_params(deep=True).values()):
            _check_values(part)


def _check_names(source: Any, points: Points) -> None:
    """Refuses what a space names and a bare estimator does not have."""
    from trainables.sklearn_model import flattened

    estimator = _bare(source)
    known = estimator.get_params(deep=True)
    for name in dict.fromkeys(name for point in points() for name, _ in flattened(point)):
        if name not in known:
            raise ValueError(
                f"the space has {name!r}, and {type(estimator).__name__} has no such parameter. {nearest(name, known)}"
            )


def _bare(source: Any) -> Any:
    return source() if inspect.isclass(source) else source


def _built(source: Any, points: Points) -> Iterable[Any]:
    """What a study would fit at some points of its space, not fitted.

    What cannot be built is left to its trial, and so is what takes long.
    """
    from trainables.sklearn_model import routed

    began = time.monotonic()
    for params in points():
        if time.monotonic() - began > PATIENCE_S:
            return
        try:
            made = routed(_bare(source), params) if family_of(source) is ESTIMATOR else source().estimator(params)
        except Exception:  # noqa: BLE001, S112 - the user's code, which may need what only a worker has
            continue
        if inspect.isclass(made) or not hasattr(made, "get_params"):
            raise TypeError(
                f"{called(source)}.estimator() gives {made!r}, no estimator. "
                f"Return one from it: return SVC(C=params['C'])"
            )
        yield made


def _last(estimator: Any) -> Any:
    """Of a Pipeline the step that predicts."""
    return _last(estimator.steps[-1][1]) if getattr(estimator, "steps", None) else estimator


def _kind(estimator: Any) -> str | None:
    from sklearn.base import is_classifier, is_regressor

    return "classes" if is_classifier(estimator) else "numbers" if is_regressor(estimator) else None


def _check_kind(estimator: Any, wanted: tuple[str, ...]) -> None:
    """Refuses a regressor where classes are scored, and the like."""
    from sklearn.utils import get_tags

    kind, asked, name = _kind(estimator), wanted_kind(wanted), type(estimator).__name__
    if asked not in ("classes", "numbers"):
        return
    metric = next(metric for metric in wanted if wanted_kind([metric]) == asked)
    if kind is not None and kind != asked:
        goal = "min rmse" if kind == "numbers" else "max accuracy"
        of = {"numbers": "quantities", "classes": "classes"}
        raise ValueError(
            f"{name} predicts {of[kind]}, and {metric} is of {of[asked]}. Ask for '{goal}', or take another estimator."
        )
    if kind is None and (get_tags(estimator).estimator_type or not hasattr(type(estimator), "predict")):
        raise ValueError(
            f"{name} predicts neither classes nor quantities, and {metric} compares them. Take one that does."
        )


def _check_scores(estimator: Any, wanted: tuple[str, ...]) -> None:
    """Refuses what gives no probabilities where they are scored; what holds estimators may give them once fitted."""
    last = _last(estimator)
    if not hasattr(last, "get_params") or any(hasattr(part, "fit") for part in last.get_params().values()):
        return
    for name in wanted:
        asked = ("predict_proba", "decision_function") if name == "roc_auc" else ("predict_proba",)
        if name in METRICS and METRICS[name].of == "scores" and not any(hasattr(last, method) for method in asked):
            raise ValueError(
                f"{name} wants probabilities, and {type(last).__name__} gives none. "
                f"Take one that has predict_proba, such as SVC(probability=True), or the goal 'max accuracy'."
            )


def _check_values(part: Any) -> None:
    """Lets scikit-learn's own estimators check their parameters, as they would when they are fitted."""
    check = getattr(part, "_validate_params", None)
    if check is None or inspect.isclass(part) or not hasattr(part, "_parameter_constraints"):
        return
    try:
        check()
    except ValueError as error:
        raise ValueError(
            f"{' '.join(str(error).split())} Change it in the space, or where the estimator is made."
        ) from None
