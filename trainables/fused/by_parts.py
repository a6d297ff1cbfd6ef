"""Functions that models and layers of torch call and that vmap has no rule for, in parts for which it has some."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.backends import mha
from torch.nn import functional

from trainables.fused.signature import OddError

Masked = Callable[[Tensor, str | float, int], Tensor]


class Rate(float):
    """A rate that says whose it is, to be handed on by functions that take one."""

    def __new__(cls, value: float, name: str) -> "Rate":
        return super().__new__(cls, value)

    def __init__(self, value: float, name: str):
        self.name = name


def _named(rate: float) -> str | float:
    return rate.name if isinstance(rate, Rate) else float(rate)


@contextmanager
def by_parts(masked: Masked) -> Iterator[None]:
    """Functions that a model, or a layer of torch, calls and that vmap has no rule for, in parts for which it has some.

    Dropouts are of one rate, with each member's masks. Attention is not one kernel.
    """

    def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        return masked(input, _named(p), 0) if training else input

    def attention(query: Tensor, key: Tensor, value: Tensor, *more: Any, **named: Any) -> Tensor:
        return _attention(masked, query, key, value, *more, **named)

    theirs = functional.dropout, functional.scaled_dot_product_attention, mha.get_fastpath_enabled()
    functional.dropout, functional.scaled_dot_product_attention = dropout, attention
    mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        functional.dropout, functional.scaled_dot_product_attention = theirs[:2]
        mha.set_fastpath_enabled(theirs[2])


def _attention(
    masked: Masked,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Scaled dot product attention by its parts, as torch computes it on a CPU where there is dropout."""
    if enable_gqa:
        raise OddError("grouped-query attention is not batched")
    root = math.sqrt(1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    weights = (query * root) @ (key * root).transpose(-2, -1)
    if is_causal:
        attn_mask = torch.ones(weights.shape[-2:], dtype=torch.bool, device=query.device).tril()
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        weights = weights.masked_fill(~attn_mask, -math.inf)
    elif attn_mask is not None:
        weights = weights + attn_mask
    return masked(weights.softmax(-1), _named(dropout_p), 0) @ value
