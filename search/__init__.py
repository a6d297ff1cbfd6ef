"""How to look: spaces, goals, samplers and schedulers, and which of them agree.

Knows no torch, no studies and no clusters. Values are light to import; engines load their backends
when they are built, and only `search.to_ray` imports Ray.
"""

from search.agreement import check_agreement, strategy_of
from search.domains import (
    Choice,
    Float,
    Int,
    choice,
    fixed,
    integer,
    logint,
    lognormal,
    loguniform,
    normal,
    ordinal,
    uniform,
    variants,
)
from search.goal import Bound, Goal, Objective
from search.limits import Limit
from search.prior import Belief, believed
from search.repeat import Repeat, repeat
from search.samplers import (
    CMAES,
    NSGA2,
    TPE,
    Auto,
    Bayes,
    Evolution,
    Greedy,
    Grid,
    Hypergradient,
    QLearning,
    Random,
    Reinforce,
    Sobol,
    Swarm,
)
from search.schedulers import ASHA, BOHB, PB2, PBT, Extrapolate, Hyperband, MedianStop
from search.space import Space, alone, sequence
from search.strategy import Chain, FullLength, Sampler, Scheduler, Strategy

__all__ = [
    "ASHA",
    "BOHB",
    "CMAES",
    "NSGA2",
    "PB2",
    "PBT",
    "TPE",
    "Auto",
    "Bayes",
    "Belief",
    "Bound",
    "Chain",
    "Choice",
    "Evolution",
    "Extrapolate",
    "Float",
    "FullLength",
    "Goal",
    "Greedy",
    "Grid",
    "Hyperband",
    "Hypergradient",
    "Int",
    "Limit",
    "MedianStop",
    "Objective",
    "QLearning",
    "Random",
    "Reinforce",
    "Repeat",
    "Sampler",
    "Scheduler",
    "Sobol",
    "Space",
    "Strategy",
    "Swarm",
    "alone",
    "believed",
    "check_agreement",
    "choice",
    "fixed",
    "integer",
    "logint",
    "lognormal",
    "loguniform",
    "normal",
    "ordinal",
    "repeat",
    "sequence",
    "strategy_of",
    "uniform",
    "variants",
]
