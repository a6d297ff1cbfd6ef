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
from search.engines.draws import Draws
from search.engines.tpe import ParzenTrees

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


def optimise(engine: Any, loss: Any, trials: int) -> list[float]:
    found = []
    for number in range(1, trials + 1):
        point = engine.propose(number)
        found.append(loss(point))
        engine.observe(number, 1, found[-1])
    return found


def filled(space: Space, trials: int, settings: TPE | None = None, seed: int = 0) -> ParzenTrees:
    """An engine that knows so many random trials; the loss is any function of the point."""
    engine = ParzenTrees(space, settings or TPE(), seed)
    for number in range(1, trials + 1):
        point = space.sample(random.Random(number))
        engine.adopt(number, point)
        engine.observe(number, 1, random.Random(repr(point)).random())
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
    settings = TPE(startup=5, gamma=0.8, candidates=16)
    engine = ParzenTrees(TREE, settings, seed)
    history = []
    for number in range(1, trials + 1):
        point = TREE.sample(random.Random(number))
        history.append((point, random.Random(repr(point)).random()))
        engine.adopt(number, point)
        engine.observe(number, 1, history[-1][1])
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
def test_it_beats_random_search_in_the_median(space, loss):
    ours = [min(optimise(ParzenTrees(space, TPE(), seed), loss, 60)) for seed in range(10)]
    luck = [min(optimise(Draws(space, seed + 100), loss, 60)) for seed in range(10)]

    assert statistics.median(ours) < 0.8 * statistics.median(luck) or statistics.median(ours) < 0.5


def test_it_settles_on_the_better_branch_of_a_tree():
    engine = ParzenTrees(TREE, TPE(), 0)

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


def half_failing(seed: int, loss: Any) -> list[float]:
    """The first 80 proposals where all that lie beyond 0.5 fail."""
    engine = ParzenTrees(Space({"x": uniform(0, 1), "y": uniform(0, 1)}), TPE(), seed)
    proposed = []
    for number in range(1, 81):
        proposed.append(engine.propose(number)["x"])
        if proposed[-1] > 0.5:
            engine.fail(number)
        else:
            engine.observe(number, 1, loss(proposed[-1]))
    return proposed


@pytest.mark.parametrize("seed", range(6))
def test_a_failing_half_of_the_space_is_left_alone(seed):
    proposed = half_failing(seed, lambda x: abs(x - 0.4))

    assert sum(x > 0.5 for x in proposed[40:]) < 0.25 * 40


@pytest.mark.parametrize("seed", range(6))
def test_where_the_best_lies_right_at_the_border_only_the_border_is_tried(seed):
    proposed = half_failing(seed, lambda x: -x)

    assert sum(x > 0.6 for x in proposed[40:]) < 0.25 * 40
    assert max(x for x in proposed if x <= 0.5) > 0.49


@pytest.mark.parametrize("seed", range(4))
def test_failures_are_never_taken_for_good_however_few_trials_are_sound(seed):
    space = Space({"x": uniform(0, 1)})
    engine = ParzenTrees(space, TPE(), seed)
    for number in range(1, 41):  # one in forty is sound
        engine.adopt(number, {"x": 0.05 if number == 40 else 0.2 + 0.8 * number / 40})
        engine.fail(number) if number < 40 else engine.observe(number, 1, 1.0)

    proposed = [engine.propose(number)["x"] for number in range(41, 61)]

    assert sum(x < 0.2 for x in proposed) > 10


def test_as_long_as_nothing_is_sound_it_draws_at_random():
    engine = ParzenTrees(PLANE, TPE(), 0)
    for number in range(1, 30):
        engine.propose(number)
        engine.fail(number)

    assert engine.propose(30) == Draws(PLANE, 0).propose(30)


# -- its state -------------------------------------------------------------------------------------


def test_it_begins_with_random_draws():
    engine = ParzenTrees(PLANE, TPE(startup=10), seed=5)

    proposed = []
    for number in range(1, 12):
        proposed.append(engine.propose(number))
        engine.observe(number, 1, branin(proposed[-1]))

    drawn = [Draws(PLANE, 5).propose(number) for number in range(1, 12)]
    assert proposed[:10] == drawn[:10]
    assert proposed[10] != drawn[10]


def test_its_state_is_what_it_was_told_in_whatever_order_params_came():
    live, rebuilt = ParzenTrees(TREE, TPE(), 3), ParzenTrees(TREE, TPE(), 3)
    story = []
    for number in range(1, 31):
        point = live.propose(number)
        live.adopt(number, dict(point))
        story.append((number, point))
        if number % 4 == 0:
            live.fail(number)
        else:
            live.observe(number, 1, point["lr"])

    for number, point in story:
        rebuilt.adopt(number, TREE.decode(TREE.encode(point)))
    for number, point in reversed(story):
        rebuilt.fail(number) if number % 4 == 0 else rebuilt.observe(number, 1, point["lr"])

    assert [live.propose(number) for number in range(31, 41)] == [rebuilt.propose(number) for number in range(31, 41)]


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
    diverged.observe(21, 1, math.nan)

    assert failed.propose(22) == diverged.propose(22)


# -- trials of different lengths -------------------------------------------------------------------


def told(losses: dict[int, dict[int, float]]) -> ParzenTrees:
    """An engine that knows, for each number, losses by epoch."""
    engine = ParzenTrees(PLANE, TPE(), 0)
    for number, by_epoch in losses.items():
        engine.adopt(number, PLANE.sample(random.Random(number)))
        for epoch, loss in by_epoch.items():
            engine.observe(number, epoch, loss)
    return engine


def test_the_model_is_built_on_the_longest_length_with_enough_trials():
    both = told({n: {1: float(n), **({9: -float(n)} if n <= 10 else {})} for n in range(1, 31)})
    long = told({n: {9: -float(n)} for n in range(1, 11)})

    assert both.propose(31) == long.propose(31)


def test_too_few_long_trials_leave_the_model_with_the_short_ones():
    both = told({n: {1: float(n), **({9: -float(n)} if n <= 9 else {})} for n in range(1, 31)})
    short = told({n: {1: float(n)} for n in range(1, 31)})

    assert both.propose(31) == short.propose(31)


def test_a_wide_space_needs_more_trials_of_one_length():
    space = Space({f"x{k}": uniform(0, 1) for k in range(20)})
    engine = ParzenTrees(space, TPE(startup=10), 0)
    for number in range(1, 41):
        engine.adopt(number, space.sample(random.Random(number)))
        engine.observe(number, 1, 0.0)
        if number <= 20:
            engine.observe(number, 3, 0.0)

    assert set(engine._evidence()) == set(range(1, 41))
    engine.adopt(41, space.sample(random.Random(41)))
    engine.observe(41, 3, 0.0)
    assert set(engine._evidence()) == {*range(1, 21), 41}


def test_failures_count_at_every_length():
    engine = told({n: {1: float(n), 9: float(n)} for n in range(1, 31)})

    engine.fail(7)

    assert 7 not in engine._evidence()
    assert len(engine._evidence()) == 29


# -- what it costs ---------------------------------------------------------------------------------


def test_at_a_thousand_trials_our_share_of_a_proposal_is_small(benchmark_s):
    space = Space({f"x{k}": uniform(0, 1) for k in range(10)})
    engine = filled(space, 1000)
    engine.propose(1001)
    backend = engine._backend
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
