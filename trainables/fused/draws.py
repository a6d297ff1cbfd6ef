"""What members draw while they train, each from a generator of its own.

Alone, a trial draws from torch's default generator, sown for its epoch: first the order of its rows, then a mask per
dropout and batch. A generator sown alike draws the same numbers, whoever else is in the stack.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainables.fused.signature import OddError, rate_in
from trainables.seeds import mix


class Draws:
    """The generators of the members for one epoch.

    Args:
        sown: `(seed, epoch)` of each.
        rates: of being zeroed, of each, by the name of a dropout.
    """

    def __init__(self, sown: Sequence[tuple[int, int]], rates: Mapping[str, Sequence[float]]):
        self.generators = [torch.Generator().manual_seed(mix(seed, epoch)) for seed, epoch in sown]
        self._rates = rates

    def rates(self, name: str | float) -> Sequence[float]:
        """Of a dropout, or the same one for all."""
        return self._rates[name] if isinstance(name, str) else [name] * len(self.generators)

    def mask(self, rates: Sequence[float], shape: Sequence[int], like: Tensor) -> Tensor:
        """`[K, ...]` zeros, and 1 / (1 - rate) elsewhere, as `torch.dropout` multiplies them in on a CPU.

        Args:
            rates: of the members.
            shape: of one member's mask.
            like: one member's value, of whose kind it is; torch draws in the order in which a value lies in memory.
        """
        if like.device.type != "cpu":
            raise OddError("its dropout draws on a GPU, in an order that its kernel decides")
        strides = like.stride()
        order = sorted(range(len(shape)), key=lambda place: -strides[place])
        mask = like.new_empty((len(self.generators), *(shape[place] for place in order)))
        for row, rate, generator in zip(mask.unbind(0), rates, self.generators, strict=True):
            if rate == 0 or rate == 1:  # torch draws nothing then
                row.fill_(1 - rate)
            else:
                row.bernoulli_(1 - rate, generator=generator).div_(1 - rate)
        if order == sorted(order):
            return mask
        return mask.permute(0, *(order.index(place) + 1 for place in range(len(order))))


class Masked(torch.autograd.Function):
    """A mask per member for a value that `torch.func.vmap` is at work on."""

    @staticmethod
    def forward(value: Tensor, rates: Sequence[float], draws: Draws, cut: int) -> Tensor:
        """Called for a value that is the same for all members, which has no rows to mask."""
        raise OddError("a dropout of something that does not depend on the inputs")

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """A mask has no gradient."""

    @staticmethod
    def vmap(
        info: Any, in_dims: Any, value: Tensor, rates: Sequence[float], draws: Draws, cut: int
    ) -> tuple[Tensor, int]:
        one = value if in_dims[0] is None else value.select(in_dims[0], 0)
        return draws.mask(rates, shape_of(one.shape, cut), one), 0


def shape_of(shape: Sequence[int], cut: int) -> list[int]:
    """A mask's shape: all of a value's, or one number per row and channel (`cut` = 2), as in `Dropout2d`."""
    return [size if place < cut or not cut else 1 for place, size in enumerate(shape)]


def rates_of(models: Sequence[nn.Module]) -> dict[str, list[float]]:
    """The rates of each dropout, by its name."""
    names = {name: rate_in(module) for name, module in models[0].named_modules()}
    return {
        name: [float(getattr(model.get_submodule(name), attribute)) for model in models]
        for name, attribute in names.items()
        if attribute is not None
    }


def cut_of(module: nn.Module) -> int:
    """How many dimensions of a value a dropout's mask has; 0 for all."""
    return 0 if type(module) is nn.Dropout else 2
