"""A PyTorch model in training: how an epoch of it is computed, for whoever asks for one."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from trainables.loop import Loop
from trainables.losses import Loss

_NOTHING: Tensor | int = 0


@dataclass(eq=False)
class Learner:
    """A model and what changes it.

    Attributes:
        model: on the device.
        optimizer: over its parameters.
        loss: of a batch.
        loop: accumulation, clipping and precision are looked at.
        device: where the model lies.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    loop: Loop
    device: torch.device
    scaler: torch.amp.GradScaler = field(init=False)

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.loop.precision == "fp16")

    def train(self, batches: Iterable[tuple[Tensor, Tensor]]) -> tuple[float, int]:
        """Takes the steps of an epoch; the mean loss over its rows, and their number."""
        self.model.train()
        total, weight, rows = torch.zeros((), device=self.device, dtype=torch.float64), _NOTHING, 0
        for group in in_groups(batches, self.loop.accumulate):
            self.optimizer.zero_grad(set_to_none=True)
            shares = [self.loss.share(targets) for _, targets in group]
            for (inputs, targets), share in zip(group, shares, strict=True):
                loss = self.loss(self.output(inputs), targets)
                total += scalar("loss", loss) * share
                self.scaler.scale(loss * (share / sum(shares)) if len(group) > 1 else loss).backward()
            if self.loop.clip_norm is not None:
                self.scaler.unscale_(self.optimizer)
                nn.utils.clip_grad_norm_(self.model.parameters(), self.loop.clip_norm)
            self.scaler.step(self.optimizer)
            self.scaler.update()
            weight += sum(shares)
            rows += sum(len(inputs) for inputs, _ in group)
        return float(total / weight), rows

    def output(self, inputs: Tensor) -> Tensor:
        """What the model says of a batch, in the loop's precision."""
        if self.loop.precision == "full":
            return self.model(inputs)
        kind = torch.bfloat16 if self.loop.precision == "bf16" else torch.float16
        with torch.autocast(self.device.type, kind):
            return self.model(inputs).float()


def in_groups(batches: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Items, so many together; the last ones may be fewer."""
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def scalar(name: str, score: Any) -> Tensor:
    """A batch's metric without its graph.

    Raises:
        ValueError: it is more than one number.
    """
    if isinstance(score, Tensor) and score.ndim == 0:  # nearly always, and in every batch
        return score.detach()
    score = torch.as_tensor(score).detach()
    if score.numel() != 1:
        raise ValueError(
            f"the metric {name} of a batch has the shape {list(score.shape)}. Return its mean over the batch: .mean()"
        )
    return score.reshape(())
