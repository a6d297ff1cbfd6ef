"""The models of K members at once: by hand-batched layers where all of a model is made of them, else by `vmap`.

A layer that is batched by hand (bmm, grouped convolution) costs a third of its `torch.func.vmap` where steps are
small. What a model does is told by `torch.fx`; whatever has no line in the tables here is left to vmap, which has a
rule for nearly everything, and raises where it has none.
"""

import copy
import operator
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, vmap
from torch.nn import functional

from trainables.fused.by_parts import Rate, by_parts
from trainables.fused.draws import Draws, Masked, cut_of, rates_of, shape_of
from trainables.fused.signature import OddError, rate_in

warnings.filterwarnings("ignore", message="There is a performance drop because we have not yet implemented")

Tensors = Mapping[str, Tensor]
Step = tuple[str, Callable[..., Tensor], list[str | None], list[str]]  # its name, itself, what it needs, what is done

_ELEMENTWISE = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh, nn.Sigmoid,
    nn.Softplus, nn.Softsign, nn.LogSigmoid, nn.Hardtanh, nn.Hardswish, nn.Hardsigmoid, nn.Identity, nn.Threshold,
    nn.Tanhshrink,
)  # fmt: skip
_ROW_BY_ROW = (
    nn.Flatten, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d,
    nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.ZeroPad2d, nn.Upsample,
    nn.PixelShuffle,
)  # fmt: skip
_SAME: frozenset[Any] = frozenset({
    functional.relu, functional.gelu, functional.silu, functional.elu, functional.leaky_relu, functional.selu,
    functional.softplus, functional.hardswish, functional.mish, functional.logsigmoid, functional.tanh,
    functional.sigmoid, torch.relu, torch.tanh, torch.sigmoid, torch.exp, torch.sin, torch.cos, torch.abs,
    operator.neg, "relu", "tanh", "sigmoid", "exp", "abs", "sin", "cos",
})  # fmt: skip
_PAIRS: frozenset[Any] = frozenset({
    operator.add, operator.sub, operator.mul, operator.truediv, torch.add, torch.sub, torch.mul, "add", "sub", "mul",
})  # fmt: skip
_ROWS: frozenset[Any] = frozenset({
    torch.flatten, "flatten", functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d,
})  # fmt: skip


class Forward(Protocol):
    """K models: parameters and buffers `[K, ...]`, inputs `[K, B, ...]` (or `[B, ...]`, the same for all), outputs."""

    def __call__(self, tensors: Tensors, inputs: Tensor, shared: bool, draws: Draws | None) -> Tensor:
        """`[K, B, ...]` outputs; with draws the models train, and buffers change in place."""


class Layered:
    """Layer by layer.

    Args:
        model: one of them; a copy of it is taken.

    Raises:
        OddError: the model does something else.
    """

    def __init__(self, model: nn.Module):
        model = copy.deepcopy(model)  # to look at a model is to run it, which may change buffers
        self._alias = _aliases(model)
        self._steps = {training: self._plan(model.train(training)) for training in (True, False)}

    def __call__(self, tensors: Tensors, inputs: Tensor, shared: bool, draws: Draws | None) -> Tensor:
        members = len(next(iter(tensors.values())))
        if shared:
            inputs = inputs.expand(members, *inputs.shape)
        values: dict[str, Any] = {}
        result, steps = inputs, self._steps[draws is not None]
        for name, step, sources, done in steps:
            found = [inputs if source is None else values[source] for source in sources]
            result = values[name] = step(tensors, draws, *found)
            for source in done:
                del values[source]
        return result

    def _plan(self, model: nn.Module) -> "list[Step]":
        try:
            graph = fx.Tracer().trace(model)
        except Exception as error:
            raise OddError(str(error)) from error
        steps: list[Step] = []
        modules, entry, last = dict(model.named_modules()), "", ""
        for node in graph.nodes:
            if node.op == "placeholder":
                if entry:
                    raise OddError("several inputs")
                entry = node.name
            elif node.op == "output":
                if not isinstance(node.args[0], fx.Node) or node.args[0].name != last:
                    raise OddError("an output that is not the last value")
            else:
                sources = [source.name if source.name != entry else None for source in node.all_input_nodes]
                inner = [source for source in node.all_input_nodes if source.name != entry]
                done = [source.name for source in inner if max(source.users) is node]
                steps.append((node.name, self._step(node, modules), sources, done))
                last = node.name
        return steps

    def _step(self, node: fx.Node, modules: dict[str, nn.Module]) -> Callable[..., Tensor]:
        if node.op == "call_module":
            assert isinstance(node.target, str)
            if len(node.args) != 1 or node.kwargs or not isinstance(node.args[0], fx.Node):
                raise OddError(f"{node.target} is called with more than one value")
            return self._layer(node.target, modules[node.target])
        first, *rest = node.args or (None,)
        plain = not any(isinstance(part, fx.Node) for part in (*rest, *node.kwargs.values()))
        if node.op == "get_attr" or not isinstance(first, fx.Node):
            raise OddError(f"{node.target} is called without a value first")
        call = _method(node.target) if isinstance(node.target, str) else node.target
        if node.target in _SAME and plain:
            return lambda tensors, draws, value: call(value, *rest, **node.kwargs)
        if node.target in _ROWS and plain:
            return lambda tensors, draws, value: _row_by_row(lambda rows: call(rows, *rest, **node.kwargs), value)
        if node.target in _PAIRS and len(rest) == 1 and not node.kwargs:
            [second] = rest
            if isinstance(second, fx.Node):
                return _pair(call)
            if isinstance(second, int | float):
                return lambda tensors, draws, value: call(value, second)
        raise OddError(f"{node.target} is not batched by hand")

    def _layer(self, name: str, module: nn.Module) -> Callable[..., Tensor]:
        kind = type(module)
        if kind is nn.Linear:
            weight, bias = self._names(name, module)
            return lambda tensors, draws, value: _linear(value, tensors[weight], tensors.get(bias))
        if kind in _ELEMENTWISE:
            return lambda tensors, draws, value: module(value)
        if rate_in(module) == "p":
            return self._dropout(name, module)
        if kind in (nn.BatchNorm1d, nn.BatchNorm2d):
            return self._norm(name, module)
        if kind is nn.LayerNorm:
            return self._layer_norm(name, module)
        if kind in (nn.Conv1d, nn.Conv2d) and module.padding_mode == "zeros":
            weight, bias = self._names(name, module)
            return lambda tensors, draws, value: _convolution(module, value, tensors[weight], tensors.get(bias))
        if kind in _ROW_BY_ROW:
            return lambda tensors, draws, value: _row_by_row(module, value)
        raise OddError(f"{kind.__name__} is not batched by hand")

    def _names(self, name: str, module: nn.Module) -> tuple[str, str]:
        weight = self._alias.get(f"{name}.weight", "")
        return weight, self._alias[f"{name}.bias"] if getattr(module, "bias", None) is not None else ""

    def _dropout(self, name: str, module: nn.Module) -> Callable[..., Tensor]:
        cut = cut_of(module)

        def step(tensors: Tensors, draws: Draws | None, value: Tensor) -> Tensor:
            if draws is None or not any(rates := draws.rates(name)):
                return value
            return value * draws.mask(rates, shape_of(value.shape[1:], cut), value[0])

        return step

    def _norm(self, name: str, module: Any) -> Callable[..., Tensor]:
        weight, bias = self._names(name, module)
        mean, variance, count = (
            self._alias.get(f"{name}.{buffer}", "") for buffer in ("running_mean", "running_var", "num_batches_tracked")
        )
        dimensions = 3 if type(module) is nn.BatchNorm1d else 5  # a row of BatchNorm1d may have a length too

        def step(tensors: Tensors, draws: Draws | None, value: Tensor) -> Tensor:
            if value.ndim != dimensions:
                raise OddError(f"{type(module).__name__} over a value of {value.ndim - 1} dimensions")
            members, rows, channels, *rest = value.shape
            if draws is not None and count:
                tensors[count].add_(1)
            folded = value.transpose(0, 1).reshape(rows, members * channels, *rest)
            found = functional.batch_norm(
                folded,
                tensors[mean].view(-1) if mean else None,
                tensors[variance].view(-1) if variance else None,
                tensors[weight].reshape(-1) if weight else None,
                tensors[bias].reshape(-1) if bias else None,
                training=draws is not None or not mean,
                momentum=module.momentum,
                eps=module.eps,
            )
            return found.view(rows, members, channels, *rest).transpose(0, 1)

        return step

    def _layer_norm(self, name: str, module: Any) -> Callable[..., Tensor]:
        weight, bias = self._names(name, module)

        def step(tensors: Tensors, draws: Draws | None, value: Tensor) -> Tensor:
            value = functional.layer_norm(value, module.normalized_shape, eps=module.eps)
            lifted = (1,) * (value.ndim - 1 - len(module.normalized_shape))
            if weight:
                value = value * tensors[weight].view(len(value), *lifted, *module.normalized_shape)
            if bias:
                value = value + tensors[bias].view(len(value), *lifted, *module.normalized_shape)
            return value

        return step


class Mapped:
    """By `torch.func.vmap` over a model that is called with each member's tensors.

    Args:
        model: one of them; a copy of it is taken.
    """

    def __init__(self, model: nn.Module):
        self._model = model = copy.deepcopy(model)
        for name in rates_of([model]):
            path, _, own = name.rpartition(".")
            module = model.get_submodule(name)
            if isinstance(module, nn.MultiheadAttention):
                module.dropout = Rate(1.0, name)
            else:
                setattr(model.get_submodule(path), own, _Dropout(self, name, module))
        self.draws: Draws | None = None

    def __call__(self, tensors: Tensors, inputs: Tensor, shared: bool, draws: Draws | None) -> Tensor:
        self._model.train(draws is not None)
        self.draws = draws
        if shared and draws is not None:  # what is masked first has to be a value per member
            inputs, shared = inputs.expand(len(next(iter(tensors.values()))), *inputs.shape), False
        call = vmap(self._one, in_dims=(0, None if shared else 0), randomness="error")
        with by_parts(self.masked):
            return call(dict(tensors), inputs)

    def masked(self, value: Tensor, name: str | float, cut: int) -> Tensor:
        """A value under each member's mask of a dropout, or of a rate that all have; from within vmap."""
        if self.draws is None:
            return value
        rates = self.draws.rates(name)
        return value * Masked.apply(value.detach(), rates, self.draws, cut) if any(rates) else value

    def _one(self, tensors: dict[str, Tensor], inputs: Tensor) -> Tensor:
        return functional_call(self._model, tensors, (inputs,))


class _Dropout(nn.Module):
    """A dropout whose rate and mask are each member's own."""

    def __init__(self, mapped: Mapped, name: str, alone: nn.Module):
        super().__init__()
        self._mapped, self._name, self._cut = mapped, name, cut_of(alone)
        self.p = alone.p  # which a layer around it may look at

    def forward(self, value: Tensor) -> Tensor:
        return self._mapped.masked(value, self._name, self._cut) if self.training else value


def _aliases(model: nn.Module) -> dict[str, str]:
    """Every name of a tensor, also those of tied ones, and the one that it goes by."""
    first: dict[int, str] = {}
    found = {}
    for name, tensor in (
        *model.named_parameters(remove_duplicate=False),
        *model.named_buffers(remove_duplicate=False),
    ):
        found[name] = first.setdefault(id(tensor), name)
    return found


def _method(name: str) -> Callable[..., Any]:
    return lambda value, *args, **kwargs: getattr(value, name)(*args, **kwargs)


def _pair(call: Callable[..., Any]) -> Callable[..., Tensor]:
    def step(tensors: Tensors, draws: Draws | None, left: Tensor, right: Tensor | None = None) -> Tensor:
        right = left if right is None else right  # of a value and itself
        if left.ndim != right.ndim:
            raise OddError("values of different dimensions are combined")
        return call(left, right)

    return step


def _linear(value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    members, *middle, inputs = value.shape
    rows = value if len(middle) == 1 else value.reshape(members, -1, inputs)
    turned = weight.transpose(1, 2)
    found = torch.bmm(rows, turned) if bias is None else torch.baddbmm(bias.unsqueeze(1), rows, turned)
    return found if len(middle) == 1 else found.view(members, *middle, -1)


def _convolution(module: Any, value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    members, rows, channels, *size = value.shape
    call = functional.conv1d if isinstance(module, nn.Conv1d) else functional.conv2d
    found = call(
        value.transpose(0, 1).reshape(rows, members * channels, *size),
        weight.reshape(-1, *weight.shape[2:]),
        None if bias is None else bias.reshape(-1),
        module.stride,
        module.padding,
        module.dilation,
        module.groups * members,
    )
    return found.view(rows, members, -1, *found.shape[2:]).transpose(0, 1)


def _row_by_row(call: Callable[[Tensor], Tensor], value: Tensor) -> Tensor:
    """Of what looks at each row by itself, and so does not mind rows of other members beside it."""
    members, rows, *_ = value.shape
    found = call(value.reshape(-1, *value.shape[2:]))
    return found.view(members, rows, *found.shape[1:])
