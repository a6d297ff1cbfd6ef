"""The crowd that stands in for a benchmark's actors answers as they do."""

import asyncio
import json
import time
from types import SimpleNamespace

import pytest

from benchmarks.crowd import Crowd, Pace
from search import Goal
from trainables import session
from trainables.cohort import Cohort
from trainables.meter import MEASURED
from trainables.to_ray import Legs

TERMS = {"trial": "t00001", "params": {"x": 0.5, "y": 0.5}, "seed": 3, "upto": 0, "after": 0, "source": None}
CONFIG = {"legs": json.dumps([TERMS | {"seconds": 0.0, "best": None, "best_epoch": 0}])}


@pytest.fixture
def clock(monkeypatch):
    """A session's clock, which only its trainable moves."""
    moved = [0.0]
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: moved[0], perf_counter=lambda: moved[0]))
    return moved


def of_a_leg(folder, clock, epoch_s, judged, answers):
    class Here(Legs):
        def setup(self, config):
            goal = Goal("min", "loss")
            terms = {"folder": folder, "aim": goal, "judged": judged, "last_epoch": 40}
            self._cohort = Cohort(lambda: session.Session(lambda params, seed: Still(), **terms))
            self._cohort.take(json.loads(config["legs"]))

    class Still:
        """A training whose epochs move the clock."""

        saves = False

        def step(self):
            clock[0] += epoch_s
            return {"loss": 0.5}

        def close(self):
            """Nothing runs."""

    leg = Here(CONFIG)
    return [leg.train() for _ in range(answers)]


def of_a_crowd(epoch_s, judged, answers):
    crowd = Crowd(Pace(epoch_s, 40), judged)
    crowd.setup(0, CONFIG, storage=None)
    return [asyncio.run(crowd.call(0, "train")) for _ in range(answers)]


@pytest.mark.parametrize("epoch_s", [0.04, 0.06, 0.12])
def test_a_crowd_answers_with_as_many_epochs_as_a_leg(tmp_path, clock, epoch_s):
    said = {}

    said["leg"] = of_a_leg(tmp_path, clock, epoch_s, (3,), 4)
    said["crowd"] = of_a_crowd(epoch_s, (3,), 4)

    epochs = {who: [[r["epoch"] for r in a["said"][0]["reports"]] for a in answers] for who, answers in said.items()}
    assert epochs["crowd"] == epochs["leg"]


def test_a_crowd_says_the_same_words_as_a_leg(tmp_path, clock):
    [leg], [crowd] = of_a_leg(tmp_path, clock, 0.06, (), 1), of_a_crowd(0.06, (), 1)

    assert set(crowd) == set(leg)
    assert set(crowd["said"][0]) == set(leg["said"][0])
    [real], [fake] = leg["said"][0]["reports"], crowd["said"][0]["reports"]
    assert set(fake) == set(real)
    assert set(fake["metrics"]) - set(MEASURED) == {"loss"}
    assert set(real["metrics"]) <= set(fake["metrics"])


def test_a_crowd_takes_the_time_that_it_says():
    began = time.perf_counter()

    of_a_crowd(0.06, (), 5)

    assert time.perf_counter() - began >= 5 * 0.06
