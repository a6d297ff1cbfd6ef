"""Tensors in batches, kept on the device and drawn by index."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainables.contract import Params
from trainables.rows import Given, Rows


@dataclass(frozen=True, eq=False)
class Batches:
    """An iterable of `(input, target)` batches over whole tensors.

    Attributes:
        inputs: `[N, ...]`.
        targets: `[N, ...]`.
        batch_size: rows per batch; the last one may be smaller, but has a row by itself only where each has: a lone
            one of shuffled rows joins the batch before it, for batch normalization cannot train on it.
        shuffle: a new order for every pass, drawn from torch's generator.
    """

    inputs: Tensor
    targets: Tensor
    batch_size: int = 32
    shuffle: bool = False

    def __post_init__(self) -> None:
        _check_rows(self.inputs, self.targets)
        if isinstance(self.batch_size, bool) or not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size!r} makes no batches. Set batch_size=1 or more, whole.")

    def __len__(self) -> int:
        whole, rest = divmod(len(self.inputs), self.batch_size)
        return whole + (rest > 0 and not self._joins_last)

    @property
    def _joins_last(self) -> bool:
        return self.shuffle and len(self.inputs) > self.batch_size > 1 == len(self.inputs) % self.batch_size

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.shuffle:
            yield from zip(self.inputs.split(self.batch_size), self.targets.split(self.batch_size), strict=True)
            return
        order = self.order().to(self.inputs.device)
        for start, stop in self.bounds():
            rows = order[start:stop]
            yield self.inputs[rows], self.targets[rows]

    def order(self, generator: torch.Generator | None = None) -> Tensor:
        """`[N]` the rows of a pass in its order, drawn on the CPU: one order, whatever the device."""
        return torch.randperm(len(self.inputs), generator=generator) if self.shuffle else torch.arange(len(self.inputs))

    def bounds(self) -> list[tuple[int, int]]:
        """Where each batch of a pass begins and ends in its order."""
        starts = range(0, len(self.inputs), self.batch_size)
        ends = [min(start + self.batch_size, len(self.inputs)) for start in starts]
        if self._joins_last:
            return [*zip(starts[:-2], ends[:-2], strict=True), (starts[-2], ends[-1])]
        return list(zip(starts, ends, strict=True))

    def to(self, device: torch.device) -> "Batches":
        """The same batches on a device; what is there already is not copied."""
        return Batches(self.inputs.to(device), self.targets.to(device), self.batch_size, self.shuffle)


def split(
    inputs: Tensor, targets: Tensor, *, validation: float = 0.2, batch_size: int = 32, seed: int = 0
) -> tuple[Batches, Batches]:
    """Rows dealt into training and validation batches; the same seed deals the same rows.

    Args:
        inputs: `[N, ...]`.
        targets: `[N, ...]`.
        validation: share of the rows that is kept for validation, (0, 1); at least one row on either side.
        batch_size: rows per training batch.
        seed: decides which rows are kept.
    """
    _check_rows(inputs, targets)
    if not 0 < validation < 1 or len(inputs) < 2:
        raise ValueError(
            f"validation={validation!r} of {len(inputs)} rows leaves nothing to train on, or nothing to validate with. "
            f"Set validation between 0 and 1, such as 0.2, and give two rows or more."
        )
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    kept = min(max(1, round(len(inputs) * validation)), len(inputs) - 1)
    train, held = order[kept:], order[:kept]
    return (
        Batches(inputs[train], targets[train], batch_size, shuffle=True),
        Batches(inputs[held], targets[held], batch_size=4096),
    )


def own_batches(data: Callable[..., Any] | None, params: Params, given: Given | None) -> Any:
    """What a trainable's own `data` makes, of the study's rows where it has some; None for these as they are."""
    if data is None:
        return None
    return data(params) if given is None else data(params, given=given)


def batches_of(given: Given, batch_size: int) -> tuple[Batches, Batches]:
    """A study's rows as training and validation batches, over the memory that all trials share.

    Without rows to validate with, the training rows are gone through in their order.
    """
    return (
        Batches(*tensors_of(given.train), batch_size, shuffle=True),
        Batches(*tensors_of(given.validation), max(batch_size, 1024)),
    )


def tensors_of(rows: Rows) -> tuple[Tensor, Tensor]:
    """Inputs and targets as tensors, without a copy where the memory allows it."""
    return tensor_of(rows.inputs), tensor_of(rows.targets)


def tensor_of(part: Any) -> Tensor:
    """An array, a table of numbers or a sparse matrix as a tensor; without a copy where the memory allows it."""
    if hasattr(part, "iloc"):
        part = part.to_numpy(dtype="float32")
    elif hasattr(part, "tocsr"):
        part = part.toarray()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # nobody writes into it
        return torch.as_tensor(part)


def _check_rows(inputs: Tensor, targets: Tensor) -> None:
    for name, rows in (("inputs", inputs), ("targets", targets)):
        if not isinstance(rows, Tensor):
            raise TypeError(f"{name} is of {type(rows).__name__}, not a tensor. Wrap it: torch.as_tensor({name}).")
        if rows.ndim == 0:
            raise ValueError(f"{name} is one number, not rows. Give a tensor of shape [N, ...].")
    if len(inputs) != len(targets) or len(inputs) == 0:
        raise ValueError(
            f"{len(inputs)} inputs and {len(targets)} targets make no batches. "
            f"Give as many targets as inputs, at least one."
        )
