"""PB2: bounds, limits, choices refused, a model that fails, and whether it finds what it should."""

import math
import random

import numpy as np
import pytest

from search import PB2, Random, Space, Strategy, choice, integer, loguniform, uniform
from search.protocol import Exploit
from search.schedulers import judged_epochs
from search.to_ray import engines
from search.to_ray.population import RayPopulation
from tests.kit.scheduler_kit import Study
from tests.kit.simulation import World
from tests.search.test_to_ray import obey, population, scores

SPACE = Space({"lr": loguniform(1e-4, 1e-1), "width": integer(1, 64), "act": choice("relu", "gelu")})
BOTH = PB2(max_epochs=1000, mutate=("lr", "width"))


def exploits_of(decisions):
    return {trial: decision for trial, decision in decisions.items() if isinstance(decision, Exploit)}


def test_exploits_stay_in_the_domains_and_come_from_the_best_quarter():
    rng, engine, seen = random.Random(0), population(BOTH, SPACE, size=8), 0

    for epoch in range(1, 12):
        losses = [rng.random() for _ in range(8)]
        best = {f"t{k:05d}" for k in np.argsort(losses)[:2]}
        decisions = engine.judge(scores(epoch, losses))
        for exploit in exploits_of(decisions).values():
            seen += 1
            assert exploit.source in best
            assert SPACE.check(exploit.params) == exploit.params
            assert type(exploit.params["width"]) is int
        obey(engine, decisions)

    assert seen > 20


def test_limits_hold_for_what_the_model_chooses():
    space = Space({"low": uniform(0, 1), "high": uniform(0, 1)}, ["low < high"])
    rng, engine, seen = random.Random(1), population(PB2(max_epochs=1000), space, size=6), 0

    for epoch in range(1, 12):
        decisions = engine.judge(scores(epoch, [rng.random() for _ in range(6)]))
        for exploit in exploits_of(decisions).values():
            seen += 1
            assert exploit.params["low"] < exploit.params["high"]
        obey(engine, decisions)

    assert seen > 10


@pytest.mark.parametrize("scale", [1e300, 1e-300, 0.0])
def test_where_the_model_cannot_be_fitted_params_stray_and_nothing_breaks(scale):
    engine = population(BOTH, SPACE, size=8)

    for epoch in range(1, 12):
        decisions = engine.judge(scores(epoch, [scale * k for k in range(8)]))
        for exploit in exploits_of(decisions).values():
            assert SPACE.check(exploit.params) == exploit.params
        obey(engine, decisions)


@pytest.mark.parametrize("diverged", [1, 3, 7])
def test_members_that_diverged_are_replaced(diverged):
    decisions = population(BOTH, SPACE).judge(scores(2, [math.nan] * diverged + [1.0] * (8 - diverged)))

    for k in range(diverged):
        assert int(decisions[f"t{k:05d}"].source[1:]) >= diverged


def test_one_stream_gives_the_same_decisions_and_leaves_the_global_generators_alone():
    def stream():
        engine, told = population(BOTH, SPACE), []
        for epoch in range(1, 9):
            decisions = engine.judge(scores(epoch, [random.Random(f"{epoch}/{k}").random() for k in range(8)]))
            told.append(str(decisions))
            obey(engine, decisions)
        return told

    random.seed(5)
    np.random.seed(5)
    first = stream()
    after = random.random(), np.random.random()
    random.seed(5)
    np.random.seed(5)

    assert (random.random(), np.random.random()) == after
    assert stream() == first


def test_choices_are_refused_with_the_scheduler_that_can_change_them():
    with pytest.raises(ValueError, match=r"PB2 cannot mutate 'act': its model knows numbers.*use PBT\(max_epochs=9"):
        engines(Strategy(Random(), PB2(max_epochs=9, mutate=("lr", "act"))), SPACE, seed=0, trials=4)


def test_a_population_of_one_is_refused():
    with pytest.raises(ValueError, match=r"population of 1.*Set trials=4"):
        RayPopulation(PB2(max_epochs=9), SPACE, 0, 1)


def test_it_finds_a_better_rate_than_it_was_given():
    """Members improve by how near their rate is to the best one; PB2 should move them there."""
    pace = PB2(max_epochs=40, every=2)
    engine = engines(Strategy(Random(), pace), SPACE, seed=0, trials=6)[1]

    def curve(trial, epoch, params):
        return 10 / epoch + abs(math.log10(params["lr"]) + 2)

    study = Study(engine, SPACE, curve, 40, judged_epochs(pace), 6, trials=6)

    study.run()

    given = [SPACE.sample(random.Random(f"t{k:05d}"))["lr"] for k in range(1, 7)]
    distance = [
        np.median([abs(math.log10(lr) + 2) for lr in rates])
        for rates in (given, [params["lr"] for params in study.params.values()])
    ]
    assert distance[1] < 0.7 * distance[0]


def test_new_params_come_from_the_model_although_their_source_gives_way(monkeypatch):
    """Ray finds a member's rows by its name, and copies its params without a word where it finds none."""
    from ray.tune.schedulers import pb2

    chosen, original = [], pb2._select_config
    monkeypatch.setattr(pb2, "_select_config", lambda *args, **named: chosen.append(1) or original(*args, **named))
    world = World(SPACE, Random() + PB2(max_epochs=10, every=2), trials=6)

    world.run(lambda params, epoch: {"loss": 1 / epoch + abs(math.log10(params["lr"]) + 2)}, workers=2)

    exploits = [event for event in world.book.events if event["event"] == "trial_exploited"]
    assert len(exploits) >= 4
    assert len(chosen) >= len(exploits) - 2  # but for the first judgement, when there is no step to model
    assert len({event["params"]["lr"] for event in exploits}) == len(exploits), "nobody is a mere copy"
