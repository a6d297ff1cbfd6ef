"""One notation for Python, YAML and shell: `TPE() + ASHA(max_epochs=27)`, `loguniform(1e-5, 1e-1)`.

Read with `ast` over known names, literals, `+` and `>>`; nothing is ever evaluated, so a study file from a
stranger can do no more than name our values. A factor such as `3x` is read as the text that Python writes for it.
"""

import ast
import inspect
import math
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from search import samplers, schedulers
from search.domains import choice, fixed, integer, logint, lognormal, loguniform, normal, ordinal, uniform, variants
from search.prior import believed
from search.repeat import repeat
from search.space import alone, sequence
from search.spelling import did_you_mean
from search.strategy import Sampler, Scheduler

Names = Mapping[str, Callable[..., Any]]

DOMAINS: Names = {
    f.__name__: f
    for f in (
        uniform,
        loguniform,
        normal,
        lognormal,
        integer,
        logint,
        choice,
        ordinal,
        fixed,
        repeat,
        variants,
        sequence,
        alone,
    )
}
STRATEGIES: Names = {
    name: value
    for room, kind in ((samplers, Sampler), (schedulers, Scheduler))
    for name, value in vars(room).items()
    if isinstance(value, type) and issubclass(value, kind) and value is not kind
}
BELIEFS: Names = {"believed": believed}

EXAMPLES = {  # of what needs arguments
    "uniform": "uniform(0, 1)",
    "loguniform": "loguniform(1e-5, 1e-1)",
    "normal": "normal(0, 1)",
    "lognormal": "lognormal(0, 1)",
    "integer": "integer(1, 4)",
    "logint": "logint(8, 512)",
    "choice": "choice('relu', 'gelu')",
    "ordinal": "ordinal(16, 32, 64)",
    "fixed": "fixed(0.9)",
    "repeat": "repeat(integer(1, 4), {'width': logint(8, 64)})",
    "variants": "variants('any', some={'x': uniform(0, 1)})",
    "sequence": "sequence(uniform(0, 1), integer(1, 4))",
    "alone": "alone(uniform(0, 1))",
    "believed": "believed(lr=3e-3, within='3x')",
}

LONGEST = 2_000  # characters; a notation longer than this is data, not a value

_FACTOR = re.compile(r"(?P<before>=\s*)(?P<factor>\d+\.?\d*|\.\d+)x(?=\s*[,)])")


def parse(text: str, names: Names) -> Any:
    """The value that `text` writes with `names`.

    Raises:
        ValueError: a misspelt name or argument, an operator other than `+`, anything that is not a
            call, a literal, a list or a dict of those.

    >>> parse("choice(sgd={'momentum': uniform(0, 0.99)}, adam={})", DOMAINS).options
    ('sgd', 'adam')
    """
    if not isinstance(text, str):
        raise ValueError(f"{text!r} ({type(text).__name__}) is no text. {_example(names)}")
    if len(text) > LONGEST:
        raise ValueError(
            f"a value of {len(text)} characters was given. Keep it under {LONGEST}, or write it in Python."
        )
    try:
        return _read(_tree(text.strip(), names), names, text.strip())
    except (RecursionError, MemoryError):
        raise ValueError(f"{_cut(text)} is nested too deeply. {_example(names)}") from None


def _tree(text: str, names: Names) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Python's compiler, about text that is no code
            return ast.parse(_FACTOR.sub(r"\g<before>'\g<factor>x'", text), mode="eval").body
    except (SyntaxError, ValueError) as error:  # ValueError: a null byte, half a surrogate pair
        where = f" at column {error.offset}" if isinstance(error, SyntaxError) and error.offset else ""
        raise ValueError(f"{_cut(text)} cannot be read{where}. {_example(names)}") from None


def _read(node: ast.expr, names: Names, text: str) -> Any:
    match node:
        case ast.Constant(value=str() | int() | float() | bool() | None):
            return node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(
            number, bool
        ):
            return -number
        case ast.UnaryOp(op=ast.USub(), operand=ast.Name(id="inf")):
            return -math.inf
        case ast.Name(id="inf" | "nan" as name):
            return float(name)
        case ast.List(elts=items):
            return [_read(item, names, text) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_read(item, names, text) for item in items)
        case ast.Dict(keys=keys, values=values) if all(key is not None for key in keys):
            words = [_key(key, names, text) for key in keys]
            _refuse_twice(words, text)
            return dict(zip(words, (_read(value, names, text) for value in values), strict=True))
        case ast.Name(id=name):
            return _call(name, [], {}, names)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if all(k.arg for k in keywords):
            _refuse_twice([k.arg for k in keywords], text)
            given = {str(k.arg): _argument(k.value, names, text) for k in keywords}
            return _call(name, [_argument(a, names, text) for a in args], given, names)
        case ast.BinOp(left=left, op=ast.Add() | ast.RShift() as op, right=right):
            return _join(_read(left, names, text), op, _read(right, names, text))
    piece = ast.get_source_segment(text, node) or text
    raise ValueError(f"{_cut(piece)} in {_cut(text)} is no value of ours. {_example(names)}")


def _argument(node: ast.expr, names: Names, text: str) -> Any:
    if isinstance(node, ast.Name) and node.id not in (*names, "inf", "nan"):
        hint = did_you_mean(node.id, names)
        mend = hint if hint.startswith("Did") else f"Quote it if it is a text: '{node.id}'."
        raise ValueError(f"{node.id!r} in {_cut(text)} is unknown. {mend}")
    return _read(node, names, text)


def _key(node: ast.expr | None, names: Names, text: str) -> Any:
    assert node is not None
    key = _read(node, names, text)
    try:
        hash(key)
    except TypeError:
        raise ValueError(f"{key!r} in {_cut(text)} cannot be a name. Write {{'momentum': uniform(0, 0.99)}}.") from None
    return key


def _refuse_twice(words: list[Any], text: str) -> None:
    for word in words:
        if words.count(word) > 1:
            raise ValueError(f"{word!r} is given twice in {_cut(text)}. Keep one of the two.")


def _join(left: Any, op: ast.operator, right: Any) -> Any:
    if isinstance(left, Sampler | Scheduler):
        try:
            return left + right if isinstance(op, ast.Add) else left >> right
        except TypeError as error:  # in Python it is one; in a study file it is a wrong value
            if "unsupported operand" in str(error):
                raise ValueError(f"{left} >> {right} is no chain. Chain samplers: Sobol(20) >> TPE().") from None
            raise ValueError(str(error)) from None
    raise ValueError(f"{left} + {right} cannot be added. Add a sampler and a scheduler: TPE() + ASHA(max_epochs=27).")


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
        wanted = EXAMPLES.get(name) or f"{name}({'max_epochs=27' if 'max_epochs' in known else ''})"
        raise ValueError(f"{name}(...) was given the wrong arguments: {error}. Write {wanted}.") from None
    try:
        return names[name](*args, **keywords)
    except TypeError as error:  # a str where a number belongs, say
        raise ValueError(f"{name}(...) was given a wrong type: {error}. Check its arguments.") from None


def _example(names: Names) -> str:
    if "uniform" in names:
        return "Write a domain such as loguniform(1e-5, 1e-1), integer(1, 4) or choice('relu', 'gelu')."
    if "believed" in names:
        return "Write what you believe: 'believed(lr=3e-3, within=3x)'."
    if "ASHA" in names:
        return "Write a sampler and a scheduler: TPE() + ASHA(max_epochs=27)."
    return f"Write one of: {', '.join(names)}."


def _cut(text: str) -> str:
    return repr(text if len(text) <= 200 else text[:199] + "…")
