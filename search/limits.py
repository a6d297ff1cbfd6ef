"""Relations between parameters that every proposal keeps: `layers * width <= 4096`, `low < high`.

A relation is read with `ast` into a tree of our own functions; nothing is ever evaluated as code, so a
study file from a stranger can compare numbers and no more.

Names are those of tables: `optimizer.momentum`, `layers[0].width` (or `layers.0.width`), and `layers.width`
for the list over all copies, as in `sum(layers.width) <= 4096`. A relation that names a parameter which a
point does not have says nothing about that point.
"""

import ast
import math
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from search.spelling import did_you_mean

LONGEST = 500  # characters
UNKNOWN_GAP = 10.0  # of what cannot be computed: worse than any that can

Values = Mapping[str, Any]
Read = Callable[[Values], Any]


@dataclass(frozen=True, slots=True)
class Limit:
    """One relation between parameters.

    Attributes:
        text: as it was written.
        names: the parameters that it names.
        compared: parameters, each with the values that it is told apart from by `==`, `!=` or `in`.
    """

    text: str
    names: tuple[str, ...]
    compared: tuple[tuple[str, Any], ...] = field(repr=False, compare=False)
    _needed: tuple[str, ...] = field(repr=False, compare=False)  # of the names; lists are as long as they are
    _read: Read = field(repr=False, compare=False)
    _gap: Read = field(repr=False, compare=False)

    def holds(self, flat: Values) -> bool:
        """Whether a flat point keeps it; a point without one of its parameters does.

        A relation that cannot be computed at a point, such as a division by zero, is not kept there.
        """
        if self._is_silent(flat):
            return True
        try:
            return bool(self._read(flat))
        except (ArithmeticError, ValueError, TypeError):
            return False

    def gap(self, flat: Values) -> float:
        """How far a flat point is from keeping it, as a share of the sides compared; 0 where it does."""
        if self.holds(flat):
            return 0.0
        try:
            return float(self._gap(flat))
        except (ArithmeticError, ValueError, TypeError):
            return UNKNOWN_GAP

    def check(self, flat: Values) -> None:
        """Raises ValueError where it compares what cannot be compared, such as a text and a number."""
        if self._is_silent(flat):
            return
        try:
            self._read(flat)
        except TypeError as error:
            raise ValueError(
                f"the limit {self.text!r} cannot be computed: {error}. Compare numbers with numbers: 'low < high'."
            ) from None
        except (ArithmeticError, ValueError):
            return

    def trouble(self, flat: Values) -> str:
        """Why it cannot be computed at a point; empty where it can."""
        try:
            self._read(flat)
        except (ArithmeticError, ValueError) as error:
            return str(error)
        return ""

    def _is_silent(self, flat: Values) -> bool:
        return any(name not in flat for name in self._needed)

    def __reduce__(self) -> Any:  # functions of our own tree do not travel; the text does
        return _again, (self.text, self.names)

    def __str__(self) -> str:
        return self.text


def parse_limit(text: object, known: Iterable[str]) -> Limit:
    """The relation that `text` writes between the parameters `known`.

    Raises:
        ValueError: no relation, an unknown parameter, anything but arithmetic and comparisons.

    >>> parse_limit("layers * width <= 4096", ["layers", "width"]).holds({"layers": 2, "width": 4096})
    False
    """
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        shown = repr(text)[:80]
        raise ValueError(f"a limit is {shown}. Write a relation between parameters: 'layers * width <= 4096'.")
    try:
        tree = ast.parse(_with_brackets(text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"the limit {text!r} cannot be read. Write a relation between parameters: 'layers * width <= 4096'."
        ) from None
    reader = _Reader(text, tuple(known))
    if not reader.is_relation(tree):
        raise ValueError(f"the limit {text!r} compares nothing. Write a relation: 'layers * width <= 4096'.")
    try:
        read = reader.read(tree)
    except RecursionError:
        raise ValueError(f"the limit {text[:80]!r} is nested too deeply. Write several limits.") from None
    if not reader.names:
        raise ValueError(f"the limit {text!r} names no parameter. {did_you_mean('', known)}")
    return Limit(
        text.strip(), tuple(reader.names), tuple(reader.compared), tuple(reader.needed), read, reader.gap(tree)
    )


def _again(text: str, names: tuple[str, ...]) -> Limit:
    return parse_limit(text, names)


def _number(value: Any) -> Any:
    if not _is_number(value):
        raise TypeError(f"{value!r} is no number")
    return value


def _numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: function(*map(_number, values))


def _over_all(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of one list, or of several numbers."""
    return lambda *values: function([_number(v) for v in (values[0] if isinstance(values[0], list) else values)])


def _length(values: Any) -> int:
    if not isinstance(values, list):
        raise TypeError(f"{values!r} has no length")
    return len(values)


_ARITHMETIC: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: _numbers(operator.add),
    ast.Sub: _numbers(operator.sub),
    ast.Mult: _numbers(operator.mul),
    ast.Div: _numbers(operator.truediv),
    ast.FloorDiv: _numbers(operator.floordiv),
    ast.Mod: _numbers(operator.mod),
    ast.Pow: _numbers(lambda a, b: math.pow(a, b)),  # as floats: 9 ** 9 ** 9 overflows at once
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: _numbers(operator.lt),
    ast.LtE: _numbers(operator.le),
    ast.Gt: _numbers(operator.gt),
    ast.GtE: _numbers(operator.ge),
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "min": _over_all(min),
    "max": _over_all(max),
    "sum": _over_all(sum),
    "len": _length,
    "abs": _numbers(abs),
    "sqrt": _numbers(math.sqrt),
    "log": _numbers(math.log),
    "log2": _numbers(math.log2),
    "log10": _numbers(math.log10),
}


class _Reader:
    """Turns the syntax of one relation into a function of a flat point."""

    def __init__(self, text: str, known: tuple[str, ...]):
        self._text, self._known = text, known
        self.names: dict[str, None] = {}
        self.needed: dict[str, None] = {}  # those of them that stand for one value
        self.compared: list[tuple[str, Any]] = []

    def is_relation(self, node: ast.expr) -> bool:
        match node:
            case ast.Compare():
                return True
            case ast.BoolOp(values=values):
                return all(map(self.is_relation, values))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.is_relation(operand)
        return False

    def read(self, node: ast.expr) -> Read:
        match node:
            case ast.Constant(value=str() | int() | float() | bool() | None as value):
                return lambda flat: value
            case ast.List(elts=items) | ast.Tuple(elts=items):
                inner = [self.read(item) for item in items]
                return lambda flat: [read(flat) for read in inner]
            case ast.Name() | ast.Attribute() | ast.Subscript():
                return self._parameter(self._path(node))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _applied(_numbers(operator.neg), [self.read(operand)])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return _applied(operator.not_, [self.read(operand)])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                return _applied(_ARITHMETIC[type(op)], [self.read(left), self.read(right)])
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if args:
                if name not in _FUNCTIONS:
                    raise ValueError(f"the limit {self._text!r} calls {name!r}. {did_you_mean(name, _FUNCTIONS)}")
                return _applied(_FUNCTIONS[name], [self.read(arg) for arg in args])
            case ast.BoolOp(op=op, values=values):
                return _joined(all if isinstance(op, ast.And) else any, [self.read(value) for value in values])
            case ast.Compare(left=left, ops=ops, comparators=rights) if all(type(op) in _COMPARE for op in ops):
                self._note_options(node)
                sides = [self.read(side) for side in (left, *rights)]
                pairs = zip(ops, sides, sides[1:], strict=False)
                return _joined(all, [_applied(_COMPARE[type(op)], [a, b]) for op, a, b in pairs])
        piece = ast.get_source_segment(self._text, node) or self._text
        raise ValueError(
            f"{piece!r} in the limit {self._text!r} is no arithmetic. Compare parameters and numbers: 'low < high'."
        )

    def gap(self, node: ast.expr, wanted: bool = True) -> Read:
        """How far a flat point is from keeping a relation that `read` could read; or from breaking it."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return self.gap(operand, not wanted)
            case ast.BoolOp(op=op, values=values):
                gaps, join = (
                    [self.gap(value, wanted) for value in values],
                    _all_or_one(isinstance(op, ast.And) == wanted),
                )
                return lambda flat: join(gap(flat) for gap in gaps)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                sides, join = [self.read(side) for side in (left, *rights)], _all_or_one(wanted)
                kinds = [type(op) if wanted else _OPPOSITE[type(op)] for op in ops]
                triples = list(zip(kinds, sides, sides[1:], strict=False))
                return lambda flat: join(_gap(kind, a(flat), b(flat)) for kind, a, b in triples)
        raise AssertionError(f"{ast.unparse(node)} is no relation")

    def _note_options(self, node: ast.Compare) -> None:
        for op, left, right in zip(node.ops, (node.left, *node.comparators), node.comparators, strict=False):
            for one, other in ((left, right), (right, left)):
                if isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn) and isinstance(
                    one, ast.Name | ast.Attribute
                ):
                    values = other.elts if isinstance(other, ast.List | ast.Tuple) else [other]
                    path = self._path(one)
                    self.compared += [(path, value.value) for value in values if isinstance(value, ast.Constant)]

    def _path(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Attribute(value=value, attr=name):
                return f"{self._path(value)}.{name}"
            case ast.Subscript(value=value, slice=ast.Constant(value=int() as place)):
                return f"{self._path(value)}.{place}"
            case ast.Subscript(value=value, slice=ast.Constant(value=str() as name)):
                return f"{self._path(value)}.{name}"
        raise ValueError(
            f"the limit {self._text!r} names no parameter at {ast.unparse(node)!r}. "
            f"Write names as tables do: 'optimizer.momentum', 'layers[0].width'."
        )

    def _parameter(self, path: str) -> Read:
        if path in self._known:
            self.names[path] = self.needed[path] = None
            return operator.itemgetter(path)
        copies = [name for name in self._known if _without_places(name) == path]
        if not copies:
            known = [*self._known, *dict.fromkeys(map(_without_places, self._known))]
            raise ValueError(f"the limit {self._text!r} names {path!r}. {did_you_mean(path, dict.fromkeys(known))}")
        self.names.update(dict.fromkeys(copies))
        return lambda flat: [flat[name] for name in copies if name in flat]


def _all_or_one(together: bool) -> Callable[[Iterable[float]], float]:
    """What joins gaps: the sum where all must be closed, the least where one is enough."""
    return sum if together else min


def _gap(op: type[ast.cmpop], left: Any, right: Any) -> float:
    """0 where a comparison holds, else how far its sides lie apart, as a share of them; 1 for what has no distance."""
    if _COMPARE[op](left, right):
        return 0.0
    if op in (ast.NotEq, ast.In, ast.NotIn) or not (_is_number(left) and _is_number(right)):
        return 1.0
    return float((abs(left - right) + 1e-12) / (abs(left) + abs(right) + 1e-12))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _applied(function: Callable[..., Any], arguments: list[Read]) -> Read:
    return lambda flat: function(*(read(flat) for read in arguments))


def _joined(join: Callable[[Iterable[Any]], bool], parts: list[Read]) -> Read:
    return lambda flat: join(read(flat) for read in parts)


def _with_brackets(text: str) -> str:
    """`layers.0.width` as `layers[0].width`, which Python can read; numbers such as 0.5 are left alone."""
    seen, text = "", re.sub(r"\b([A-Za-z_]\w*)\.(\d+)\b", r"\1[\2]", text)
    while seen != text:
        seen, text = text, re.sub(r"\]\.(\d+)\b", r"][\1]", text)
    return text


def _without_places(name: str) -> str:
    """`layers.0.width` as `layers.width`."""
    return ".".join(part for part in name.split(".") if not part.isdigit())
