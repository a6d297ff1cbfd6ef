"""A study's goal from end to end, without Ray: several objectives, limits, cost, both modes, earlier studies."""

import itertools

import pytest

from orchestrator.conductor import Conductor
from orchestrator.front import front_of
from orchestrator.terms import Report
from search import ASHA, TPE, FullLength, Grid, Random, Space, choice, integer, uniform
from search.protocol import Lesson
from tests.kit.simulation import World, bowl
from tests.kit.strategies import SIMULATED, written

SPACE = Space({"x": uniform(0, 1)})
TWO = ["min loss", "max speed >= 0.2"]
FOR_FRONTS = written(
    [
        "Random() + ASHA(max_epochs=9)",
        "NSGA2(population=5) + ASHA(max_epochs=9, promote=True)",
        "TPE() + Hyperband(max_epochs=9)",
        "Bayes(startup=5) + FullLength(epochs=2)",
        "BOHB(max_epochs=9)",
        "Sobol(n=4) >> NSGA2(population=5) + FullLength(epochs=2)",
    ]
)
FOR_POINTS = written(
    [*SIMULATED, "TPE(engine='hyperopt') + FullLength(epochs=2)", "TPE(engine='optuna') + FullLength(epochs=2)"]
)


def trade(params, epoch):
    """A loss that falls with x and the epochs, and a speed that falls with x."""
    return {"loss": (1 - params["x"]) ** 2 + 0.5 / epoch, "speed": 1 - params["x"]}


def mirrored(params, epoch):
    """The bowl turned over."""
    return {"score": -bowl(params, epoch)["loss"]}


def story(world: World) -> list[tuple]:
    """All that was proposed and decided, without the metrics."""
    kept = ("event", "trial", "epoch", "params", "status", "by")
    return [tuple(str(event.get(key)) for key in kept) for event in world.book.events[1:]]


@pytest.mark.parametrize("strategy", FOR_POINTS, ids=str)
def test_more_of_the_mirror_image_is_searched_as_less_of_the_thing(strategy):
    less = World(SPACE, strategy, goal="min loss", trials=15)
    more = World(SPACE, strategy, goal="max score", trials=15)

    less.run(bowl, workers=3)
    more.run(mirrored, workers=3)

    assert story(less) == story(more)
    assert less.conductor.record.best().id == more.conductor.record.best().id


@pytest.mark.parametrize("strategy", FOR_FRONTS, ids=str)
def test_a_front_is_what_nobody_beats_within_the_limits(strategy):
    world = World(SPACE, strategy, goal=TWO, trials=20)

    world.run(trade, workers=3)

    record = world.conductor.record
    kept = [trial for trial in record.trials.values() if trial.metrics["speed"] >= 0.2]
    points = {trial.id: (trial.metrics["loss"], -trial.metrics["speed"]) for trial in kept}
    beaten = {
        one
        for one, other in itertools.permutations(points, 2)
        if all(b <= a for a, b in zip(points[one], points[other], strict=True)) and points[one] != points[other]
    }
    assert {trial.id for trial in front_of(record).trials} == set(points) - beaten
    assert len(points) > len(beaten)


@pytest.mark.parametrize("strategy", FOR_FRONTS, ids=str)
def test_a_study_of_two_objectives_that_is_killed_ends_with_every_trial_once(strategy):
    whole = World(SPACE, strategy, goal=TWO, trials=10)
    whole.run(trade, workers=3)

    for length in range(3, len(whole.book.events), 9):
        killed = World(SPACE, strategy, goal=TWO, trials=10)
        killed.run(trade, workers=3, until=length)
        resumed = World(SPACE, strategy, goal=TWO, trials=10, events=killed.book.events[:length])
        resumed.run(trade, workers=3)
        resumed.conductor.finish()

        record = resumed.conductor.record
        assert len(record.trials) == 10
        assert all(trial.over for trial in record.trials.values())
        assert len(set(resumed.reported())) == len(resumed.reported())


def test_rungs_stop_what_others_beat_in_both_objectives_and_let_the_front_go_on():
    world = World(SPACE, Grid(points=9) + ASHA(max_epochs=9), goal=["min loss", "min size"], trials=9)
    legs = world.conductor.ask("cohort", "a", 9)
    for leg in legs:
        world.conductor.begin(leg["trial"])
    values = [(1, 9), (9, 1), (5, 5), (8, 8), (9, 9), (7, 9), (6, 8), (9, 8), (8, 9)]

    reports = [
        Report(leg["trial"], 1, {"loss": float(loss), "size": float(size)})
        for leg, (loss, size) in zip(legs, values, strict=True)
    ]
    decisions = world.conductor.tell("cohort", reports)

    went_on = [type(decision).__name__ == "Go" for decision in decisions.values()]
    assert went_on == [True, True, True, *[False] * 6]


def test_a_limit_comes_before_the_loss_at_a_rung_and_in_the_end():
    world = World(SPACE, Random() + ASHA(max_epochs=9), goal="min loss, speed >= 0.6", trials=30)

    world.run(trade, workers=4)

    record = world.conductor.record
    assert record.best().metrics["speed"] >= 0.6
    ended = [trial for trial in record.trials.values() if trial.status == "ended"]
    assert sum(trial.metrics["speed"] >= 0.6 for trial in ended) > len(ended) / 2


def test_per_second_slow_trials_are_compared_with_what_fast_ones_had_reached_in_their_time():
    space = Space({"slow": choice(False, True), "x": uniform(0, 1)})

    def slow_ones(goal):
        world = World(space, Random() + ASHA(max_epochs=27), goal=goal, trials=60)
        world.run(
            lambda params, epoch: {"loss": params["x"] + (4.0 if params["slow"] else 5.0) / epoch},
            workers=4,
            seconds=lambda params: 10.0 if params["slow"] else 1.0,
        )
        trials = [trial for trial in world.conductor.record.trials.values() if trial.status == "ended"]
        return sum(space.decode(trial.params)["slow"] for trial in trials)

    assert slow_ones("min loss per second") < slow_ones("min loss")


# -- earlier studies -------------------------------------------------------------------------------


LESSONS = tuple(Lesson({"x": 0.03 * k}, (abs(0.03 * k - 0.3),)) for k in range(30))


def lessoned(events=None, lessons=LESSONS):
    return World(SPACE, TPE() + FullLength(epochs=1), trials=6, events=events, lessons=lessons)


def test_what_earlier_studies_found_is_tried_first_and_followed():
    world = lessoned()

    world.run(bowl)

    tried = [trial.params["x"] for trial in world.conductor.record.trials.values()]
    assert tried[0] == 0.3
    follow = [tried[k] for k in (1, 3, 5)]  # the others are drawn at random, to test the lessons
    assert all(abs(x - 0.3) < 0.1 for x in follow)  # a study without lessons begins with ten random points


def test_lessons_are_kept_in_the_ledger_and_not_asked_for_again():
    live = lessoned()
    live.run(bowl, until=8)

    resumed = lessoned(events=live.book.events, lessons=())  # the older study's folder is gone
    resumed.run(bowl)
    whole = lessoned()
    whole.run(bowl)

    learned = [event["event"] for event in resumed.book.events].count("learned")
    assert learned == 1
    assert [t.params for t in resumed.conductor.record.trials.values()] == [
        t.params for t in whole.conductor.record.trials.values()
    ]


def test_a_space_that_is_exhausted_ends_the_study_and_says_so():
    world = World(Space({"kind": choice("a", "b"), "n": integer(1, 2)}), Random() + FullLength(epochs=1), trials=50)

    world.run(lambda params, epoch: {"loss": params["n"]}, workers=3)

    assert isinstance(world.conductor, Conductor)
    assert world.conductor.finish() == "done"
    assert len(world.conductor.record.trials) == 4
    assert any("every point of the space was tried, 4 in all" in note for note in world.notes)


def test_a_trial_whose_params_were_changed_is_told_by_those_of_its_best_report():
    from orchestrator.record import Record

    record = Record()
    base = {"seq": 1, "t": 0.0, "trial": "t00001", "number": 1, "params": {"x": 0.1}, "seed": 0, "goal": "min loss"}
    record.apply(base | {"event": "trial_proposed"})
    record.apply(base | {"event": "reported", "epoch": 1, "seconds": 1.0, "metrics": {"loss": 1.0}})
    source = {"trial": "t00002", "epoch": 1}
    record.apply(
        {"seq": 3, "t": 0.0, "event": "trial_exploited", "trial": "t00001", "params": {"x": 0.9}, "source": source}
    )
    record.apply(base | {"event": "reported", "epoch": 2, "seconds": 2.0, "metrics": {"loss": 2.0}})

    trial = record.best()

    assert (trial.best_epoch, trial.point, trial.params) == (1, {"x": 0.1}, {"x": 0.9})
