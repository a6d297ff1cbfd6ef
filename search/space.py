"""A study's space: named parameters as a tree, read flat by tables and samplers, nested by models.

    {"lr": loguniform(1e-4, 1e-1), "optimizer": choice(sgd={"momentum": uniform(0, 0.99)}, adam={})}

A *flat* point has dotted names and only what is active, which is what tables show:
`{"lr": 0.01, "optimizer": "sgd", "optimizer.momentum": 0.9}`. A *nested* point is what a trainable is
given: `{"lr": 0.01, "optimizer": {"sgd": {"momentum": 0.9}}}`; an option with parameters of its own
comes as `{option: its parameters}`, a plain option as itself.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from search.domains import Choice, Float, Int
from search.points import Flat, flatten, is_json, nest, shown, shown_params
from search.spelling import did_you_mean

__all__ = ["Flat", "Leaf", "Space", "shown_params"]

Condition = tuple[tuple[str, int], ...]  # a parent's name and its option's place, outermost first


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
    condition: Condition = ()

    @property
    def label(self) -> str:
        """A name that no other leaf has, not even one of another branch."""
        return str((self.name, *self.condition))


class Space(Mapping[str, "Float | Int | Choice | Space"]):
    """Named parameters, groups of them, and conditional ones. Immutable; checked when made.

    Args:
        params: name to domain; a list is a choice among its items, a mapping is a group.

    Attributes:
        leaves: all parameters, parents before what hangs on them.

    Raises:
        ValueError: an empty space, a value that is no domain, a clash such as `a.b` beside `a: {b}`.
    """

    __slots__ = ("_params", "_parents", "_with_branches", "leaves")

    def __init__(self, params: Mapping[str, Any]):
        if not isinstance(params, Mapping):
            raise ValueError(
                f"the space is {params!r} ({type(params).__name__}). Give names and domains: "
                "{'lr': loguniform(1e-5, 1e-1)}."
            )
        try:
            self._params = {name: _domain(name, value) for name, value in params.items()}
        except RecursionError:
            raise ValueError("the space is nested without end: it holds itself. Write out its groups.") from None
        self.leaves: tuple[Leaf, ...] = tuple(_leaves(self._params, "", ()))
        _refuse_clashes(self.leaves, _groups(self._params, "", ()))
        if not self.leaves:
            raise ValueError("the space is empty. Name something to search: {'lr': loguniform(1e-5, 1e-1)}.")
        places = {(leaf.name, leaf.condition): i for i, leaf in enumerate(self.leaves)}
        self._parents = tuple(
            (places[leaf.condition[-1][0], leaf.condition[:-1]], leaf.condition[-1][1]) if leaf.condition else None
            for leaf in self.leaves
        )
        self._with_branches = {parent[0] for parent in self._parents if parent is not None}

    def __getitem__(self, name: str) -> "Float | Int | Choice | Space":
        return self._params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def __eq__(self, other: object) -> bool:
        """Whether both draw the same points, which needs the same order too."""
        if isinstance(other, dict):
            try:
                other = Space(other)
            except ValueError:
                return False
        return isinstance(other, Space) and list(self._params.items()) == list(other._params.items())

    def __hash__(self) -> int:
        return hash(tuple(self._params))

    def __repr__(self) -> str:
        return f"Space({self})"

    def __str__(self) -> str:
        return "{" + ", ".join(f"{name!r}: {domain}" for name, domain in self.items()) + "}"

    def walk(self, point: Mapping[str, Any]) -> Iterator[tuple[int, Leaf]]:
        """The leaves that exist in `point` with their places in `leaves`.

        A parent's option is looked up only after the parent was handed out, so that a caller can fill
        `point` on the way.
        """
        chosen: dict[int, int] = {}
        for i, (leaf, parent) in enumerate(zip(self.leaves, self._parents, strict=True)):
            if parent is not None and chosen.get(parent[0]) != parent[1]:
                continue
            yield i, leaf
            if i in self._with_branches and leaf.name in point:
                assert isinstance(leaf.domain, Choice)
                chosen[i] = leaf.domain.index(point[leaf.name])

    def sample(self, rng: random.Random) -> Flat:
        """One flat point, drawn with `rng`; each leaf costs one number whether it is active or not."""
        shares = [rng.random() for _ in self.leaves]
        point: Flat = {}
        for i, leaf in self.walk(point):
            point[leaf.name] = leaf.domain.at(shares[i])
        return point

    def active_leaves(self, point: Mapping[str, Any]) -> list[Leaf]:
        """The leaves that exist in `point`, in the tree's order."""
        return [leaf for _, leaf in self.walk(point)]

    def check(self, point: Mapping[str, Any]) -> Flat:
        """`point` (flat or nested) as a flat point; raises ValueError where it is not of this space."""
        flat, checked, missing = self.flatten(point), Flat(), []
        for _, leaf in self.walk(checked):
            if leaf.name not in flat:
                missing.append(leaf.name)
            elif not leaf.domain.holds(flat[leaf.name]):
                raise ValueError(f"{leaf.name}={flat[leaf.name]!r} lies outside {leaf.domain}. Choose a value inside.")
            else:
                checked[leaf.name] = _settled(leaf.domain, flat[leaf.name])
        for name in flat:
            if name not in checked:
                hint = did_you_mean(str(name), [*checked, *missing])
                raise ValueError(f"{name}={flat[name]!r} is no parameter of this point. {hint}")
        if missing:
            raise ValueError(f"the point {flat!r} lacks {', '.join(missing)}. Give every active parameter a value.")
        return checked

    def flatten(self, nested: Mapping[str, Any]) -> Flat:
        """The flat form of a nested point; a flat point comes back as it is."""
        if not isinstance(nested, Mapping):
            raise ValueError(f"the point is {nested!r}. Give a value for each name: {{{self.leaves[0].name!r}: ...}}.")
        flat: Flat = {}
        flatten(self._params, nested, "", flat)
        for name, value in nested.items():
            if name in flat and name not in self._params:
                raise ValueError(f"{name}={value!r} is given twice, alone and in a group. Keep one of the two.")
            if name not in self._params:
                flat[name] = value
        return flat

    def nest(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """What a trainable is given: groups as dicts, an option with parameters as `{option: parameters}`."""
        return nest(self._params, flat, "")

    def encode(self, flat: Mapping[str, Any]) -> dict[str, Any]:
        """`flat` as JSON: numbers and short texts as they are, any other option as its place."""
        coded: dict[str, Any] = {}
        for _, leaf in self.walk(flat):
            value = flat[leaf.name]
            if not isinstance(leaf.domain, Choice):
                coded[leaf.name] = float(value) if isinstance(leaf.domain, Float) else int(value)
            elif is_json(value):
                coded[leaf.name] = value
            else:
                coded[leaf.name] = {"option": leaf.domain.index(value), "shown": shown(value)}
        return coded

    def decode(self, coded: Mapping[str, Any]) -> Flat:
        """The flat point that `encode` wrote."""
        flat: Flat = {}
        for _, leaf in self.walk(flat):
            if leaf.name in coded:
                value = coded[leaf.name]
                if isinstance(leaf.domain, Choice) and isinstance(value, Mapping):
                    value = leaf.domain.options[value["option"]]
                flat[leaf.name] = value
        return flat


def _domain(name: object, value: Any) -> "Float | Int | Choice | Space":
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a parameter is named {name!r} ({type(name).__name__}). Name it by a word: 'lr'.")
    match value:
        case Choice(options=options, spaces=spaces):
            raw = any(space and not isinstance(space, Space) for space in spaces)
            return Choice(options, tuple(Space(space) if space else space for space in spaces)) if raw else value
        case Float() | Int() | Space():
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


def _leaves(params: Mapping[str, Any], prefix: str, condition: Condition) -> Iterator[Leaf]:
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if isinstance(domain, Space):
            yield from _leaves(domain, f"{path}.", condition)
            continue
        yield Leaf(path, domain, condition)
        if isinstance(domain, Choice):
            for place, space in enumerate(domain.spaces):
                if space:
                    yield from _leaves(space, f"{path}.", (*condition, (path, place)))


def _groups(params: Mapping[str, Any], prefix: str, condition: Condition) -> Iterator[tuple[str, Condition]]:
    """The dotted names of groups, with what must hold for each to exist."""
    for name, domain in params.items():
        path = f"{prefix}{name}"
        if isinstance(domain, Space):
            yield path, condition
            yield from _groups(domain, f"{path}.", condition)
        elif isinstance(domain, Choice):
            for place, space in enumerate(domain.spaces):
                yield from _groups(space or {}, f"{path}.", (*condition, (path, place)))


def _refuse_clashes(leaves: Iterable[Leaf], groups: Iterable[tuple[str, Condition]]) -> None:
    taken: dict[str, list[Condition]] = {}
    for name, condition in groups:
        taken.setdefault(name, []).append(condition)
    for leaf in leaves:
        others = taken.setdefault(leaf.name, [])
        if not all(_exclusive(leaf.condition, other) for other in others):
            raise ValueError(
                f"two parameters are both called {leaf.name!r} when flattened ('a.b' beside 'a: {{b}}'). "
                f"Rename one of them."
            )
        others.append(leaf.condition)


def _exclusive(a: Condition, b: Condition) -> bool:
    """Whether no point can hold both, because some parent would need two options at once."""
    places = dict(b)
    return any(parent in places and places[parent] != place for parent, place in a)


def _settled(domain: Float | Int | Choice, value: Any) -> Any:
    """A value of a domain in the type that the domain gives: numpy's or a whole float as Python's own."""
    return domain.options[domain.index(value)] if isinstance(domain, Choice) else domain.clip(value)
