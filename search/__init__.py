"""How to look: spaces, goals, samplers and schedulers, and which of them agree.

Knows no torch, no studies and no clusters. Values are light to import; engines load their backends
when they are built, and only `search.to_ray` imports Ray.
"""

from search.domains import Choice, Float, Int, choice, integer, logint, loguniform, uniform
from search.goal import Goal
from search.samplers import TPE, Grid, Random
from search.schedulers import ASHA, PBT
from search.space import Space
from search.strategy import FullLength, Sampler, Scheduler, Strategy, strategy_of

__all__ = [
    "ASHA",
    "PBT",
    "TPE",
    "Choice",
    "Float",
    "FullLength",
    "Goal",
    "Grid",
    "Int",
    "Random",
    "Sampler",
    "Scheduler",
    "Space",
    "Strategy",
    "choice",
    "integer",
    "logint",
    "loguniform",
    "strategy_of",
    "uniform",
]
