"""A space written as Ray Tune's `param_space`; `search.dialects.tune` reads them."""

import math
from typing import Any

from ray import tune

from search.domains import Choice, Float, Int
from search.repeat import Repeat
from search.space import Space


def to_tune(space: Space) -> dict[str, Any]:
    """The space as a `param_space`; what Tune has no word for comes as a choice.

    Raises:
        ValueError: limits or beliefs, which Tune does not know.
    """
    if space.limits or space.prior:
        raise ValueError("Ray Tune knows neither limits nor beliefs. Leave them out: to_tune(Space(dict(space))).")
    return {name: _written(domain) for name, domain in space.items()}


def _written(domain: Any) -> Any:
    match domain:
        case Space():
            inner = {name: _written(value) for name, value in domain.items()}
            if domain.form == "value":
                return inner["value"]
            return inner if domain.form == "dict" else list(inner.values())
        case Repeat(n=n, each=each):
            copies = [_written(each) for _ in range(domain.most)]
            return tune.choice([copies[:k] for k in n.grid(None)]) if isinstance(n, Int) else copies
        case Choice(options=(option,), spaces=(None,)):
            return option
        case Choice(options=options, spaces=spaces, bare=bare):
            return tune.choice([
                option if space is None else _branch(option, space, bare)
                for option, space in zip(options, spaces, strict=True)
            ])  # fmt: skip
        case Float(bell=bell, step=step) if bell is not None and not bell.log:
            return tune.randn(bell.mean, bell.sd) if step is None else tune.qrandn(bell.mean, bell.sd, step)
        case Float(bell=bell) if bell is not None:
            raise ValueError(f"Ray Tune has no {domain}. Use loguniform({domain.low:g}, {domain.high:g}).")
    return _number(domain)


def _branch(option: str, space: Any, bare: bool) -> Any:
    inner = _written(space) if space else {}
    return inner if bare else {option: inner}


def _number(domain: Float | Int) -> Any:
    low, top = domain.low, domain.clip(domain.high)
    match domain:
        case Int(step=1, log=log):
            return (tune.lograndint if log else tune.randint)(low, top + 1)
        case Int(step=step, log=log) if domain.low % step == 0:
            return (tune.qlograndint if log else tune.qrandint)(low, top, step)
        case Float(step=None, log=log):
            return (tune.loguniform if log else tune.uniform)(low, domain.high)
        case Float(step=float() | int() as step, log=log) if all(_is_multiple(end, step) for end in (low, top)):
            return (tune.qloguniform if log else tune.quniform)(low, top, step)
    return tune.choice(list(domain.grid(None)))


def _is_multiple(number: float, step: float) -> bool:
    return math.isclose(number / step, round(number / step))
