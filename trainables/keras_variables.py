"""Variables of a Keras model and its optimizer in a checkpoint: one npz of plain arrays, in their order, no pickle.

Names say nothing here. Keras makes them up, and `dense_1` depends on what else the process has built.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch


def state_of(model: Any) -> list[Any]:
    """A model's weights, statistics and seeds, and the buffers of torch modules that it wraps."""
    return [*model.variables, *_buffers(model).values()]


def moments(optimizer: Any) -> list[Any]:
    """An optimizer's variables without the learning rate, which is the params'."""
    rate = optimizer.learning_rate
    return [variable for variable in optimizer.variables if variable is not rate]


def kind_of(optimizer: Any) -> str:
    """Whose moments they are; with a scaled loss it is one optimizer around another."""
    inner = getattr(optimizer, "inner_optimizer", None)
    return type(optimizer).__name__ if inner is None else f"{type(optimizer).__name__} of {type(inner).__name__}"


def write(file: Path, about: Mapping[str, Any], **groups: Sequence[Any]) -> None:
    """Writes groups of variables, and plain values about them."""
    arrays = {f"{name}.{k}": _plain(variable) for name, group in groups.items() for k, variable in enumerate(group)}
    np.savez(file, about=np.array(json.dumps(about)), **arrays)


def read(file: Path, *groups: str) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """What is said about the variables, and the arrays of each group."""
    with np.load(file, allow_pickle=False) as found:
        counts = {name: sum(key.startswith(f"{name}.") for key in found.files) for name in groups}
        arrays = {name: [found[f"{name}.{k}"] for k in range(count)] for name, count in counts.items()}
        return json.loads(str(found["about"])), arrays


def misfit(variables: Sequence[Any], arrays: Sequence[Any]) -> str | None:
    """Why arrays cannot be the values of variables; None where they can."""
    if len(variables) != len(arrays):
        return f"{len(arrays)} variables, not {len(variables)}"
    for variable, array in zip(variables, arrays, strict=True):
        if tuple(variable.shape) != array.shape:
            return (
                f"{getattr(variable, 'path', 'a buffer')} has the shape {list(array.shape)}, not {list(variable.shape)}"
            )
    return None


def assign(variables: Sequence[Any], arrays: Sequence[Any]) -> None:
    """Gives variables and buffers their values."""
    for variable, array in zip(variables, arrays, strict=True):
        if isinstance(variable, torch.Tensor):
            variable.copy_(torch.as_tensor(array))
        else:
            variable.assign(array)


def _buffers(layer: Any) -> dict[int, torch.Tensor]:
    """Those of a layer and of the layers in it, which a model holds in a list that torch does not look into."""
    found = {id(buffer): buffer for buffer in layer.buffers()}
    for inner in getattr(layer, "layers", ()):
        found |= _buffers(inner)
    return found


def _plain(variable: Any) -> Any:
    """As npz takes it; bfloat16 and the like, which numpy does not know, as float32."""
    tensor = getattr(variable, "value", variable).detach().cpu()
    is_known = not tensor.is_floating_point() or tensor.dtype in (torch.float16, torch.float32, torch.float64)
    return (tensor if is_known else tensor.float()).numpy()
