"""The samplers as values, and each of them through the kit."""

import pickle
from dataclasses import dataclass

import pytest

import search
from search import (
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
    Sampler,
    Sobol,
    Strategy,
    Swarm,
)
from search.notation import STRATEGIES, parse
from search.strategy import chain_of
from search.to_ray import engines
from tests.kit.sampler_kit import SamplerKit
from tests.kit.spaces import SPACES

FEW = {name: SPACES[name] for name in ("logs and steps", "a tree", "limits")}


class TestRandom(SamplerKit):
    sampler = Random()


class TestRandomAgain(SamplerKit):
    sampler = Random(repeat=True)
    repeats = True
    spaces = {"odd options": SPACES["odd options"]}


class TestSomeRandom(SamplerKit):
    sampler = Random(n=12)
    points = 12
    spaces = FEW


class TestGrid(SamplerKit):
    sampler = Grid(points=2)
    draws = False


class TestShuffledGrid(SamplerKit):
    sampler = Grid(points=3, shuffle=True)


class TestSobol(SamplerKit):
    sampler = Sobol()


class TestSomeSobol(SamplerKit):
    sampler = Sobol(n=16)
    points = 16
    spaces = FEW


class TestTPE(SamplerKit):
    sampler = TPE()


class TestHastyTPE(SamplerKit):
    sampler = TPE(startup=1, gamma=0.25, candidates=2, random=0.3)
    spaces = FEW


class TestHyperOptTPE(SamplerKit):
    sampler = TPE(engine="hyperopt", candidates=8)
    trials = 24


class TestOptunaTPE(SamplerKit):
    sampler = TPE(engine="optuna", candidates=8)
    trials = 24


class TestBayes(SamplerKit):
    sampler = Bayes(startup=3)
    trials = 8
    spaces = {name: SPACES[name] for name in ("a tree", "limits", "beliefs")}


class TestCMAES(SamplerKit):
    sampler = CMAES()


class TestEvolution(SamplerKit):
    sampler = Evolution(population=12, tournament=4)


class TestGenetic(SamplerKit):
    sampler = Evolution(population=12, tournament=4, crossover=0.5)
    spaces = FEW


class TestGreedy(SamplerKit):
    sampler = Greedy()


class TestSwarm(SamplerKit):
    sampler = Swarm(particles=5)


class TestReinforce(SamplerKit):
    sampler = Reinforce()


class TestQLearning(SamplerKit):
    sampler = QLearning(explore=20)


class TestNSGA2(SamplerKit):
    sampler = NSGA2(population=10)


class TestHypergradient(SamplerKit):
    sampler = Hypergradient()
    spaces = {name: space for name, space in SPACES.items() if name != "odd options"}


class TestChain(SamplerKit):
    sampler = Sobol(n=8) >> TPE()


class TestModelsInTurn(SamplerKit):
    sampler = Bayes(n=12) >> TPE()
    spaces = FEW


class TestGridThenGradient(SamplerKit):
    sampler = Grid(points=2) >> Hypergradient()
    spaces = {"two floats": SPACES["two floats"]}


class TestThreeInTurn(SamplerKit):
    sampler = Random(n=4) >> Sobol(n=4) >> Evolution(population=8, tournament=3)
    spaces = FEW


KITS = [kit for kit in list(globals().values()) if isinstance(kit, type) and issubclass(kit, SamplerKit)]
SAMPLERS = [kit.sampler for kit in KITS if hasattr(kit, "sampler")]


def test_every_sampler_of_the_facade_runs_through_the_kit():
    listed = {value for value in vars(search).values() if isinstance(value, type) and issubclass(value, Sampler)}
    tested = {type(part) for sampler in SAMPLERS for part in chain_of(sampler)} | {
        type(sampler) for sampler in SAMPLERS
    }

    assert listed - tested == {Sampler, Auto}  # Auto stands for one of the others: tests/search/test_auto.py


@pytest.mark.parametrize("sampler", SAMPLERS, ids=str)
def test_a_sampler_is_a_value(sampler):
    again = pickle.loads(pickle.dumps(sampler))

    assert again == sampler
    assert hash(again) == hash(sampler)
    assert sorted(map(str, {sampler, again})) == [str(sampler)]


@pytest.mark.parametrize("sampler", [s for s in SAMPLERS if len(chain_of(s)) == 1], ids=str)
def test_a_sampler_is_read_as_its_repr_too(sampler):
    assert parse(repr(sampler), STRATEGIES) == sampler


def test_samplers_of_other_settings_differ():
    assert len(set(SAMPLERS)) == len(SAMPLERS)
    assert Grid() != Random()


def test_only_settings_that_differ_are_written():
    assert str(TPE()) == "TPE()"
    assert str(TPE(gamma=0.5)) == "TPE(gamma=0.5)"
    assert str(Grid(points=5)) == "Grid(points=5)"
    assert str(Sobol(20) >> TPE()) == "Sobol(n=20) >> TPE()"


REFUSED = [
    (TPE, {"engine": "hyperop"}, "engine='hyperop'", "Did you mean 'hyperopt'"),
    (TPE, {"engine": 3}, "engine=3", "Known: a440, hyperopt, optuna"),
    (TPE, {"startup": 0}, "startup=0", "Set startup="),
    (TPE, {"startup": 2.5}, "startup=2.5", "Set startup="),
    (TPE, {"startup": "ten"}, "startup='ten'", "Set startup="),
    (TPE, {"startup": True}, "startup=True", "Set startup="),
    (TPE, {"candidates": -1}, "candidates=-1", "Set candidates="),
    (TPE, {"candidates": None}, "candidates=None", "Set candidates="),
    (TPE, {"gamma": 0}, "gamma=0", "Set gamma="),
    (TPE, {"gamma": float("nan")}, "gamma=nan", "Set gamma="),
    (TPE, {"gamma": "1"}, "gamma='1'", "Set gamma="),
    (TPE, {"gamma": 2}, "gamma=2", "Set gamma="),
    (TPE, {"random": 2}, "random=2", "Set random="),
    (Grid, {"shuffle": "yes"}, "shuffle='yes'", "Set shuffle=True"),
    (Random, {"n": 0}, "n=0", "Set Random(n=20)"),
    (Sobol, {"n": 2.5}, "n=2.5", "Set Sobol(n=20)"),
    (Bayes, {"startup": 0}, "startup=0", "Set startup=10"),
    (CMAES, {"population": 2}, "population=2", "Set population=12"),
    (CMAES, {"sigma": 0}, "sigma=0", "Set sigma=0.17"),
    (Evolution, {"tournament": 1}, "tournament=1", "Set tournament=30"),
    (Evolution, {"crossover": 1.5}, "crossover=1.5", "Set crossover=0.5"),
    (Greedy, {"radius": 2}, "radius=2", "Set radius=0.25"),
    (Swarm, {"particles": 1}, "particles=1", "Set particles=10"),
    (Swarm, {"own": 9}, "own=9", "Set own="),
    (Reinforce, {"bins": 1}, "bins=1", "Set bins=8"),
    (QLearning, {"explore": 0}, "explore=0", "Set explore=30"),
    (NSGA2, {"population": 1}, "population=1", "Set population=20"),
    (Hypergradient, {"step": -1}, "step=-1", "Set step=0.1"),
]


@pytest.mark.parametrize(("kind", "settings", "seen", "mend"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_sampler_refuses_what_it_cannot_be_set_to(kind, settings, seen, mend):
    with pytest.raises(ValueError, match=kind.__name__) as refused:
        kind(**settings)

    assert seen in str(refused.value)
    assert mend in str(refused.value)


@pytest.mark.parametrize("points", [0, -1, 2.0, "ten", True, 10**30])
def test_a_grid_refuses_what_is_no_number_of_points(points):
    with pytest.raises(ValueError, match=r"Grid\(points=.*\. Set Grid\(points=5\)\."):
        Grid(points=points)


@pytest.mark.parametrize(
    ("chain", "match"),
    [
        (lambda: TPE() >> CMAES(), r"TPE\(\) has no last point, and CMAES\(\) would never begin\. Say how many"),
        (lambda: Random() >> TPE(), r"Random\(\) has no last point.*Sobol\(n=20\) >> TPE\(\)"),
        (lambda: Sobol(8) >> Auto(), r"Auto\(\) is no part of a chain\. Use it alone"),
    ],
)
def test_a_chain_needs_parts_that_end(chain, match):
    with pytest.raises(ValueError, match=match):
        chain()


def test_a_sampler_without_an_engine_is_told_which_have_one():
    @dataclass(frozen=True)
    class Unknown(Sampler):
        pass

    with pytest.raises(TypeError, match=r"Unknown\(\) has no engine\. Use Grid, Random, Sobol, TPE or another one\."):
        engines(Strategy(Unknown()), SPACES["a tree"], seed=0)
