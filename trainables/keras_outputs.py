"""What the outputs of a Keras model say of rows: classes and their probabilities, or numbers."""

from typing import Any

import numpy as np
from scipy import special

from trainables.metrics import Predictions


def predictions_of(outputs: Any, takes_logits: bool = False) -> Predictions:
    """Outputs as metrics read them.

    Args:
        outputs: `[N, C]` per class: probabilities where all rows add up to 1, and else logits. Or `[N]` or `[N, 1]`:
            numbers, or the second of two classes: probabilities where all of them can be, and else logits.
        takes_logits: whether the loss says that one column is of logits.

    Raises:
        ValueError: they are of another shape.
    """
    if not isinstance(outputs, np.ndarray) or (outputs.size != len(outputs) and outputs.ndim != 2):
        shape = list(outputs.shape) if isinstance(outputs, np.ndarray) else f"a {type(outputs).__name__}"
        raise ValueError(
            f"the model's output is {shape}, and metrics by name want [N, C] or [N]. "
            f"Compile it with metrics of its own: model.compile(optimizer, loss, metrics=[...])"
        )
    outputs = outputs.astype("float64")
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        sums = outputs.sum(1, keepdims=True)
        are_shares = outputs.min() >= 0 and np.allclose(sums, 1, atol=0.02)  # bfloat16 rounds by as much
        scores = outputs / sums if are_shares else special.softmax(outputs, axis=1)
        return Predictions(lambda: outputs.argmax(1), lambda: scores, range(outputs.shape[1]), lambda: outputs)
    flat = outputs.reshape(len(outputs))
    are_shares = not takes_logits and flat.min() >= 0 and flat.max() <= 1
    second = flat if are_shares else special.expit(flat)
    pairs = np.stack([1 - second, second], axis=1)
    return Predictions(lambda: (second > 0.5).astype("int64"), lambda: pairs, range(2), lambda: flat)


def codes_of(targets: Any) -> Any:
    """`[N]` classes, from codes `[N]` or `[N, 1]`, or from one-hot rows `[N, C]`."""
    if targets.ndim == 2 and targets.shape[1] > 1:
        return targets.argmax(1)
    return targets.reshape(len(targets)).astype("int64")


def targets_like(outputs: Any, targets: Any) -> Any:
    """Targets as metrics compare them with outputs: `[N]` wherever they can be."""
    if targets.ndim == 2 and targets.shape == np.shape(outputs) and set(np.unique(targets)) <= {0, 1}:
        return codes_of(targets)
    return targets.reshape(len(targets)) if targets.size == len(targets) else targets
