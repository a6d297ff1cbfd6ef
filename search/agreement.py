"""What agrees with what: strategies with goals and spaces, and how a lone part becomes a strategy."""

import dataclasses

from search.domains import Float
from search.engines.lattice import Lattice, grid_size
from search.goal import Goal
from search.samplers import NSGA2, TPE, Bayes, Grid, Hypergradient, Random, Sobol
from search.schedulers import BOHB
from search.space import Space
from search.strategy import FullLength, Sampler, Scheduler, Strategy, chain_of

COUNTED = 20_000  # points of a grid with limits that are counted one by one
RANDOM_SHARE = 1 / 3  # of BOHB's trials, so that it keeps Hyperband's guarantee (their rho)


def strategy_of(value: "Strategy | Sampler | Scheduler") -> Strategy:
    """A strategy as it is; a sampler alone with FullLength(), and BOHB alone with its own sampler."""
    match value:
        case Sampler():
            return Strategy(value)
        case Strategy():
            return value
        case BOHB():
            return Strategy(TPE(random=RANDOM_SHARE), value)
        case Scheduler():
            raise ValueError(f"the strategy is {value} without a sampler. Add one: {partner(value)} + {value}.")
    raise ValueError(f"the strategy is {value!r}. Write a sampler and a scheduler: TPE() + ASHA(max_epochs=27).")


def partner(scheduler: object) -> str:
    """A sampler that agrees with a scheduler, as a user would write it."""
    return "Random()" if isinstance(scheduler, Scheduler) and scheduler.mutates else "TPE()"


def points_of(sampler: Sampler, space: Space) -> int | None:
    """How many points a sampler has at most; None where it has no last one.

    Raises:
        ValueError: a grid over a continuous parameter without a number of points.
    """
    sizes = [_points(part, space) for part in chain_of(sampler)]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def check_points(strategy: Strategy, space: Space, trials: int | None, given: int = 0) -> None:
    """Raises ValueError where the budget ends in a grid that is walked in order, or before a chain's next sampler.

    Args:
        strategy: whose sampler it is.
        space: what is searched.
        trials: the budget; None where only time ends the study.
        given: how many of them are the user's own points.
    """
    if trials is None:
        return
    first, parts = given, chain_of(strategy.sampler)
    own = f", of which {given} are your own points" if given else ""
    for part, following in zip(parts, (*parts[1:], None), strict=True):
        size = _points(part, space)
        if size is None:
            return
        whole = isinstance(part, Grid) and not part.shuffle
        if whole and first + size > trials:
            size = _kept_points(part, space, size)
        first += size
        if following is not None and first >= trials:
            raise ValueError(
                f"{part} proposes {size:,} points, and with {trials} trials{own} {following} would never begin. "
                f"Set trials: {first + max(size, 10)}, or use {following} + {strategy.scheduler}."
            )
        if whole and first > trials:
            drawn = dataclasses.replace(part, shuffle=True)  # type: ignore[type-var]
            raise ValueError(
                f"the grid has {size:,} points, and the budget would end it after {trials}{own}. "
                f"Set trials: {first}, fewer points, or draw from it: {drawn} + {strategy.scheduler}."
            )


def _points(part: Sampler, space: Space) -> int | None:
    match part:
        case Grid(points=points):
            return grid_size(space, points)
        case Random(n=int() as n) | Sobol(n=int() as n) | Bayes(n=int() as n):
            return n
    return None


def _kept_points(part: Sampler, space: Space, size: int) -> int:
    """How many points of a grid keep the limits; 0 where there are too many to look at."""
    if not space.limits:
        return size
    if size > COUNTED:
        return 0
    lattice = Lattice(space, part.points)  # type: ignore[attr-defined]
    return sum(space.allows(lattice.point(place)) for place in range(size))


def check_agreement(strategy: Strategy, goal: Goal, space: Space) -> None:
    """Raises ValueError, with the pair to use, where a strategy cannot look for a goal in a space."""
    sampler, scheduler = strategy.sampler, strategy.scheduler
    if goal.others and not _looks_for_fronts(sampler):
        raise ValueError(
            f"{sampler} looks for one best point, and the goal has {len(goal.objectives)} objectives. "
            f"Use {_front_sampler(scheduler)} + {_for_fronts(scheduler)}, or keep one objective: '{goal.first}'."
        )
    if (goal.others or goal.limits) and scheduler.goals != "any":
        what = f"{len(goal.objectives)} objectives" if goal.others else f"a limit on {goal.limits[0].metric}"
        raise ValueError(
            f"{scheduler} compares one number, and the goal '{goal}' has {what}. Use {sampler} + {_instead(scheduler)}."
        )
    if goal.per is not None and (scheduler.goals == "plain" or isinstance(scheduler, FullLength)):
        raise ValueError(
            f"{scheduler} does not compare trials at equal cost, which '{goal}' asks for. "
            f"Use {sampler} + {_instead(scheduler)}, or leave out 'per {goal.per}'."
        )
    if any(isinstance(part, Hypergradient) for part in chain_of(sampler)):
        _check_gradients(sampler, space)


def _looks_for_fronts(sampler: Sampler) -> bool:
    return all(part.several and not (isinstance(part, TPE) and part.engine == "hyperopt") for part in chain_of(sampler))


def _front_sampler(scheduler: Scheduler) -> str:
    return "Random()" if scheduler.mutates else str(NSGA2())


def _for_fronts(scheduler: Scheduler) -> str:
    return str(scheduler) if scheduler.goals == "any" else _instead(scheduler)


def _instead(scheduler: Scheduler) -> str:
    """The scheduler that can judge any goal, with as many epochs."""
    epochs = getattr(scheduler, "max_epochs", None) or getattr(scheduler, "epochs", None) or 27
    return f"ASHA(max_epochs={max(epochs, 2)})"


def _check_gradients(sampler: Sampler, space: Space) -> None:
    if not any(isinstance(leaf.domain, Float) and leaf.domain.step is None for leaf in space.leaves):
        raise ValueError(
            f"{sampler} descends gradients of continuous parameters, and the space {space} has none. "
            f"Use TPE(), or give one a range: uniform(0, 1)."
        )
