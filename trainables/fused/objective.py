"""The losses of K members at once."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from trainables.losses import Loss

_IGNORED = -100  # as in torch


class Objective:
    """A loss that all members share.

    Args:
        losses: of a batch, of each member; they differ in no more than numbers among their params.
    """

    def __init__(self, losses: Sequence[Loss]):
        loss = losses[0]
        self._loss = loss.under(loss.params)
        self._is_plain = loss.weight is None
        found = [dict(_numbers(each.params or {})) for each in losses]
        lifted = {path: [numbers[path] for numbers in found] for path in found[0]}
        self._lifted = {path: values for path, values in lifted.items() if len(set(values)) > 1}

    def __call__(self, output: Tensor, target: Tensor, shared: bool) -> Tensor:
        """`[K]` mean losses of outputs `[K, B, ...]`; targets are `[K, B, ...]`, or `[B, ...]` where all share them."""
        if self._is_plain and self._loss.name == "cross_entropy" and _are_classes(output, target, shared):
            return _cross_entropy(output, target.expand(output.shape[:2]))
        with _smoothed() if self._lifted else nullcontext():
            numbers = {name: output.new_tensor(values) for name, values in self._lifted.items()}
            call = vmap(self._one, in_dims=(0, None if shared else 0, 0), randomness="error")
            return call(output, target, numbers)

    def _one(self, output: Tensor, target: Tensor, numbers: dict[Any, Tensor]) -> Tensor:
        loss = self._loss.under(_with(self._loss.params or {}, numbers)) if numbers else self._loss
        return loss(output, target)

    def share(self, target: Tensor, shared: bool) -> Any:
        """How much a batch weighs: of all members alike, or `[K]`."""
        if self._is_plain:
            return target.shape[0 if shared else 1]
        return self._loss.share(target) if shared else vmap(self._loss.share)(target)


def _numbers(params: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """Numbers with a point among params, by where they are."""
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, (*path, name))
        elif isinstance(value, float):
            yield (*path, name), value


def _with(params: Mapping[str, Any], numbers: Mapping[tuple[str, ...], Any], path: tuple[str, ...] = ()) -> Any:
    """Params with other numbers in some places."""
    return {
        name: _with(value, numbers, (*path, name)) if isinstance(value, Mapping) else numbers.get((*path, name), value)
        for name, value in params.items()
    }


@contextmanager
def _smoothed() -> Iterator[None]:
    """Lets torch's cross-entropy take a label smoothing per member: it is linear in it."""
    theirs = functional.cross_entropy

    signature = inspect.signature(theirs)

    def cross_entropy(*positional: Any, **named: Any) -> Tensor:
        given = signature.bind(*positional, **named).arguments
        smoothing = given.pop("label_smoothing", 0.0)
        if not isinstance(smoothing, Tensor):
            return theirs(**given, label_smoothing=smoothing)
        sharp, even = (theirs(**given, label_smoothing=share) for share in (0.0, 1.0))
        return (1 - smoothing) * sharp + smoothing * even

    functional.cross_entropy = cross_entropy
    try:
        yield
    finally:
        functional.cross_entropy = theirs


def _are_classes(output: Tensor, target: Tensor, shared: bool) -> bool:
    return output.ndim == 3 and target.ndim == (1 if shared else 2) and not target.is_floating_point()


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """`[K]` of `[K, B, C]` outputs and `[K, B]` classes.

    Classes are put before rows, so that the softmax runs along them: a third of the time of rows of ten classes.
    """
    kept = target != _IGNORED
    log_shares = functional.log_softmax(output.transpose(1, 2).contiguous(), 1)
    picked = log_shares.gather(1, target.masked_fill(~kept, 0).unsqueeze(1)).squeeze(1)
    return -(picked * kept).sum(1) / kept.sum(1)
