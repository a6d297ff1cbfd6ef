"""The params that population based training may change, as plain numbers.

A float and an integer stand for themselves, an option of a choice for its place among the options:
options may be arrays or functions, which can be neither compared nor copied.
"""

import random
from collections.abc import Callable, Mapping
from typing import Any

from search.domains import Choice, Float, Int
from search.schedulers import PBT
from search.space import Flat, Space
from search.spelling import did_you_mean

Domains = Mapping[str, Float | Int | Choice]


def mutable(pace: PBT, space: Space) -> Domains:
    """The params that PBT perturbs; raises ValueError for an unknown, a conditional or a structural one."""
    free = {leaf.name: leaf for leaf in space.leaves if not leaf.condition}
    parents = {parent for leaf in space.leaves for parent, _ in leaf.condition}
    for name in pace.mutate:
        if name not in free or name in parents:
            known = [known for known in free if known not in parents]
            raise ValueError(
                f"PBT cannot mutate {name!r}: it is no unconditional parameter. {did_you_mean(name, known)}"
            )
    names = list(pace.mutate) or [name for name, leaf in free.items() if isinstance(leaf.domain, Float)]
    if not names:
        raise ValueError(f"{pace} finds no continuous parameter to mutate. Name some: mutate=('lr',).")
    return {name: free[name].domain for name in names}


def genes(domains: Domains, params: Flat) -> dict[str, float]:
    """The mutable params of a flat point as numbers."""
    return {name: _gene(domain, params[name]) for name, domain in domains.items()}


def values(domains: Domains, numbers: Mapping[str, float]) -> Flat:
    """The params that these numbers stand for."""
    return {
        name: domain.options[int(numbers[name])] if isinstance(domain, Choice) else domain.clip(numbers[name])
        for name, domain in domains.items()
    }


def clipped(domains: Domains, numbers: dict[str, float]) -> dict[str, float]:
    """The numbers put back into their domains, which a factor of 1.2 or 0.8 may leave."""
    return genes(domains, values(domains, numbers))


def mutation(domain: Float | Int | Choice) -> list[int] | Callable[[], float]:
    """What Ray's PBT draws anew from, out of the global generator; neighbours in a list count as similar."""
    return list(range(len(domain.options))) if isinstance(domain, Choice) else lambda: domain.at(random.random())


def _gene(domain: Float | Int | Choice, value: Any) -> float:
    if isinstance(domain, Choice):
        return domain.index(value)
    return float(value) if isinstance(domain, Float) else int(value)
