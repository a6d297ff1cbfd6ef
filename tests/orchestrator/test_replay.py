"""What a ledger that lost one event still tells."""

import json

import pytest

from orchestrator.ledger import Ledger
from orchestrator.record import Record
from orchestrator.results import Results
from search import ASHA, Random, Space, uniform
from tests.kit.simulation import World

SPACE = Space({"x": uniform(0, 1)})
STRATEGY = Random() + ASHA(max_epochs=3)
KINDS = ("study_started", "trial_proposed", "trial_started", "reported", "trial_ended", "study_ended")


def score(params, epoch):
    return {"score": params["x"] * epoch, "loss": 1000.0 - epoch}


@pytest.fixture(scope="module")
def events():
    world = World(SPACE, STRATEGY, goal="max score", trials=9)
    world.run(score, workers=2)
    world.conductor.finish()
    return world.book.events


def without(events, kind, which):
    places = [place for place, event in enumerate(events) if event["event"] == kind]
    lost = places[which]
    return events[:lost] + events[lost + 1 :], events[lost]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", [0, -1])
def test_one_lost_event_costs_no_trial_and_never_the_goal(events, kind, which, tmp_path):
    left, lost = without(events, kind, which)
    lines = []
    book = Ledger(tmp_path / "ledger", lambda: 0.0)
    for event in events:
        book.append(event["event"], **{k: v for k, v in event.items() if k not in ("seq", "t", "event")})
    book.close()
    path = tmp_path / "ledger" / "000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = lines[lost["seq"] - 1]
    lines[lost["seq"] - 1] = damaged[:40] + bytes([damaged[40] ^ 1]) + damaged[41:]
    path.write_bytes(b"".join(lines))

    results = Results(tmp_path)

    whole = Record()
    for event in events:
        whole.apply(event)
    assert str(results.record.goal) == "max score"
    assert set(results.record.trials) == set(whole.trials)
    best, known = whole.best(), [e["metrics"]["score"] for e in left if e["event"] == "reported"]
    assert best is not None
    assert results.best.value == max(known)
    assert any("damaged" in problem for problem in results.problems)


@pytest.mark.parametrize("kind", ["trial_proposed", "trial_started", "reported", "trial_ended"])
@pytest.mark.parametrize("which", [0, 2, -1])
def test_a_study_that_lost_an_event_still_ends_with_every_trial_over(events, kind, which):
    left, _ = without(events[:-1], kind, which)

    world = World(SPACE, STRATEGY, goal="max score", trials=10, events=json.loads(json.dumps(left)))
    world.run(score, workers=2)
    world.conductor.finish()

    trials = world.conductor.record.trials
    assert len(trials) == 10
    assert all(trial.over for trial in trials.values())
