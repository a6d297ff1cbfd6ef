"""The steps of K optimizers at once, over a matrix with a row per member.

Every option is a vector over members, or a number where all have the same. The formulas are those of torch's own
`_single_tensor_sgd`, `_single_tensor_adam` and `_single_tensor_rmsprop`, in their order of operations: SGD with
momentum as Sutskever et al. 2013 without their factor of the rate, Adam (Kingma & Ba 2015), AdamW (Loshchilov & Hutter
2019), RMSprop (Hinton's lecture 6e).
"""

import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

Vector = float | Tensor  # of all members alike, or [K, 1] in float64, so that 1 - beta2 has all its digits

KINDS: dict[type, tuple[str, ...]] = {  # their options that may differ between members
    SGD: ("lr", "momentum", "dampening", "weight_decay"),
    Adam: ("lr", "betas", "eps", "weight_decay"),
    AdamW: ("lr", "betas", "eps", "weight_decay"),
    RMSprop: ("lr", "alpha", "eps", "weight_decay", "momentum"),
}
_BUFFER = "momentum_buffer"


class Vectors:
    """K optimizers of one kind.

    Args:
        optimizers: of the members, over parameters of the same shapes.
        weights: `[K, P]` whose columns are their parameters, group after group.

    Attributes:
        moments: `[K, P]` by their names in torch.
        steps: of each, how many were taken.
    """

    def __init__(self, optimizers: Sequence[Optimizer], weights: Tensor):
        first = optimizers[0]
        self._kind, self._spans = type(first), _spans(first)
        self._same = first.param_groups[0]
        self.moments = {name: torch.zeros_like(weights) for name in _moments(self._kind, self._same, optimizers)}
        self._like = weights[:1].clone()
        self.steps, self._begun = [0] * len(optimizers), [False] * len(optimizers)  # to have a momentum
        for row, optimizer in enumerate(optimizers):
            self._read(row, optimizer)
        self._groups: list[dict[str, Vector]] = []

    def tune(self, optimizers: Sequence[Optimizer]) -> None:
        """Takes over rates and the like as they are now."""
        names, device = KINDS[self._kind], self._like.device
        self._groups = []
        for place in range(len(self._spans)):
            groups = [optimizer.param_groups[place] for optimizer in optimizers]
            found = {name: _vector([group[name] for group in groups], device) for name in names if name != "betas"}
            if "betas" in names:
                for part in (0, 1):
                    found[f"beta{part + 1}"] = _vector([group["betas"][part] for group in groups], device)
            self._groups.append(found)
        for name in _moments(self._kind, self._same, optimizers):  # a schedule may begin to use a momentum
            if name not in self.moments:
                self.moments[name] = self._zeros(len(optimizers))
        if _BUFFER in self.moments and not all(self._begun):  # what it would be without neighbours that have one
            fresh = torch.tensor([not begun for begun in self._begun], device=device)
            self.moments[_BUFFER].masked_fill_(fresh[:, None], 0.0)

    def step(self, weights: Tensor, gradient: Tensor) -> None:
        """Changes the weights in place; the gradient is used up."""
        self.steps = [step + 1 for step in self.steps]
        self._first = [not begun for begun in self._begun]
        if _BUFFER in self.moments:
            momenta = _listed(self._groups[0]["momentum"], len(weights))
            self._begun = [begun or momentum != 0 for begun, momentum in zip(self._begun, momenta, strict=True)]
        if self._same["maximize"]:
            gradient.neg_()
        for span, group in zip(self._spans, self._groups, strict=True):
            cut = (slice(None), span)
            moments = {name: moment[cut] for name, moment in self.moments.items()}
            if self._kind is SGD:
                self._sgd(weights[cut], gradient[cut], moments, group)
            elif self._kind is RMSprop:
                self._rmsprop(weights[cut], gradient[cut], moments, group)
            else:
                self._adam(weights[cut], gradient[cut], moments, group)

    def rows(self, kept: Tensor) -> None:
        """Keeps these members, in this order."""
        self.moments = {name: moment[kept] for name, moment in self.moments.items()}
        self.steps, self._begun = ([part[row] for row in kept.tolist()] for part in (self.steps, self._begun))

    def append(self, other: "Vectors") -> None:
        """More members at the end."""
        found = {}
        for name in {**self.moments, **other.moments}:
            both = [part.moments.get(name) for part in (self, other)]
            found[name] = torch.cat(
                [part._zeros(len(part.steps)) if moment is None else moment
                 for part, moment in zip((self, other), both, strict=True)]
            )  # fmt: skip
        self.moments, self.steps, self._begun = found, self.steps + other.steps, self._begun + other._begun

    def state(self) -> tuple[Any, ...]:
        """All that steps change, to go back to."""
        return {name: moment.clone() for name, moment in self.moments.items()}, self.steps, self._begun

    def restore(self, state: tuple[Any, ...]) -> None:
        """Goes back."""
        self.moments, self.steps, self._begun = state

    def write(self, row: int, optimizer: Optimizer) -> None:
        """Gives a member's moments back to its optimizer, as torch keeps them; none before the first step."""
        for group, parameter, columns in places_in(optimizer):
            found = {
                name: moment[row, columns].reshape(parameter.shape).clone()
                for name, moment in self.moments.items()
                if name != _BUFFER or group["momentum"] != 0
            }
            if self._kind is not SGD:
                home = parameter.device if group.get("fused") else None
                found["step"] = torch.tensor(float(self.steps[row]), device=home)
            optimizer.state.pop(parameter, None)
            if self.steps[row] and found:
                optimizer.state[parameter] = found

    def _read(self, row: int, optimizer: Optimizer) -> None:
        for _, parameter, columns in places_in(optimizer):
            state = optimizer.state.get(parameter, {})
            for name, moment in self.moments.items():
                if state.get(name) is not None:
                    moment[row, columns] = state[name].detach().flatten()
                    self.steps[row] = int(state.get("step", 1))
                    self._begun[row] = self._begun[row] or name == _BUFFER

    def _zeros(self, members: int) -> Tensor:
        return self._like.new_zeros((members, self._like.shape[1]))

    def _sgd(self, weights: Tensor, gradient: Tensor, moments: dict[str, Tensor], at: dict[str, Vector]) -> None:
        _decay(gradient, weights, at["weight_decay"])
        buffer = moments.get(_BUFFER)
        if buffer is None:
            _add(weights, gradient, at["lr"], -1)
            return
        dampening = at["dampening"]
        buffer.mul_(_cast(at["momentum"], buffer))
        if _is_any(dampening):
            begins = torch.tensor(self._first, device=weights.device)[:, None]
            is_free = begins | (torch.as_tensor(at["momentum"], device=weights.device) == 0)
            kept = torch.as_tensor(1 - dampening, dtype=torch.float64, device=weights.device)
            buffer.addcmul_(gradient, _cast(torch.where(is_free, torch.ones_like(kept), kept), buffer))
        else:
            buffer.add_(gradient)
        if self._same["nesterov"]:
            _add(weights, _add(gradient, buffer, at["momentum"], 1), at["lr"], -1)
        else:
            _add(weights, buffer, at["lr"], -1)

    def _adam(self, weights: Tensor, gradient: Tensor, moments: dict[str, Tensor], at: dict[str, Vector]) -> None:
        rate, beta1, beta2 = at["lr"], at["beta1"], at["beta2"]
        if self._kind is AdamW or self._same.get("decoupled_weight_decay"):
            if _is_any(at["weight_decay"]):
                weights.mul_(_cast(1 - rate * at["weight_decay"], weights))
        else:
            _decay(gradient, weights, at["weight_decay"])
        moments["exp_avg"].lerp_(gradient, _cast(1 - beta1, gradient))
        square = _mean_of_squares(moments["exp_avg_sq"], gradient, beta2)
        sizes, roots = [], []
        for step, a, b, c in zip(
            self.steps, *(_listed(one, len(weights)) for one in (rate, beta1, beta2)), strict=True
        ):
            sizes.append([a / (1 - b**step)])  # by Python, as torch does: its own power rounds by place
            roots.append([math.sqrt(1 - c**step)])
        size, root = weights.new_tensor(sizes), weights.new_tensor(roots)
        if "max_exp_avg_sq" in moments:
            square = torch.maximum(moments["max_exp_avg_sq"], square, out=moments["max_exp_avg_sq"])
        spread = square.sqrt().div_(root).add_(_cast(at["eps"], weights))
        weights.sub_((moments["exp_avg"] * size).div_(spread))

    def _rmsprop(self, weights: Tensor, gradient: Tensor, moments: dict[str, Tensor], at: dict[str, Vector]) -> None:
        _decay(gradient, weights, at["weight_decay"])
        alpha = at["alpha"]
        square = _mean_of_squares(moments["square_avg"], gradient, alpha)
        if "grad_avg" in moments:
            mean = moments["grad_avg"].lerp_(gradient, _cast(1 - alpha, gradient))
            spread = square.addcmul(mean, mean, value=-1).sqrt_()
        else:
            spread = square.sqrt()
        spread.add_(_cast(at["eps"], weights))
        change = gradient.div_(spread)
        if _BUFFER in moments:  # of a neighbour, perhaps: without momentum it makes no difference
            change = moments[_BUFFER].mul_(_cast(at["momentum"], weights)).add_(change)
        _add(weights, change, at["lr"], -1)


def unfit(optimizer: Optimizer) -> str | None:
    """Why an optimizer has no place in a stack; None where it has one."""
    name = type(optimizer).__name__
    if type(optimizer) not in KINDS:
        return f"its optimizer is {name}, and stacked are SGD, Adam, AdamW and RMSprop"
    hooks = ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks")
    if any(getattr(optimizer, hook, None) for hook in hooks):
        return f"its {name} has hooks"
    if "step" in vars(optimizer) and not getattr(optimizer.step, "_wrapped_by_lr_sched", False):
        return f"its {name} has a step of its own"
    for group in optimizer.param_groups:
        odd = [key for key in ("capturable", "differentiable") if group.get(key)]
        odd += [key for key in KINDS[type(optimizer)] if isinstance(group[key], Tensor)]
        if odd:
            return f"its {name} has {odd[0]}={group[odd[0]]!r}"
    if len({bool(group.get("momentum")) for group in optimizer.param_groups}) > 1:
        return f"some groups of its {name} have a momentum, and some have none"
    steps = {float(state["step"]) for state in optimizer.state.values() if "step" in state}
    return f"its {name} has taken different numbers of steps for different parameters" if len(steps) > 1 else None


def likeness(optimizer: Optimizer) -> Iterator[tuple[str, Any]]:
    """What members' optimizers must have in common, by name: their own settings, not what a schedule keeps in them."""
    kind: Any = type(optimizer)
    yield "the optimizer", kind
    for name in sorted(set(optimizer.defaults) - {*KINDS[kind], "foreach", "fused"}):
        yield f"the optimizer's {name}", tuple(group[name] for group in optimizer.param_groups)


def places_in(optimizer: Optimizer) -> Iterator[tuple[dict[str, Any], nn.Parameter, slice]]:
    """Each parameter with its group and its columns in a row, group after group."""
    start = 0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            yield group, parameter, slice(start, start + parameter.numel())
            start += parameter.numel()


def _spans(optimizer: Optimizer) -> list[slice]:
    """The columns of each group."""
    ends = list(accumulate(sum(parameter.numel() for parameter in group["params"]) for group in optimizer.param_groups))
    return [slice(start, stop) for start, stop in pairwise([0, *ends])]


def _moments(kind: type, same: dict[str, Any], optimizers: Sequence[Optimizer]) -> list[str]:
    has_momentum = any(group.get("momentum") for optimizer in optimizers for group in optimizer.param_groups)
    if kind is SGD:
        return [_BUFFER] if has_momentum else []
    if kind is RMSprop:
        return ["square_avg", *(["grad_avg"] if same["centered"] else []), *([_BUFFER] if has_momentum else [])]
    return ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if same["amsgrad"] else [])]


def _mean_of_squares(mean: Tensor, gradient: Tensor, decay: Vector) -> Tensor:
    mean.mul_(_cast(decay, mean))
    if isinstance(decay, Tensor):
        return mean.addcmul_(gradient * _cast(1 - decay, mean), gradient)
    return mean.addcmul_(gradient, gradient, value=1 - decay)


def _vector(values: Sequence[Any], device: torch.device) -> Vector:
    values = [float(value) for value in values]
    if len(set(values)) == 1:
        return values[0]
    return torch.tensor(values, dtype=torch.float64, device=device)[:, None]


def _listed(value: Vector, members: int) -> list[float]:
    return value.flatten().tolist() if isinstance(value, Tensor) else [value] * members


def _is_any(value: Vector) -> bool:
    return isinstance(value, Tensor) or value != 0


def _decay(gradient: Tensor, weights: Tensor, decay: Vector) -> None:
    if _is_any(decay):
        _add(gradient, weights, decay, 1)


def _add(to: Tensor, what: Tensor, times: Vector, sign: int) -> Tensor:
    if isinstance(times, Tensor):
        return to.addcmul_(what, _cast(times, to), value=sign)
    return to.add_(what, alpha=sign * times)


def _cast(value: Vector, like: Tensor) -> Any:
    return value.to(like.dtype) if isinstance(value, Tensor) else value
