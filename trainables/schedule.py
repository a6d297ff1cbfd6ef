"""Schedules of a learning rate, as torch has them: stepped after every epoch, and gone on with from a checkpoint."""

import warnings
from typing import Any

from torch.optim import lr_scheduler

from trainables.contract import Metrics, Params
from trainables.takeover import rebase


def begin(make: Any, params: Params, optimizer: Any) -> Any:
    """What a user's method makes; None where there is none. Groups note the rate that they begin from, as most do."""
    if make is None:
        return None
    made = make(params, optimizer)
    if made is not None and not callable(getattr(made, "step", None)):
        raise TypeError(
            f"schedule() gives {made!r}, no schedule of torch. Return one from it: "
            f"return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 27)"
        )
    for group in optimizer.param_groups:
        group.setdefault("initial_lr", group["lr"])
    return made


def step(schedule: Any, metrics: Metrics, watch: str) -> None:
    """The rate of the next epoch."""
    with warnings.catch_warnings():  # of a trial that is trained together with others, whose optimizer takes no step
        warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
        if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
            schedule.step(metrics[watch])
        else:
            schedule.step()


def resume(schedule: Any, saved: dict[str, Any], groups: list[dict[str, Any]], then: list[dict[str, Any]]) -> None:
    """Goes on with a schedule where it was saved; a rate that the params make otherwise than before stays so."""
    schedule.load_state_dict(saved)
    for group, old in zip(groups, then, strict=True):
        base, was = group["initial_lr"], old["initial_lr"]
        group["lr"] = old["lr"] * (base / was) if was else base
    rebase(schedule, groups)
