"""The door to Ray: its schedulers as engines, and what Ray Tune sees of our driver."""

import copy
import logging
import math
import pickle
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler
from ray.tune.search import Searcher

from search import (
    ASHA,
    BOHB,
    PB2,
    PBT,
    TPE,
    FullLength,
    Grid,
    Hyperband,
    MedianStop,
    Random,
    Space,
    Strategy,
    choice,
    integer,
    loguniform,
    strategy_of,
    uniform,
)
from search.engines.draws import Draws
from search.engines.full_length import Unjudged
from search.engines.hyperband import Bands
from search.engines.median import Medians
from search.engines.parzen import Parzen
from search.engines.promotion import Promotion
from search.engines.walk import Walk
from search.engines.yardstick import Yardstick
from search.protocol import Exploit, Go, Pause, Score, Stop
from search.schedulers import judged_epochs
from search.to_ray import RayASHA, TuneCallback, TuneScheduler, TuneSearcher, engines
from search.to_ray.population import RayPopulation
from tests.kit.scheduler_kit import Study, replay

SPACE = Space({"lr": loguniform(1e-4, 1e-1), "width": integer(1, 64), "act": choice("relu", "gelu", "tanh")})


@pytest.mark.parametrize(
    ("strategy", "sampler", "scheduler"),
    [
        (Strategy(Random()), Draws, Unjudged),
        (Strategy(Grid(points=2), ASHA(max_epochs=9)), Walk, Yardstick),
        (Strategy(Grid(points=2), ASHA(max_epochs=9, by_draws=False)), Walk, RayASHA),
        (Strategy(TPE(), ASHA(max_epochs=9, promote=True)), Parzen, Promotion),
        (Strategy(TPE(), Hyperband(max_epochs=9)), Parzen, Bands),
        (strategy_of(BOHB(max_epochs=9)), Parzen, Bands),
        (Strategy(Random(), MedianStop(max_epochs=9)), Draws, Medians),
        (Strategy(Random(), PBT(max_epochs=9)), Draws, RayPopulation),
        (Strategy(Random(), PB2(max_epochs=9)), Draws, RayPopulation),
        (Strategy(TPE(), FullLength(epochs=3)), Parzen, Unjudged),
    ],
    ids=str,
)
def test_each_strategy_has_its_engines(strategy, sampler, scheduler):
    proposes, judges = engines(strategy, SPACE, seed=0, trials=8)

    assert type(getattr(proposes, "engine", proposes)) is sampler
    assert type(judges) is scheduler


# -- ASHA ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_epochs", [2, 3, 9, 10, 27, 81, 100, 125, 243, 244, 729, 1000, 1001, 3125, 10_000])
@pytest.mark.parametrize("grace", [1, 2, 5])
@pytest.mark.parametrize("keep", [2, 3, 4, 5, 10])
def test_rays_own_brackets_have_just_the_rungs_that_asha_promises(max_epochs, grace, keep):
    if grace > max_epochs:
        grace = max_epochs
    pace = ASHA(max_epochs=max_epochs, grace_epochs=grace, keep_1_in=keep)

    asha = RayASHA(pace)

    [bracket] = asha._ray._brackets
    assert sorted(epoch for epoch, _ in bracket._rungs if epoch < max_epochs) == pace.rungs()


@st.composite
def streams(draw: Any) -> list[tuple[str, int, float]]:
    """Reports of some trials, each trial's epochs in order, trials in any order."""
    left = {f"t{k:05d}": 0 for k in range(draw(st.integers(2, 8)))}
    stream = []
    for _ in range(draw(st.integers(1, 60))):
        trial = draw(st.sampled_from(sorted(left)))
        left[trial] += 1
        stream.append((trial, left[trial], draw(st.floats(-1e3, 1e3) | st.sampled_from([0.0, 1.0]))))
    return stream


def fresh_asha(pace: ASHA, trials: int) -> RayASHA:
    engine = RayASHA(pace)
    for k in range(trials):
        engine.add(f"t{k:05d}", {})
        engine.begin(f"t{k:05d}")
    return engine


@given(streams(), st.sampled_from([(27, 1, 3), (20, 2, 2), (12, 1, 4)]))
def test_one_report_at_a_time_is_decided_as_ray_decides_it(stream, terms):
    max_epochs, grace, keep = terms
    ours = fresh_asha(ASHA(max_epochs=max_epochs, grace_epochs=grace, keep_1_in=keep), 8)
    rays = AsyncHyperBandScheduler(
        time_attr="epoch", metric="loss", mode="min", max_t=max_epochs, grace_period=grace, reduction_factor=keep
    )
    stopped = set()
    for k in range(8):
        rays.on_trial_add(None, SimpleNamespace(trial_id=f"t{k:05d}"))

    for trial, epoch, loss in stream:
        if trial in stopped or epoch >= max_epochs:
            continue
        result = {"epoch": epoch, "loss": loss}
        expected = rays.on_trial_result(None, SimpleNamespace(trial_id=trial), result) == TrialScheduler.STOP

        [decision] = ours.judge([Score(trial, epoch, loss)]).values()

        assert isinstance(decision, Stop) == expected
        if expected:
            stopped.add(trial)


@given(
    st.lists(st.floats(-100, 100) | st.just(math.nan), min_size=0, max_size=10),
    st.lists(st.floats(-100, 100) | st.just(math.nan), min_size=2, max_size=10),
    st.integers(2, 5),
)
def test_a_batch_is_recorded_whole_before_anyone_in_it_is_judged(before, batch, keep):
    engine = fresh_asha(ASHA(max_epochs=100, keep_1_in=keep), 20)
    for k, loss in enumerate(before):
        engine.judge([Score(f"t{k:05d}", 1, loss)])
    first = len(before)
    scores = [Score(f"t{first + k:05d}", 1, loss) for k, loss in enumerate(batch)]

    decisions = engine.judge(scores)

    worst = 1e300  # a NaN counts as worse than any loss
    losses = [worst if math.isnan(loss) else loss for loss in [*before, *batch]]
    cutoff = -np.percentile([-loss for loss in losses], 100 * (1 - 1 / keep))
    for score in scores:
        assert isinstance(decisions[score.trial], Stop) == (not score.loss <= cutoff)
    assert decisions == dict(reversed(fresh_replay(before, list(reversed(scores)), keep).items()))


def fresh_replay(before: list[float], scores: list[Score], keep: int) -> dict[str, Any]:
    engine = fresh_asha(ASHA(max_epochs=100, keep_1_in=keep), 20)
    for k, loss in enumerate(before):
        engine.judge([Score(f"t{k:05d}", 1, loss)])
    return engine.judge(scores)


def test_of_a_batch_of_nine_three_go_on():
    engine = fresh_asha(ASHA(max_epochs=27), 9)

    decisions = engine.judge([Score(f"t{k:05d}", 1, float(k)) for k in range(9)])

    going = [trial for trial, decision in decisions.items() if decision == Go()]
    assert going == ["t00000", "t00001", "t00002"]
    assert decisions["t00008"] == Stop("not among the best at epoch 1")


@pytest.mark.parametrize("others", [[0.5], [0.5, 0.7], [math.nan, 0.5], [math.nan, math.nan, 0.5], [1e308], [-1e308]])
@pytest.mark.parametrize("keep", [2, 3, 4])
def test_who_diverged_is_stopped_at_a_rung_and_stops_nobody(others, keep):
    engine = fresh_asha(ASHA(max_epochs=27, keep_1_in=keep), 9)
    for k, loss in enumerate(others):
        engine.judge([Score(f"t{k:05d}", 1, loss)])

    decisions = engine.judge([Score("t00008", 1, math.nan)])

    assert decisions == {"t00008": Stop("not among the best at epoch 1")}
    best = min(loss for loss in others if math.isfinite(loss))
    assert engine.judge([Score("t00007", 1, best)]) == {"t00007": Go()}


def test_a_batch_with_several_epochs_of_one_trial_stops_it_for_any_of_them():
    engine = fresh_asha(ASHA(max_epochs=27), 4)
    for k in range(3):
        engine.judge([Score(f"t{k:05d}", 1, 0.0)])

    decisions = engine.judge([Score("t00003", 1, 9.0), Score("t00003", 2, 9.0), Score("t00003", 3, -9.0)])

    assert decisions == {"t00003": Stop("not among the best at epoch 1")}


def test_trials_at_other_rungs_of_a_batch_do_not_change_a_verdict():
    alone, together = (fresh_asha(ASHA(max_epochs=27), 5) for _ in range(2))
    for engine in (alone, together):
        engine.judge([Score("t00000", 1, 1.0)])
        engine.judge([Score("t00000", 3, 1.0)])

    expected = {**alone.judge([Score("t00001", 1, 2.0)]), **alone.judge([Score("t00002", 3, 0.5)])}

    assert together.judge([Score("t00001", 1, 2.0), Score("t00002", 3, 0.5)]) == expected


# -- population based training ---------------------------------------------------------------------

GENES = PBT(max_epochs=1000, every=2, mutate=("lr", "width", "act"))


def population(pace: PBT = GENES, space: Space = SPACE, size: int = 8, seed: int = 0) -> RayPopulation:
    engine = RayPopulation(pace, space, seed, size)
    for k in range(size):
        engine.add(f"t{k:05d}", space.sample(random.Random(k)))
        engine.begin(f"t{k:05d}")
    return engine


def obey(engine: RayPopulation, decisions: dict[str, Any]) -> None:
    for trial, decision in decisions.items():
        if isinstance(decision, Exploit):
            engine.adopt(trial, decision)
        if not isinstance(decision, Go):
            engine.begin(trial)


def scores(epoch: int, losses: list[float]) -> list[Score]:
    return [Score(f"t{k:05d}", epoch, loss) for k, loss in enumerate(losses)]


def test_the_worst_quarter_takes_over_from_the_best_quarter():
    engine = population()

    decisions = engine.judge(scores(2, [0, 1, 2, 3, 4, 5, 6, 7]))

    exploits = {trial: d.source for trial, d in decisions.items() if isinstance(d, Exploit)}
    assert set(exploits) == {"t00006", "t00007"}
    assert set(exploits.values()) <= {"t00000", "t00001"}
    assert all(d.source_epoch == 2 for d in decisions.values() if isinstance(d, Exploit))


@pytest.mark.parametrize("order", [1, -1])
def test_in_a_first_batch_the_worst_exploit_in_whatever_order_they_come(order):
    engine = population()

    decisions = engine.judge(scores(2, [7, 6, 5, 4, 3, 2, 1, 0])[::order])

    assert {t for t, d in decisions.items() if isinstance(d, Exploit)} == {"t00000", "t00001"}


def test_an_exploit_leaves_the_others_running_where_all_fit_at_once():
    engine = population()

    decisions = engine.judge(scores(2, [7, 6, 5, 4, 3, 2, 1, 0]))

    assert not [d for d in decisions.values() if isinstance(d, Pause)]
    later = engine.judge([Score("t00005", 4, 0.0)])  # before the exploited have begun again
    assert later == {"t00005": Go()}


@pytest.mark.parametrize("diverged", [1, 3, 6, 7])
def test_members_that_diverged_are_replaced_however_many_they_are(diverged):
    engine = population()

    decisions = engine.judge(scores(2, [math.nan] * diverged + [1.0] * (8 - diverged)))

    for k in range(diverged):
        exploit = decisions[f"t{k:05d}"]
        assert isinstance(exploit, Exploit)
        assert int(exploit.source[1:]) >= diverged


def test_where_all_diverged_nobody_is_copied():
    decisions = population().judge(scores(2, [math.nan] * 8))

    assert set(decisions.values()) == {Go()}


def test_thousands_of_exploits_stay_in_the_domains_and_come_from_the_upper_quartile():
    rng = random.Random(0)
    space = Space(
        {
            "lr": loguniform(1e-4, 1e-1),
            "decay": uniform(-0.1, 1, step=0.1),
            "width": integer(1, 64, step=7),
            "act": choice(True, 1, 1.0, np.zeros(3), [1]),
            "optimizer": choice(sgd={"momentum": uniform(0, 0.9)}, adam={}),
        }
    )
    engine = population(PBT(max_epochs=10_000, mutate=("lr", "decay", "width", "act")), space, size=12)
    params = {f"t{k:05d}": space.sample(random.Random(k)) for k in range(12)}
    exploits = 0

    for epoch in range(1, 700):
        losses = {trial: rng.random() for trial in params}
        best = sorted(losses, key=lambda trial: losses[trial])[:3]
        decisions = engine.judge([Score(trial, epoch, loss) for trial, loss in losses.items()])
        for trial, decision in decisions.items():
            if isinstance(decision, Exploit):
                exploits += 1
                assert decision.source in best
                assert decision.source_epoch == epoch
                checked = space.check(decision.params)
                assert [type(value) for value in decision.params.values()] == [type(v) for v in checked.values()]
                assert type(decision.params["width"]) is int
                assert any(decision.params["act"] is option for option in space["act"].options)
                for name in ("optimizer", "optimizer.momentum"):
                    assert decision.params.get(name) == params[decision.source].get(name)
                params[trial] = dict(decision.params)
        obey(engine, decisions)

    assert exploits > 2000


def test_params_are_explored_by_the_factors_of_the_paper_or_drawn_anew():
    space = Space({"lr": uniform(0, 1e6)})
    kept = population(PBT(max_epochs=9, resample=0), space)
    drawn = population(PBT(max_epochs=9, resample=1), space)

    for engine in (kept, drawn):
        for decision in engine.judge(scores(1, list(range(8)))).values():
            if isinstance(decision, Exploit):
                lr = space.sample(random.Random(int(decision.source[1:])))["lr"]
                perturbed = decision.params["lr"] in (pytest.approx(0.8 * lr), pytest.approx(min(1.2 * lr, 1e6)))
                assert perturbed == (engine is kept)


@given(st.integers(0, 2**31), st.integers(0, 2**31))
@settings(max_examples=15, deadline=None)
def test_one_stream_gives_the_same_decisions_and_leaves_random_alone(seed, stream):
    def decisions() -> list[Any]:
        engine, rng, said = population(seed=seed), random.Random(stream), []
        for epoch in range(2, 12, 2):
            said.append(engine.judge(scores(epoch, [rng.random() for _ in range(8)])))
            obey(engine, said[-1])
        return said

    random.seed(stream)
    before = random.getstate()
    first = decisions()
    after = random.getstate()
    random.random()  # whatever others draw meanwhile

    assert decisions() == first
    assert before == after


def test_epochs_between_two_judgements_are_not_judged():
    engine = population()

    assert engine.judge(scores(1, [1] * 8)) == {f"t{k:05d}": Go() for k in range(8)}


def test_of_several_epochs_of_a_member_in_one_batch_the_newest_counts():
    engine = population()
    batch = [*scores(2, [0, 1, 2, 3, 4, 5, 6, 7]), *scores(4, [7, 6, 5, 4, 3, 2, 1, 0])]

    decisions = engine.judge(batch)

    assert {t for t, d in decisions.items() if isinstance(d, Exploit)} == {"t00000", "t00001"}


def test_a_population_larger_than_the_machine_takes_turns_and_trains_alike():
    engine = RayPopulation(PBT(max_epochs=20, every=2), SPACE, 0, 9)
    study = Study(
        engine, SPACE, lambda trial, epoch, params: abs(math.log(params["lr"]) + 5), 20, range(2, 20, 2), 2, trials=9
    )
    wake = engine.wake
    spread = []

    def watched(more: bool, busy: Any = ()) -> str | None:
        trial = wake(more, busy)
        if trial is not None:
            idle = [study.done[t] for t in study.params if t not in study.running and t not in study.over]
            assert study.done[trial] == min(idle)
            spread.append(max(study.done.values()) - min(study.done[t] for t in study.params if t not in study.over))
        return trial

    engine.wake = watched

    study.run()

    assert all(epochs == 20 for epochs in study.done.values())
    assert max(spread) <= 4  # nobody runs ahead by more than its own turn
    assert replay(RayPopulation(PBT(max_epochs=20, every=2), SPACE, 0, 9), study.events) == study.decisions


def test_a_population_that_fits_at_once_is_never_paused_for_others():
    engine = RayPopulation(PBT(max_epochs=20, every=2), SPACE, 0, 6)

    study = Study(engine, SPACE, lambda trial, epoch, params: params["lr"], 20, range(2, 20, 2), 6, trials=6).run()

    assert not [d for answer in study.decisions for d in answer.values() if isinstance(d, Pause)]


def test_without_a_known_size_members_come_back_before_new_ones_are_made():
    engine = RayPopulation(PBT(max_epochs=20), SPACE, 0, None)
    for k in range(4):
        engine.add(f"t{k:05d}", SPACE.sample(random.Random(k)))
        engine.begin(f"t{k:05d}")

    decisions = engine.judge(scores(1, [0, 1, 2, 3]))
    engine.adopt("t00003", decisions["t00003"])

    assert isinstance(decisions["t00003"], Exploit)
    assert engine.wake(True) == "t00003"
    assert engine.wake(True, busy={"t00003"}) is None


def test_finished_members_are_neither_copied_nor_woken():
    engine = population()
    obey(engine, engine.judge(scores(2, [0, 1, 2, 3, 4, 5, 6, 7])))
    for k in (0, 1):
        engine.remove(f"t{k:05d}")

    decisions = engine.judge([Score(f"t{k:05d}", 4, float(k)) for k in range(2, 8)])

    assert {d.source for d in decisions.values() if isinstance(d, Exploit)} <= {"t00002", "t00003"}
    assert engine.wake(False) not in ("t00000", "t00001")


def test_a_start_point_written_as_a_whole_number_is_still_perturbed_as_a_real_one():
    space = Space({"x": uniform(0, 10)})
    engine = RayPopulation(PBT(max_epochs=9, resample=0), space, 0, 2)
    for trial in ("t00000", "t00001"):
        engine.add(trial, {"x": 1})

    exploit = engine.judge([Score("t00000", 1, 0.0), Score("t00001", 1, 1.0)])["t00001"]

    assert exploit.params["x"] in (1.2, 0.8)


@pytest.mark.parametrize(
    ("mutate", "space", "match"),
    [
        (("lrr",), SPACE, r"cannot mutate 'lrr'.*Did you mean 'lr'"),
        (("o.m",), Space({"o": choice(a={"m": uniform(0, 1)}, b={})}), r"cannot mutate 'o.m'.*None is known"),
        (
            ("o",),
            Space({"x": uniform(0, 1), "o": choice(a={"m": uniform(0, 1)}, b={})}),
            r"cannot mutate 'o'.*Known: x",
        ),
        ((), Space({"n": integer(1, 4)}), r"no continuous parameter to mutate\. Name some"),
    ],
)
def test_what_cannot_be_mutated_is_refused(mutate, space, match):
    with pytest.raises(ValueError, match=match):
        engines(Strategy(Random(), PBT(max_epochs=9, mutate=mutate)), space, seed=0, trials=4)


def test_a_population_of_one_is_refused():
    with pytest.raises(ValueError, match=r"population of 1.*Set trials=4"):
        engines(Strategy(Random(), PBT(max_epochs=9)), SPACE, seed=0, trials=1)


def test_by_default_every_unconditional_float_mutates():
    space = Space(
        {"lr": uniform(0, 1), "n": integer(1, 4), "g": {"d": uniform(0, 1)}, "o": choice(a={"m": uniform(0, 1)})}
    )

    assert list(RayPopulation(PBT(max_epochs=9), space, 0, 4)._genes.domains) == ["lr", "g.d"]


def test_a_member_that_reports_although_it_should_wait_is_judged_all_the_same():
    engine = population()
    engine.judge(scores(2, [0, 1, 2, 3, 4, 5, 6, 7]))  # and its exploits never reach the ledger

    again = engine.judge(scores(4, [0, 1, 2, 3, 4, 5, 6, 7]))

    assert {t for t, d in again.items() if isinstance(d, Exploit)} == {"t00006", "t00007"}


def test_exploits_print_nothing(caplog, capfd):
    with caplog.at_level(logging.INFO):
        population().judge(scores(2, [0, 1, 2, 3, 4, 5, 6, 7]))

    assert not caplog.text
    assert capfd.readouterr() == ("", "")


def test_pbt_finds_better_params_than_it_was_given():
    pace = PBT(max_epochs=40, every=2)
    engine = engines(Strategy(Random(), pace), SPACE, seed=0, trials=12)[1]
    study = Study(
        engine, SPACE, lambda t, e, params: abs(math.log10(params["lr"]) + 2), 40, judged_epochs(pace), 12, trials=12
    )

    study.run()

    given_first = [SPACE.sample(random.Random(f"t{k:05d}"))["lr"] for k in range(1, 13)]
    distance = [
        np.median([abs(math.log10(lr) + 2) for lr in lrs])
        for lrs in (given_first, [p["lr"] for p in study.params.values()])
    ]
    assert distance[1] < distance[0] / 2


# -- what Ray Tune sees ----------------------------------------------------------------------------


class FakeDriver:
    def __init__(self, legs: list[Any] = [], finished: bool = False):  # noqa: B006
        self.legs, self.finished, self.heard_of = list(legs), finished, []

    def next_leg(self, lane: str) -> Any:
        self.heard_of.append(("next_leg", lane))
        return self.legs.pop(0) if self.legs else None

    def began(self, lane: str, actor: Any) -> None:
        self.heard_of.append(("began", lane, actor))

    def heard(self, lane: str, result: dict[str, Any]) -> bool:
        self.heard_of.append(("heard", lane, result))
        return result["go"]

    def lost(self, lane: str, error: str) -> None:
        self.heard_of.append(("lost", lane, error))

    def tick(self) -> None:
        self.heard_of.append(("tick",))


def test_the_searcher_hands_out_legs_waits_and_finishes():
    driver = FakeDriver([{"leg": "one"}])
    searcher = TuneSearcher(driver)

    assert searcher.suggest("a") == {"leg": "one"}
    assert searcher.suggest("b") is None
    driver.finished = True
    assert searcher.suggest("c") == Searcher.FINISHED
    assert driver.heard_of == [("next_leg", "a"), ("next_leg", "b"), ("next_leg", "c")]


def test_the_scheduler_passes_results_on_and_obeys():
    driver = FakeDriver()
    scheduler = TuneScheduler(driver)
    trial = SimpleNamespace(trial_id="a", pickled_error_file=None)

    assert scheduler.on_trial_result(None, trial, {"go": True}) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial, {"go": False}) == TrialScheduler.STOP
    scheduler.on_trial_error(None, trial)
    assert driver.heard_of[-1] == ("lost", "a", "the actor died")


def test_the_scheduler_starts_the_oldest_pending_trial():
    scheduler = TuneScheduler(FakeDriver())
    trials = [SimpleNamespace(trial_id=name, status="PENDING") for name in "abc"]
    for trial in trials:
        scheduler.on_trial_add(None, trial)

    assert scheduler.choose_trial_to_run(None) is trials[0]
    assert scheduler.choose_trial_to_run(None) is trials[0]  # until it starts
    trials[0].status, trials[1].status = "RUNNING", "TERMINATED"
    assert scheduler.choose_trial_to_run(None) is trials[2]
    trials[2].status = "RUNNING"
    assert scheduler.choose_trial_to_run(None) is None


def test_the_callback_tells_of_starts_and_turns():
    driver = FakeDriver()
    callback = TuneCallback(driver)

    callback.on_trial_start(0, [], SimpleNamespace(trial_id="a", temporary_state=SimpleNamespace(ray_actor="actor")))
    callback.on_step_end(0, [])

    assert driver.heard_of == [("began", "a", "actor"), ("tick",)]


@pytest.mark.parametrize("adapter", [TuneSearcher, TuneScheduler, TuneCallback])
def test_what_tune_copies_and_pickles_never_holds_the_driver(adapter, tmp_path):
    original = adapter(FakeDriver())

    assert copy.deepcopy(original) is original
    assert not vars(pickle.loads(pickle.dumps(original)))
    if adapter is not TuneCallback:
        original.save(str(tmp_path / "state"))
        original.restore(str(tmp_path / "state"))
    assert not list(tmp_path.iterdir())
