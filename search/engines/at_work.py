"""Samplers set to work: from a value to what proposes."""

import dataclasses
import warnings
from collections.abc import Callable

from search.engines.chain import Turns, Until
from search.engines.draws import Draws
from search.engines.guarded import Guarded, Proposer
from search.engines.walk import grid
from search.samplers import (
    CMAES,
    NSGA2,
    TPE,
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
from search.space import Space
from search.strategy import Chain, Sampler, chain_of


def sampler_engine(
    sampler: Sampler,
    space: Space,
    *,
    seed: int,
    objectives: int = 1,
    warn: Callable[[str], None] = warnings.warn,
) -> Guarded:
    """A sampler at work on a space.

    Args:
        sampler: a value; `Auto` must have been settled.
        space: what is searched.
        seed: equal seeds and an equal order of events give equal proposals.
        objectives: how many losses a trial has.
        warn: is told when proposals had to be replaced by random points, and when there are none left.
    """
    repeat = any(isinstance(part, Random) and part.repeat for part in chain_of(sampler))
    engine = proposer(sampler, space, seed, objectives)
    tests = all(isinstance(part, TPE | Bayes) for part in chain_of(sampler))
    return Guarded(engine, space, seed, str(sampler), objectives=objectives, repeat=repeat, tests=tests, warn=warn)


def proposer(sampler: Sampler, space: Space, seed: int, objectives: int = 1) -> Proposer:
    """The algorithm that a sampler stands for; its backend is loaded here or later, never before."""
    match sampler:
        case Chain(parts=(*earlier, last)):
            first = [proposer(part, space, seed, objectives) for part in earlier]
            return Turns(first, proposer(last, space, seed, objectives))  # type: ignore[arg-type]
        case Random(n=n):
            return Draws(space, seed) if n is None else Until(Draws(space, seed), n)
        case Grid(points=points, shuffle=shuffle):
            return grid(space, points, shuffle, seed)
        case Sobol(n=n):
            from search.engines.sobol import sobol

            return sobol(space, seed, n)
        case TPE():
            return _parzen(sampler, space, seed)
        case Bayes():
            return _gaussian(sampler, space, seed, objectives)
    return _learner(sampler, space, seed)


def _parzen(settings: TPE, space: Space, seed: int) -> Proposer:
    match settings.engine:
        case "hyperopt":
            from search.engines.hyperopt_tpe import HyperOptTPE

            return HyperOptTPE(space, settings, seed)
        case "optuna":
            from search.engines.optunas import OptunaTPE

            return OptunaTPE(space, settings, seed)
    from search.engines.parzen import Parzen

    return Parzen(space, settings, seed)


def _gaussian(settings: Bayes, space: Space, seed: int, objectives: int) -> Proposer:
    if settings.n is not None:
        return Until(_gaussian(dataclasses.replace(settings, n=None), space, seed, objectives), settings.n)
    if settings.engine == "optuna" or objectives > 1:
        from search.engines.optuna_gaussian import OptunaGaussian

        return OptunaGaussian(space, settings, seed)
    from search.engines.gaussian import Gaussian

    return Gaussian(space, settings, seed)


def _learner(sampler: Sampler, space: Space, seed: int) -> Proposer:
    from search.engines.covariance import Covariance
    from search.engines.evolution import Ageing
    from search.engines.greedy import Coordinate
    from search.engines.hypergradient import Descents
    from search.engines.nsga2 import Fronts
    from search.engines.qlearning import QTable
    from search.engines.reinforce import Policy
    from search.engines.swarm import Particles

    makers: dict[type[Sampler], Callable[..., Proposer]] = {
        CMAES: Covariance,
        Evolution: Ageing,
        Greedy: Coordinate,
        Swarm: Particles,
        Reinforce: Policy,
        QLearning: QTable,
        NSGA2: Fronts,
        Hypergradient: Descents,
    }
    maker = makers.get(type(sampler))
    if maker is None:
        raise TypeError(f"{sampler} has no engine. Use {', '.join(['Grid', 'Random', 'Sobol', 'TPE'])} or another one.")
    return maker(space, sampler, seed)
