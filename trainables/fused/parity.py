"""Whether a stack computes what its members compute alone, tried in float64 before it is trusted.

Two members, unlike each other, take a few steps alone and a few together, from the same numbers. Whatever torch batches
wrongly or a model does behind our back shows here in the tenth digit, and the trials of that kind then train alone.
"""

import copy
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy
import torch
from torch import Tensor

from trainables.batches import Batches
from trainables.fused.draws import Draws, rates_of
from trainables.fused.forward import Forward, Layered, Mapped
from trainables.fused.signature import OddError, attributes, rate_in
from trainables.fused.stack import Rows, Stack
from trainables.learner import Learner
from trainables.loop import Loop
from trainables.losses import Loss
from trainables.seeds import Generators, sow
from trainables.torch_model import TorchTraining

STEPS, LARGEST = 3, 8  # and rows of a batch, which change nothing but the time it takes
# Of float64, relative to 1 or to the number itself, whichever is more. A bias before a batch normalization has a
# gradient of rounding errors, which Adam makes steps of: so weights are allowed more than the loss, which does not feel
# them.
EXACT, CLOSE = 1e-10, 1e-7
_OTHERS = {"weight_decay": 0.03, "eps": 1e-7, "alpha": 0.95}
LOSS = "the training loss"
_SEEDS = (3, 4)


@dataclass(eq=False)
class _Trial:
    """One member of the comparison."""

    learner: Learner
    train: Batches
    validation: Batches


def agreed(trainings: Sequence[TorchTraining]) -> Forward:
    """The quickest forward that computes what these trainings compute alone.

    Args:
        trainings: one, or two of one kind.

    Raises:
        OddError: none does; the text says how they differ.
    """
    kept = Generators()
    try:
        pair = [trainings[0], trainings[-1]]
        alone = [_trial(training, number) for number, training in enumerate(pair)]
        expected = _alone(alone, pair)
        try:
            forward: Forward = Layered(pair[0].learner.model)
            _compare(expected, _together([_trial(one, number) for number, one in enumerate(pair)], forward))
        except Exception:  # noqa: BLE001 - whatever it is, vmap may know better
            forward = Mapped(pair[0].learner.model)
            _compare(expected, _together([_trial(one, number) for number, one in enumerate(pair)], forward))
    except OddError:
        raise
    except Exception as error:  # the user's code, or torch's rules
        raise OddError(_line(error)) from error
    finally:
        kept.restore()
    return forward


def _trial(training: TorchTraining, number: int) -> _Trial:
    """A copy in float64; the two differ in all that members may differ in."""
    training.come_home()
    old = training.learner
    model, optimizer = copy.deepcopy((old.model, old.optimizer))
    model.double()
    for state in optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, Tensor) and name != "step":
                state[name] = value.double()
    noise = torch.Generator().manual_seed(number)
    for parameter in model.parameters() if number else ():
        if parameter.requires_grad:
            drawn = torch.randn(parameter.shape, generator=noise, dtype=torch.float64)
            parameter.data += 0.01 * drawn.to(parameter.device)
    for module in model.modules():
        if (rate := rate_in(module)) is not None:
            setattr(module, rate, 0.3 + 0.2 * number)  # neither is 0, whatever the model does where one is
    _vary(optimizer, number)
    assert isinstance(training.train, Batches)
    assert isinstance(training.validation, Batches)
    return _Trial(
        Learner(model, optimizer, _other(old.loss.double(), number), _loop(old.loop, number), old.device),
        _cut(training.train, old.loop.accumulate * STEPS),
        _cut(training.validation, 2),
    )


def _vary(optimizer: torch.optim.Optimizer, number: int) -> None:
    """Rates that let a wrong gradient show, and for the second of two all other numbers too."""
    for group in optimizer.param_groups:
        group["lr"] = 0.02 / (1 + number)
        if number:
            group.update({name: value for name, value in _OTHERS.items() if name in group})
            group["betas"] = tuple(0.9 * beta for beta in group["betas"]) if "betas" in group else None
            for name in ("momentum", "dampening"):
                if group.get(name):
                    group[name] *= 0.8
    for group in optimizer.param_groups:
        if group.get("betas", ()) is None:
            del group["betas"]


def _other(loss: Loss, number: int) -> Loss:
    params = {name: value * (1 - 0.1 * number) if isinstance(value, float) else value
              for name, value in (loss.params or {}).items()}  # fmt: skip
    return loss if loss.params is None else loss.under(params, checked=False)


def _loop(loop: Loop, number: int) -> Loop:
    return loop if loop.clip_norm is None else replace(loop, clip_norm=0.5 / (1 + number))


def _cut(batches: Batches, count: int) -> Batches:
    """A copy of the first rows, in so many small batches, in float64 where they are numbers with a point."""
    size = min(batches.batch_size, LARGEST)
    inputs, targets = (_double(part[: count * size]) for part in (batches.inputs, batches.targets))
    return Batches(inputs, targets, size, batches.shuffle)


def _double(tensor: Tensor) -> Tensor:
    return tensor.double() if tensor.is_floating_point() else tensor.clone()


def _alone(trials: Sequence[_Trial], trainings: Sequence[TorchTraining]) -> list[dict[str, Tensor]]:
    """What each computes by itself.

    Raises:
        OddError: it changes what it holds, or leaves a parameter out.
    """
    found = []
    for trial, seed, training in zip(trials, _SEEDS, trainings, strict=True):
        model = trial.learner.model
        before = attributes(model, training.task)
        sow(seed, 1)
        loss, _ = trial.learner.train(trial.train)
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                raise OddError(f"{name} gets no gradient")
        model.eval()
        with torch.no_grad():
            outputs = [trial.learner.output(inputs) for inputs, _ in trial.validation]
        after = attributes(model, training.task)
        if before != after:
            raise OddError(f"{_changed(before, after)} changes as it runs")
        found.append(_state(trial.learner, torch.tensor(loss, dtype=torch.float64), outputs))
    return found


def _together(trials: Sequence[_Trial], forward: Forward) -> list[dict[str, Tensor]]:
    """What they compute as a stack.

    Raises:
        OddError: they draw from generators that all of a process share.
    """
    learners = [trial.learner for trial in trials]
    stack = Stack(learners, forward)
    before = _generators()
    draws = Draws([(seed, 1) for seed in _SEEDS], rates_of([learner.model for learner in learners]))
    losses, _ = stack.train(Rows([trial.train for trial in trials]).batches(draws.generators), draws)
    shown = list(Rows([trial.validation for trial in trials]).batches(draws.generators))
    outputs = [list(stack.outputs(inputs, shared)) for inputs, _, shared in shown]
    if _generators() != before:
        raise OddError("it draws from generators of the whole process (random, numpy.random) as it runs")
    for row in range(len(trials)):
        stack.write(row)
    return [
        _state(learner, losses[row].cpu(), [batch[row] for batch in outputs]) for row, learner in enumerate(learners)
    ]


def _state(learner: Learner, loss: Tensor, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
    found = {LOSS: loss, **{f"output {place}": output for place, output in enumerate(outputs)}}
    found |= {**dict(learner.model.named_parameters()), **dict(learner.model.named_buffers())}
    for place, state in enumerate(learner.optimizer.state.values()):
        found |= {f"{name} {place}": value for name, value in state.items() if isinstance(value, Tensor)}
    return found


def _compare(alone: Sequence[dict[str, Tensor]], together: Sequence[dict[str, Tensor]]) -> None:
    for expected, found in zip(alone, together, strict=True):
        if expected.keys() != found.keys():
            raise OddError(
                f"{sorted(expected.keys() ^ found.keys())[0]} is only there when it trains alone, or together"
            )
        for name, tensor in expected.items():
            value = tensor.detach().double()
            off = (value - found[name].detach().double()).abs() / value.abs().clamp(min=1)
            worst = float(off.max()) if off.numel() else 0.0
            if not worst <= (EXACT if name == LOSS else CLOSE):
                raise OddError(f"{name} comes out {worst:.0e} off when it is trained with others")


def _changed(before: dict[str, Any], after: dict[str, Any]) -> str:
    return next(name for name in {**before, **after} if before.get(name) != after.get(name))


def _generators() -> tuple[Any, ...]:
    return random.getstate(), repr(numpy.random.get_state()), bytes(torch.get_rng_state().numpy())


_KNOWN = {  # what torch says, and what it means
    "randomness error mode": "its forward draws random numbers other than by dropout",
    "data-dependent control flow": "its forward decides by the values of a tensor",
    "call .item()": "its forward takes a number out of a tensor",
    "dynamic shape": "its forward makes tensors whose shapes depend on values",
    "vmap: inplace arithmetic": "its forward writes members' values into a tensor that all share",
}


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    known = next((meaning for mark, meaning in _KNOWN.items() if mark in text), None)
    if known is not None:
        return known
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
