"""Descents along reported gradients: on functions whose gradients are known."""

import math

import pytest

from search import Grid, Hypergradient, Sobol, Space, choice, integer, loguniform, uniform
from search.engines.at_work import sampler_engine
from search.protocol import FINISHED, Seen

PLANE = Space({"x": uniform(-2, 2), "y": uniform(-2, 2)})


def bowl(p):
    return (p["x"] - 0.5) ** 2 + 3 * (p["y"] + 1) ** 2, {"x": 2 * (p["x"] - 0.5), "y": 6 * (p["y"] + 1)}


def descend(sampler, space, function, trials, seed=0, workers=1):
    """Losses of a study whose trials report gradients; so many at the same time."""
    engine, found, running = sampler_engine(sampler, space, seed=seed), [], []
    for number in range(1, trials + 1):
        point = engine.propose(number)
        engine.adopt(number, point)
        running.append((number, point))
        if len(running) == workers:
            for done, where in running:
                loss, slopes = function(where)
                found.append(loss)
                engine.observe(done, Seen(FINISHED, (loss,), slopes=slopes))
            running = []
    return found


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_it_comes_to_the_bottom_of_a_bowl(workers, seed):
    losses = descend(Hypergradient(), PLANE, bowl, 80, seed, workers)

    assert min(losses) < 1e-3


def test_over_orders_of_magnitude_it_descends_the_logarithm():
    space = Space({"lr": loguniform(1e-6, 1)})

    def valley(p):
        log = math.log10(p["lr"]) + 3
        return log**2, {"lr": 2 * log / (p["lr"] * math.log(10))}

    losses = descend(Hypergradient(starts=1, step=0.05), space, valley, 40)

    assert min(losses) < 1e-2


def test_the_first_step_is_one_step_of_the_range_against_the_gradient():
    engine = sampler_engine(Hypergradient(starts=1, step=0.1), PLANE, seed=0)
    engine.adopt(1, {"x": 0.0, "y": 0.0}, given=True)
    engine.observe(1, Seen(FINISHED, (1.0,), slopes={"x": 5.0, "y": -0.001}))

    assert engine.propose(2) == {"x": pytest.approx(-0.4), "y": pytest.approx(0.4)}


def test_a_step_that_was_too_long_is_taken_back_and_halved():
    engine = sampler_engine(Hypergradient(starts=1, step=0.1), PLANE, seed=0)
    engine.adopt(1, {"x": 0.0, "y": 0.0}, given=True)
    engine.observe(1, Seen(FINISHED, (1.0,), slopes={"x": 1.0}))
    engine.adopt(2, engine.propose(2))
    engine.observe(2, Seen(FINISHED, (2.0,), slopes={"x": 1.0}))

    assert engine.propose(3)["x"] == pytest.approx(-0.2)


def test_only_continuous_params_move_and_the_rest_stays_as_it_began():
    space = Space({"x": uniform(0, 1), "n": integer(1, 9), "kind": choice(a={"m": uniform(0, 1)}, b={})})
    engine = sampler_engine(Hypergradient(starts=1), space, seed=0)
    engine.adopt(1, {"x": 0.5, "n": 3, "kind": "a", "kind.m": 0.5}, given=True)
    engine.observe(1, Seen(FINISHED, (1.0,), slopes={"x": 1.0, "n": 1.0, "kind.m": -1.0}))

    point = engine.propose(2)

    assert (point["n"], point["kind"]) == (3, "a")
    assert point["x"] < 0.5 < point["kind.m"]


def test_after_a_grid_it_goes_on_from_the_grids_best_points():
    def wells(p):  # two of them; the one at the right is deeper
        left, right = (p["x"] + 1.5) ** 2 + 0.5, (p["x"] - 1.3) ** 2
        return (left, {"x": 2 * (p["x"] + 1.5)}) if left < right else (right, {"x": 2 * (p["x"] - 1.3)})

    losses = descend(Grid(5) >> Hypergradient(starts=1), Space({"x": uniform(-2, 2)}), wells, 30)

    assert min(losses[:5]) > 0.05
    assert min(losses) < 1e-3


def test_with_more_workers_than_descents_nobody_waits():
    losses = descend(Sobol(4) >> Hypergradient(starts=2), PLANE, bowl, 96, workers=8)

    assert len(losses) == 96
    assert min(losses) < 1e-2


def test_where_no_gradient_is_reported_it_says_so_and_draws_at_random():
    with pytest.warns(UserWarning, match=r"no trial has reported a gradient; report grad/x or grad/y beside the loss"):
        losses = descend(Hypergradient(), PLANE, lambda p: (bowl(p)[0], {}), 30)

    assert len(losses) == 30
