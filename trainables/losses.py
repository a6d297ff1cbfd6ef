"""Losses of batches: those of torch by name, with targets in the shape that they want, and a user's own.

A mean over batches weighs each by its rows; where classes have weights, by the sum of these, as torch's own mean over
a batch does: so the mean is that over all rows, however they are cut.
"""

import copy
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from trainables.function import takes
from trainables.spelling import nearest

_BY_ROW = (
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)  # their weights are the rows'
_OF_LOGITS = ("cross_entropy", "binary_cross_entropy_with_logits", "multi_margin_loss", "nll_loss")


class Loss:
    """The mean loss of a batch.

    Args:
        loss: a name in `torch.nn.functional`, a function or a module of torch, or the user's own of output and target.
        weight: `[C]` of the classes, on the device; None for equal ones.
        params: of the trial, given to a loss of the user's own that takes them.

    Attributes:
        weight: `[C]` of the classes, or None.
        takes_logits: whether it is known to.

    Raises:
        ValueError: there is no such loss, or it takes no weights.
        TypeError: it is no loss at all.
    """

    def __init__(self, loss: Any, weight: Tensor | None = None, params: Mapping[str, Any] | None = None):
        self._name = loss if isinstance(loss, str) else _name_of(loss)
        self._function: Callable[..., Tensor] = _named(self._name) if self._name else _own(loss)
        self._is_torchs = bool(self._name) or type(loss).__module__ == "torch.nn.modules.loss"
        self.weight, self._checked = weight, False
        self.params = params if not self._is_torchs and takes(loss, "params") else None
        self.takes_logits = self._name in _OF_LOGITS or isinstance(loss, nn.CrossEntropyLoss | nn.BCEWithLogitsLoss)
        if weight is not None and not self._name and not takes(loss, "weight"):
            raise ValueError(
                "class weights are wanted, and loss takes none. Write def loss(self, output, target, weight): ..."
            )

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        if not self._is_torchs:
            given: dict[str, Any] = {} if self.weight is None else {"weight": self.weight.to(output.dtype)}
            given |= {} if self.params is None else {"params": self.params}
            loss = self._function(output, target, **given)
            if not self._checked:
                self._refuse_pairs(loss, output, target, given)
            return loss
        output, target = _alike(output, target)
        if self.weight is None:
            return self._function(output, target)
        weight = self.weight.to(output.dtype)
        if self._name in _BY_ROW:
            weight = weight[target.long()]
            return self._function(output, target, weight=weight) / weight.mean()
        return self._function(output, target, weight=weight)

    def under(self, params: Mapping[str, Any] | None, checked: bool = True) -> "Loss":
        """The same with other params; `checked` says that shapes are known to be right."""
        other = copy.copy(self)
        other.params, other._checked = params, checked
        return other

    def rebound(self, old: Any, new: Any) -> "Loss":
        """The same as a method of another object, where it is one of `old`."""
        other = copy.copy(self)
        if getattr(self._function, "__self__", None) is old:
            other._function = types.MethodType(self._function.__func__, new)  # type: ignore[attr-defined]
        return other

    def double(self) -> "Loss":
        """The same in float64."""
        other = copy.copy(self)
        other.weight = None if self.weight is None else self.weight.double()
        if isinstance(self._function, nn.Module):
            other._function = copy.deepcopy(self._function).double()
        return other

    @property
    def parts(self) -> tuple[Any, ...]:
        """What it is made of: a name, or the user's own function, and the weights of classes."""
        return self._name or self._function, self.weight

    @property
    def name(self) -> str | None:
        """Its name in `torch.nn.functional`; None of a user's own and of a module."""
        return self._name

    def share(self, target: Tensor) -> Tensor | int:
        """How much a batch weighs in a mean over several."""
        if self.weight is None:
            return len(target)
        is_by_class = target.is_floating_point() and target.ndim > 1 and target.shape[1] > 1
        codes = target.argmax(1) if is_by_class else target.long()
        return self.weight[codes.clamp(min=0)].sum()

    def _refuse_pairs(self, loss: Tensor, output: Tensor, target: Tensor, given: dict[str, Any]) -> None:
        """Raises ValueError where a user's own loss compares every output with every target, as `[B, 1]` with `[B]`."""
        if output.numel() != target.numel() or output.shape == target.shape or len(target) < 2:
            return
        self._checked = True
        try:
            meant = self._function(output.reshape(target.shape), target, **given)
        except (RuntimeError, IndexError, ValueError):  # it brings them into one shape by itself
            return
        if not torch.allclose(meant.detach(), loss.detach(), rtol=1e-3, equal_nan=True):
            raise ValueError(
                f"the model gives {list(output.shape)} and targets are {list(target.shape)}, so that loss compares "
                f"every output with every target. Write in it: output = output.reshape(target.shape)"
            )


def _alike(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """One output per row as `[B]` where targets are; whole targets as numbers where they are compared one by one."""
    if output.ndim == target.ndim + 1 and output.shape[-1] == 1:
        output = output.squeeze(-1)
    if output.shape == target.shape and not target.is_floating_point():
        target = target.to(output.dtype)
    return output, target


def _name_of(loss: Any) -> str | None:
    """The name of a function of torch, which a class would otherwise bind as its own method."""
    plain = getattr(loss, "__func__", loss)
    home = getattr(plain, "__module__", None) or ""
    name = getattr(plain, "__name__", "")
    is_torchs = inspect.isroutine(plain) and home.startswith("torch") and hasattr(nn.functional, name)
    return name if is_torchs else None


def _named(name: str) -> Callable[..., Tensor]:
    check_name(name)
    found: Callable[..., Tensor] = getattr(nn.functional, name)
    return found


def check_name(name: str) -> None:
    """Raises ValueError where torch.nn.functional has no such loss."""
    if not callable(getattr(nn.functional, name, None)):
        raise ValueError(f"torch.nn.functional has no {name!r}. {nearest(name, vars(nn.functional))}")


def _own(loss: Any) -> Callable[..., Tensor]:
    if inspect.isclass(loss):
        raise TypeError(
            f"loss is the class {loss.__name__}, and one of it is wanted. Write loss = nn.{loss.__name__}()."
        )
    if not callable(loss):
        raise TypeError(f"loss is {loss!r}. Name one, loss = 'cross_entropy', or write def loss(self, output, target).")
    return loss
