"""One notation for Python, YAML and shell: `TPE() + ASHA(max_epochs=27)`, `loguniform(1e-5, 1e-1)`.

Read with `ast` over known names, literals and `+`; nothing is ever evaluated, so a study file from a
stranger can do no more than name our values.
"""

import ast
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from search.domains import choice, integer, logint, loguniform, uniform
from search.samplers import TPE, Grid, Random
from search.schedulers import ASHA, PBT
from search.spelling import did_you_mean
from search.strategy import FullLength, Sampler, Scheduler

Names = Mapping[str, Callable[..., Any]]

DOMAINS: Names = {f.__name__: f for f in (uniform, loguniform, integer, logint, choice)}
STRATEGIES: Names = {c.__name__: c for c in (Grid, Random, TPE, FullLength, ASHA, PBT)}

LONGEST = 2_000  # characters; a notation longer than this is data, not a value


def parse(text: str, names: Names) -> Any:
    """The value that `text` writes with `names`.

    Raises:
        ValueError: a misspelt name or argument, an operator other than `+`, anything that is not a
            call, a literal, a list or a dict of those.

    >>> parse("choice(sgd={'momentum': uniform(0, 0.99)}, adam={})", DOMAINS).options
    ('sgd', 'adam')
    """
    if len(text) > LONGEST:
        raise ValueError(
            f"a value of {len(text)} characters was given. Keep it under {LONGEST}, or write it in Python."
        )
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        return _read(tree, names, text.strip())
    except (SyntaxError, RecursionError, MemoryError) as error:
        where = f" at column {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise ValueError(f"{text!r} cannot be read{where}. {_example(names)}") from None


def _read(node: ast.expr, names: Names, text: str) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None):
            return node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(
            number, bool
        ):
            return -number
        case ast.List(elts=items):
            return [_read(item, names, text) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_read(item, names, text) for item in items)
        case ast.Dict(keys=keys, values=values) if all(key is not None for key in keys):
            return {_read(k, names, text): _read(v, names, text) for k, v in zip(keys, values, strict=True)}  # type: ignore[arg-type]
        case ast.Name(id=name):
            return _call(name, [], {}, names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if all(k.arg for k in keywords):
            given = {str(k.arg): _read(k.value, names, text) for k in keywords}
            return _call(name, [_read(a, names, text) for a in args], given, names)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _join(_read(left, names, text), _read(right, names, text))
    piece = ast.get_source_segment(text, node) or text
    raise ValueError(f"{piece!r} in {text!r} is no value of ours. {_example(names)}")


def _join(left: Any, right: Any) -> Any:
    if isinstance(left, Sampler | Scheduler):
        return left + right
    raise ValueError(
        f"{left!r} + {right!r} cannot be added. Add a sampler and a scheduler: TPE() + ASHA(max_epochs=27)."
    )


def _call(name: str, args: list[Any], keywords: dict[str, Any], names: Names) -> Any:
    if name not in names:
        raise ValueError(f"{name!r} is unknown. {did_you_mean(name, names)}")
    known = inspect.signature(names[name]).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in known.values())
    for keyword in keywords:
        if keyword not in known and not takes_any:
            raise ValueError(f"{name}({keyword}=...) is unknown. {did_you_mean(keyword, known)}")
    try:
        inspect.signature(names[name]).bind(*args, **keywords)
    except TypeError as error:
        wanted = ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in known.values())
        raise ValueError(f"{name}(...) was given the wrong arguments: {error}. Write {name}({wanted}).") from None
    try:
        return names[name](*args, **keywords)
    except TypeError as error:  # a str where a number belongs, say
        raise ValueError(f"{name}(...) was given a wrong type: {error}. Check its arguments.") from None


def _example(names: Names) -> str:
    if "uniform" in names:
        return "Write a domain such as loguniform(1e-5, 1e-1), integer(1, 4) or choice('relu', 'gelu')."
    if "ASHA" in names:
        return "Write a sampler and a scheduler: TPE() + ASHA(max_epochs=27)."
    return f"Write one of: {', '.join(names)}."
