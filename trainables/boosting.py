"""Boosted ensembles: scikit-learn's, LightGBM's and XGBoost's; an epoch is some more rounds.

A scheduler can so stop an ensemble that grows badly, and a trial goes on from its checkpoint where it was. Every epoch
draws from a seed of its own: a library that goes on from a model would otherwise sample the same rows again.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from trainables.contract import Brief, Metrics, Params
from trainables.loop import Loop, Patience
from trainables.metrics import Own, Predictions, computable, default_metrics, evaluate, settled
from trainables.rows import Rows
from trainables.sklearn_model import load_model, predictions_of, save_model


class BoostingTrainable(ABC):
    """A boosted ensemble that is built from params. Its own number of rounds is where a trial ends by itself.

    Attributes:
        rounds: per epoch.
        metrics: known ones by name, or functions `(targets, predictions)`; those of the goal need not be named.
        loop: `patience`, `watch` and `min_delta` are heeded, in epochs; `watch` is the goal's metric unless it is set.
        folds: validates by folds, each grown for `fold_epochs` epochs (or `params["epochs"]`).
    """

    rounds: int = 10
    metrics: Iterable[str | Own] | Mapping[str, Own] = ()
    loop: Loop = Loop()
    folds: Any = None
    fold_epochs: int | None = None

    @abstractmethod
    def estimator(self, params: Params) -> Any:
        """A new estimator: `HistGradientBoosting*`, `GradientBoosting*`, `LGBM*` or `XGB*`, not fitted yet."""


class BoostingTraining:
    """An ensemble under way: reports `rounds` and the metrics of the validation rows.

    Attributes:
        rows: how many were trained on so far; a row counts in every round.
    """

    saves = True

    def __init__(self, task: BoostingTrainable, params: Params, brief: Brief):
        assert brief.given is not None, "a study of an ensemble is refused without data"
        self._given, self._chunk, self.rows = brief.given, task.rounds, 0
        self._ensemble = _ensemble(task.estimator(params))
        wanted = {**settled(task.metrics), **settled(computable(brief.metrics))}
        self._metrics = wanted or settled(default_metrics(brief.given.classes))
        watched = task.loop.watch if task.loop.watch != "loss" else brief.metric
        heeded = Loop(patience=task.loop.patience, watch=watched, min_delta=task.loop.min_delta)
        self._patience = Patience(heeded, brief.mode if watched == brief.metric else None, endless=brief.whole)
        self._grown = 0

    def step(self) -> Metrics | None:
        """Some more rounds; None when there are as many as the estimator was built for, or none was of use."""
        if self._grown >= self._ensemble.rounds or self._patience.is_over:
            return None
        grown = min(self._grown + self._chunk, self._ensemble.rounds)
        train = self._given.train
        self._ensemble.grow(grown, train)
        self.rows += len(train) * (grown - self._grown)
        self._grown = grown
        held = self._given.validation
        said = self._ensemble.predictions(held.inputs)
        found = evaluate(self._metrics, held.targets, said, self._given.classes)
        self._patience.look(found)
        return {**found, "rounds": grown}

    def save(self, folder: Path) -> None:
        """Writes the model in its library's own format, or skops'; none of them holds a pickle."""
        self._ensemble.save(folder)
        state = {"grown": self._grown, "rows": self.rows, "patience": self._patience.state}
        (folder / "growth.json").write_text(json.dumps(state))

    def load(self, folder: Path) -> None:
        state = json.loads((folder / "growth.json").read_text())
        self._grown, self.rows, self._patience.state = state["grown"], state["rows"], state["patience"]
        self._ensemble.load(folder)

    def predictions(self, inputs: Any) -> Predictions:
        """What the ensemble says of inputs."""
        return self._ensemble.predictions(inputs)

    def close(self) -> None:
        """Nothing runs between two epochs."""


class Ensemble(Protocol):
    """A library's model that can grow.

    Attributes:
        rounds: at which it is complete.
    """

    rounds: int

    def grow(self, rounds: int, rows: Rows) -> None:
        """Grows it to so many rounds."""

    def predictions(self, inputs: Any) -> Predictions:
        """What it says of inputs."""

    def save(self, folder: Path) -> None:
        """Writes it."""

    def load(self, folder: Path) -> None:
        """Reads it."""


def _ensemble(estimator: Any) -> Ensemble:
    home, name = type(estimator).__module__.split(".")[0], type(estimator).__name__
    if home == "sklearn" and name.startswith(("HistGradientBoosting", "GradientBoosting")):
        return _Sklearn(estimator)
    if home in ("lightgbm", "xgboost") and hasattr(estimator, "get_params"):
        _check_grows(estimator)
        return _Lightgbm(estimator) if home == "lightgbm" else _Xgboost(estimator)
    raise TypeError(
        f"{name} does not grow by rounds. Return a HistGradientBoostingClassifier, an LGBMClassifier, an XGBClassifier "
        f"or the regressor of one of them; any other estimator is tuned by folds: derive from SklearnTrainable."
    )


def _check_grows(estimator: Any) -> None:
    """Raises ValueError for boosters that are another model when they are grown in parts."""
    settings = estimator.get_params()
    for name in ("boosting_type", "boosting", "booster"):
        if settings.get(name) in ("dart", "gblinear"):
            raise ValueError(
                f"{name}={settings[name]!r} is another model when it grows in parts, and changes what it grew before. "
                f"Tune it by folds, each a whole fit: derive from SklearnTrainable."
            )


def _seed(own: Any, rounds: int) -> int:
    """Of these rounds: from the user's own seed, or from numpy's generator, which whoever trains has sown."""
    import numpy as np

    if isinstance(own, int | np.integer):
        return int(np.random.default_rng([int(own), rounds]).integers(2**31 - 1))
    return int(np.random.randint(2**31 - 1))


class _Sklearn:
    """scikit-learn's, by `warm_start`."""

    def __init__(self, estimator: Any):
        self._name = "max_iter" if hasattr(estimator, "max_iter") else "n_estimators"
        self.rounds = int(getattr(estimator, self._name))
        settings: dict[str, Any] = {"warm_start": True}
        if hasattr(estimator, "early_stopping"):
            settings["early_stopping"] = False  # which would hold rows back; patience and schedulers stop trials
        if estimator.random_state is None:
            settings["random_state"] = _seed(None, 0)
        self._model = estimator.set_params(**settings)

    def grow(self, rounds: int, rows: Rows) -> None:
        self._model.set_params(**{self._name: rounds})
        self._model.fit(rows.inputs, rows.targets)

    def predictions(self, inputs: Any) -> Predictions:
        return predictions_of(self._model, inputs)

    def save(self, folder: Path) -> None:
        save_model(self._model, folder)

    def load(self, folder: Path) -> None:
        settings = {name: value for name, value in self._model.get_params().items() if name != "random_state"}
        self._model = load_model(folder, self._model).set_params(**settings)


class _Lightgbm:
    """LightGBM's, by `init_model`."""

    def __init__(self, estimator: Any):
        import lightgbm

        self._library, self._estimator, self._own_seed = lightgbm, estimator, estimator.random_state
        self.rounds = int(estimator.n_estimators)
        self._booster: Any = None
        self._classes: Any = None  # of the rows it was grown on, which its columns stand for

    def grow(self, rounds: int, rows: Rows) -> None:
        more = rounds - (self._booster.current_iteration() if self._booster is not None else 0)
        seed = _seed(self._own_seed, rounds)
        verbose = self._estimator.get_params().get("verbose", -1)
        self._estimator.set_params(n_estimators=more, random_state=seed, verbose=verbose)
        self._estimator.fit(rows.inputs, rows.targets, init_model=self._booster)
        self._booster = self._estimator.booster_
        self._classes = getattr(self._estimator, "classes_", None)

    def predictions(self, inputs: Any) -> Predictions:
        return _predictions(lambda: self._booster.predict(inputs), self._classes)

    def save(self, folder: Path) -> None:
        self._booster.save_model(folder / "model.txt")
        _save_classes(folder, self._classes)

    def load(self, folder: Path) -> None:
        self._booster = self._library.Booster(model_file=folder / "model.txt")
        self._classes = _load_classes(folder)


class _Xgboost:
    """XGBoost's, by `xgb_model`; it takes no classes but 0, 1, 2 ..., so these are counted here."""

    def __init__(self, estimator: Any):
        import xgboost

        self._estimator, self._own_seed = estimator, estimator.random_state
        self.rounds = int(estimator.n_estimators or 100)
        self._grown: Any = None
        self._classifies = isinstance(estimator, xgboost.XGBClassifier)
        self._classes: Any = None

    def grow(self, rounds: int, rows: Rows) -> None:
        import numpy as np

        done = 0 if self._grown is None else self._grown.num_boosted_rounds()
        self._estimator.set_params(n_estimators=rounds - done, random_state=_seed(self._own_seed, rounds))
        targets = rows.targets
        if self._classifies:
            self._classes, targets = np.unique(targets, return_inverse=True)
        self._estimator.fit(rows.inputs, targets, xgb_model=self._grown)
        self._grown = self._estimator.get_booster()

    def predictions(self, inputs: Any) -> Predictions:
        ask = self._estimator.predict_proba if self._classifies else self._estimator.predict
        return _predictions(lambda: ask(inputs), self._classes)

    def save(self, folder: Path) -> None:
        self._estimator.save_model(folder / "model.ubj")
        _save_classes(folder, self._classes)

    def load(self, folder: Path) -> None:
        self._estimator.load_model(folder / "model.ubj")
        self._grown, self._classes = self._estimator.get_booster(), _load_classes(folder)


def _predictions(ask: Callable[[], Any], classes: Any) -> Predictions:
    """Of numbers, or of probabilities `[N, C]`, or `[N]` of the second of two classes."""
    import numpy as np

    if classes is None:
        return Predictions(ask)

    def scores() -> Any:
        found = np.asarray(ask())
        return np.stack([1 - found, found], axis=1) if found.ndim == 1 else found

    return Predictions(lambda: np.asarray(classes)[scores().argmax(axis=1)], scores, classes)


def _save_classes(folder: Path, classes: Any) -> None:
    (folder / "classes.json").write_text(json.dumps(None if classes is None else classes.tolist()))


def _load_classes(folder: Path) -> Any:
    import numpy as np

    classes = json.loads((folder / "classes.json").read_text())
    return None if classes is None else np.asarray(classes)
