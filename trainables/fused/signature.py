"""Which trainings may be stacked: whatever is not a row of a tensor has to be the same in all of them.

A difference that went unnoticed would train a trial as if it were its neighbour. So everything that an object holds is
compared, also what a user's own module keeps in its attributes, and what cannot be compared is not stacked.
"""

import dataclasses
import enum
import functools
import hashlib
import types
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from trainables.batches import Batches
from trainables.fused import vectors
from trainables.losses import Loss
from trainables.torch_model import TorchTraining

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
_OWN = set(vars(nn.Module()))  # what every module has, and what is looked at by itself
_UNFIT: dict[type, str] = {
    nn.RNNBase: "torch has no batching rule for it",
    nn.RNNCellBase: "torch has no batching rule for it",
    nn.AlphaDropout: "it draws in its own way",
    nn.FeatureAlphaDropout: "it draws in its own way",
    nn.RReLU: "it draws in its own way",
    nn.FractionalMaxPool2d: "it draws in its own way",
    nn.FractionalMaxPool3d: "it draws in its own way",
    nn.SyncBatchNorm: "it talks to other processes",
    torch.jit.ScriptModule: "it is compiled",
}


class OddError(Exception):
    """Something that cannot be compared, or has no place in a stack; the text says what."""


Signature = tuple[tuple[str, Hashable], ...]


def signature(training: TorchTraining) -> Signature:
    """What trainings must have in common to be stacked, each part with its name.

    Raises:
        OddError: this one cannot be stacked with any.
    """
    learner, loop = training.learner, training.learner.loop
    if loop.precision != "full":
        raise OddError(f"it trains in {loop.precision}, which differs in silence when it is batched")
    if loop.deterministic:
        raise OddError("it asks for deterministic algorithms")
    if (reason := vectors.unfit(learner.optimizer)) is not None:
        raise OddError(reason)
    looker = _Looker(learner.model, training.task)
    return (
        ("the trainable", looker.plain("the trainable", type(training.task))),
        *(part for name, module in learner.model.named_modules() for part in looker.module(name, module)),
        *_tensors(learner.model),
        *((name, looker.plain(name, value)) for name, value in vectors.likeness(learner.optimizer)),
        ("the order of its parameters", _order(learner.model, learner.optimizer)),
        ("accumulate", loop.accumulate),
        ("clip_norm", loop.clip_norm is None),
        ("the loss", looker.outside("the loss", learner.loss.parts)),
        ("the loss's params", looker.plain("the loss's params", fixed(learner.loss.params or {}))),
        *looker.held_outside("the trainable", vars(training.task)),
        *_loader("training", training.train),
        *_loader("validation", training.validation),
        ("the device", str(learner.device)),
    )


def difference(one: Signature, other: Signature) -> str:
    """The first part in which two differ, in words."""
    for (name, value), (other_name, other_value) in zip(one, other, strict=False):
        if name != other_name:
            return f"{name} is where another has {other_name}"
        if value != other_value:
            return f"{name} differs"
    return "one has more parts than another"


def attributes(model: nn.Module, task: Any, loss: Loss) -> dict[str, Hashable]:
    """All that a model, its trainable and its loss hold beside tensors, to tell whether that changes as they run."""
    looker, found = _Looker(model, task), dict[str, Hashable]()
    for name, module in model.named_modules():
        found |= looker.traits(_called(name, module), _held(module))
    found["the loss"] = looker.outside("the loss", loss.parts)
    return found | dict(looker.held_outside("the trainable", vars(task)))


class _Looker:
    """Looks at a model and its trainable.

    A part of the model that is met again, in a list or as the owner of a method, is known by its name there. What the
    trainable or its loss holds must not be a part of the model: a stack trains other tensors than those.
    """

    def __init__(self, model: nn.Module, task: Any):
        self._parts = {id(module): name for name, module in model.named_modules()}
        self._tensors = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
        self._task, self._open, self._is_outside = task, set[int](), False

    def traits(self, owner: str, held: Mapping[str, Any]) -> list[tuple[str, Hashable]]:
        """An object's attributes as values that can be compared, by their names.

        Raises:
            OddError: one of them cannot.
        """
        names = sorted(held, key=str)
        return [(f"{owner}'s {name}", self.plain(f"{owner}'s {name}", held[name])) for name in names]

    def outside(self, where: str, value: Any) -> Hashable:
        """The same as `plain`, of what is no part of the model, and must not hold one.

        Raises:
            OddError: it does.
        """
        self._is_outside = True
        try:
            return self.plain(where, value)
        finally:
            self._is_outside = False

    def held_outside(self, owner: str, held: Mapping[str, Any]) -> list[tuple[str, Hashable]]:
        """The same as `traits`, of what is no part of the model, and must not hold one."""
        names = sorted(held, key=str)
        return [(f"{owner}'s {name}", self.outside(f"{owner}'s {name}", held[name])) for name in names]

    def module(self, name: str, module: nn.Module) -> Iterator[tuple[str, Hashable]]:
        """A part of the model.

        Raises:
            OddError: it cannot be stacked.
        """
        called = _called(name, module)
        for odd, why in _UNFIT.items():
            if isinstance(module, odd):
                raise OddError(f"{called}: {why}")
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.momentum is None:
            raise OddError(f"{called} has momentum=None, a mean over all batches")
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.sparse:
            raise OddError(f"{called} is sparse")
        if hasattr(module, "parametrizations"):
            raise OddError(f"{called} is parametrized (weight_norm, spectral_norm)")
        if any(held for key, held in vars(module).items() if key.endswith("_hooks") and held):
            raise OddError(f"{called} has hooks")
        kind: Any = type(module)
        yield called, kind
        yield from self.traits(called, _held(module))

    def plain(self, where: str, value: Any) -> Hashable:
        """A value that is equal where two objects behave alike.

        Raises:
            OddError: that cannot be told of it.
        """
        if self._is_outside and (id(value) in self._parts or id(value) in self._tensors):
            raise OddError(f"{where} holds a part of the model")
        if id(value) in self._parts:
            return "a part of the model", self._parts[id(value)]
        if value is self._task:
            return "the trainable"
        if not isinstance(value, _SIMPLE):
            if id(value) in self._open:
                return "itself"
            self._open.add(id(value))
        try:
            return self._plain(where, value)
        finally:
            self._open.discard(id(value))

    def _plain(self, where: str, value: Any) -> Hashable:
        match value:
            case None | bool() | int() | float() | complex() | str() | bytes():
                return type(value), repr(value)
            case torch.dtype() | torch.device() | torch.Size():
                return str(value)
            case range() | slice() | Path() | numpy.dtype():
                return type(value), repr(value)
            case Tensor():
                return _digest(where, value)
            case Mapping():
                return tuple(sorted((str(key), self.plain(where, held)) for key, held in value.items()))
            case list() | tuple():
                return type(value), tuple(self.plain(where, held) for held in value)
            case set() | frozenset():
                return type(value), tuple(sorted(str(self.plain(where, held)) for held in value))
            case functools.partial():
                return self.plain(where, [value.func, value.args, value.keywords])
            case nn.Module():
                return self._other_module(where, value)
            case types.MethodType():
                return self.plain(where, value.__func__), self.plain(where, value.__self__)
            case type() | types.BuiltinFunctionType() | types.ModuleType() | enum.Enum():
                return value
            case types.FunctionType():
                cells = [_content(cell) for cell in value.__closure__ or ()]
                return value.__code__, self.plain(where, [cells, value.__defaults__, value.__kwdefaults__])
            case types.SimpleNamespace():
                return self.plain(where, vars(value))
            case numpy.generic():
                return type(value), repr(value.item())
            case numpy.ndarray() if value.dtype != object:
                return value.shape, str(value.dtype), hashlib.blake2b(value.tobytes(), digest_size=16).hexdigest()
        if dataclasses.is_dataclass(value):
            held = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
            return type(value), self.plain(where, held)
        raise OddError(f"{where} is a {type(value).__name__}, which cannot be compared with another's")

    def _other_module(self, where: str, module: nn.Module) -> Hashable:
        """A module that is no part of the model, such as a loss: all of it has to be the same."""
        parts = [(name, type(one), {k: v for k, v in vars(one).items() if k not in _OWN})
                 for name, one in module.named_modules()]  # fmt: skip
        digests = tuple((name, _digest(where, tensor)) for name, tensor in module.state_dict().items())
        return self.plain(where, parts), digests


_SIMPLE = (type(None), bool, int, float, complex, str, bytes, type)


def fixed(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params of a loss that have to be the same for all members: those that are no plain numbers with a point."""
    return {
        name: fixed(value) if isinstance(value, Mapping) else value
        for name, value in params.items()
        if not isinstance(value, float)
    }


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None


def rate_in(module: nn.Module) -> str | None:
    """The attribute of a module that is the rate of a dropout, which may be each member's own."""
    return "p" if type(module) in _DROPOUTS else "dropout" if type(module) is nn.MultiheadAttention else None


def _called(name: str, module: nn.Module) -> str:
    return f"{type(module).__name__} ({name})" if name else type(module).__name__


def _held(module: nn.Module) -> dict[str, Any]:
    """A module's own attributes; a dropout's rate is a vector."""
    skipped = {*_OWN, rate_in(module)}
    return {name: value for name, value in vars(module).items() if name not in skipped}


def _tensors(model: nn.Module) -> Iterator[tuple[str, Hashable]]:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if type(tensor) not in (Tensor, nn.Parameter) or tensor.layout != torch.strided:
            raise OddError(f"{name} is a {type(tensor).__name__} of layout {tensor.layout}")
        if tensor._backward_hooks or tensor._post_accumulate_grad_hooks:
            raise OddError(f"{name} has hooks")
        yield f"the shape of {name}", tuple(tensor.shape)
        yield f"the kind of {name}", (tensor.dtype, tensor.requires_grad)


def _order(model: nn.Module, optimizer: torch.optim.Optimizer) -> Hashable:
    """Names of the parameters in the optimizer's order."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = [[names.get(id(parameter)) for parameter in group["params"]] for group in optimizer.param_groups]
    listed = [name for group in groups for name in group]
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if sorted(map(str, listed)) != sorted(trained):
        raise OddError("its optimizer has other parameters than those that want a gradient")
    kinds = {parameter.dtype for parameter in model.parameters() if parameter.requires_grad}
    if len(kinds) != 1 or not kinds <= {torch.float32, torch.float64}:
        raise OddError(f"its parameters are {', '.join(sorted(map(str, kinds))) or 'none'}, and not all float32")
    return tuple(tuple(group) for group in groups)


def _loader(role: str, loader: Any) -> Iterator[tuple[str, Hashable]]:
    if type(loader) is not Batches:
        raise OddError(f"its {role} data come from a {type(loader).__name__} and not from Batches(inputs, targets)")
    for name, part in (("inputs", loader.inputs), ("targets", loader.targets)):
        yield f"the shape of the {role} {name}", (tuple(part.shape), part.dtype)
    yield f"the {role} batch size", loader.batch_size
    yield f"whether the {role} rows are shuffled", loader.shuffle


def _digest(where: str, tensor: Tensor) -> Hashable:
    if tensor.requires_grad:
        raise OddError(f"{where} is a tensor that wants a gradient, outside of the model")
    if tensor.layout != torch.strided:
        raise OddError(f"{where} is of layout {tensor.layout}")
    raw = tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
    return tuple(tensor.shape), tensor.dtype, hashlib.blake2b(raw.data, digest_size=16).hexdigest()
