"""A study's space: named parameters as a tree, read flat by tables and samplers, nested by models.

    {"lr": loguniform(1e-4, 1e-1), "optimizer": choice(sgd={"momentum": uniform(0, 0.99)}, adam={})}

A *flat* point has dotted names and only what is active, which is what tables show:
`{"lr": 0.01, "optimizer": "sgd", "optimizer.momentum": 0.9}`. A *nested* point is what a trainable is
given: `{"lr": 0.01, "optimizer": {"sgd": {"momentum": 0.9}}}`; an option with parameters of its own
comes as `{option: its parameters}`, a plain option as itself.
"""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from search.domains import Choice, Float, Int
from search.spelling import did_you_mean

Flat = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One parameter of the tree.

    Attributes:
        name: dotted name in tables, shared by branches of a choice that use the same word.
        domain: where its values come from.
        condition: the `(parent's name, option's place)` pairs that must hold for it to exist.
    """

    name: str
    domain: Float | Int | Choice
    condition: tuple[tuple[str, int], ...] = ()

    @property
    def label(self) -> str:
        """A name that no other leaf has, not even one of another branch."""
        return "/".join([self.name, *(f"{parent}:{place}" for parent, place in self.condition)])


class Space(Mapping[str, "Float | Int | Choice | Space"]):
    """Named parameters, groups of them, and conditional ones. Immutable; checked when made.

    Args:
        params: name to domain; a list is a choice among its items, a mapping is a group.

    Raises:
        ValueError: an empty space, a value that is no domain, a clash such as `a.b` beside `a: {b}`.
    """

    __slots__ = ("_params", "leaves")

    def __init__(self, params: Mapping[str, Any]):
        if not isinstance(params, Mapping):
            raise ValueError(
                f"the space is {params!r} ({type(params).__name__}). Give names and domains: "
                "{'lr': loguniform(1e-5, 1e-1)}."
            )
        self._params = {name: _domain(name, value) for name, value in params.items()}
        self.leaves: tuple[Leaf, ...] = tuple(_leaves(self._params, "", ()))
        _refuse_clashes(self.leaves)
        if not self.leaves:
            raise ValueError("the space is empty. Name something to search: {'lr': loguniform(1e-5, 1e-1)}.")

    def __getitem__(self, name: str) -> "Float | Int | Choice | Space":
        return self._params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self._params == other._params

    def __hash__(self) -> int:
        return hash(tuple(self._params))

    def __repr__(self) -> str:
        return f"Space({self})"

    def __str__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {domain}" for name, domain in self.items()) + "}"

    def sample(self, rng: random.Random) -> Flat:
        """One flat point, drawn with `rng`; each leaf costs one number whether it is active or not."""
        point: Flat = {}
        for leaf in self.leaves:  # parents come first
            u = rng.random()
            if self.active(leaf, point):
                point[leaf.name] = leaf.domain.at(u)
        return point

    def active(self, leaf: Leaf, point: Mapping[str, Any]) -> bool:
        """Whether `leaf` exists, given the parents' options in `point`."""
        return all(
            parent in point and self._choice(parent, point).index(point[parent]) == place
            for parent, place in leaf.condition
        )

    def active_leaves(self, point: Mapping[str, Any]) -> list[Leaf]:
        """The leaves that exist in `point`, in the tree's order."""
        return [leaf for leaf in self.leaves if self.active(leaf, point)]

    def check(self, point: Mapping[str, Any]) -> Flat:
        """`point` (flat or nested) as a flat point; raises ValueError where it is not of this space."""
        flat = self.flatten(point)
        leaves = {leaf.name: leaf for leaf in self.active_leaves(flat)}
        for name, value in flat.items():
            if name not in leaves:
                raise ValueError(f"{name}={value!r} is no parameter of this point. {did_you_mean(name, leaves)}")
            if not leaves[name].domain.holds(value):
                raise ValueError(f"{name}={value!r} lies outside {leaves[name].domain}. Choose a value inside.")
        missing = [name for name in leaves if name not in flat]
        if missing:
            raise ValueError(f"the point {flat!r} lacks {', '.join(missing)}. Give every active parameter a value.")
        return flat

    def flatten(self, nested: Mapping[str, Any]) -> Flat:
        """The flat form of a nested point; a flat point comes back as it is."""
        flat: Flat = {}
        _flatten(self._params, nested, "", flat)
        flat.update({name: value for name, value in nested.items() if name not in self._params})
        return flat

    def nest(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """What a trainable is given: groups as dicts, an option with parameters as `{option: parameters}`."""
        return _nest(self._params, flat, "")

    def encode(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """`flat` as JSON: numbers and short names as they are, any other option as its place."""
        coded: dict[str, Any] = {}
        for leaf in self.active_leaves(flat):
            value = flat[leaf.name]
            if isinstance(leaf.domain, Choice) and not isinstance(value, str | int | float | bool | None):
                coded[leaf.name] = {"option": leaf.domain.index(value), "shown": _shown(value)}
            elif isinstance(leaf.domain, Float):
                coded[leaf.name] = float(value)
            else:
                coded[leaf.name] = int(value) if isinstance(leaf.domain, Int) else value
        return coded

    def decode(self, coded: Mapping[str, Any]) -> Flat:
        """The flat point that `encode` wrote."""
        flat: Flat = {}
        for leaf in self.leaves:
            if leaf.name in coded and self.active(leaf, flat):
                value = coded[leaf.name]
                if isinstance(leaf.domain, Choice) and isinstance(value, Mapping):
                    value = leaf.domain.options[value["option"]]
                flat[leaf.name] = value
        return flat

    def _choice(self, name: str, point: Mapping[str, Any]) -> Choice:
        candidates = [leaf for leaf in self.leaves if leaf.name == name and isinstance(leaf.domain, Choice)]
        live = candidates if len(candidates) == 1 else [leaf for leaf in candidates if self.active(leaf, point)]
        assert isinstance(live[0].domain, Choice)
        return live[0].domain


def shown_params(coded: Mapping[str, Any]) -> dict[str, Any]:
    """Encoded params as a table shows them: an option kept by place appears as its text."""
    return {k: v["shown"] if isinstance(v, Mapping) else v for k, v in coded.items()}


def _domain(name: object, value: Any) -> "Float | Int | Choice | Space":
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a parameter is named {name!r} ({type(name).__name__}). Name it by a word: 'lr'.")
    match value:
        case Float() | Int() | Choice():
            return value
        case Space():
            return value
        case list() | tuple():
            return Choice(tuple(value))
        case Mapping():
            return Space(value)
        case str():
            raise ValueError(
                f"{name} is the text {value!r}, no domain. Write {name}: [{value}, ...] for a choice, "
                f"or a domain such as {name}: uniform(0, 1)."
            )
    raise ValueError(
        f"{name} is {value!r} ({type(value).__name__}), no domain. "
        f"Write {name}: uniform(0, 1), or keep a constant in the training code."
    )


def _leaves(params: Mapping[str, Any], prefix: str, condition: tuple[tuple[str, int], ...]) -> Iterator[Leaf]:
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if isinstance(domain, Space):
            yield from _leaves(domain._params, f"{path}.", condition)
            continue
        yield Leaf(path, domain, condition)
        if isinstance(domain, Choice):
            for place, space in enumerate(domain.spaces):
                if space:
                    inner = {k: _domain(k, v) for k, v in space.items()}
                    yield from _leaves(inner, f"{path}.", (*condition, (path, place)))


def _refuse_clashes(leaves: tuple[Leaf, ...]) -> None:
    seen: dict[str, Leaf] = {}
    for leaf in leaves:
        other = seen.setdefault(leaf.name, leaf)
        if other is not leaf and not _exclusive(leaf, other):
            raise ValueError(
                f"two parameters are both called {leaf.name!r} when flattened ('a.b' beside 'a: {{b}}'). "
                f"Rename one of them."
            )


def _exclusive(a: Leaf, b: Leaf) -> bool:
    """Whether no point can hold both, because some parent would need two options at once."""
    places = dict(b.condition)
    return any(parent in places and places[parent] != place for parent, place in a.condition)


def _flatten(params: Mapping[str, Any], nested: Mapping[str, Any], prefix: str, flat: Flat) -> None:
    for name, domain in params.items():
        path, value = f"{prefix}{name}", nested.get(name)
        if name not in nested:
            continue
        if isinstance(domain, Space):
            if not isinstance(value, Mapping):
                raise ValueError(f"{path}={value!r} should hold {', '.join(domain)}. Write {path}: {{...}}.")
            _flatten(domain._params, value, f"{path}.", flat)
        elif isinstance(domain, Choice) and isinstance(value, Mapping) and not domain.holds(value):
            option, inner = next(iter(value.items()), (None, {}))
            flat[path] = option
            space = domain.spaces[domain.index(option)] or {}
            _flatten({k: _domain(k, v) for k, v in space.items()}, inner, f"{path}.", flat)
        else:
            flat[path] = value


def _nest(params: Mapping[str, Any], flat: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if isinstance(domain, Space):
            nested[name] = _nest(domain._params, flat, f"{path}.")
        elif path in flat:
            value = flat[path]
            space = domain.spaces[domain.index(value)] if isinstance(domain, Choice) else None
            if space is None:
                nested[name] = value
            else:
                inner = {k: _domain(k, v) for k, v in space.items()}
                nested[name] = {value: _nest(inner, flat, f"{path}.")}
    return nested


def _shown(value: object) -> str:
    """A value's text for tables: JSON where it has one, at most 200 characters."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        text = getattr(value, "__qualname__", None) or repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
