"""A study's space: named parameters as a tree, read flat by tables and samplers, nested by models.

    {"lr": loguniform(1e-4, 1e-1), "optimizer": choice(sgd={"momentum": uniform(0, 0.99)}, adam={})}

A *flat* point has dotted names and only what is active, which is what tables show:
`{"lr": 0.01, "optimizer": "sgd", "optimizer.momentum": 0.9}`. A *nested* point is what a trainable is
given: `{"lr": 0.01, "optimizer": {"sgd": {"momentum": 0.9}}}`; an option with parameters of its own
comes as `{option: its parameters}`, a plain option as itself, the copies of a repeat as a list.
"""

import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from search.domains import Choice, Float, Int
from search.limits import Limit, parse_limit
from search.options import listed, written
from search.points import Flat, Form, flatten, is_json, nest, shown, shown_params
from search.prior import Belief, Prior
from search.repeat import Repeat
from search.room import first_kept, pulled, wandered
from search.spelling import did_you_mean
from search.tree import Leaf, leaves, refuse_clashes

__all__ = ["Flat", "Leaf", "Space", "shown_params"]

DRAWS = 1_000  # at a point that keeps the limits, before one that is known to keep them wanders off


class Space(Mapping[str, "Float | Int | Choice | Repeat | Space"]):
    """Named parameters, groups of them, and conditional ones. Immutable; checked when made.

    Args:
        params: name to domain; a list is a choice among its items, a mapping is a group.
        limits: relations between parameters that every point keeps, such as `layers * width <= 4096`.
        prior: what is believed about some of them.
        form: what a trainable is given: a dict of the values, a tuple of them, or the one value alone.

    Attributes:
        leaves: all parameters, parents before what hangs on them.
        limits: the relations.
        prior: the beliefs, laid over the leaves.

    Raises:
        ValueError: an empty space, a value that is no domain, a clash such as `a.b` beside `a: {b}`, limits that
            leave no room.
    """

    __slots__ = ("_kept", "_params", "_parents", "_with_branches", "form", "leaves", "limits", "prior")

    def __init__(
        self,
        params: Mapping[str, Any],
        limits: Iterable[str | Limit] = (),
        prior: Belief | Iterable[Belief] = (),
        *,
        form: Form = "dict",
    ):
        self.form = form
        if not isinstance(params, Mapping):
            raise ValueError(
                f"the space is {params!r} ({type(params).__name__}). Give names and domains: "
                "{'lr': loguniform(1e-5, 1e-1)}."
            )
        try:
            self._params = {name: _domain(name, value) for name, value in params.items()}
        except RecursionError:
            raise ValueError("the space is nested without end: it holds itself. Write out its groups.") from None
        self.leaves: tuple[Leaf, ...] = tuple(leaves(self._params))
        refuse_clashes(self._params, self.leaves)
        if not self.leaves:
            raise ValueError("the space is empty. Name something to search: {'lr': loguniform(1e-5, 1e-1)}.")
        places = {(leaf.name, leaf.condition): i for i, leaf in enumerate(self.leaves)}
        self._parents = tuple(
            (places[leaf.condition[-1][0], leaf.condition[:-1]], leaf.condition[-1][1]) if leaf.condition else None
            for leaf in self.leaves
        )
        self._with_branches = {parent[0] for parent in self._parents if parent is not None}
        self.prior = Prior(self.leaves, (prior,) if isinstance(prior, Belief) else prior)
        self.limits = self._limits((limits,) if isinstance(limits, str | Limit) else limits)
        self._kept: Flat | None = first_kept(self) if self.limits else None

    def __getitem__(self, name: str) -> "Float | Int | Choice | Repeat | Space":
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
        return (
            isinstance(other, Space)
            and list(self._params.items()) == list(other._params.items())
            and self.form == other.form
            and self.limits == other.limits
            and self.prior == other.prior
        )

    def __hash__(self) -> int:
        return hash(tuple(self._params))

    def __repr__(self) -> str:
        limits = f", limits={[str(limit) for limit in self.limits]!r}" if self.limits else ""
        prior = f", prior=[{', '.join(map(str, self.prior.beliefs))}]" if self.prior else ""
        return f"Space({self}{limits}{prior})"

    def __str__(self) -> str:
        if self.form != "dict":
            return f"{'sequence' if self.form == 'tuple' else 'alone'}({', '.join(map(written, self.values()))})"
        return "{" + ", ".join(f"{name!r}: {domain}" for name, domain in self.items()) + "}"

    def walk(self, point: Mapping[str, Any]) -> Iterator[tuple[int, Leaf]]:
        """The leaves that exist in `point` with their places in `leaves`.

        A parent's option is looked up only after the parent was handed out, so that a caller can fill
        `point` on the way.
        """
        chosen: dict[int, int] = {}
        for i, (leaf, parent) in enumerate(zip(self.leaves, self._parents, strict=True)):
            if parent is not None and chosen.get(parent[0]) not in parent[1]:
                continue
            yield i, leaf
            if i in self._with_branches and leaf.name in point:
                chosen[i] = leaf.place(point[leaf.name])

    @property
    def parents(self) -> dict[int, tuple[int, tuple[int, ...]]]:
        """For each conditional leaf, the place of its parent in `leaves`, and the places of it that make it exist."""
        return {i: parent for i, parent in enumerate(self._parents) if parent is not None}

    @property
    def kept(self) -> Flat | None:
        """Some point that keeps the limits; None where there are none."""
        return self._kept

    @property
    def size(self) -> float:
        """How many points there are, limits aside; infinite where a parameter is continuous."""
        return _size(self._params)

    def allows(self, flat: Mapping[str, Any]) -> bool:
        """Whether a flat point keeps all limits."""
        return all(limit.holds(flat) for limit in self.limits)

    def at(self, shares: Sequence[float]) -> Flat:
        """The flat point at one share of [0, 1) per leaf, whether the leaf is active there or not."""
        point: Flat = {}
        for i, leaf in self.walk(point):
            point[leaf.name] = leaf.domain.at(shares[i])
        return point

    def believed_at(self, shares: Sequence[float]) -> Flat:
        """The flat point that even draws become where something is believed."""
        return self.at([self.prior.draw(i, share) for i, share in enumerate(shares)] if self.prior else shares)

    def sample(self, rng: random.Random) -> Flat:
        """One flat point that keeps the limits, drawn with `rng`; without limits a draw takes one number per leaf."""
        point = self.drawn(rng)
        for _ in range(DRAWS if self.limits else 0):
            if self.allows(point):
                return point
            point = self.drawn(rng)
        return wandered(self, self._kept, rng) if self._kept is not None else point

    def active_leaves(self, point: Mapping[str, Any]) -> list[Leaf]:
        """The leaves that exist in `point`, in the tree's order."""
        return [leaf for _, leaf in self.walk(point)]

    def check(self, point: Mapping[str, Any]) -> Flat:
        """`point` (flat or nested) as a flat point; raises ValueError where it is not of this space."""
        checked = self.within(point)
        for limit in self.limits:
            if not limit.holds(checked):
                near = pulled(self, checked, self._kept or checked)
                raise ValueError(f"the point {checked!r} breaks the limit {limit}. One nearby keeps it: {near!r}.")
        return checked

    def within(self, point: Mapping[str, Any]) -> Flat:
        """`point` (flat or nested) as a flat point, whether it keeps the limits or not."""
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

    def drawn(self, rng: random.Random) -> Flat:
        """One flat point, drawn whether it keeps the limits or not."""
        return self.believed_at([rng.random() for _ in self.leaves])

    def _limits(self, limits: Iterable[str | Limit]) -> tuple[Limit, ...]:
        known = tuple(dict.fromkeys(leaf.name for leaf in self.leaves))
        read = tuple(parse_limit(limit.text if isinstance(limit, Limit) else limit, known) for limit in limits)
        for limit in read:
            for name, value in limit.compared:
                self._check_option(limit, name, value)
        return read

    def _check_option(self, limit: Limit, name: str, value: Any) -> None:
        """Raises ValueError where a limit compares a choice with what is none of its options."""
        domains = [leaf.domain for leaf in self.leaves if leaf.name == name]
        options = [option for domain in domains if isinstance(domain, Choice) for option in domain.options]
        if len(options) and isinstance(value, str) and value not in [o for o in options if isinstance(o, str)]:
            hint = did_you_mean(value, [option for option in options if isinstance(option, str)])
            raise ValueError(
                f"the limit {str(limit)!r} compares {name} with {value!r}, which is no option of it. {hint}"
            )

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


def sequence(*domains: Any) -> Space:
    """A group whose trainable is given the values in a tuple; in tables they go by their places.

    >>> from search.domains import uniform
    >>> print(sequence(uniform(0, 1), [1, 2]))
    sequence(uniform(0, 1), choice(1, 2))
    """
    return Space({str(place): domain for place, domain in enumerate(domains)}, form="tuple")


def alone(domain: Any) -> Space:
    """What a branch without a name is: one domain, whose value is given as it is.

    >>> from search.domains import integer
    >>> from search.domains import variants
    >>> print(Space({"depth": variants("any", some=alone(integer(1, 9)))}))
    {'depth': variants('any', some=alone(integer(1, 9)))}
    """
    return Space({"value": domain}, form="value")


def _domain(name: object, value: Any) -> "Float | Int | Choice | Repeat | Space":
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"a parameter is named {name!r} ({type(name).__name__}). Name it by a word: 'lr'.")
    match value:
        case Choice(options=options, spaces=spaces):
            raw = any(space and not isinstance(space, Space) for space in spaces)
            made = tuple(Space(space) if space and not isinstance(space, Space) else space for space in spaces)
            return Choice(options, made, value.ordered, value.bare) if raw else value
        case Repeat(n=n, each=each):
            return Repeat(n, _domain(name, each))
        case Float() | Int() | Space():
            return value
        case list() | tuple():
            return listed(value)
        case Mapping():
            return Space(value)
        case str():
            raise ValueError(
                f"{name} is the text {value!r}, no domain. Write {name}: [{value}, ...] for a choice, "
                f"or a domain such as {name}: uniform(0, 1)."
            )
    raise ValueError(
        f"{name} is {value!r} ({type(value).__name__}), no domain. "
        f"Write {name}: uniform(0, 1), or {name}: fixed({value!r}) for a constant."
    )


def _size(domain: Any) -> float:
    match domain:
        case Repeat(n=n, each=each):
            copies = n.grid(None) if isinstance(n, Int) else [n]
            return sum(_size(each) ** k for k in copies)
        case Choice(spaces=spaces):
            return sum(_size(space or {}) for space in spaces)
        case Mapping():
            return math.prod(_size(inner) for inner in domain.values())
    size: float = domain.size
    return size


def _settled(domain: Float | Int | Choice, value: Any) -> Any:
    """A value of a domain in the type that the domain gives: numpy's or a whole float as Python's own."""
    return domain.options[domain.index(value)] if isinstance(domain, Choice) else domain.clip(value)
