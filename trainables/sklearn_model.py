"""scikit-learn's estimators: any of them, or a Pipeline of them, fold by fold.

    Study(make_pipeline(StandardScaler(), SVC()), {"svc__C": loguniform(0.1, 100)}, "max accuracy", data="digits")

A bare estimator takes a study's params as `set_params` does, a step's by `step__param` (a group `{"svc": {"C": ...}}`
is the same). Where the params decide which model it is, subclass `SklearnTrainable` and build it from them.
"""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from trainables.contract import Brief, Metrics, Params
from trainables.folds import CrossTraining, Folds
from trainables.metrics import Own, Predictions, computable, default_metrics, evaluate, settled
from trainables.rows import Given, Rows
from trainables.spelling import nearest

MODEL = "model.skops"
_HARMLESS = ("collections.OrderedDict", "collections.defaultdict", "builtins.object")


class SklearnTrainable(ABC):
    """An estimator that is built from params and scored by cross-validation; a fold is an epoch.

    Attributes:
        folds: how the study's rows are dealt; None for one fit, scored on the rows that the data keep to validate with.
        metrics: known ones by name, or functions `(targets, predictions)`; those of the goal need not be named.
    """

    folds: Folds | None = Folds()
    metrics: Iterable[str | Own] | Mapping[str, Own] = ()

    @abstractmethod
    def estimator(self, params: Params) -> Any:
        """A new estimator or Pipeline that is not fitted yet."""


def sklearn_training(task: SklearnTrainable, params: Params, brief: Brief) -> Any:
    """A trial under way: fold by fold, or the winner on all rows."""
    return _training(task.estimator, params, brief, task.folds, task.metrics)


def estimator_training(estimator: Any, params: Params, brief: Brief) -> Any:
    """A trial of a bare estimator under way."""
    assert brief.given is not None, "a study of an estimator is refused without data"
    return _training(lambda params: routed(estimator, params), params, brief, Folds(brief.given.folds), ())


def routed(estimator: Any, params: Params) -> Any:
    """A copy of an estimator with these params; groups and `step__param` both reach the steps of a Pipeline.

    Raises:
        ValueError: it has no such parameter; the message has the nearest one.
    """
    from sklearn.base import clone

    copy = clone(estimator)
    flat = dict(flattened(params))
    known = copy.get_params(deep=True)
    for name in flat:
        if name not in known:
            raise ValueError(f"{type(copy).__name__} has no parameter {name!r}. {nearest(name, known)}")
    return copy.set_params(**flat)


def flattened(params: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """Nested params under names with `__` between.

    >>> dict(flattened({"svc": {"C": 1.0}, "pca__n_components": 8}))
    {'svc__C': 1.0, 'pca__n_components': 8}
    """
    for name, value in params.items():
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            yield from flattened(value, f"{before}{name}__")
        else:
            yield f"{before}{name}", value


def _training(
    build: Callable[[Params], Any],
    params: Params,
    brief: Brief,
    folds: Folds | None,
    metrics: Iterable[str | Own] | Mapping[str, Own],
) -> Any:
    assert brief.given is not None, "a study of an estimator is refused without data"
    wanted = {**settled(metrics), **settled(computable(brief.metrics))}
    classes = brief.given.classes
    scoring = Scoring(lambda: build(params), wanted or settled(default_metrics(classes)), classes)
    if brief.whole or folds is None:
        return OneFit(scoring, brief.given)
    return CrossTraining(scoring.fit_and_score, brief.given, folds)


class Scoring:
    """How an estimator is fitted and scored.

    Args:
        build: makes a new one.
        metrics: from `settled`.
        classes: of the targets; None where they are none.
    """

    def __init__(self, build: Callable[[], Any], metrics: Mapping[str, str | Own], classes: Any = None):
        self.build, self._metrics, self._classes = build, metrics, classes

    def fit_and_score(self, given: Given) -> tuple[dict[str, float], int]:
        """A new model of the rows to train on, scored on those to validate with; and how many rows it saw."""
        model = self.build()
        model.fit(given.train.inputs, given.train.targets)
        return self.score(model, given.validation), len(given.train)

    def score(self, model: Any, rows: Rows) -> dict[str, float]:
        """A fitted model's metrics on some rows."""
        return evaluate(self._metrics, rows.targets, predictions_of(model, rows.inputs), self._classes)


def predictions_of(model: Any, inputs: Any) -> Predictions:
    """What a fitted estimator says of inputs."""
    scores = getattr(model, "predict_proba", None) or getattr(model, "decision_function", None)
    return Predictions(
        lambda: model.predict(inputs),
        None if scores is None else lambda: scores(inputs),
        getattr(model, "classes_", None),
    )


class OneFit:
    """One model under way: one epoch, on all rows to train on; scored on those to validate with.

    Where there are none, the winner being trained on everything, its metrics are those on the rows it was trained on.
    """

    saves = True

    def __init__(self, scoring: Scoring, given: Given):
        self._scoring, self._given = scoring, given
        self._model: Any = None

    @property
    def rows(self) -> int:
        """How many were trained on so far."""
        return 0 if self._model is None else len(self._given.train)

    def step(self) -> Metrics | None:
        """Fits the model; None when that is done."""
        if self._model is not None:
            return None
        train = self._given.train
        model = self._scoring.build()
        model.fit(train.inputs, train.targets)
        self._model = model
        return self._scoring.score(model, self._given.validation)

    def save(self, folder: Path) -> None:
        save_model(self._model, folder)

    def load(self, folder: Path) -> None:
        self._model = load_model(folder, self._scoring.build())

    def predictions(self, inputs: Any) -> Predictions:
        """What the model says of inputs."""
        return predictions_of(self._model, inputs)

    def close(self) -> None:
        """Nothing runs."""


def save_model(model: Any, folder: Path) -> None:
    """Writes a fitted estimator in skops' format, which holds no pickle."""
    import skops.io

    skops.io.dump(model, folder / MODEL)


def load_model(folder: Path, like: Any) -> Any:
    """The estimator that was saved in a folder.

    Args:
        folder: of a checkpoint.
        like: an estimator as the study builds it: of classes that are not scikit-learn's own, its are trusted.

    Raises:
        ValueError: there are others in the file.
    """
    import skops.io

    file = folder / MODEL
    known = {*_HARMLESS, *(f"{part.__module__}.{part.__qualname__}" for part in _parts(like))}
    foreign = [kind for kind in skops.io.get_untrusted_types(file=file) if kind not in known and not _is_library(kind)]
    if foreign:
        raise ValueError(
            f"{file} holds {', '.join(foreign)}, which this study does not build. "
            f"If you trust them: skops.io.load({str(file)!r}, trusted={foreign!r})"
        )
    return skops.io.load(file, trusted=skops.io.get_untrusted_types(file=file))


def check_can_be_kept(estimator: Any) -> None:
    """Tries to keep an estimator that is not fitted yet, before hours are spent on fitting it.

    Raises:
        ValueError: it holds what cannot be read back, such as a lambda.
    """
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            save_model(estimator, Path(folder))
            load_model(Path(folder), estimator)
        except Exception as error:
            raise ValueError(
                f"{type(estimator).__name__} cannot be kept for use ({' '.join(str(error).split())[:200]}). "
                f"Give it functions by name from a module of yours, and no lambda: def mine(x): ..."
            ) from error


def _parts(estimator: Any) -> list[Any]:
    """The classes and functions that an estimator is made of."""
    found = []
    for part in _held(estimator):
        is_code = inspect.isclass(part) or inspect.isroutine(part)
        found.append(part if is_code and hasattr(part, "__module__") else type(part))
    return found


def _held(thing: Any) -> Iterable[Any]:
    """An estimator, its params, and whatever these hold."""
    yield thing
    if hasattr(thing, "get_params") and not inspect.isclass(thing):
        for part in thing.get_params(deep=False).values():
            yield from _held(part)
    elif isinstance(thing, Mapping):
        for part in thing.values():
            yield from _held(part)
    elif isinstance(thing, list | tuple):
        for part in thing:
            yield from _held(part)


def _is_library(kind: str) -> bool:
    return kind.split(".")[0] in ("sklearn", "lightgbm", "xgboost")
