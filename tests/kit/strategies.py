"""Every sampler and every scheduler of the facade, each in a strategy of a few trials, as a user writes it."""

from search import Strategy, strategy_of
from search.notation import STRATEGIES, parse

EVERYONE = [
    "Grid(points=2, shuffle=True) + FullLength(epochs=3)",
    "Random() + ASHA(max_epochs=4, keep_1_in=2)",
    "Sobol() + MedianStop(max_epochs=4, least=2)",
    "TPE(startup=3) + ASHA(max_epochs=4, keep_1_in=2, promote=True)",
    "TPE(startup=3, engine='hyperopt') + FullLength(epochs=3)",
    "TPE(startup=3, engine='optuna') + Hyperband(max_epochs=4, keep_1_in=2)",
    "Bayes(startup=3) + FullLength(epochs=3)",
    "CMAES(population=3) + FullLength(epochs=3)",
    "Evolution(population=3, tournament=2, crossover=0.5) + FullLength(epochs=3)",
    "Greedy(startup=3) + Extrapolate(max_epochs=8)",
    "Swarm(particles=3) + FullLength(epochs=3)",
    "Reinforce() + FullLength(epochs=3)",
    "QLearning() + FullLength(epochs=3)",
    "NSGA2(population=3) + FullLength(epochs=3)",
    "Random(n=3) >> Hypergradient() + FullLength(epochs=3)",
    "Sobol(n=4) >> TPE() + FullLength(epochs=3)",
    "Auto() + ASHA(max_epochs=4)",
    "BOHB(max_epochs=4, keep_1_in=2)",
    "Random() + PBT(max_epochs=6, every=2)",
    "Sobol() + PB2(max_epochs=6, every=2)",
]

SIMULATED = [
    "Random() + FullLength(epochs=5)",
    "Grid(points=20) + FullLength(epochs=3)",
    "TPE() + FullLength(epochs=3)",
    "TPE() + ASHA(max_epochs=9)",
    "Random() + ASHA(max_epochs=9, promote=True)",
    "Random() + PBT(max_epochs=9, every=3)",
    "Sobol() + PB2(max_epochs=9, every=3)",
    "Random() + Hyperband(max_epochs=9)",
    "BOHB(max_epochs=9)",
    "Sobol() + MedianStop(max_epochs=9)",
    "Evolution(population=5, tournament=2) + Extrapolate(max_epochs=9)",
    "Bayes(startup=5) + FullLength(epochs=2)",
    "CMAES(population=4) + FullLength(epochs=2)",
    "NSGA2(population=5) + ASHA(max_epochs=9)",
    "Greedy(startup=4) + ASHA(max_epochs=9, promote=True)",
    "Swarm(particles=4) + MedianStop(max_epochs=9)",
    "Reinforce() + ASHA(max_epochs=4)",
    "QLearning() + FullLength(epochs=2)",
    "Sobol(n=5) >> TPE() + ASHA(max_epochs=9)",
    "Grid(points=4) >> Hypergradient() + FullLength(epochs=2)",
]  # for spaces of one continuous parameter and twelve trials or more, on a simulated clock


def written(texts: list[str]) -> list[Strategy]:
    """The strategies that these texts write."""
    return [strategy_of(parse(text, STRATEGIES)) for text in texts]
