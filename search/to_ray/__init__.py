"""The search room's door to Ray: Ray's schedulers as engines, and our conductor as Ray Tune sees it.

`engines` builds what the conductor drives. Where Ray's own class is right it decides, over stand-in trials: ASHA in
its stopping form for one plain objective, PBT and PB2. The others are ours (docs/decisions/0007).
"""

import warnings
from collections.abc import Callable

from search.engines.at_work import sampler_engine
from search.engines.full_length import Unjudged
from search.engines.halving import Halving
from search.engines.hyperband import Bands
from search.engines.median import Medians
from search.engines.promotion import Promotion
from search.engines.yardstick import Yardstick
from search.goal import Goal
from search.protocol import SamplerEngine, SchedulerEngine
from search.schedulers import ASHA, BOHB, PB2, PBT, Extrapolate, Hyperband, MedianStop
from search.space import Space
from search.strategy import FullLength, Scheduler, Strategy
from search.to_ray.adapters import Driver, TuneCallback, TuneScheduler, TuneSearcher
from search.to_ray.asha import RayASHA

__all__ = ["Driver", "RayASHA", "TuneCallback", "TuneScheduler", "TuneSearcher", "engines"]


def engines(
    strategy: Strategy,
    space: Space,
    *,
    seed: int,
    goal: Goal | None = None,
    trials: int | None = None,
    warn: Callable[[str], None] = warnings.warn,
) -> tuple[SamplerEngine, SchedulerEngine]:
    """Sets a strategy to work on a space: what proposes and what judges.

    Args:
        strategy: a pair that agrees; its sampler is settled.
        space: what is searched.
        seed: equal seeds and an equal order of events give equal proposals and decisions.
        goal: how many objectives there are, and what they are judged by; None for one plain objective.
        trials: the budget, which is the population where a scheduler needs one and names none.
        warn: is told when a sampler had to be replaced by random draws, and when it has no more points.
    """
    goal = goal or Goal("min", "loss")
    sampler = sampler_engine(strategy.sampler, space, seed=seed, objectives=len(goal.objectives), warn=warn)
    return sampler, _scheduler(strategy.scheduler, space, seed, goal, trials)


def _scheduler(pace: Scheduler, space: Space, seed: int, goal: Goal, trials: int | None) -> SchedulerEngine:
    match pace:
        case FullLength():
            return Unjudged()
        case ASHA(promote=True):
            return Promotion(pace, goal)
        case ASHA():
            return Yardstick(pace, goal, lambda: _plain(pace, goal)) if pace.by_draws else _plain(pace, goal)
        case Hyperband() | BOHB():
            return Bands(pace, goal)
        case MedianStop():
            return Medians(pace, goal)
        case Extrapolate():
            from search.engines.extrapolation import Forecasting

            return Forecasting(pace)
        case PBT() | PB2():
            from search.to_ray.population import RayPopulation  # scikit-learn, and with it 70 MiB

            return RayPopulation(pace, space, seed, pace.population or trials)
    raise TypeError(f"{pace} has no engine. Use FullLength, ASHA or PBT.")


def _plain(pace: ASHA, goal: Goal) -> SchedulerEngine:
    return RayASHA(pace) if goal.is_plain else Halving(pace, goal)
