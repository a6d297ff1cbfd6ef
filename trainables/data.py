"""Tensors in batches, kept on the device and drawn by index."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batches:
    """An iterable of `(input, target)` batches over whole tensors.

    Attributes:
        inputs: `[N, ...]`.
        targets: `[N, ...]`.
        batch_size: rows per batch; the last batch may be smaller.
        shuffle: a new order for every pass, drawn from torch's generator.
    """

    inputs: Tensor
    targets: Tensor
    batch_size: int = 32
    shuffle: bool = False

    def __post_init__(self) -> None:
        if len(self.inputs) != len(self.targets) or len(self.inputs) == 0:
            raise ValueError(
                f"{len(self.inputs)} inputs and {len(self.targets)} targets make no batches. "
                f"Give as many targets as inputs, at least one."
            )
        if self.batch_size < 1:
            raise ValueError(f"batch_size={self.batch_size} makes no batches. Set batch_size=1 or more.")

    def __len__(self) -> int:
        return -(-len(self.inputs) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.shuffle:
            yield from zip(self.inputs.split(self.batch_size), self.targets.split(self.batch_size), strict=True)
            return
        order = torch.randperm(len(self.inputs)).to(self.inputs.device)
        for rows in order.split(self.batch_size):
            yield self.inputs[rows], self.targets[rows]

    def to(self, device: torch.device) -> "Batches":
        """The same batches on a device; itself where it is there already."""
        if self.inputs.device == device:
            return self
        return Batches(self.inputs.to(device), self.targets.to(device), self.batch_size, self.shuffle)


def split(
    inputs: Tensor, targets: Tensor, *, validation: float = 0.2, batch_size: int = 32, seed: int = 0
) -> tuple[Batches, Batches]:
    """Rows dealt into training and validation batches; the same seed deals the same rows.

    Args:
        inputs: `[N, ...]`.
        targets: `[N, ...]`.
        validation: share of the rows that is kept for validation, (0, 1).
        batch_size: rows per training batch.
        seed: decides which rows are kept.
    """
    order = torch.randperm(len(inputs), generator=torch.Generator().manual_seed(seed))
    kept = max(1, round(len(inputs) * validation))
    train, held = order[kept:], order[:kept]
    return (
        Batches(inputs[train], targets[train], batch_size, shuffle=True),
        Batches(inputs[held], targets[held], batch_size=4096),
    )
