"""The params that population based training may change, as plain numbers.

For PBT a float and an integer stand for themselves, and an option of a choice for its place among the options:
options may be arrays or functions, which can be neither compared nor copied. For PB2, whose model wants one scale,
every number stands for its share of [0, 1].
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from search.domains import Choice, Float, Int
from search.schedulers import PB2, PBT
from search.space import Flat, Space
from search.spelling import did_you_mean

Domains = Mapping[str, Float | Int | Choice]


@dataclass(frozen=True)
class Genes:
    """Params that change, as numbers and back.

    Attributes:
        domains: of the params, by name.
        as_shares: whether a number stands for its share of [0, 1] instead of for itself.
    """

    domains: Domains
    as_shares: bool = False

    def of(self, params: Flat) -> dict[str, float]:
        """The mutable params of a flat point as numbers."""
        return {name: self._gene(domain, params[name]) for name, domain in self.domains.items()}

    def values(self, numbers: Mapping[str, float]) -> Flat:
        """The params that these numbers stand for, put into their domains."""
        return {name: self._value(domain, numbers[name]) for name, domain in self.domains.items()}

    def clipped(self, numbers: dict[str, float]) -> dict[str, float]:
        """The numbers put back into their domains, which a factor of 1.2 or 0.8 may leave."""
        return self.of(self.values(numbers))

    def _gene(self, domain: Float | Int | Choice, value: Any) -> float:
        if self.as_shares:
            return domain.unit(value)
        if isinstance(domain, Choice):
            return domain.index(value)
        return float(value) if isinstance(domain, Float) else int(value)

    def _value(self, domain: Float | Int | Choice, number: float) -> Any:
        if self.as_shares:
            return domain.at(min(max(number, 0.0), 1 - 1e-12))
        return domain.options[int(number)] if isinstance(domain, Choice) else domain.clip(number)


def mutable(pace: PBT | PB2, space: Space) -> Domains:
    """The params that change; raises ValueError for an unknown, a conditional or a structural one."""
    free = {leaf.name: leaf for leaf in space.leaves if not leaf.condition}
    parents = {parent for leaf in space.leaves for parent, _ in leaf.condition}
    kind = type(pace).__name__
    for name in pace.mutate:
        if name not in free or name in parents:
            known = [known for known in free if known not in parents]
            raise ValueError(
                f"{kind} cannot mutate {name!r}: it is no unconditional parameter. {did_you_mean(name, known)}"
            )
        if isinstance(pace, PB2) and isinstance(free[name].domain, Choice):
            raise ValueError(
                f"PB2 cannot mutate {name!r}: its model knows numbers and no choices. "
                f"Leave it out, or use PBT(max_epochs={pace.max_epochs}, mutate={pace.mutate!r})."
            )
    names = list(pace.mutate) or [name for name, leaf in free.items() if isinstance(leaf.domain, Float)]
    if not names:
        raise ValueError(f"{pace} finds no continuous parameter to mutate. Name some: mutate=('lr',).")
    return {name: free[name].domain for name in names}


@dataclass(frozen=True)
class Redrawn:
    """What Ray's PBT draws a number anew from, out of the global generator."""

    domain: Float | Int

    def __call__(self) -> float:
        return self.domain.at(random.random())


def mutation(domain: Float | Int | Choice) -> list[int] | Callable[[], float]:
    """What Ray's PBT draws anew from; neighbours in a list count as similar."""
    return list(range(len(domain.options))) if isinstance(domain, Choice) else Redrawn(domain)
