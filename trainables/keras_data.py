"""What a Keras model is trained on and validated with: arrays, or what makes batches by itself."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader

from trainables.batches import own_batches, tensors_of
from trainables.contract import Params
from trainables.loop import Loop, class_weights
from trainables.outputs import codes_of
from trainables.rows import Given


class Part:
    """Rows to train on, or to validate with.

    Args:
        part: `(inputs, targets)` or `(inputs, targets, weights)` of arrays; or what `fit` takes else, to be gone
            through again and again: a PyDataset, a DataLoader.

    Attributes:
        count: of its rows; 0 where it makes batches by itself.
        is_loader: whether it is a DataLoader, which Keras neither shuffles nor weighs by class.
    """

    def __init__(self, part: Any):
        self._part, self._is_arrays = part, isinstance(part, tuple | list) and len(part) in (2, 3)
        self.count, self.is_loader = _count(part[0]) if self._is_arrays else 0, isinstance(part, DataLoader)
        ends_never = hasattr(part, "__next__") or getattr(part, "num_batches", 1) is None
        if ends_never or (self._is_arrays and not self.count):
            raise ValueError(
                f"data() gives a {type(part).__name__} that is empty, or has no end, or is gone through only once. "
                f"Return (inputs, targets) of arrays, or a PyDataset that has a length."
            )

    def arguments(self, batch_size: int) -> dict[str, Any]:
        """Of `fit` and `evaluate`."""
        if not self._is_arrays:
            return {"x": self._part}
        return {**dict(zip(("x", "y", "sample_weight"), self._part, strict=False)), "batch_size": batch_size}

    def outputs(self, model: Any, batch_size: int) -> Any:
        """What a model says of all rows."""
        if self._is_arrays:
            return model.predict(self._part[0], batch_size=batch_size, verbose=0)
        return np.concatenate([model.predict_on_batch(batch[0]) for batch in self._part])

    def targets(self) -> Any:
        """Those of all rows."""
        return _array(self._part[1]) if self._is_arrays else np.concatenate([_array(b[1]) for b in self._part])


def parts_of(data: Callable[..., Any] | None, params: Params, given: Given | None) -> tuple[Part, Part]:
    """To train on, and to validate with: the user's own, or the study's as they are."""
    found = own_batches(data, params, given)
    if found is not None:
        train, validation = found
        return Part(train), Part(validation)
    assert given is not None, "a study of a model without data is refused"
    return Part(tensors_of(given.train)), Part(tensors_of(given.validation))


def weights_by_class(part: Part, loop: Loop, classes: Sequence[Any] | None = None) -> dict[int, float] | None:
    """Weights by class, as Keras takes them.

    Args:
        part: to train on.
        loop: of the trial.
        classes: their names; None where they have none but their numbers.

    Raises:
        ValueError: Keras cannot weigh such rows, or there are more classes than weights.
    """
    if loop.class_weights is None:
        return None
    if part.is_loader:
        raise ValueError(
            "class weights are wanted, and Keras does not weigh a DataLoader by class. "
            "Return (inputs, targets) of arrays from data(), or leave class_weights out of Loop."
        )
    return dict(enumerate(class_weights(loop, codes_of(part.targets()), classes) or ()))


def _count(inputs: Any) -> int:
    """Rows of an array, or of the first of several in a dict or a list."""
    while isinstance(inputs, dict | list | tuple) and inputs:
        inputs = next(iter(inputs.values() if isinstance(inputs, dict) else inputs))
    return int(inputs.shape[0]) if hasattr(inputs, "shape") else len(inputs)


def _array(targets: Any) -> Any:
    return targets.detach().cpu().numpy() if isinstance(targets, Tensor) else np.asarray(targets)
