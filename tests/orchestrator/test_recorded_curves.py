"""The conductor over curves that real trials left: what the simulator and cohorts will put on it later."""

import json
from pathlib import Path

import pytest

from search import ASHA, FullLength, Grid, Space, choice
from tests.kit.simulation import World

RECORDED = json.loads((Path(__file__).parents[1] / "kit" / "digits_curves.json").read_text())["loss"]
SPACE = Space({"curve": choice(*range(len(RECORDED)))})


def recorded(params, epoch):
    return {"loss": RECORDED[params["curve"]][epoch - 1]}


def simulated(scheduler, workers):
    world = World(SPACE, Grid() + scheduler, trials=None)
    world.run(recorded, workers)
    world.conductor.finish()
    return world


def test_full_length_finds_the_best_of_all_curves():
    world = simulated(FullLength(epochs=9), workers=4)

    best = world.conductor.record.best()

    assert best is not None
    assert best.best == min(min(curve) for curve in RECORDED)
    assert len(world.reported()) == 9 * len(RECORDED)


@pytest.mark.parametrize("workers", [1, 4, 16])
@pytest.mark.parametrize("promote", [False, True])
def test_halving_spends_a_fraction_and_keeps_a_good_one(promote, workers):
    world = simulated(ASHA(max_epochs=9, promote=promote), workers)

    best, epochs = world.conductor.record.best(), len(world.reported())
    ranked = sorted(min(curve) for curve in RECORDED)

    assert best is not None
    assert best.best is not None
    assert best.best <= ranked[2], "among the three best of 32"
    assert epochs < 0.55 * 9 * len(RECORDED)


def test_promotion_goes_on_with_all_of_the_best_third_and_few_that_only_were_there_early():
    world = simulated(ASHA(max_epochs=9, promote=True), workers=1)

    went_on = {trial for trial, epoch in world.reported() if epoch == 3}
    at_first = {trial.id: RECORDED[trial.number - 1][0] for trial in world.conductor.record.trials.values()}
    best_third = set(sorted(at_first, key=at_first.__getitem__)[: 32 // 3])

    assert best_third <= went_on
    assert len(went_on) < 32 / 2
