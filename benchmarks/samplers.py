"""Every sampler beside its peers: best value after 25, 50 and 100 evaluations, one at a time.

    python benchmarks/samplers.py [--seeds 20] [--only TPE] [--functions branin mixed] [--processes 2]

Branin, Hartmann's six-dimensional function, one of mixed types and one with conditions; regret is the distance to the
known minimum. A row is one sampler; `ratio` is the geometric mean of its regret over that of its peer (or of random
search, where it has none), seed by seed, with a 95 % bootstrap interval: above 1 as a whole means worse.
"""

import argparse
import functools
import math
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pool
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from search import (
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
    Sampler,
    Sobol,
    Space,
    Swarm,
    choice,
    integer,
    logint,
    loguniform,
    uniform,
)
from search.dialects import suggest, to_hyperopt
from search.engines.at_work import sampler_engine
from search.protocol import FINISHED, Seen

EVALUATIONS = 100
STOPS = (25, 50, 100)
LEAST = 1e-9  # of a regret, for logarithms

Point = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """A space and a function of its flat points, whose minimum is zero; `slopes` are its derivatives."""

    space: Space
    regret: Callable[[Point], float]
    slopes: Callable[[Point], Point] | None = None


def branin(p: Point) -> float:
    """Dixon & Szego 1978; its minimum is 0.397887, at three places."""
    x, y = p["x"], p["y"]
    bowl = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return bowl + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10 - 0.397887


def branin_slopes(p: Point) -> Point:
    """Its derivatives."""
    x, y = p["x"], p["y"]
    inner = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    along = 2 * inner * (-2 * 5.1 / (4 * math.pi**2) * x + 5 / math.pi)
    return {"x": along - 10 * (1 - 1 / (8 * math.pi)) * math.sin(x), "y": 2 * inner}


_A = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_P = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)
_C = np.array([1.0, 1.2, 3.0, 3.2])


def hartmann(p: Point) -> float:
    """Hartmann's function in six dimensions, Dixon & Szego 1978; its minimum is -3.32237."""
    x = np.array([p[f"x{k}"] for k in range(6)])
    return float(3.32237 - (_C * np.exp(-(_A * (x - _P) ** 2).sum(axis=1))).sum())


def hartmann_slopes(p: Point) -> Point:
    """Its derivatives."""
    x = np.array([p[f"x{k}"] for k in range(6)])
    terms = _C * np.exp(-(_A * (x - _P) ** 2).sum(axis=1))
    slopes = (2 * _A * (x - _P) * terms[:, None]).sum(axis=0)
    return {f"x{k}": float(slope) for k, slope in enumerate(slopes)}


def mixed(p: Point) -> float:
    """A choice, a whole number, two logarithms and a float, which lean on each other; zero at one point."""
    kind = "abcd".index(p["kind"])
    rate = (math.log10(p["lr"]) + 3 + 0.3 * (kind - 2)) ** 2
    layers, width = (p["layers"] - 5 - (kind - 2)) ** 2 / 10, (math.log2(p["width"]) - 6) ** 2 / 4
    return rate + layers + width + 0.5 * abs(kind - 2) + 4 * (p["dropout"] - 0.3) ** 2


def conditional(p: Point) -> float:
    """Three optimizers with params of their own; zero at one point of the third."""
    rate = math.log10(p["lr"])
    match p["optimizer"]:
        case "sgd":
            return (rate + 1.5) ** 2 + 3 * (p["optimizer.momentum"] - 0.9) ** 2 + 0.2
        case "adam":
            return (rate + 3) ** 2 + 20 * (p["optimizer.beta"] - 0.95) ** 2 + 0.3 * p["optimizer.amsgrad"]
    return (rate + 2) ** 2 + 0.5


FUNCTIONS = {
    "branin": Function(Space({"x": uniform(-5, 10), "y": uniform(0, 15)}), branin, branin_slopes),
    "hartmann6": Function(Space({f"x{k}": uniform(0, 1) for k in range(6)}), hartmann, hartmann_slopes),
    "mixed": Function(
        Space(
            {
                "kind": choice("a", "b", "c", "d"),
                "lr": loguniform(1e-6, 1),
                "layers": integer(1, 12),
                "dropout": uniform(0, 1),
                "width": logint(8, 1024),
            }
        ),
        mixed,
    ),
    "conditional": Function(
        Space(
            {
                "lr": loguniform(1e-6, 1),
                "optimizer": choice(
                    "plain", sgd={"momentum": uniform(0, 1)}, adam={"beta": uniform(0.5, 1), "amsgrad": [True, False]}
                ),
            }
        ),
        conditional,
    ),
}


def ours(sampler: Sampler, function: Function, seed: int) -> list[float]:
    """Regrets of one of our samplers, in the order of its proposals."""
    engine = sampler_engine(sampler, function.space, seed=seed, warn=lambda text: None)
    found = []
    for number in range(1, EVALUATIONS + 1):
        point = engine.propose(number)
        if point is None:
            break
        engine.adopt(number, point)
        found.append(function.regret(point))
        slopes = {} if function.slopes is None else function.slopes(point)
        engine.observe(number, Seen(FINISHED, (found[-1],), slopes=slopes))
    return found


def optunas(name: str, function: Function, seed: int) -> list[float]:
    """Regrets of one of Optuna's samplers."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = getattr(optuna.samplers, name)(seed=seed)
    study = optuna.create_study(sampler=sampler)

    def objective(trial: Any) -> float:
        return function.regret(function.space.check(suggest(function.space, trial)))

    study.optimize(objective, n_trials=EVALUATIONS)
    return [trial.value for trial in study.trials]


def hyperopts(name: str, function: Function, seed: int) -> list[float]:
    """Regrets of one of HyperOpt's algorithms with its own defaults."""
    import hyperopt

    def objective(nested: Any) -> float:
        return function.regret(function.space.check(nested))

    trials = hyperopt.Trials()
    algorithm = getattr(hyperopt, name).suggest
    hyperopt.fmin(
        objective,
        to_hyperopt(function.space),
        algo=algorithm,
        max_evals=EVALUATIONS,
        trials=trials,
        rstate=np.random.default_rng(seed),
        show_progressbar=False,
        verbose=False,
    )
    return [float(loss) for loss in trials.losses()]


# each of ours, and the peer that it is measured against
ENTRANTS: dict[str, tuple[Callable[..., list[float]], str | None]] = {
    "Random()": (functools.partial(ours, Random()), "Optuna RandomSampler"),
    "Sobol()": (functools.partial(ours, Sobol()), "Optuna QMCSampler"),
    "Sobol(20) >> TPE()": (functools.partial(ours, Sobol(n=20) >> TPE()), "Optuna TPESampler"),
    "Grid(shuffle=True)": (functools.partial(ours, Grid(points=5, shuffle=True)), None),
    "TPE()": (functools.partial(ours, TPE()), "Optuna TPESampler"),
    "TPE(engine='optuna')": (functools.partial(ours, TPE(engine="optuna")), "Optuna TPESampler"),
    "TPE(engine='hyperopt')": (functools.partial(ours, TPE(engine="hyperopt")), "HyperOpt tpe"),
    "Bayes()": (functools.partial(ours, Bayes()), "Optuna GPSampler"),
    "CMAES()": (functools.partial(ours, CMAES()), "Optuna CmaEsSampler"),
    "NSGA2()": (functools.partial(ours, NSGA2()), "Optuna NSGAIISampler"),
    "Evolution()": (functools.partial(ours, Evolution()), None),
    "Evolution(crossover=0.5)": (functools.partial(ours, Evolution(crossover=0.5)), None),
    "Greedy()": (functools.partial(ours, Greedy()), "HyperOpt anneal"),
    "Swarm()": (functools.partial(ours, Swarm()), None),
    "Reinforce()": (functools.partial(ours, Reinforce()), None),
    "QLearning()": (functools.partial(ours, QLearning()), None),
    "Hypergradient()": (functools.partial(ours, Hypergradient()), None),
    "Sobol(20) >> Hypergradient()": (functools.partial(ours, Sobol(20) >> Hypergradient()), None),
    "Optuna RandomSampler": (functools.partial(optunas, "RandomSampler"), None),
    "Optuna QMCSampler": (functools.partial(optunas, "QMCSampler"), None),
    "Optuna TPESampler": (functools.partial(optunas, "TPESampler"), None),
    "Optuna GPSampler": (functools.partial(optunas, "GPSampler"), None),
    "Optuna CmaEsSampler": (functools.partial(optunas, "CmaEsSampler"), None),
    "Optuna NSGAIISampler": (functools.partial(optunas, "NSGAIISampler"), None),
    "HyperOpt tpe": (functools.partial(hyperopts, "tpe"), None),
    "HyperOpt anneal": (functools.partial(hyperopts, "anneal"), None),
}


def measured(job: tuple[str, str, int]) -> tuple[str, str, int, list[float], float]:
    """One entrant on one function with one seed: the best regret so far, and the seconds it took."""
    entrant, name, seed = job
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        began = time.perf_counter()
        found = ENTRANTS[entrant][0](FUNCTIONS[name], seed)
        spent = time.perf_counter() - began
    best = np.minimum.accumulate(found).tolist()
    return entrant, name, seed, best + best[-1:] * (EVALUATIONS - len(best)), spent


def ratio(mine: np.ndarray, theirs: np.ndarray) -> tuple[float, float, float]:
    """Geometric mean of mine over theirs, seed by seed, with a 95 % bootstrap interval."""
    logs = np.log(np.maximum(mine, LEAST)) - np.log(np.maximum(theirs, LEAST))
    rng = np.random.default_rng(0)
    means = rng.choice(logs, size=(4_000, len(logs))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return math.exp(logs.mean()), math.exp(low), math.exp(high)


def main() -> None:
    """Measures, and prints a table per function in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--only", nargs="*", default=list(ENTRANTS))
    parser.add_argument("--functions", nargs="*", default=list(FUNCTIONS))
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    terms = parser.parse_args()
    wanted = {name for name in ENTRANTS if any(word in name for word in terms.only)} | {"Random()"}
    wanted |= {peer for name in wanted if (peer := ENTRANTS[name][1]) is not None}
    jobs = [(e, f, s) for f in terms.functions for e in ENTRANTS if e in wanted for s in range(terms.seeds)]
    best: dict[tuple[str, str], dict[int, list[float]]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    with Pool(terms.processes) as pool:
        for entrant, name, seed, values, spent in pool.imap_unordered(measured, jobs):
            best.setdefault((entrant, name), {})[seed] = values
            seconds.setdefault((entrant, name), []).append(spent)
    for name in terms.functions:
        print(f"\n### {name}: median regret, {terms.seeds} seeds\n")
        print(f"| sampler | {' | '.join(f'after {stop}' for stop in STOPS)} | against | ratio (95 %) | ms a proposal |")
        print("|---" * (len(STOPS) + 4) + "|")
        for entrant in [e for e in ENTRANTS if e in wanted]:
            curves = np.array([best[entrant, name][seed] for seed in range(terms.seeds)])
            medians = [f"{np.median(curves[:, stop - 1]):.3g}" for stop in STOPS]
            peer = ENTRANTS[entrant][1] or ("Random()" if not entrant.startswith(("Optuna", "HyperOpt")) else None)
            against = ""
            if peer is not None:
                other = np.array([best[peer, name][seed] for seed in range(terms.seeds)])
                middle, low, high = ratio(curves[:, -1], other[:, -1])
                against = f"{middle:.2g} ({low:.2g} to {high:.2g})"
            cost = 1000 * np.median(seconds[entrant, name]) / EVALUATIONS
            print(f"| {entrant} | {' | '.join(medians)} | {peer or ''} | {against} | {cost:.1f} |")


if __name__ == "__main__":
    main()
