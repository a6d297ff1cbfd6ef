"""What the outputs of a network say of rows: classes and their probabilities, or numbers."""

from typing import Any

import numpy as np

from trainables.metrics import Predictions


def predictions_of(outputs: Any, takes_logits: bool = False) -> Predictions:
    """Outputs as metrics read them.

    Args:
        outputs: `[N, C]` per class: probabilities where all rows add up to 1, and else logits. Or `[N]` or `[N, 1]`:
            numbers, or the second of two classes: probabilities where all of them can be, and else logits.
        takes_logits: whether the loss says that they are logits.

    Raises:
        ValueError: they are of another shape.
    """
    if not isinstance(outputs, np.ndarray) or (outputs.size != len(outputs) and outputs.ndim != 2):
        shape = list(outputs.shape) if isinstance(outputs, np.ndarray) else f"a {type(outputs).__name__}"
        raise ValueError(
            f"the model's output is {shape}, and metrics by name want [N, C] or [N]. "
            f"Compute metrics of your own: def metrics(self, output, target), or model.compile(..., metrics=[...])"
        )
    if outputs.ndim == 2 and outputs.shape[1] > 1:
        classes = range(outputs.shape[1])
        return Predictions(lambda: outputs.argmax(1), lambda: _shares(outputs, takes_logits), classes, lambda: outputs)
    flat = outputs.reshape(len(outputs)).astype("float64")
    are_shares = not takes_logits and flat.min(initial=0) >= 0 and flat.max(initial=1) <= 1

    def pairs() -> Any:
        from scipy import special  # a quarter of a second of every worker, which few metrics need

        second = flat if are_shares else special.expit(flat)
        return np.stack([1 - second, second], axis=1)

    cut = 0.5 if are_shares else 0.0
    return Predictions(lambda: (flat > cut).astype("int64"), pairs, range(2), lambda: flat)


def _shares(outputs: Any, takes_logits: bool) -> Any:
    """`[N, C]` probabilities."""
    from scipy import special

    outputs = outputs.astype("float64")
    sums = outputs.sum(1, keepdims=True)
    are_shares = not takes_logits and outputs.min() >= 0 and np.allclose(sums, 1, atol=0.02)  # bfloat16 rounds so much
    return outputs / sums if are_shares else special.softmax(outputs, axis=1)


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
