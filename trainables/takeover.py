"""What is a checkpoint's and what the params', where a library loads its own checkpoints: moments, and learning rates.

A schedule changes rates from step to step, so the params' rate is not simply put back: a rate that the params make
otherwise than before goes on as the saved one times the ratio of the two.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import torch

Settings = dict[str, Any]


def settings(optimizer: Any) -> Settings:
    """An optimizer as the params made it: its kind, the sizes of its groups, and their rates and the like.

    Taken before a checkpoint is loaded, and kept in the next one; nothing but numbers, texts and lists of them.
    """
    return {
        "kind": type(optimizer).__name__,
        "sizes": [len(group["params"]) for group in optimizer.param_groups],
        "groups": [
            {name: _bare(value) for name, value in group.items() if name != "params"}
            for group in optimizer.param_groups
        ],
    }


def check(then: Settings, now: Settings, checkpoint: str) -> None:
    """Raises ValueError where a saved optimizer has other groups of parameters than the one that the params make."""
    if then["sizes"] != now["sizes"]:
        raise misfit(checkpoint, f"groups of {then['sizes']} parameters, not {now['sizes']}")


def take_over(optimizer: Any, schedulers: Any, then: Settings, now: Settings) -> None:
    """Gives the params' rates and the like to an optimizer, and to its schedulers, that a checkpoint was loaded into.

    Args:
        optimizer: with the checkpoint's moments and settings.
        schedulers: with the checkpoint's place in their schedules.
        then: what the checkpoint's params made.
        now: what these params make; where both are alike, all stays as it was saved. An optimizer of another kind has
            its own settings already, for nothing could be loaded into it.
    """
    if then == now:
        return
    if then["kind"] == now["kind"]:
        for group, old, new in zip(optimizer.param_groups, then["groups"], now["groups"], strict=True):
            _renew(group, old, new)
    for scheduler in schedulers:
        rebase(scheduler, optimizer.param_groups)


def plain(state: Any) -> Any:
    """A state without numpy's scalars, which are not loaded again with `weights_only`."""
    if type(state) in (dict, OrderedDict):
        return {key: plain(value) for key, value in state.items()}
    if type(state) in (list, tuple):
        return type(state)([plain(value) for value in state])
    return state.item() if isinstance(state, numpy.generic) else state


def read(path: Path) -> dict[str, Any]:
    """What torch saved, where it is nothing but tensors and plain values.

    Raises:
        ValueError: there is more in it, which only a pickle could bring back.
    """
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"the checkpoint {path.parent.name} holds more than tensors and plain values, and such is not loaded "
            f"({_line(error)}). Keep objects out of it: self.save_hyperparameters(ignore=['net'])"
        ) from error


def check_weights(folder: Path, model: Any) -> None:
    """Raises ValueError where saved weights, of `model.safetensors` or its shards, are not a model's."""
    from safetensors import safe_open

    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    for path in folder.glob("model*.safetensors"):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                shape = list(file.get_slice(name).get_shape())
                if shapes.get(name) != shape:
                    raise misfit(folder.name, f"{name} is {shape}, not {shapes.get(name, 'there')}")


def misfit(checkpoint: str, wrong: object) -> ValueError:
    """What is said of a checkpoint that belongs to another model."""
    return ValueError(
        f"the checkpoint {checkpoint} does not fit the model that these params build "
        f"({_line(wrong)}). "
        f"Params that shape a model cannot change under trained weights: name the others in PBT(mutate=...)."
    )


def _base(group: Mapping[str, Any]) -> float:
    """The rate from which a schedule starts: a warm-up makes the very first one 0."""
    return float(group.get("initial_lr", group.get("lr", 0.0)))


def _renew(group: dict[str, Any], old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    base, was = _base(new), _base(old)
    if base != was:
        group["lr"] = group["lr"] * (base / was) if was else base
        if "initial_lr" in group:
            group["initial_lr"] = base
    others = [name for name in new if name not in ("lr", "initial_lr")]
    group.update({name: new[name] for name in others if new[name] != old.get(name)})


def rebase(scheduler: Any, groups: list[dict[str, Any]]) -> None:
    """Schedules that know the rates from which they start, also those within others, start from the groups'."""
    if hasattr(scheduler, "base_lrs"):
        scheduler.base_lrs = [group.get("initial_lr", group["lr"]) for group in groups]
    for inner in getattr(scheduler, "_schedulers", ()):
        rebase(inner, groups)


def _line(wrong: object) -> str:
    return " ".join(str(wrong).split())[:200]


def _bare(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_bare(part) for part in value]
    if hasattr(value, "item"):  # a tensor or numpy's scalar
        return value.item()
    return value if isinstance(value, bool | int | float | str | None) else str(value)
