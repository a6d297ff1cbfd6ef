"""HyperOpt's `hp.*` trees, read node by node and written again.

A tree that is brought along stays as it was for its trainable: an option that is a dict comes as that dict, with its
constants, and the values are values, where HyperOpt's own `fmin` returns indices.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Any

from search.dialects.branches import branch_names, branches, repeated
from search.domains import Choice, Float, Int, fixed, lognormal, normal
from search.prior import Belief, believed
from search.repeat import Repeat
from search.space import Space, alone
from search.tree import Leaf


def from_hyperopt(space: Any) -> Space:
    """A tree in our words; a root that is one `hp` expression goes by its label.

    Raises:
        ValueError: an expression over nodes, such as `1 + hp.normal(...)`, or a kind of node that is not known.
    """
    if not isinstance(space, Mapping) and getattr(space, "name", None) != "dict":
        label = _label(space)
        if label is None:
            raise ValueError("the root of the HyperOpt tree has no name. Give names: {'x': hp.uniform('x', 0, 1)}.")
        space = {label: space}
    reader = _Reader()
    tree = reader.group(space)
    return Space(dict(tree), prior=reader.beliefs)


class _Reader:
    """Reads nodes, and gathers what `hp.pchoice` believes of options."""

    def __init__(self) -> None:
        self.beliefs: list[Belief] = []
        self._path: list[str] = []
        self._chosen: list[tuple[int, int]] = []  # the switches above, and which of their options
        self._labels: dict[str, list[tuple[tuple[int, int], ...]]] = {}  # where each label was met

    def group(self, node: Any) -> Space:
        items = node.items() if isinstance(node, Mapping) else _named_args(node)
        return Space({str(name): self._named(str(name), value) for name, value in items})

    def _named(self, name: str, node: Any) -> Any:
        self._path.append(name)
        found = self.read(node)
        self._path.pop()
        return found

    def read(self, node: Any) -> Any:
        if not _is_node(node):
            return self._plain(node)
        match node.name:
            case "literal":
                return self._plain(node.obj)
            case "float":
                return self.read(node.pos_args[0])
            case "int":
                return _whole(self.read(node.pos_args[0]))
            case "hyperopt_param":
                self._note(str(_value(node.pos_args[0])))
                return _number(node.pos_args[1])
            case "switch":
                return self._choice(node)
            case "dict":
                return self.group(node)
            case "pos_args":
                return self._sequence(node.pos_args)
        raise ValueError(
            f"{'.'.join(self._path)} is HyperOpt's expression {node.name!r}, which is computed from other nodes. "
            f"Search the nodes, and compute it in the training code."
        )

    def _plain(self, value: Any) -> Any:
        if isinstance(value, Mapping) and _holds_node(value):
            return self.group(value)
        if isinstance(value, list | tuple) and any(map(_holds_node, value)):
            return self._sequence(value)
        if isinstance(value, Float | Int | Choice | Repeat | Space):
            return value
        return fixed(value)

    def _sequence(self, items: Any) -> Space:
        return Space({str(place): self._named(str(place), item) for place, item in enumerate(items)}, form="tuple")

    def _choice(self, node: Any) -> Any:
        index, *options = node.pos_args
        self._note(str(_value(index.pos_args[0])))
        if all(_is_node(option) and option.name == "pos_args" for option in options):
            lists, met = [option.pos_args for option in options], {k: [*v] for k, v in self._labels.items()}
            found = (
                repeated(lists, self.read, lambda a, b: str(a) == str(b)) if any(map(_holds_node, options)) else None
            )
            if found is not None:
                return found
            self._labels = met
        plain = [_option(option) for option in options]
        spaces = [self._branch(option, (id(node), place)) for place, option in enumerate(options)]
        if not any(space is not None for space in spaces):
            self._weigh(index, plain)
            return Choice(tuple(plain))
        names = branch_names([
            value if space is None else _constants(value) for value, space in zip(plain, spaces, strict=True)
        ])  # fmt: skip
        self._weigh(index, names)
        return branches(plain, names, spaces)

    def _branch(self, option: Any, chosen: tuple[int, int]) -> Space | None:
        """The parameters of an option; None where it is a plain value."""
        if not _holds_node(option):
            return None
        self._chosen.append(chosen)
        found = self.read(option)
        self._chosen.pop()
        return found if isinstance(found, Space) else alone(found)

    def _note(self, label: str) -> None:
        """Raises ValueError where two parameters that may be there together have one label: HyperOpt ties them."""
        here = tuple(self._chosen)
        for there in self._labels.get(label, ()):
            options = dict(there)
            if not any(options.get(switch, option) != option for switch, option in here):
                raise ValueError(
                    f"{'.'.join(self._path)} has the label {label!r}, which another parameter has already. "
                    f"Give it one of its own: {'.'.join(self._path)!r}."
                )
        self._labels.setdefault(label, []).append(here)

    def _weigh(self, index: Any, options: list[Any]) -> None:
        """`hp.pchoice`'s probabilities as a belief in the likeliest option."""
        kind = index.pos_args[1]
        if kind.name != "categorical":
            return
        chances = [float(_value(chance)) for chance in kind.pos_args[0].pos_args]
        best = max(range(len(chances)), key=chances.__getitem__)
        if len({round(chance, 12) for chance in chances}) == 1:
            return
        if len({round(chance, 12) for k, chance in enumerate(chances) if k != best}) > 1:
            warnings.warn(
                f"of the options of {'.'.join(self._path)} all but {options[best]!r} are taken as equally likely. "
                f"Say more in the prior: believed({self._path[-1]}=..., chance=...).",
                stacklevel=2,
            )
        self.beliefs.append(believed({".".join(self._path): options[best]}, chance=min(max(chances[best], 0.01), 0.99)))


def _number(node: Any) -> Any:
    """One of HyperOpt's distributions."""
    arguments = [_value(argument) for argument in node.pos_args]
    given = {name: _value(value) for name, value in node.named_args}
    step: Any = given.get("q", arguments[2] if len(arguments) > 2 else None)
    a, b = (*arguments, None)[:2]
    match node.name:
        case "uniform":
            return Float(a, b)
        case "quniform":
            return _stepped(a, b, step, log=False)
        case "loguniform":
            return Float(_rounded(math.exp(a)), _rounded(math.exp(b)), log=True)
        case "qloguniform":
            return _stepped(math.exp(a), math.exp(b), step, log=True)
        case "normal" | "qnormal":
            return normal(a, b, step=step)
        case "lognormal" | "qlognormal":
            return lognormal(a, b, step=step)
        case "randint":
            low, high = (0, a) if b is None else (a, b)
            return fixed(int(low)) if high - low == 1 else Int(int(low), int(high) - 1)
    raise ValueError(f"HyperOpt's hp.{node.name} is not known here. Use hp.uniform, hp.normal, hp.choice or the like.")


def _stepped(low: float, high: float, step: float, log: bool) -> Any:
    """As HyperOpt rounds: to multiples of the step, those next to the bounds included."""
    bottom, top = round(low / step), round(high / step)
    if log and bottom < 1:
        bottom = 1
    if bottom == top:
        return fixed(float(f"{bottom * step:.12g}"))
    return Float(float(f"{bottom * step:.12g}"), float(f"{top * step:.12g}"), log=log, step=step)


def _rounded(number: float) -> float:
    """exp(log(1e-4)) as 1e-4."""
    return float(f"{number:.14g}")


def _whole(domain: Any) -> Any:
    """`scope.int(...)` around a quantised distribution."""
    match domain:
        case Float(low=low, high=high, log=log, step=step) if step is not None and step == int(step):
            return Int(int(low), int(high), log=log, step=int(step))
        case Choice(options=(value,)):
            return fixed(int(value))
        case Int():
            return domain
    raise ValueError(f"scope.int over {domain} has no whole numbers to search. Use hp.uniformint(label, low, high).")


def _value(node: Any) -> Any:
    return node.obj if _is_node(node) and node.name == "literal" else node


def _option(node: Any) -> Any:
    """An option without nodes as the value that it stands for."""
    if not _is_node(node):
        return node
    if node.name == "literal":
        return node.obj
    if _holds_node(node):
        return node
    if node.name == "dict":
        return {name: _option(value) for name, value in node.named_args}
    return tuple(_option(item) for item in node.pos_args)


def _constants(node: Any) -> Any:
    """The constants of a branch, by which it may be named."""
    if isinstance(node, Mapping):
        return node
    return {name: _value(value) for name, value in node.named_args} if node.name == "dict" else ()


def _named_args(node: Any) -> list[tuple[str, Any]]:
    return list(node.named_args)


def _label(node: Any) -> str | None:
    """The label of an `hp` expression."""
    if _is_node(node):
        if node.name == "hyperopt_param":
            return str(_value(node.pos_args[0]))
        if node.name in ("float", "int", "switch"):
            return _label(node.pos_args[0])
    return None


def _is_node(value: Any) -> bool:
    return type(value).__module__.startswith("hyperopt.pyll")


def _holds_node(value: Any) -> bool:
    """Whether something in it is searched."""
    if isinstance(value, Mapping):
        return any(map(_holds_node, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_node, value))
    if not _is_node(value):
        return isinstance(value, Float | Int | Choice | Repeat | Space)
    if value.name in ("dict", "pos_args"):
        return any(_holds_node(inner) for inner in (*value.pos_args, *(v for _, v in value.named_args)))
    return bool(value.name != "literal")


def to_hyperopt(space: Space) -> dict[str, Any]:
    """The space as a tree; what HyperOpt has no word for comes as a choice among values.

    Raises:
        ValueError: limits, which HyperOpt does not know.
    """
    if space.limits:
        raise ValueError("HyperOpt knows no limits. Leave them out: to_hyperopt(Space(dict(space))).")
    if space.prior:
        raise ValueError("HyperOpt knows no beliefs. Leave them out: to_hyperopt(Space(dict(space))).")
    written: dict[str, Any] = _Writer().group(space, "", ())
    return written


class _Writer:
    """Writes nodes; every label is its own."""

    def __init__(self) -> None:
        from hyperopt import hp
        from hyperopt.pyll import scope

        self._hp, self._scope = hp, scope

    def group(self, params: Mapping[str, Any], prefix: str, condition: Any) -> Any:
        inner = {name: self.of(domain, f"{prefix}{name}", condition) for name, domain in params.items()}
        form = getattr(params, "form", "dict")
        if form == "value":
            return inner["value"]
        return inner if form == "dict" else list(inner.values())

    def of(self, domain: Any, path: str, condition: Any) -> Any:
        label = path if not condition else Leaf(path, domain, condition).label
        match domain:
            case Space():
                return self.group(domain, f"{path}.", condition)
            case Repeat(n=n, each=each):
                copies = [self.of(each, f"{path}.{k}", condition) for k in range(domain.most)]
                return self._hp.choice(label, [copies[:k] for k in n.grid(None)]) if isinstance(n, Int) else copies
            case Choice(options=(option,), spaces=(None,)):
                return option
            case Choice(options=options, spaces=spaces, bare=bare):
                branches = [
                    option if inner is None else self._branch(option, inner, path, (*condition, (path, (k,))), bare)
                    for k, (option, inner) in enumerate(zip(options, spaces, strict=True))
                ]
                return self._hp.choice(label, branches)
        return self._number(domain, label)

    def _branch(self, option: str, inner: Any, path: str, condition: Any, bare: bool) -> Any:
        written = self.group(inner or {}, f"{path}.", condition)
        return written if bare else {option: written}

    def _number(self, domain: Any, label: str) -> Any:
        hp, low, high, step = self._hp, domain.low, domain.high, domain.step
        match domain:
            case Float(bell=bell) if bell is not None:
                name = ("log" if bell.log else "") + "normal"
                made = getattr(hp, name if step is None else f"q{name}")
                return made(label, bell.mean, bell.sd, *([] if step is None else [step]))
            case Float(step=None, log=log):
                return hp.loguniform(label, math.log(low), math.log(high)) if log else hp.uniform(label, low, high)
            case Int(step=1, log=False):
                return hp.uniformint(label, low, high)
            case Int(step=1):
                return self._scope.int(hp.qloguniform(label, math.log(low - 0.4999), math.log(high + 0.4999), 1))
        if not math.isclose(low / step, round(low / step)):
            return hp.choice(label, list(domain.grid(None)))
        top = domain.clip(high)
        if domain.log:
            made = hp.qloguniform(label, math.log(low), math.log(top), step)
        else:
            made = hp.quniform(label, low, top, step)
        return self._scope.int(made) if isinstance(domain, Int) else made
