"""Whether a stack computes what its members compute alone, tried in float64 before it is trusted.

Two members, unlike each other, take a few steps alone and a few together, from the same numbers. Whatever torch batches
wrongly or a model does behind our back shows here in the tenth digit, and the trials of that kind then train alone.
"""

import copy
import math
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
# Of float64: of the loss, relative to 1 or to itself, whichever is more; of how far weights have moved, relative to the
# farthest. A bias before a batch normalization has a gradient of rounding errors, of which Adam makes small steps: so
# weights are allowed more than the loss, which does not feel them.
EXACT, CLOSE = 1e-10, 1e-6
RATE = 1e-4  # of learning: small steps stay finite whatever the data are, and show a wrong gradient as well
MOST = 20_000_000  # parameters: four copies are made, and such steps are arithmetic, which a stack does not make less
_OTHERS = {"weight_decay": 0.03, "eps": 1e-7, "alpha": 0.95}
_SEEDS = (3, 4)


@dataclass(eq=False)
class _Trial:
    """One member of the comparison."""

    task: Any
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
    size = sum(parameter.numel() for parameter in trainings[0].learner.model.parameters())
    if size > MOST:
        raise OddError(f"it has {size:,} parameters, and stacks are for small networks")
    kept, kind = Generators(), torch.get_default_dtype()
    their_float = Tensor.float
    torch.set_default_dtype(torch.float64)  # and `.float()` is, for as long as all else is in float64
    Tensor.float = Tensor.double  # type: ignore[method-assign]
    try:
        pair = [trainings[0], trainings[-1]]
        alone = [_trial(training, number) for number, training in enumerate(pair)]
        expected = _alone(alone)
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
        Tensor.float = their_float  # type: ignore[method-assign]
        torch.set_default_dtype(kind)
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
        rate = rate_in(module)
        if rate is not None and old.device.type == "cpu":  # neither is 0, whatever the model does where one is
            setattr(module, rate, 0.3 + 0.2 * number)
    _vary(optimizer, number)
    assert isinstance(training.train, Batches)
    assert isinstance(training.validation, Batches)
    task = copy.deepcopy(training.task, {id(old.model): model})
    loss = _other(old.loss.rebound(training.task, task).double(), number)
    return _Trial(
        task,
        Learner(model, optimizer, loss, _loop(old.loop, number), old.device),
        _cut(training.train, old.loop.accumulate * STEPS),
        _cut(training.validation, 2),
    )


def _vary(optimizer: torch.optim.Optimizer, number: int) -> None:
    """Small rates, and for the second of two other numbers everywhere."""
    for group in optimizer.param_groups:
        group["lr"] = RATE / (1 + number)
        if number:
            group.update({name: value for name, value in _OTHERS.items() if name in group})
            if "betas" in group:
                group["betas"] = tuple(0.9 * beta for beta in group["betas"])
            for name in ("momentum", "dampening"):
                if group.get(name):
                    group[name] *= 0.8


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


@dataclass(eq=False)
class _Outcome:
    """What one of them has come to.

    Attributes:
        loss: of its training.
        moved: of each parameter, how far.
        others: outputs, buffers and moments.
    """

    loss: float
    moved: dict[str, Tensor]
    others: dict[str, Tensor]


def _alone(trials: Sequence[_Trial]) -> list[_Outcome]:
    """What each computes by itself.

    Raises:
        OddError: it changes what it holds, leaves a parameter out, or comes to nothing.
    """
    found = []
    for trial, seed in zip(trials, _SEEDS, strict=True):
        model, began = trial.learner.model, _parameters(trial.learner)
        before = attributes(model, trial.task, trial.learner.loss)
        sow(seed, 1)
        loss, _ = trial.learner.train(trial.train)
        if not math.isfinite(loss):
            raise OddError(f"its first steps come to a loss of {loss}")
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.grad is None:
                raise OddError(f"{name} gets no gradient")
        model.eval()
        with torch.no_grad():
            outputs = [trial.learner.output(inputs) for inputs, _ in trial.validation]
        after = attributes(model, trial.task, trial.learner.loss)
        if before != after:
            raise OddError(f"{_changed(before, after)} changes as it runs")
        found.append(_outcome(trial.learner, loss, began, outputs))
    return found


def _together(trials: Sequence[_Trial], forward: Forward) -> list[_Outcome]:
    """What they compute as a stack.

    Raises:
        OddError: they draw from generators that all of a process share.
    """
    learners = [trial.learner for trial in trials]
    began = [_parameters(learner) for learner in learners]
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
        _outcome(learner, float(losses[row]), began[row], [batch[row] for batch in outputs])
        for row, learner in enumerate(learners)
    ]


def _parameters(learner: Learner) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in learner.model.named_parameters()}


def _outcome(learner: Learner, loss: float, began: dict[str, Tensor], outputs: Sequence[Tensor]) -> _Outcome:
    moved = {name: parameter - began[name] for name, parameter in _parameters(learner).items()}
    others = {f"output {place}": output for place, output in enumerate(outputs)} | dict(learner.model.named_buffers())
    for place, state in enumerate(learner.optimizer.state.values()):
        others |= {f"{name} {place}": value for name, value in state.items() if isinstance(value, Tensor)}
    return _Outcome(loss, moved, others)


def _compare(alone: Sequence[_Outcome], together: Sequence[_Outcome]) -> None:
    for expected, found in zip(alone, together, strict=True):
        _check("the training loss", abs(expected.loss - found.loss) / max(1.0, abs(expected.loss)), EXACT)
        farthest = max(float(moved.abs().max()) for moved in expected.moved.values())
        for name, moved in expected.moved.items():
            _check(name, float((moved - found.moved[name]).abs().max()) / (farthest or 1.0), CLOSE)
        if expected.others.keys() != found.others.keys():
            name = min(expected.others.keys() ^ found.others.keys())
            raise OddError(f"{name} is only there when it trains alone, or together")
        for name, tensor in expected.others.items():
            value = tensor.double()
            off = (value - found.others[name].double()).abs() / value.abs().clamp(min=1)
            _check(name, float(off.max()) if off.numel() else 0.0, CLOSE)


def _check(name: str, off: float, allowed: float) -> None:
    if not off <= allowed:
        raise OddError(f"{name} comes out {off:.0e} off when it is trained with others")


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
