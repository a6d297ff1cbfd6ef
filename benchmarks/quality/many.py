"""Functions of many parameters, whose minima are known.

The first three are of the test functions of global optimisation, moved so that no minimum lies in the middle or in a
corner; most models of black boxes are told to stay away from so many parameters.
"""

import math
import random

import numpy as np

from benchmarks.quality.tasks import Loss, Point, Task
from search import Space, choice, logint, loguniform, uniform

SAMPLED = 2_000  # random points, whose median is what regrets are shares of
LAYERS = 10


def styblinski(dimensions: int) -> Task:
    """Styblinski & Tang 1990: two valleys in each dimension, one of them deeper."""
    least = _styblinski(np.array([-2.903534]))

    def loss(p: Point) -> float:
        return _styblinski(np.fromiter(p.values(), float)) - least * dimensions

    return _made(f"Styblinski-Tang, {dimensions}", Space({f"x{k}": uniform(-5, 5) for k in range(dimensions)}), loss)


def _styblinski(x: np.ndarray) -> float:
    return float((x**4 - 16 * x**2 + 5 * x).sum() / 2)


def rotated(dimensions: int) -> Task:
    """An ellipsoid a hundred times as long as wide, along directions that no parameter has."""
    rng = np.random.default_rng(1)
    turned, _ = np.linalg.qr(rng.standard_normal((dimensions, dimensions)))
    scales, middle = np.geomspace(1, 1e4, dimensions), rng.uniform(0.2, 0.8, dimensions)

    def loss(p: Point) -> float:
        return float((scales * (turned @ (np.fromiter(p.values(), float) - middle)) ** 2).sum())

    return _made(f"rotated ellipsoid, {dimensions}", Space({f"x{k}": uniform(0, 1) for k in range(dimensions)}), loss)


def griewank(dimensions: int, wanted: int) -> Task:
    """Griewank 1981 in a few of the dimensions; the others do nothing."""
    rng = np.random.default_rng(2)
    used, middle = rng.choice(dimensions, wanted, replace=False), rng.uniform(-30, 30, wanted)

    def loss(p: Point) -> float:
        x = np.fromiter(p.values(), float)[used] - middle
        return float(1 + (x**2).sum() / 4_000 - np.cos(x / np.sqrt(np.arange(1, wanted + 1))).prod())

    space = Space({f"x{k}": uniform(-60, 60) for k in range(dimensions)})
    return _made(f"Griewank, {wanted} of {dimensions}", space, loss)


def deep() -> Task:
    """Ten layers, each with a kind, a width and what its kind wants: of 51 parameters 31 to 41 are active."""
    layer = choice(conv={"filters": logint(4, 256), "stride": uniform(0, 1)}, dense={"dropout": uniform(0, 0.9)})
    domains = {f"layer{k}": {"kind": layer, "width": logint(8, 1_024)} for k in range(LAYERS)}

    def loss(p: Point) -> float:
        total = (math.log10(p["lr"]) + 2.5) ** 2
        for k in range(LAYERS):
            name, is_early = f"layer{k}", k < LAYERS // 2
            total += (math.log2(p[f"{name}.width"]) - 4 - k / 2) ** 2 / 8
            if p[f"{name}.kind"] == "conv":
                total += (math.log2(p[f"{name}.kind.filters"]) - 5) ** 2 / 8 + (p[f"{name}.kind.stride"] - 0.3) ** 2
                total += 0.3 * (not is_early)
            else:
                total += 4 * (p[f"{name}.kind.dropout"] - 0.25) ** 2 + 0.3 * is_early
        return float(total)

    return _made("ten layers, 51", Space({"lr": loguniform(1e-6, 1), **domains}), loss)


def _made(name: str, space: Space, loss: Loss) -> Task:
    rng = random.Random(0)
    typical = float(np.median([loss(space.sample(rng)) for _ in range(SAMPLED)]))
    return Task(name, "reported", space, loss, 0.0, typical)
