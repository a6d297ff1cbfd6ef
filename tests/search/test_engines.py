"""Each algorithm of ours against its paper's rule, worked out by hand or by brute force."""

import math
import random
import statistics

import numpy as np
import pytest

from search import (
    CMAES,
    NSGA2,
    TPE,
    Bayes,
    Evolution,
    Greedy,
    QLearning,
    Random,
    Reinforce,
    Sampler,
    Space,
    Swarm,
    choice,
    integer,
    loguniform,
    ordinal,
    uniform,
)
from search.engines.at_work import sampler_engine
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.genetics import Genetics
from search.engines.history import History
from search.engines.optunas import seed_of
from search.engines.qlearning import UNKNOWN, QTable
from search.engines.reinforce import Policy
from search.engines.swarm import FASTEST
from search.pareto import hypervolume
from search.protocol import FINISHED, Seen

SQUARE = Space({"x": uniform(0, 1), "y": uniform(0, 1)})
TREE = Space(
    {
        "kind": choice(a={"x": uniform(0, 1), "n": integer(1, 9)}, b={"y": uniform(0, 1)}, c={}),
        "size": ordinal(8, 16, 32),
        "lr": loguniform(1e-4, 1),
    }
)


def history_of(space: Space, rows) -> History:
    """A history of points with their losses."""
    history = History(space)
    for number, (point, loss) in enumerate(rows, start=1):
        history.adopt(number, space.check(point), given=False)
        history.observe(number, Seen(FINISHED, (loss,)))
    return history


def search(sampler: Sampler, space: Space, loss, trials: int, seed: int):
    """Points and losses of a study, one trial after another."""
    engine, rows = sampler_engine(sampler, space, seed=seed), []
    for number in range(1, trials + 1):
        point = engine.propose(number)
        engine.adopt(number, point)
        rows.append((point, loss(point)))
        engine.observe(number, Seen(FINISHED, (rows[-1][1],)))
    return rows


def bowl(point) -> float:
    return (point["x"] - 0.3) ** 2 + (point["y"] - 0.7) ** 2


@pytest.mark.parametrize(
    "sampler", [CMAES(), Evolution(), Evolution(crossover=0.5), NSGA2(), Greedy(), Swarm()], ids=str
)
def test_on_a_bowl_each_beats_random_search_by_far(sampler):
    ours = [min(loss for _, loss in search(sampler, SQUARE, bowl, 80, seed)) for seed in range(7)]
    luck = [min(loss for _, loss in search(Random(), SQUARE, bowl, 80, seed)) for seed in range(7)]

    assert statistics.median(ours) < 0.25 * statistics.median(luck)


# -- mutation and crossover ------------------------------------------------------------------------


def test_a_mutation_changes_one_parameter_and_what_hangs_on_it():
    cube = Cube(TREE)
    genetics, rng = Genetics(cube, 0.1), np.random.default_rng(0)
    sites = set()

    for k in range(400):
        parent = TREE.sample(random.Random(k))
        child = cube.point(genetics.mutated(cube.units(parent), rng), parent)
        changed = {name for name in parent.keys() | child.keys() if parent.get(name) != child.get(name)}
        own = {name for name in changed if not ("kind" in changed and name.startswith("kind."))}
        assert len(own) == 1
        sites |= own

    assert sites == {"kind", "kind.x", "kind.n", "kind.y", "size", "lr"}


def test_a_mutated_number_is_a_normal_step_away_mirrored_at_the_walls():
    genetics, rng = Genetics(Cube(Space({"x": uniform(0, 1)})), 0.1), np.random.default_rng(0)

    steps = np.array([genetics.mutated(np.array([0.5]), rng)[0] - 0.5 for _ in range(3000)])
    at_the_wall = np.array([genetics.mutated(np.array([0.01]), rng)[0] for _ in range(1000)])

    assert np.std(steps) == pytest.approx(0.1, rel=0.05)
    assert at_the_wall.min() > 0
    assert (at_the_wall < 0.2).mean() > 0.9


def test_whole_numbers_and_places_of_an_ordinal_always_change():
    space = Space({"n": integer(1, 3), "o": ordinal("s", "m", "l")})
    cube = Cube(space)
    genetics, rng = Genetics(cube, 1e-6), np.random.default_rng(0)

    for _ in range(100):
        parent = {"n": 3, "o": "s"}
        child = cube.point(genetics.mutated(cube.units(parent), rng))
        assert child in ({"n": 2, "o": "s"}, {"n": 3, "o": "m"})


def test_a_crossed_child_has_each_parameter_from_either_parent():
    cube = Cube(TREE)
    genetics, rng = Genetics(cube, 0.1), np.random.default_rng(0)
    one = {"kind": "a", "kind.x": 0.1, "kind.n": 2, "size": 8, "lr": 1e-3}
    other = {"kind": "b", "kind.y": 0.9, "size": 32, "lr": 1e-1}
    seen = set()

    for _ in range(100):
        child = cube.point(genetics.crossed(cube.units(one), cube.units(other), rng))
        for name, value in child.items():
            assert any(
                value == pytest.approx(p[name]) if name == "lr" else value == p[name] for p in (one, other) if name in p
            )
        seen.add((child["kind"], child["size"]))

    assert seen == {("a", 8), ("a", 32), ("b", 8), ("b", 32)}


# -- evolution -------------------------------------------------------------------------------------


def test_parents_are_among_the_newest_and_the_oldest_die_however_good():
    rows = [({"x": 0.5, "y": 0.5}, 0.0)] + [({"x": k / 100, "y": 0.1}, 1.0 + k) for k in range(20)]
    engine = sampler_engine(Evolution(population=10, tournament=10), SQUARE, seed=0)
    engine.history = history_of(SQUARE, rows)

    children = [engine.propose(number) for number in range(22, 60)]

    best_alive = rows[11][0]  # the best of the newest ten
    for child in children:
        assert (child["x"] == best_alive["x"]) != (child["y"] == best_alive["y"])


def test_a_smaller_tournament_lets_worse_ones_breed():
    rows = [({"x": (k + 0.5) / 40, "y": 0.5}, float(k)) for k in range(40)]
    spreads = []

    for tournament in (2, 20):
        engine = sampler_engine(Evolution(population=40, tournament=tournament, sigma=0.01), SQUARE, seed=0)
        engine.history = history_of(SQUARE, rows)
        spreads.append(np.mean([engine.propose(number)["x"] for number in range(41, 140)]))

    assert spreads[0] > 2 * spreads[1]
    assert spreads[0] == pytest.approx(1 / 3, abs=0.07)  # of the better of two even draws


# -- NSGA-II ---------------------------------------------------------------------------------------


def zdt1(point):
    """Zitzler, Deb & Thiele 2000."""
    values = list(point.values())
    g = 1 + 9 * sum(values[1:]) / (len(values) - 1)
    return values[0], g * (1 - math.sqrt(values[0] / g))


def test_it_covers_more_of_a_front_than_random_search():
    space = Space({f"x{k}": uniform(0, 1) for k in range(5)})

    def covered(sampler, seed):
        engine, losses = sampler_engine(sampler, space, seed=seed, objectives=2), []
        for number in range(1, 121):
            point = engine.propose(number)
            engine.adopt(number, point)
            losses.append(zdt1(point))
            engine.observe(number, Seen(FINISHED, losses[-1]))
        return hypervolume(np.array(losses), np.array([1.1, 6.0]))

    ours, luck = ([covered(sampler, seed) for seed in range(4)] for sampler in (NSGA2(), Random()))

    assert min(ours) > max(luck)


def test_parents_are_the_best_fronts():
    engine = sampler_engine(NSGA2(population=4, crossover=0.0, sigma=0.001), SQUARE, seed=0, objectives=2)
    for number in range(1, 13):
        good = number <= 4
        engine.adopt(number, {"x": number / 20, "y": 0.5})
        engine.observe(number, Seen(FINISHED, (number / 10, 1 - number / 10) if good else (5.0, 5.0 + number)))

    for number in range(13, 60):
        assert engine.propose(number)["x"] < 0.23


# -- coordinate search -----------------------------------------------------------------------------


def test_greedy_changes_one_parameter_of_the_best_in_steps_that_halve():
    space = Space({f"x{k}": uniform(0, 1) for k in range(3)})
    best = dict.fromkeys(space, 0.5)
    engine = sampler_engine(Greedy(startup=1, radius=0.2), space, seed=0)
    engine.adopt(1, best)
    engine.observe(1, Seen(FINISHED, (0.0,)))

    steps = []
    for number in range(2, 26):
        point = engine.propose(number)
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (1.0,)))
        moved = [name for name in space if point[name] != 0.5]
        assert len(moved) == 1
        steps.append((moved[0], point[moved[0]] - 0.5))

    for sweep in range(4):
        mine = steps[6 * sweep : 6 * sweep + 6]
        assert sorted((name, step > 0) for name, step in mine) == sorted((n, s) for n in space for s in (True, False))
        assert all(0.1 * 0.5**sweep <= abs(step) <= 0.2 * 0.5**sweep for _, step in mine)


def test_after_an_improvement_it_goes_once_more_in_that_direction():
    engine = sampler_engine(Greedy(startup=1), SQUARE, seed=0)
    for number, (point, loss) in enumerate([({"x": 0.2, "y": 0.5}, 1.0), ({"x": 0.3, "y": 0.5}, 0.5)], start=1):
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (loss,)))

    assert engine.propose(3) == {"x": pytest.approx(0.4), "y": pytest.approx(0.5)}


# -- particle swarm --------------------------------------------------------------------------------


def test_a_particle_moves_by_the_formula_of_its_paper():
    settings = Swarm(particles=2, inertia=0.5, own=1.0, others=1.0)
    rows = [(0.2, 5.0), (0.6, 1.0), (0.3, 3.0), (0.7, 4.0)]  # of particles 0, 1, 0, 1
    space = Space({"x": uniform(0, 1)})
    engine = sampler_engine(settings, space, seed=0)
    for number, (x, loss) in enumerate(rows, start=1):
        engine.adopt(number, {"x": x})
        engine.observe(number, Seen(FINISHED, (loss,)))

    proposed = engine.propose(5)["x"]

    rng = generator(0, 5, 0)
    for _ in range(4):
        rng.random(1)  # what would fill coordinates that are not active
    r1, r2 = rng.random(1)[0], rng.random(1)[0]
    step = 0.5 * (0.3 - 0.2) + 1.0 * r1 * (0.3 - 0.3) + 1.0 * r2 * (0.6 - 0.3)
    assert 0 < step < FASTEST
    assert proposed == pytest.approx(0.3 + step)


# -- policy gradient -------------------------------------------------------------------------------


def test_one_step_of_the_policy_is_the_gradient_of_the_log_probability_times_the_reward():
    space = Space({"a": choice("x", "y", "z"), "b": choice(p={"c": [1, 2]}, q={})})
    policy = Policy(space, Reinforce(rate=0.1, entropy=0.0), 0)
    rows = [({"a": "y", "b": "p", "b.c": 2}, 0.0), ({"a": "x", "b": "q"}, 1.0)]
    logits = policy._learned(history_of(space, rows))

    def log_probability(values, actions):
        chances = policy._chances(values)
        return sum(math.log(chances[d, a]) for d, a in enumerate(actions) if a >= 0)

    expected = np.zeros_like(logits)
    from scipy.special import ndtri

    for actions, reward in (((1, 0, 1), -ndtri(0.25)), ((0, 1, -1), -ndtri(0.75))):
        gradient = np.zeros_like(expected)
        for place in np.ndindex(expected.shape):
            if policy._valid[place]:
                up, down = expected.copy(), expected.copy()
                up[place] += 1e-5
                down[place] -= 1e-5
                gradient[place] = (log_probability(up, actions) - log_probability(down, actions)) / 2e-5
        expected += 0.1 * reward * gradient

    assert logits[policy._valid] == pytest.approx(expected[policy._valid], abs=1e-6)


@pytest.mark.parametrize(("sampler", "share"), [(Reinforce(), 0.5), (QLearning(), 0.85)], ids=str)
def test_controllers_learn_which_choices_go_together(sampler, share):
    space = Space({f"c{k}": list("abcd") for k in range(8)})

    def wrong(point):
        return sum(point[f"c{k}"] != "abcdabcd"[k] for k in range(8))

    late = [loss for seed in range(3) for _, loss in search(sampler, space, wrong, 150, seed)[100:]]

    assert statistics.mean(late) < share * 6  # chance gets six of eight wrong


# -- Q-learning ------------------------------------------------------------------------------------


def test_q_values_are_those_of_the_bellman_backup():
    space = Space({"a": choice("x", "y"), "b": choice("p", "q")})
    table = QTable(space, QLearning(rate=1.0), 0)
    rows = [({"a": "x", "b": "p"}, 2.0), ({"a": "x", "b": "q"}, 1.0), ({"a": "y", "b": "p"}, 3.0)]

    values = table._learned(history_of(space, rows))

    rewards = {("x", "q"): 5 / 6, ("x", "p"): 3 / 6, ("y", "p"): 1 / 6}  # shares that are beaten
    after_x, after_y = values[1, 0], values[1, 1]
    assert after_x.tolist() == pytest.approx([rewards["x", "p"], rewards["x", "q"]])
    assert after_y.tolist() == pytest.approx([rewards["y", "p"], UNKNOWN])
    assert values[0, 0].tolist() == pytest.approx([max(after_x), max(after_y)])


def test_it_begins_at_random_and_trusts_its_table_ever_more():
    space = Space({"a": list("abcdefgh")})

    def share(number):
        engine = sampler_engine(QLearning(explore=20), space, seed=0)
        engine._repeat = True
        for k in range(1, number):
            option = "abcdefgh"[k % 8]
            engine.adopt(k, {"a": option})
            engine.observe(k, Seen(FINISHED, (float("hgfedcba".index(option)),)))
        return np.mean([engine.engine.propose(number + k, engine.history, 0) == {"a": "h"} for k in range(300)])

    assert share(1) == pytest.approx(1 / 8, abs=0.06)
    assert share(11) == pytest.approx(0.45 + 0.55 / 8, abs=0.08)
    assert share(60) > 0.85


# -- CMA-ES ----------------------------------------------------------------------------------------


def test_its_draws_and_moves_are_those_of_the_library():
    from cmaes import CatCMAwM

    engine = sampler_engine(CMAES(population=6, sigma=0.2), SQUARE, seed=4)
    theirs = CatCMAwM(
        x_space=[[0.0, 1.0]] * 2, population_size=6, mean=np.array([0.5, 0.5]), sigma=0.2, cov=np.eye(2), seed=0
    )
    batch = []

    for number in range(1, 40):
        point = engine.propose(number)
        engine.adopt(number, point)
        engine.observe(number, Seen(FINISHED, (bowl(point),)))
        theirs.reseed_rng(seed_of(4, number, 0))
        solution = theirs.ask()
        assert list(point.values()) == pytest.approx(np.clip(solution.x, 0, 1).tolist(), abs=1e-9)
        batch.append((solution, bowl(point)))
        if len(batch) == 6:
            order = sorted(range(6), key=lambda k: batch[k][1])
            theirs.tell([(batch[k][0], float(order.index(k))) for k in range(6)])
            batch = []


def test_it_searches_mixed_spaces_and_begins_at_the_best_that_is_known():
    space = Space({"x": uniform(0, 1), "n": integer(1, 9), "kind": ["a", "b", "c"], "two": [True, False]})

    def loss(point):
        return (point["x"] - 0.9) ** 2 + (point["n"] - 8) ** 2 / 20 + (point["kind"] != "c") + point["two"]

    rows = search(CMAES(), space, loss, 120, seed=0)
    engine = sampler_engine(CMAES(), SQUARE, seed=0)
    engine.adopt(1, {"x": 0.9, "y": 0.1}, given=True)
    engine.observe(1, Seen(FINISHED, (0.0,)))
    near = [engine.propose(number) for number in range(2, 40)]

    assert min(loss for _, loss in rows) < 0.05
    assert np.mean([point["x"] for point in near]) == pytest.approx(0.9, abs=0.08)


# -- random draws ----------------------------------------------------------------------------------


def test_a_draw_depends_on_seed_number_and_attempt_alone():
    assert draw(TREE, 1, 2) == draw(TREE, 1, 2) != draw(TREE, 1, 3)
    assert draw(TREE, 1, 2, 1) != draw(TREE, 1, 2, 0)
    assert generator(2**70, 1).random() == generator(2**70, 1).random()


def test_a_model_with_a_last_point_hands_over_what_it_found():
    chained = sampler_engine(Bayes(n=12) >> TPE(), SQUARE, seed=4)
    first, second = sampler_engine(Bayes(), SQUARE, seed=4), sampler_engine(TPE(), SQUARE, seed=4)
    for number in range(1, 21):
        point = chained.propose(number)
        assert point == (first if number <= 12 else second).propose(number)
        for engine in (chained, first, second):
            engine.adopt(number, point)
            engine.observe(number, Seen(FINISHED, ((point["x"] - 0.3) ** 2 + point["y"],)))
