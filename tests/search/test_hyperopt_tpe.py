"""TPE against HyperOpt called directly, against random search, and against what breaks other tuners."""

import math
import random
import statistics
from typing import Any

import hyperopt
import numpy as np
import pytest
from hyperopt import hp, tpe

from search import TPE, Space, choice, integer, logint, loguniform, uniform
from search.engines.at_work import sampler_engine
from search.engines.draws import draw
from search.engines.guarded import Guarded
from search.protocol import FINISHED, Seen

PLANE = Space({"x": uniform(-5, 10), "y": uniform(0, 15)})
TREE = Space(
    {
        "lr": loguniform(1e-4, 1e-1),
        "layers": integer(1, 4),
        "width": logint(8, 512),
        "optimizer": choice(
            "none",
            sgd={"momentum": uniform(0, 0.99)},
            adam={"momentum": uniform(0.8, 1), "beta": choice("a", "b", "c")},
        ),
    }
)


def branin(point: dict[str, Any]) -> float:
    """Its minimum is 0.3979, at three places; Dixon & Szego 1978."""
    x, y = point["x"], point["y"]
    return (
        (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2
        + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x)
        + 10
    )


ENGINES = ("a440", "hyperopt", "optuna")


def at_work(space: Space, seed: int = 0, **settings: Any) -> Guarded:
    return sampler_engine(TPE(**{"engine": "hyperopt", "candidates": 24, **settings}), space, seed=seed)


def hear(engine: Any, number: int, loss: float, epoch: int = FINISHED) -> None:
    engine.observe(number, Seen(epoch, (loss,)))


def optimise(engine: Any, loss: Any, trials: int) -> list[float]:
    found = []
    for number in range(1, trials + 1):
        point = engine.propose(number)
        engine.adopt(number, point)
        found.append(loss(point))
        hear(engine, number, found[-1])
    return found


def filled(space: Space, trials: int, seed: int = 0, **settings: Any) -> Guarded:
    """An engine that knows so many random trials; the loss is any function of the point."""
    engine = at_work(space, seed, **settings)
    for number in range(1, trials + 1):
        point = space.sample(random.Random(number))
        engine.adopt(number, point)
        hear(engine, number, random.Random(repr(point)).random())
    return engine


# -- HyperOpt's own words --------------------------------------------------------------------------


def hyperopts_tree() -> dict[str, Any]:
    """`TREE` as a user of HyperOpt would write it; whole numbers are rounded reals.

    Labels sort like ours, for HyperOpt draws in their order.
    """
    return {
        "lr": hp.loguniform("lr", np.log(1e-4), np.log(1e-1)),
        "layers": hp.uniform("layers", 0.5, 4.5),
        "width": hp.loguniform("width", np.log(7.5), np.log(512.5)),
        "optimizer": hp.choice(
            "optimizer",
            [
                "none",
                {"momentum": hp.uniform("optimizer momentum 1 sgd", 0, 0.99)},
                {
                    "momentum": hp.uniform("optimizer momentum 2 adam", 0.8, 1),
                    "beta": hp.choice("optimizer beta", ["a", "b", "c"]),
                },
            ],
        ),
    }


def hyperopts_values(point: dict[str, Any]) -> dict[str, Any]:
    values = {name: point[name] for name in ("lr", "layers", "width")}
    values["optimizer"] = ["none", "sgd", "adam"].index(point["optimizer"])
    if point["optimizer"] == "sgd":
        values["optimizer momentum 1 sgd"] = point["optimizer.momentum"]
    if point["optimizer"] == "adam":
        values["optimizer momentum 2 adam"] = point["optimizer.momentum"]
        values["optimizer beta"] = "abc".index(point["optimizer.beta"])
    return values


def hyperopts_trials(history: list[tuple[dict[str, Any], float]]) -> hyperopt.Trials:
    labels = [
        "lr",
        "layers",
        "width",
        "optimizer",
        "optimizer momentum 1 sgd",
        "optimizer momentum 2 adam",
        "optimizer beta",
    ]
    documents = []
    for tid, (point, loss) in enumerate(history, start=1):
        values = hyperopts_values(point)
        documents.append(
            {
                "tid": tid,
                "state": hyperopt.JOB_STATE_DONE,
                "spec": None,
                "result": {"status": "ok", "loss": loss},
                "misc": {
                    "tid": tid,
                    "cmd": ("domain_attachment", "FMinIter_Domain"),
                    "idxs": {label: [tid] if label in values else [] for label in labels},
                    "vals": {label: [values[label]] if label in values else [] for label in labels},
                },
                "exp_key": None,
                "owner": None,
                "version": 0,
                "book_time": None,
                "refresh_time": None,
            }
        )
    return hyperopt.trials_from_docs(documents)


@pytest.mark.parametrize("trials", [12, 30, 80])
@pytest.mark.parametrize("seed", [0, 1, 2**40 + 3])
def test_proposals_are_those_of_hyperopt_itself(trials, seed):
    engine = at_work(TREE, seed, startup=5, gamma=0.8, candidates=16)
    history = []
    for number in range(1, trials + 1):
        point = TREE.sample(random.Random(number))
        history.append((point, random.Random(repr(point)).random()))
        engine.adopt(number, point)
        hear(engine, number, history[-1][1])
    own_seed = int(np.random.SeedSequence([seed % 2**32, trials + 1]).generate_state(1)[0])
    domain = hyperopt.Domain(lambda _: 0.0, hyperopts_tree())

    [document] = tpe.suggest(
        [trials + 1],
        domain,
        hyperopts_trials(history),
        own_seed,
        n_startup_jobs=0,
        gamma=0.8,
        n_EI_candidates=16,
        verbose=False,
    )
    proposed = engine.propose(trials + 1)

    expected = {label: value[0] for label, value in document["misc"]["vals"].items() if len(value)}
    values = hyperopts_values(proposed)
    assert set(values) == set(expected)
    for label, value in values.items():
        whole = label in ("layers", "width", "optimizer", "optimizer beta")
        assert value == (math.floor(expected[label] + 0.5) if whole else pytest.approx(expected[label], rel=1e-12))


# -- what it is for --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("space", "loss"),
    [
        (PLANE, branin),
        (Space({f"x{k}": uniform(-1, 1) for k in range(5)}), lambda p: sum((v - 0.3) ** 2 for v in p.values())),
        (
            Space({"n": logint(1, 4096), "kind": choice("a", "b", "c", "d"), "lr": loguniform(1e-6, 1)}),
            lambda p: abs(math.log2(p["n"]) - 7) + abs(math.log10(p["lr"]) + 3) + "cadb".index(p["kind"]),
        ),
    ],
    ids=["branin", "quadratic", "mixed"],
)
@pytest.mark.parametrize("engine", ENGINES)
def test_it_beats_random_search_in_the_median(space, loss, engine):
    ours = [min(optimise(at_work(space, seed, engine=engine), loss, 60)) for seed in range(10)]
    luck = [min(loss(draw(space, seed + 100, number)) for number in range(60)) for seed in range(10)]

    assert statistics.median(ours) < 0.8 * statistics.median(luck) or statistics.median(ours) < 0.5


@pytest.mark.parametrize("engine", ENGINES)
def test_it_settles_on_the_better_branch_of_a_tree(engine):
    engine = at_work(TREE, 0, engine=engine)

    def loss(point: dict[str, Any]) -> float:
        return {"none": 3.0, "sgd": 2.0, "adam": 0.0}[point["optimizer"]] + point.get("optimizer.momentum", 1.0)

    found = optimise(engine, loss, 60)

    assert sum(value <= 1 for value in found[30:]) > 20


def test_only_what_is_active_is_proposed():
    engine = filled(TREE, 30)

    for number in range(31, 71):
        point = engine.propose(number)
        assert TREE.check(point) == point
        assert ("optimizer.momentum" in point) == (point["optimizer"] != "none")
        assert ("optimizer.beta" in point) == (point["optimizer"] == "adam")


def half_failing(engine: str, seed: int, loss: Any) -> list[float]:
    """The first 80 proposals where all that lie beyond 0.5 fail."""
    study = at_work(Space({"x": uniform(0, 1), "y": uniform(0, 1)}), seed, engine=engine)
    proposed = []
    for number in range(1, 81):
        point = study.propose(number)
        study.adopt(number, point)
        proposed.append(point["x"])
        if proposed[-1] > 0.5:
            study.fail(number)
        else:
            hear(study, number, loss(proposed[-1]))
    return proposed


@pytest.mark.parametrize("engine", ENGINES)
def test_a_failing_half_of_the_space_is_left_alone(engine):
    proposed = [half_failing(engine, seed, lambda x: abs(x - 0.4))[40:] for seed in range(6)]

    assert sum(x > 0.5 for study in proposed for x in study) < 0.25 * 6 * 40


@pytest.mark.parametrize("engine", ENGINES)
def test_where_the_best_lies_right_at_the_border_only_the_border_is_tried(engine):
    proposed = [half_failing(engine, seed, lambda x: -x) for seed in range(6)]

    assert sum(x > 0.6 for study in proposed for x in study[40:]) < 0.25 * 6 * 40
    assert all(max(x for x in study if x <= 0.5) > 0.48 for study in proposed)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("engine", ENGINES[:2])
def test_failures_are_never_taken_for_good_however_few_trials_are_sound(engine, seed):
    space = Space({"x": uniform(0, 1)})
    engine = at_work(space, seed, engine=engine)
    for number in range(1, 41):  # one in forty is sound
        engine.adopt(number, {"x": 0.05 if number == 40 else 0.2 + 0.8 * number / 40})
        engine.fail(number) if number < 40 else hear(engine, number, 1.0)

    proposed = [engine.propose(number)["x"] for number in range(41, 61)]

    assert sum(x < 0.2 for x in proposed) > 10


@pytest.mark.parametrize("engine", ENGINES)
def test_as_long_as_nothing_is_sound_it_draws_at_random(engine):
    study = at_work(PLANE, 0, engine=engine)
    for number in range(1, 30):
        study.adopt(number, study.propose(number))
        study.fail(number)

    assert study.propose(30) == draw(PLANE, 0, 30)


# -- its state -------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_it_begins_with_random_draws(engine):
    study = at_work(PLANE, 5, startup=10, engine=engine)

    proposed = []
    for number in range(1, 12):
        proposed.append(study.propose(number))
        study.adopt(number, proposed[-1])
        hear(study, number, branin(proposed[-1]))

    drawn = [draw(PLANE, 5, number) for number in range(1, 12)]
    assert proposed[:10] == drawn[:10]
    assert proposed[10] != drawn[10]


def test_asking_twice_for_one_number_changes_nothing():
    once, twice = filled(PLANE, 20), filled(PLANE, 20)

    first = twice.propose(21)

    assert twice.propose(21) == first == once.propose(21)
    assert twice.propose(22) == once.propose(22)


def test_a_loss_that_is_no_number_counts_as_a_failure():
    failed, diverged = filled(PLANE, 20), filled(PLANE, 20)
    for engine in (failed, diverged):
        engine.adopt(21, {"x": 0.0, "y": 0.0})

    failed.fail(21)
    hear(diverged, 21, math.nan)

    assert failed.propose(22) == diverged.propose(22)


# -- trials of different lengths -------------------------------------------------------------------


def told(losses: dict[int, dict[int, float]]) -> Guarded:
    """An engine that knows, for each number, losses by epoch."""
    engine = at_work(PLANE)
    for number, by_epoch in losses.items():
        engine.adopt(number, PLANE.sample(random.Random(number)))
        for epoch, loss in by_epoch.items():
            hear(engine, number, loss, epoch)
        engine.end(number)
    return engine


def test_the_model_is_built_on_the_longest_length_alone():
    both = told({n: {1: float(n), **({9: -float(n)} if n <= 10 else {})} for n in range(1, 31)})
    long = told({n: {9: -float(n)} for n in range(1, 11)})

    assert both.propose(31) == long.propose(31)


def test_too_few_long_trials_leave_the_choice_to_chance():
    both = told({n: {1: float(n), **({9: -float(n)} if n <= 5 else {})} for n in range(1, 31)})

    assert both.propose(31) == at_work(PLANE).propose(31)


# -- what it costs ---------------------------------------------------------------------------------


def test_at_a_thousand_trials_our_share_of_a_proposal_is_small(benchmark_s):
    space = Space({f"x{k}": uniform(0, 1) for k in range(10)})
    engine = filled(space, 1000)
    engine.propose(1001)
    backend = engine.engine._backend
    inner = backend._suggest
    spent = []

    def timed(*args: Any, **settings: Any) -> Any:
        answer = []
        spent.append(benchmark_s(lambda: answer.append(inner(*args, **settings))))
        return answer[0]

    backend._suggest = timed

    whole = benchmark_s(lambda: engine.propose(1002), repeats=5)

    assert whole - min(spent) < 0.5 * min(spent)
    assert whole < 0.5


@pytest.mark.filterwarnings("ignore:.*leaves nothing to choose")
def test_odd_domains_are_searched():
    space = Space(
        {
            "one": choice("only"),
            "big": integer(0, 2**60),
            "tiny": loguniform(1e-300, 1e-290),
            "name/with:odd 'signs' and 🎼": uniform(-1e150, 1e150),
            "step": uniform(0.1, 0.7, step=0.1),
            "two": integer(0, 1),
        }
    )
    engine = filled(space, 15)

    for number in range(16, 36):
        point = engine.propose(number)
        assert space.check(point) == point
