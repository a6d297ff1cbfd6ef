"""How a network is trained: what users set most often, in one value."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from trainables.contract import Params
from trainables.metrics import mode_of
from trainables.spelling import nearest

PRECISIONS = ("full", "bf16", "fp16")


@dataclass(frozen=True, slots=True)
class Loop:
    """Settings of a training loop; a trainable's `loop` is one, or a method that makes one from params.

    Attributes:
        batch_size: rows per batch of the study's data; a trainable with data of its own batches them itself.
        precision: `full`, or autocast to `bf16` or `fp16` (with a scaled loss; on a GPU only).
        accumulate: batches per step of the optimizer: `Loop(batch_size=8, accumulate=4)` takes the steps of 32 rows.
        clip_norm: largest norm of the gradient; None leaves it.
        patience: the trial ends after so many epochs in which `watch` was no better; None goes on.
        watch: a reported metric, less being better unless a440 knows that more is; `loss` is the validation loss.
        min_delta: by how much it has to be better.
        class_weights: `balanced` weighs the loss by N / (C * count), or a weight per class; the loss takes `weight`.
        deterministic: algorithms that give the same bits every time, where torch has them; slower on a GPU.
    """

    batch_size: int = 32
    precision: str = "full"
    accumulate: int = 1
    clip_norm: float | None = None
    patience: int | None = None
    watch: str = "loss"
    min_delta: float = 0.0
    class_weights: str | tuple[float, ...] | Mapping[Any, float] | None = None
    deterministic: bool = False

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate", "patience"):
            value = getattr(self, name)
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not whole and not (value is None and name == "patience"):
                raise ValueError(f"{name}={value!r} is no whole number of 1 or more. Write Loop({name}=1).")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision={self.precision!r} is unknown. {nearest(str(self.precision), PRECISIONS)}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ValueError(f"clip_norm={self.clip_norm!r} stops all learning. Write Loop(clip_norm=1.0), or None.")
        if self.class_weights is not None and self.class_weights != "balanced":
            _check_weights(self.class_weights)


def _check_weights(given: Any) -> None:
    values = list(given.values()) if isinstance(given, Mapping) else given
    sound = isinstance(values, list | tuple) and all(
        isinstance(weight, int | float) and not isinstance(weight, bool) and 0 <= weight < math.inf for weight in values
    )
    if not sound or not values:
        raise ValueError(
            f"class_weights={given!r} are no weights. "
            f"Write 'balanced', a weight per class, (1.0, 5.0), or those of some by name, {{'ill': 5.0}}."
        )


def loop_of(loop: "Loop | Callable[[Params], Loop]", params: Params) -> Loop:
    """The settings of one trial.

    Raises:
        TypeError: they are something else.
    """
    found = loop if isinstance(loop, Loop) else loop(params) if callable(loop) else loop
    if not isinstance(found, Loop):
        raise TypeError(f"loop is {found!r}. Write loop = Loop(patience=5), or a method that returns one.")
    return found


def class_weights(loop: Loop, targets: Any, classes: Sequence[Any] | None = None) -> list[float] | None:
    """A weight per class: as given, or N / (C * count) of the training rows; None where there are none.

    Args:
        loop: of the trial.
        targets: an array of classes 0, 1, 2 ..., or of rows `[N, C]` with a 1 for the class.
        classes: `[C]` their names; None where they have none but their numbers.

    Raises:
        ValueError: there are more classes than weights, or a name that no class has.
    """
    import numpy as np

    if loop.class_weights is None:
        return None
    codes = np.asarray(targets)
    codes = codes.argmax(1) if codes.dtype.kind == "f" and codes.ndim > 1 and codes.shape[1] > 1 else codes
    counts = np.bincount(np.ravel(codes).astype("int64"), minlength=len(classes or ()))
    if isinstance(loop.class_weights, Mapping):
        names = list(range(len(counts))) if classes is None else list(classes)
        for name in loop.class_weights:
            if name not in names:
                raise ValueError(
                    f"class_weights has {name!r}, which is no class. {nearest(str(name), map(str, names))}"
                )
        return [float(loop.class_weights.get(name, 1.0)) for name in names]
    if isinstance(loop.class_weights, str):
        return [float(counts.sum() / (len(counts) * max(count, 1))) for count in counts]
    if len(loop.class_weights) < len(counts):
        raise ValueError(
            f"class_weights={loop.class_weights!r} are for {len(loop.class_weights)} classes, and there are "
            f"{len(counts)}. Give one per class, or class_weights='balanced'."
        )
    return [float(weight) for weight in loop.class_weights]


class Patience:
    """Whether a metric still gets better; early stopping as Prechelt 1998 counts it, epochs without progress.

    Args:
        loop: `patience`, `watch` and `min_delta` are looked at.
        mode: `max` or `min` where it is known, as of the goal's metric; None for what the name says.
        endless: the length is decided, as that of a retraining is, and nothing ends it before.
    """

    def __init__(self, loop: Loop, mode: str | None = None, endless: bool = False):
        self._loop = replace(loop, patience=None) if endless else loop
        self._sign = -1.0 if (mode or mode_of(loop.watch)) == "max" else 1.0
        self.state: dict[str, float] = {"best": math.inf, "without": 0}

    @property
    def is_over(self) -> bool:
        """Whether it is."""
        return self._loop.patience is not None and self.state["without"] >= self._loop.patience

    def look(self, metrics: Mapping[str, Any]) -> None:
        """Takes in an epoch.

        Raises:
            ValueError: the metric was not reported.
        """
        if self._loop.patience is None:
            return
        if self._loop.watch not in metrics:
            raise ValueError(
                f"patience watches {self._loop.watch}, and reported are {', '.join(map(str, metrics))}. "
                f"Write Loop(patience={self._loop.patience}, watch='loss')."
            )
        value = self._sign * float(metrics[self._loop.watch])
        if value < self.state["best"] - self._loop.min_delta:
            self.state = {"best": value, "without": 0}
        else:
            self.state["without"] += 1
