"""What `Auto()` stands for: the sampler that suits a space, a goal, a budget and a machine, and why.

The rules are few and in order; each says in one clause what decided. Their figures come from benchmarks/quality.
"""

import dataclasses
import math
from dataclasses import dataclass

from search.domains import Choice
from search.goal import Goal
from search.samplers import CMAES, NSGA2, TPE, Bayes, Grid, Sobol
from search.schedulers import rungs
from search.space import Space
from search.strategy import Chain, Sampler, Strategy

SMALL = 1_000  # points of a space that is tried whole
FEW_TRIALS = 10  # with which no model has anything to learn from
GP_TRIALS = 300  # the most that a Gaussian process looks at
GP_LEAVES = 60  # parameters
QUICK = 3_000  # trials from which on they are so short that a Gaussian process would hold them up
FRONT_LEAVES = 20  # parameters that Optuna's Gaussian process is asked about
FRONT_TRIALS = 300  # from which on a population covers a front better than a model
LONG = 1_000  # trials from which on a covariance is worth adapting


@dataclass(frozen=True)
class Pick:
    """What was picked.

    Attributes:
        strategy: with a sampler that is settled.
        why: in one clause; empty where nothing was left open.
    """

    strategy: Strategy
    why: str = ""

    def __str__(self) -> str:
        return f"{self.strategy.sampler}, for {self.why}" if self.why else ""


def settle(
    strategy: Strategy, space: Space, goal: Goal, trials: int | None, at_once: int, *, informed: bool = False
) -> Pick:
    """A strategy whose sampler is what it says.

    Args:
        strategy: one with `Auto()`, or any other, which comes back as it is.
        space: what is searched.
        goal: what it is searched for.
        trials: the budget; None where only time ends the study.
        at_once: how many trials run at the same time.
        informed: whether there are trials of earlier studies to learn from.
    """
    if strategy.sampler.settled:
        return Pick(strategy)
    sampler, why = _pick(strategy, space, goal, math.inf if trials is None else trials, at_once, informed)
    return Pick(dataclasses.replace(strategy, sampler=sampler), why)


def _pick(
    strategy: Strategy, space: Space, goal: Goal, trials: float, at_once: int, informed: bool
) -> tuple[Sampler, str]:
    scheduler = strategy.scheduler
    if scheduler.wants_model:
        return TPE(random=1 / 3), f"{type(scheduler).__name__} brings its own model"
    if scheduler.mutates:
        return Sobol(), "a population's params change as it trains, and it should begin all over the space"
    if space.size <= min(trials, SMALL):
        return Grid(shuffle=True), f"the space has only {space.size:g} points"
    if not informed and trials <= max(FEW_TRIALS, 2 * at_once):
        return Sobol(), f"of {trials:g} trials, {at_once} at a time, hardly any could learn from another"
    if goal.others:
        return _for_fronts(space, goal, trials)
    return _for_points(space, trials, is_stopping=bool(rungs(scheduler)))


def _for_fronts(space: Space, goal: Goal, trials: float) -> tuple[Sampler, str]:
    if trials == math.inf:
        return TPE(), "its densities suit few trials and many, and time alone ends the study"
    if trials > FRONT_TRIALS:
        return NSGA2(), f"{trials:g} trials breed a front"
    if _is_flat(space) and len(goal.objectives) <= 3:
        return Bayes(), f"{len(goal.objectives)} objectives over {_leaves(space)} parameters are modelled in few trials"
    return TPE(), "its densities know fronts on a tree"


def _for_points(space: Space, trials: float, *, is_stopping: bool) -> tuple[Sampler, str]:
    leaves = _leaves(space)
    if leaves <= GP_LEAVES and trials <= GP_TRIALS:
        return Bayes(), f"a Gaussian process needs the fewest trials with {leaves} parameters"
    are_numbers = not any(leaf.condition or isinstance(leaf.domain, Choice) for leaf in space.leaves)
    if LONG < trials < math.inf and are_numbers and not is_stopping:
        return CMAES(), f"{trials:g} trials suffice to learn how {leaves} numbers go together"
    if leaves <= GP_LEAVES and (trials <= QUICK or trials == math.inf):
        in_turn = Chain((Bayes(n=GP_TRIALS), TPE()))
        return in_turn, "a Gaussian process learns soonest, and densities stay fast with many trials"
    return TPE(), "its densities know trees and choices, and stay fast with many trials"


def _is_flat(space: Space) -> bool:
    """Whether Optuna's Gaussian process is at home: no branches, not too many parameters."""
    return _leaves(space) <= FRONT_LEAVES and not any(leaf.condition for leaf in space.leaves)


def _leaves(space: Space) -> int:
    return sum(leaf.domain.size > 1 for leaf in space.leaves)
