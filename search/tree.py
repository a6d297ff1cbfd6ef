"""A space's parameters as leaves of a tree: what each is called, and when it exists."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from search.domains import Choice, Float, Int
from search.repeat import Repeat

Clause = tuple[str, tuple[int, ...]]  # a parent's name, and the places that it may have
Condition = tuple[Clause, ...]  # outermost first


@dataclass(frozen=True, slots=True)
class Leaf:
    """One parameter of the tree.

    Attributes:
        name: dotted name in tables, shared by branches of a choice that use the same word.
        domain: where its values come from.
        condition: the `(parent's name, places)` pairs that must hold for it to exist. A choice's place is that of
            its option; a repeat's place is the number of its copies.
    """

    name: str
    domain: Float | Int | Choice
    condition: Condition = ()

    @property
    def label(self) -> str:
        """A name that no other leaf has, not even one of another branch: `optimizer.momentum [optimizer=1]`."""
        when = ", ".join(f"{parent}={'|'.join(map(str, places))}" for parent, places in self.condition)
        return f"{self.name} [{when}]" if when else self.name

    def place(self, value: Any) -> int:
        """The place of one of its values, as conditions name it."""
        return self.domain.index(value) if isinstance(self.domain, Choice) else int(value)


def leaves(params: Mapping[str, Any], prefix: str = "", condition: Condition = ()) -> Iterator[Leaf]:
    """All parameters, parents before what hangs on them."""
    for name, domain in params.items():
        yield from _of(f"{prefix}{name}", domain, condition)


def _of(path: str, domain: Any, condition: Condition) -> Iterator[Leaf]:
    match domain:
        case Mapping():
            yield from leaves(domain, f"{path}.", condition)
        case Repeat(n=n, each=each):
            if isinstance(n, Int):
                yield Leaf(path, n, condition)
            for copy in range(domain.most):
                yield from _of(f"{path}.{copy}", each, (*condition, *copy_clause(path, domain, copy)))
        case Choice(spaces=spaces):
            yield Leaf(path, domain, condition)
            for place, space in enumerate(spaces):
                if space:
                    yield from leaves(space, f"{path}.", (*condition, (path, (place,))))
        case _:
            yield Leaf(path, domain, condition)


def copy_clause(path: str, domain: Repeat, copy: int) -> Condition:
    """When copy number `copy` exists, beyond what holds for the repeat itself."""
    if not isinstance(domain.n, Int) or copy < domain.least:
        return ()
    return ((path, tuple(k for k in range(domain.least, domain.most + 1, domain.n.step) if k > copy)),)


def refuse_clashes(params: Mapping[str, Any], found: Iterable[Leaf]) -> None:
    """Raises ValueError where two parameters of one point would have one name in tables."""
    taken: dict[str, list[Condition]] = {}
    for name, condition in _groups(params, "", ()):
        taken.setdefault(name, []).append(condition)
    for leaf in found:
        others = taken.setdefault(leaf.name, [])
        if not all(_exclusive(leaf.condition, other) for other in others):
            raise ValueError(
                f"two parameters are both called {leaf.name!r} when flattened ('a.b' beside 'a: {{b}}'). "
                f"Rename one of them."
            )
        others.append(leaf.condition)


def _groups(params: Mapping[str, Any], prefix: str, condition: Condition) -> Iterator[tuple[str, Condition]]:
    """The dotted names that are no parameters but hold some, with what must hold for each to exist."""
    for name, domain in params.items():
        yield from _groups_of(f"{prefix}{name}", domain, condition)


def _groups_of(path: str, domain: Any, condition: Condition) -> Iterator[tuple[str, Condition]]:
    match domain:
        case Mapping():
            yield path, condition
            yield from _groups(domain, f"{path}.", condition)
        case Repeat(n=n, each=each):
            if not isinstance(n, Int):
                yield path, condition
            for copy in range(domain.most):
                yield from _groups_of(f"{path}.{copy}", each, (*condition, *copy_clause(path, domain, copy)))
        case Choice(spaces=spaces):
            for place, space in enumerate(spaces):
                yield from _groups(space or {}, f"{path}.", (*condition, (path, (place,))))


def _exclusive(a: Condition, b: Condition) -> bool:
    """Whether no point can hold both, because some parent would need two places at once."""
    places = dict(b)
    return any(parent in places and not set(places[parent]) & set(mine) for parent, mine in a)
