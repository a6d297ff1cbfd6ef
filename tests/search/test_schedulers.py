"""The schedulers as values, the epochs at which they judge, and each of them through the kit."""

import pickle

import pytest

import search
from search import ASHA, BOHB, PB2, PBT, Extrapolate, FullLength, Goal, Hyperband, MedianStop, Scheduler
from search.notation import STRATEGIES, parse
from search.schedulers import judged_epochs, last_epoch, needs_checkpoints
from tests.kit.scheduler_kit import SchedulerKit

SCHEDULERS = [
    FullLength(),
    FullLength(epochs=5),
    ASHA(max_epochs=27),
    ASHA(max_epochs=27, promote=True),
    ASHA(max_epochs=100, grace_epochs=5, keep_1_in=4),
    PBT(max_epochs=20),
    PBT(max_epochs=20, every=5, population=8, mutate=("lr", "decay"), quantile=0.5, resample=0),
    PB2(max_epochs=20, every=5, population=8, mutate=("lr", "decay")),
    Hyperband(max_epochs=81),
    BOHB(max_epochs=27, keep_1_in=4),
    MedianStop(max_epochs=27, grace_epochs=3),
    Extrapolate(max_epochs=27, every=2, chance=0.1),
]


class TestFullLength(SchedulerKit):
    scheduler = FullLength(epochs=5)


class TestEndless(SchedulerKit):
    scheduler = FullLength()


class TestStopping(SchedulerKit):
    scheduler = ASHA(max_epochs=9)


class TestStoppingLate(SchedulerKit):
    scheduler = ASHA(max_epochs=10, grace_epochs=2, keep_1_in=2)


class TestPromotion(SchedulerKit):
    scheduler = ASHA(max_epochs=9, promote=True)


class TestPromotionByHalves(SchedulerKit):
    scheduler = ASHA(max_epochs=10, keep_1_in=2, promote=True)


class TestPBT(SchedulerKit):
    scheduler = PBT(max_epochs=12)


class TestSlowPBT(SchedulerKit):
    scheduler = PBT(max_epochs=12, every=4, mutate=("lr", "head.width"), quantile=0.5, resample=1.0)


class TestPB2(SchedulerKit):
    scheduler = PB2(max_epochs=6)  # each exploit fits a Gaussian process


class TestSlowPB2(SchedulerKit):
    scheduler = PB2(max_epochs=12, every=3, mutate=("lr", "head.width"), quantile=0.5)


class TestHyperband(SchedulerKit):
    scheduler = Hyperband(max_epochs=9)


class TestHyperbandByHalves(SchedulerKit):
    scheduler = Hyperband(max_epochs=10, keep_1_in=2)


class TestBOHB(SchedulerKit):
    scheduler = BOHB(max_epochs=9)


class TestMedianStop(SchedulerKit):
    scheduler = MedianStop(max_epochs=9)


class TestPatientMedianStop(SchedulerKit):
    scheduler = MedianStop(max_epochs=9, grace_epochs=4, least=1)


class TestExtrapolate(SchedulerKit):
    scheduler = Extrapolate(max_epochs=12)


class TestKeenExtrapolate(SchedulerKit):
    scheduler = Extrapolate(max_epochs=12, grace_epochs=2, every=2, chance=0.5)


FRONT = Goal.parse("min loss, min cost, size <= 3")
PER_SECOND = Goal.parse("min loss per second")


class TestStoppingForAFront(SchedulerKit):
    scheduler = ASHA(max_epochs=9)
    goal = FRONT


class TestPromotionForAFront(SchedulerKit):
    scheduler = ASHA(max_epochs=9, promote=True)
    goal = FRONT


class TestHyperbandForAFront(SchedulerKit):
    scheduler = Hyperband(max_epochs=9)
    goal = FRONT


class TestStoppingPerSecond(SchedulerKit):
    scheduler = ASHA(max_epochs=9)
    goal = PER_SECOND


class TestPromotionPerSecond(SchedulerKit):
    scheduler = ASHA(max_epochs=9, promote=True)
    goal = PER_SECOND


class TestMedianStopPerSecond(SchedulerKit):
    scheduler = MedianStop(max_epochs=9)
    goal = PER_SECOND


def test_every_scheduler_of_the_facade_runs_through_the_kit():
    kits = [kit for kit in globals().values() if isinstance(kit, type) and issubclass(kit, SchedulerKit)]
    listed = {value for value in vars(search).values() if isinstance(value, type) and issubclass(value, Scheduler)}

    assert listed - {type(kit.scheduler) for kit in kits if hasattr(kit, "scheduler")} == {Scheduler}


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=str)
def test_a_scheduler_is_a_value(scheduler):
    again = pickle.loads(pickle.dumps(scheduler))

    assert again == scheduler
    assert hash(again) == hash(scheduler)


@pytest.mark.parametrize("scheduler", SCHEDULERS, ids=str)
@pytest.mark.parametrize("written", [str, repr])
def test_a_scheduler_is_read_as_it_is_written(scheduler, written):
    assert parse(written(scheduler), STRATEGIES) == scheduler


def test_schedulers_of_other_settings_differ():
    assert len(set(SCHEDULERS)) == len(SCHEDULERS)


@pytest.mark.parametrize(
    ("max_epochs", "grace", "keep", "rungs"),
    [
        (27, 1, 3, [1, 3, 9]),
        (28, 1, 3, [1, 3, 9, 27]),
        (26, 1, 3, [1, 3, 9]),
        (2, 1, 3, [1]),
        (243, 1, 3, [1, 3, 9, 27, 81]),  # log(243) / log(3) is 4.999... in floats
        (244, 1, 3, [1, 3, 9, 27, 81, 243]),
        (729, 1, 9, [1, 9, 81]),
        (1000, 1, 10, [1, 10, 100]),  # log(1000) / log(10) is 2.999... in floats
        (1001, 1, 10, [1, 10, 100, 1000]),
        (125, 1, 5, [1, 5, 25]),
        (81, 3, 3, [3, 9, 27]),
        (100, 7, 2, [7, 14, 28, 56]),
        (9, 9, 3, []),
        (2**20, 1, 2, [2**k for k in range(20)]),
    ],
)
def test_asha_judges_at_the_rungs_that_the_paper_promises(max_epochs, grace, keep, rungs):
    pace = ASHA(max_epochs=max_epochs, grace_epochs=grace, keep_1_in=keep)

    assert pace.rungs() == rungs
    assert list(judged_epochs(pace)) == rungs


@pytest.mark.parametrize(
    ("scheduler", "judged", "last", "checkpoints"),
    [
        (FullLength(), [], None, False),
        (FullLength(epochs=5), [], 5, False),
        (ASHA(max_epochs=9), [1, 3], 9, False),
        (ASHA(max_epochs=9, promote=True), [1, 3], 9, True),
        (PBT(max_epochs=10, every=3), [3, 6, 9], 10, True),
        (PBT(max_epochs=9, every=3), [3, 6], 9, True),
        (PBT(max_epochs=3), [1, 2], 3, True),
    ],
    ids=str,
)
def test_a_scheduler_says_when_it_judges_and_when_a_trial_is_over(scheduler, judged, last, checkpoints):
    assert list(judged_epochs(scheduler)) == judged
    assert last_epoch(scheduler) == last
    assert needs_checkpoints(scheduler) == checkpoints


def test_a_scheduler_of_another_house_is_refused():
    with pytest.raises(TypeError, match="is no scheduler of ours"):
        last_epoch(Scheduler())


@pytest.mark.parametrize(
    ("make", "seen", "mend"),
    [
        (lambda: ASHA(max_epochs=1), "max_epochs=1", "Set max_epochs=27"),
        (lambda: ASHA(max_epochs=27.0), "max_epochs=27.0", "Set max_epochs=27"),
        (lambda: ASHA(max_epochs="27"), "max_epochs='27'", "Set max_epochs=27"),
        (lambda: ASHA(max_epochs=True), "max_epochs=True", "Set max_epochs=27"),
        (lambda: ASHA(max_epochs=9, grace_epochs=10), "grace_epochs=10", "between 1 and 9"),
        (lambda: ASHA(max_epochs=9, grace_epochs=0), "grace_epochs=0", "between 1 and 9"),
        (lambda: ASHA(max_epochs=9, grace_epochs=None), "grace_epochs=None", "between 1 and 9"),
        (lambda: ASHA(max_epochs=9, keep_1_in=1), "keep_1_in=1", "Set keep_1_in=3"),
        (lambda: ASHA(max_epochs=9, keep_1_in=2.5), "keep_1_in=2.5", "Set keep_1_in=3"),
        (lambda: PBT(max_epochs=0), "max_epochs=0", "Set max_epochs=27"),
        (lambda: PBT(max_epochs=9, every=9), "every=9", "between 1 and 8"),
        (lambda: PBT(max_epochs=9, every=0.5), "every=0.5", "between 1 and 8"),
        (lambda: PBT(max_epochs=9, population=1), "population=1", "Set population=4"),
        (lambda: PBT(max_epochs=9, population="four"), "population='four'", "Set population=4"),
        (lambda: PBT(max_epochs=9, quantile=0), "quantile=0", "up to 0.5"),
        (lambda: PBT(max_epochs=9, quantile=0.6), "quantile=0.6", "up to 0.5"),
        (lambda: PBT(max_epochs=9, resample=1.5), "resample=1.5", "between 0 and 1"),
        (lambda: PBT(max_epochs=9, resample="often"), "resample='often'", "between 0 and 1"),
        (lambda: PBT(max_epochs=9, mutate=5), "mutate=5", "mutate=('lr',)"),
        (lambda: PBT(max_epochs=9, mutate=(1, 2)), "mutate=(1, 2)", "mutate=('lr',)"),
        (lambda: FullLength(epochs=0), "epochs=0", "FullLength(epochs=27)"),
        (lambda: FullLength(epochs="ten"), "epochs='ten'", "FullLength(epochs=27)"),
        (lambda: FullLength(epochs=True), "epochs=True", "FullLength(epochs=27)"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_with_the_mend(make, seen, mend):
    with pytest.raises(ValueError, match=r"^[^.]*.*\. [A-Z].*\.$") as refused:
        make()

    assert seen in str(refused.value)
    assert mend in str(refused.value)


def test_names_to_mutate_may_be_one_text_or_a_list():
    assert PBT(max_epochs=9, mutate="lr").mutate == ("lr",)
    assert PBT(max_epochs=9, mutate=["lr", "decay", "lr"]).mutate == ("lr", "decay")
