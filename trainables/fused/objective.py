"""The losses of K members at once."""

from typing import Any

from torch import Tensor
from torch.func import vmap
from torch.nn import functional

from trainables.losses import Loss

_IGNORED = -100  # as in torch


class Objective:
    """A loss that all members share.

    Args:
        loss: of a batch of one member.
    """

    def __init__(self, loss: Loss):
        self._loss = loss
        self._is_plain = loss.weight is None

    def __call__(self, output: Tensor, target: Tensor, shared: bool) -> Tensor:
        """`[K]` mean losses of outputs `[K, B, ...]`; targets are `[K, B, ...]`, or `[B, ...]` where all share them."""
        if self._is_plain and self._loss.name == "cross_entropy" and _are_classes(output, target, shared):
            return _cross_entropy(output, target.expand(output.shape[:2]))
        return vmap(self._loss, in_dims=(0, None if shared else 0), randomness="error")(output, target)

    def share(self, target: Tensor, shared: bool) -> Any:
        """How much a batch weighs: of all members alike, or `[K]`."""
        if self._is_plain:
            return target.shape[0 if shared else 1]
        return self._loss.share(target) if shared else vmap(self._loss.share)(target)


def _are_classes(output: Tensor, target: Tensor, shared: bool) -> bool:
    return output.ndim == 3 and target.ndim == (1 if shared else 2) and not target.is_floating_point()


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """`[K]` of `[K, B, C]` outputs and `[K, B]` classes.

    Classes are put before rows, so that the softmax runs along them: a third of the time of rows of ten classes.
    """
    kept = target != _IGNORED
    log_shares = functional.log_softmax(output.transpose(1, 2).contiguous(), 1)
    picked = log_shares.gather(1, target.clamp(min=0).unsqueeze(1)).squeeze(1)
    return -(picked * kept).sum(1) / kept.sum(1)
