"""What the benchmark of samplers stands on: functions whose best is known, areas, ranks, runs that keep their order."""

import random

import numpy as np
import pytest
from scipy.optimize import minimize

from benchmarks.quality.early import reached, soonest
from benchmarks.quality.figures import LEAST, Board
from benchmarks.quality.kinds import learning, zdt
from benchmarks.quality.many import deep, griewank, rotated, styblinski
from benchmarks.quality.runs import EVALUATIONS, Job, Run, run
from benchmarks.quality.tasks import FUNCTIONS, Task, branin_slopes, function, hartmann_slopes, task
from search.engines.cube import Cube


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_point_is_better_than_the_best_and_one_is_nearly_as_good(name):
    its: Task = function(name)
    cube, rng = Cube(its.space), random.Random(1)
    points = sorted((its.space.sample(rng) for _ in range(4_000)), key=its.loss)[:6]
    lowest = np.inf
    for point in points:
        units = cube.units(point)
        moved = np.flatnonzero(~np.isnan(units) & (cube.options == 0))

        def loss(values, units=units, moved=moved):
            at = units.copy()
            at[moved] = values
            return its.loss(cube.point(np.clip(at, 0, 1)))

        found = minimize(loss, units[moved], method="Nelder-Mead", options={"maxiter": 4_000, "xatol": 1e-8})
        lowest = min(lowest, found.fun)

    assert its.best - 1e-5 < lowest < its.best + 0.05 * (its.typical - its.best)


@pytest.mark.parametrize(("name", "slopes"), [("branin", branin_slopes), ("hartmann6", hartmann_slopes)])
def test_slopes_are_those_of_the_function(name, slopes):
    its = function(name)
    point = its.space.sample(random.Random(2))

    for key, slope in slopes(point).items():
        above, below = ({**point, key: point[key] + step} for step in (1e-6, -1e-6))
        assert slope == pytest.approx((its.loss(above) - its.loss(below)) / 2e-6, rel=1e-4, abs=1e-4)


def test_a_tables_best_is_its_best():
    its = task("nasbench201/cifar10")

    losses = [its.loss(its.space.sample(random.Random(k))) for k in range(3_000)]

    assert its.best <= min(losses)
    assert its.best == pytest.approx(-91.6, abs=0.1)  # the best validation accuracy of NAS-Bench-201, their table 5
    assert its.regret(float(np.median(losses))) == pytest.approx(1, abs=0.05)


def test_a_front_is_missed_by_what_it_lacks_of_the_best():
    its = zdt(1)
    points = [its.task.space.at([x, 0, 0, 0, 0, 0]) for x in np.linspace(0, 1, 500)]
    rng = np.random.default_rng(0)

    assert its.score(points, [its.outcome(point, rng) for point in points]) == pytest.approx(0, abs=0.002)
    assert its.score(points[:1], [its.outcome(points[0], rng)]) > 0.03


@pytest.mark.parametrize(("pending", "refill"), [(1, False), (8, False), (8, True)])
def test_a_run_has_every_evaluation_and_never_gets_worse(pending, refill):
    found = run(Job("Random()", "branin", 0, pending, refill))

    assert len(found.regrets) == EVALUATIONS
    assert found.regrets == sorted(found.regrets, reverse=True)
    assert found.regrets[-1] == run(Job("Random()", "branin", 0)).regrets[-1]  # random points are the same at any width


def test_ranks_and_ratios_are_those_of_the_runs():
    ends = {"a": [0.1, 0.4], "b": [0.2, 0.2], "c": [0.2, 0.0]}
    found = {
        Job(who, "t", seed): Run([end] * EVALUATIONS, 1.0)
        for who, seeds in ends.items()
        for seed, end in enumerate(seeds)
    }

    board = Board(found, list(ends), ["t"], 2)

    assert board.ranks().tolist() == [(1 + 3) / 2, (2.5 + 2) / 2, (2.5 + 1) / 2]
    assert board.ratio("a", "b")[0] == pytest.approx(np.sqrt(0.5 * 2))
    assert board.regrets.min() == LEAST


def test_what_was_reached_when():
    path = [(0.1, 5.0), (0.4, 2.0), (0.9, 1.0)]

    assert (reached(path, 0.05), reached(path, 0.5), reached(path, 1.0)) == (100.0, 2.0, 1.0)
    assert (soonest(path, 2.0), soonest(path, 3.0), soonest(path, 0.5)) == (0.4, 0.4, float("inf"))


@pytest.mark.parametrize("name", ["layered", "hpobench/phoneme"])
def test_rays_wrapper_proposes_what_optuna_does(name):
    assert run(Job("Ray OptunaSearch", name, 3)).regrets == run(Job("Optuna TPE", name, 3)).regrets


def test_a_run_of_rays_hyperopt_has_every_evaluation():
    found = run(Job("Ray HyperOptSearch", "layered", 3)).regrets

    assert len(found) == EVALUATIONS
    assert found[-1] < found[0]


def test_a_wrong_study_has_its_best_for_its_worst():
    right, wrong = (
        learning("hpobench/phoneme", "hpobench/phoneme"),
        learning("hpobench/phoneme", "hpobench/phoneme", is_wrong=True),
    )
    losses = [right.task.loss(lesson.params) for lesson in right.lessons]

    assert right.lessons[int(np.argmin(losses))].scores == min(lesson.scores for lesson in right.lessons)
    assert wrong.lessons[int(np.argmin(losses))].scores == max(lesson.scores for lesson in wrong.lessons)


# -- functions of many parameters ------------------------------------------------------------------


def test_what_is_told_of_the_minima_of_many_parameters_is_so():
    layers = {"lr": 10**-2.5}
    for k in range(10):
        layers[f"layer{k}.width"] = round(2 ** (4 + k / 2))
        if k < 5:
            layers |= {f"layer{k}.kind": "conv", f"layer{k}.kind.filters": 32, f"layer{k}.kind.stride": 0.3}
        else:
            layers |= {f"layer{k}.kind": "dense", f"layer{k}.kind.dropout": 0.25}

    assert styblinski(30).loss({f"x{k}": -2.903534 for k in range(30)}) == pytest.approx(0, abs=1e-6)
    assert deep().loss(deep().space.check(layers)) == pytest.approx(0, abs=1e-3)
    for its in (rotated(30), griewank(50, 6)):
        start = np.zeros(len(its.space.leaves))
        found = minimize(lambda x, its=its: its.loss({f"x{k}": v for k, v in enumerate(x)}), start)
        assert -1e-9 <= found.fun < 0.1 * its.typical, its.name


@pytest.mark.parametrize("its", [styblinski(30), rotated(30), griewank(50, 6), deep()], ids=lambda its: its.name)
def test_no_point_of_many_parameters_is_better_than_the_best(its):
    rng = random.Random(3)

    regrets = [its.regret(its.loss(its.space.sample(rng))) for _ in range(300)]

    assert min(regrets) > 0
    assert np.median(regrets) == pytest.approx(1, rel=0.2)
