"""Metrics by name: what they are computed from, by which library, and whether more or less of them is better.

Everything is computed over all rows at once; a mean over batches is another number for most of these. Knowing
directions costs no import; computing loads scikit-learn, sacrebleu or rouge-score when it is asked for.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from trainables.spelling import nearest

Own = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Metric:
    """One that a440 knows.

    Attributes:
        name: under which it is reported.
        mode: `max` or `min`: whether more or less of it is better.
        of: what it compares with the targets: `labels`, `scores` (per class), `numbers` or `texts`.
    """

    name: str
    mode: str
    of: str


_TABLE = (
    Metric("accuracy", "max", "labels"),
    Metric("balanced_accuracy", "max", "labels"),
    Metric("f1", "max", "labels"),
    Metric("f1_macro", "max", "labels"),
    Metric("f1_micro", "max", "labels"),
    Metric("f1_weighted", "max", "labels"),
    Metric("precision_macro", "max", "labels"),
    Metric("recall_macro", "max", "labels"),
    Metric("roc_auc", "max", "scores"),
    Metric("log_loss", "min", "scores"),
    Metric("perplexity", "min", "scores"),
    Metric("rmse", "min", "numbers"),
    Metric("mse", "min", "numbers"),
    Metric("mae", "min", "numbers"),
    Metric("r2", "max", "numbers"),
    Metric("bleu", "max", "texts"),
    Metric("rouge1", "max", "texts"),
    Metric("rouge2", "max", "texts"),
    Metric("rougeL", "max", "texts"),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}

_MODES = {**{name: metric.mode for name, metric in METRICS.items()}, "loss": "min"}


def mode_of(name: str) -> str | None:
    """`max` or `min` for a metric that is known, with or without `val_`, `train_` or `test_` before it; else None.

    >>> mode_of("val_accuracy"), mode_of("loss"), mode_of("profit")
    ('max', 'min', None)
    """
    for role in ("val_", "train_", "test_"):
        name = name.removeprefix(role)
    return _MODES.get(name)


class Predictions:
    """What a model says of some rows.

    Args:
        labels: gives `[N]` classes, numbers or texts.
        scores: gives `[N, C]` probabilities or scores per class (`[N]` for two classes will do), or None.
        classes: `[C]` to which the scores belong.
        numbers: gives `[N]` quantities, where they are something else than the labels.
    """

    def __init__(
        self,
        labels: Callable[[], Any],
        scores: Callable[[], Any] | None = None,
        classes: Any = None,
        numbers: Callable[[], Any] | None = None,
    ):
        self._labels, self._scores, self.classes = labels, scores, classes
        self._numbers = numbers or (lambda: self.labels)

    @functools.cached_property
    def labels(self) -> Any:
        """`[N]`; asked of the model once."""
        return self._labels()

    @functools.cached_property
    def numbers(self) -> Any:
        """`[N]` quantities; asked of the model once."""
        return self._numbers()

    @functools.cached_property
    def scores(self) -> Any:
        """`[N, C]` or `[N]`; asked of the model once.

        Raises:
            ValueError: the model gives none.
        """
        if self._scores is None:
            raise ValueError(
                "this model gives labels and no probabilities. "
                "Take one that has predict_proba, such as SVC(probability=True), or the goal 'max accuracy'."
            )
        return self._scores()


def computable(names: Iterable[str]) -> list[str]:
    """Those of the names that can be computed from predictions alone."""
    return [name for name in dict.fromkeys(names) if name in METRICS]


def default_metrics(classes: Any) -> list[str]:
    """What is reported where nothing was asked for that is known."""
    return ["r2", "rmse"] if classes is None else ["accuracy"]


def settled(metrics: Iterable[str | Own] | Mapping[str, Own] | str) -> dict[str, str | Own]:
    """Metrics by the name they are reported under: known names, functions `(targets, predictions)`, or a mapping.

    Raises:
        ValueError: a name is not known; the message has the nearest one.
        TypeError: something is neither a name nor a function.
    """
    if isinstance(metrics, str):
        metrics = [metrics]
    if callable(metrics):
        raise TypeError("metrics is a function. Write metrics = ('f1_macro', my_function)")
    if isinstance(metrics, Mapping):
        return {name: _metric(metric) for name, metric in metrics.items()}
    return {_called(metric): _metric(metric) for metric in metrics}


def _metric(metric: Any) -> str | Own:
    if isinstance(metric, str):
        if metric not in METRICS:
            raise ValueError(f"no metric is called {metric!r}. {nearest(metric, METRICS)}")
    elif hasattr(metric, "_score_func"):
        raise TypeError(
            f"{metric!r} scores an estimator, and a metric compares (targets, predictions). Give its function itself."
        )
    elif not callable(metric):
        raise TypeError(f"{metric!r} is no metric. Name one, such as 'f1_macro', or give a function of two arrays.")
    return metric


def _called(metric: Any) -> str:
    return metric if isinstance(metric, str) else getattr(metric, "__name__", type(metric).__name__)


def load(metrics: Mapping[str, str | Own]) -> None:
    """Imports what they are computed with, so that it is in no epoch's time."""
    if any(isinstance(metric, str) and METRICS[metric].of != "texts" for metric in metrics.values()):
        import sklearn.metrics  # noqa: F401


def score(
    metrics: Iterable[str | Own] | Mapping[str, Own] | str, targets: Any, labels: Any, scores: Any = None
) -> dict[str, float]:
    """Metrics of predictions that are there already, for loops of one's own.

    Args:
        metrics: known names, such as `["accuracy", "f1_macro"]`, or functions of targets and labels.
        targets: `[N]` classes, numbers or texts; of texts, also lists of several references for a row.
        labels: `[N]` what was predicted.
        scores: `[N, C]` probabilities, or `[N]` of the second class, for metrics such as `roc_auc`.

    >>> score("accuracy", [0, 1, 1, 0], [0, 1, 0, 0])
    {'accuracy': 0.75}
    """
    return evaluate(settled(metrics), targets, Predictions(lambda: labels, None if scores is None else lambda: scores))


def evaluate(
    metrics: Mapping[str, str | Own], targets: Any, predictions: Predictions, classes: Any = None
) -> dict[str, float]:
    """Each metric over all rows.

    Args:
        metrics: from `settled`.
        targets: `[N]`.
        predictions: of the same rows.
        classes: `[C]` of all rows of the study, of which these, or those that a model saw, may lack some.

    Raises:
        ValueError: a metric does not fit these targets; the message has one that does.
    """
    found: dict[str, float] = {}
    for name, metric in metrics.items():
        if callable(metric):
            found[name] = metric(targets, predictions.labels)
        else:
            found[name] = _computed(METRICS[metric], targets, predictions, classes)
    return found


def expanded(scores: Any, known: Any, classes: Any) -> Any:
    """`[N, C]` scores with a column of zeros for each class that a model never saw.

    Args:
        scores: `[N, K]`.
        known: `[K]` its classes.
        classes: `[C]` all of them, sorted; None for the same.
    """
    import numpy as np

    if classes is None or known is None or scores.ndim != 2 or len(known) == len(classes):
        return scores
    if len(known) > len(classes):
        raise ValueError(
            f"the model has {len(known)} outputs, and the targets are {len(classes)} classes. "
            f"Give it one for each: nn.Linear(..., {len(classes)})"
        )
    found = np.zeros((len(scores), len(classes)))
    found[:, np.searchsorted(np.asarray(classes), np.asarray(known))] = scores
    return found


def _computed(metric: Metric, targets: Any, predictions: Predictions, classes: Any) -> float:
    """The metric; NaN of a model that diverged, whose trial is then invalid and not failed."""
    match metric.of:
        case "texts":
            return _of_texts(metric.name, targets, predictions.labels)
        case "scores":
            if not _is_finite(predictions.scores):
                return math.nan
            return _of_scores(metric.name, targets, predictions, classes)
        case "labels":
            return _of_labels(metric.name, targets, predictions.labels, classes)
    return _of_numbers(metric.name, targets, predictions.numbers) if _is_finite(predictions.numbers) else math.nan


def _is_finite(values: Any) -> bool:
    import numpy as np

    return bool(np.isfinite(np.asarray(values, float)).all())


def _of_labels(name: str, targets: Any, labels: Any, classes: Any) -> float:
    import numpy as np
    from sklearn import metrics

    _refuse_quantities(name, targets)
    targets, labels = np.asarray(targets), np.asarray(labels)
    match name:
        case "accuracy":
            coded = {targets.dtype.kind, labels.dtype.kind} <= set("iub")
            if coded and targets.shape == labels.shape == (len(targets),):
                return float(np.mean(targets == labels))  # scikit-learn's takes a millisecond, as long as an epoch may
            return float(metrics.accuracy_score(targets, labels))
        case "balanced_accuracy":
            return float(metrics.balanced_accuracy_score(targets, labels))
        case "f1":
            positive = _positive(targets, labels, classes)
            return float(metrics.f1_score(targets, labels, pos_label=positive, zero_division=0.0))
    what, average = name.split("_")
    score = {"f1": metrics.f1_score, "precision": metrics.precision_score, "recall": metrics.recall_score}[what]
    return float(score(targets, labels, average=average, zero_division=0.0))


def _of_scores(name: str, targets: Any, predictions: Predictions, classes: Any) -> float:
    import numpy as np
    from sklearn import metrics

    _refuse_quantities(name, targets)
    known = predictions.classes
    scores = expanded(_by_class(np.asarray(predictions.scores)), known, classes)
    classes = known if classes is None else classes
    if name == "roc_auc":
        return _area(np.asarray(targets), scores, classes)
    if scores.ndim != 2 or not np.allclose(scores.sum(axis=1), 1, atol=1e-3):
        raise ValueError(
            f"{name} wants probabilities, and this model gives scores that do not add up to 1. "
            f"Take a model that has predict_proba, such as SVC(probability=True), or the goal 'max roc_auc'."
        )
    nats = float(metrics.log_loss(targets, scores, labels=classes))
    return nats if name == "log_loss" else math.exp(min(nats, 700.0))  # mean over rows; a row is one token


def _by_class(scores: Any) -> Any:
    """`[N]` probabilities of the second of two classes as those of both; all others as they are."""
    import numpy as np

    if scores.ndim == 1 and scores.min(initial=0) >= 0 and scores.max(initial=1) <= 1:
        return np.stack([1 - scores, scores], axis=1)
    return scores


def _area(targets: Any, scores: Any, classes: Any) -> float:
    """Under the ROC curve: of the second class, or the mean over each class against the others.

    A class that all of these rows have, or none, has no curve; NaN where that is so of all.
    """
    import numpy as np
    from sklearn.metrics import roc_auc_score

    if scores.ndim == 2 and scores.shape[1] > 2:
        named = range(scores.shape[1]) if classes is None else classes
        found = [
            roc_auc_score(targets == one, scores[:, k])
            for k, one in enumerate(named)
            if 0 < np.count_nonzero(targets == one) < len(targets)
        ]
        return float(np.mean(found)) if found else math.nan
    if len(np.unique(targets)) < 2:
        return math.nan
    return float(roc_auc_score(targets, scores[:, 1] if scores.ndim == 2 else scores))


def _of_numbers(name: str, targets: Any, values: Any) -> float:
    from sklearn import metrics

    match name:
        case "rmse":
            return float(metrics.root_mean_squared_error(targets, values))
        case "mse":
            return float(metrics.mean_squared_error(targets, values))
        case "mae":
            return float(metrics.mean_absolute_error(targets, values))
    return float(metrics.r2_score(targets, values))


def _of_texts(name: str, targets: Any, texts: Any) -> float:
    references, hypotheses = [_references(text) for text in targets], [str(text) for text in texts]
    if len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references and {len(hypotheses)} texts are compared. Give a text for every reference."
        )
    try:
        if name == "bleu":
            import sacrebleu

            most = max(map(len, references), default=0)
            columns = [[row[k] if k < len(row) else None for row in references] for k in range(most)]
            return float(sacrebleu.corpus_bleu(hypotheses, columns).score)
        from rouge_score import rouge_scorer
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{name} is computed by {error.name}, which is not installed. Run: pip install 'a440[text]'"
        ) from None
    scorer = rouge_scorer.RougeScorer([name])
    found = [scorer.score_multi(refs, text)[name].fmeasure for refs, text in zip(references, hypotheses, strict=True)]
    return float(sum(found) / len(found))


def _references(target: Any) -> list[str]:
    """One text, or several that are all right."""
    return [str(text) for text in target] if isinstance(target, list | tuple) else [str(target)]


def _positive(targets: Any, labels: Any, classes: Any) -> Any:
    """The class that f1 is of: the second of two."""
    import numpy as np

    found = np.unique(np.concatenate([targets, labels])) if classes is None else np.asarray(classes)
    if len(found) > 2:
        raise ValueError(f"f1 is of two classes, and there are {len(found)}. Say how they count: f1_macro.")
    return found[-1].item() if hasattr(found[-1], "item") else found[-1]


def _refuse_quantities(name: str, targets: Any) -> None:
    import numpy as np

    values = np.asarray(targets)
    if values.dtype.kind == "f" and not np.array_equal(values, np.round(values)):
        raise ValueError(f"{name} is of classes, and the targets are quantities. Take a metric of numbers: rmse.")
