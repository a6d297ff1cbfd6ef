"""What a new study takes from earlier ones: trials by rank, those that fit its space."""

import itertools

import pytest
from scipy import stats

from orchestrator import PBT, Auto, FullLength, Goal, Random, Space, Study, choice, loguniform, uniform
from orchestrator.ledger import Ledger
from orchestrator.lessons import lessons_of

SPACE = Space({"x": uniform(0, 1), "kind": ["a", "b"]})
LOSS = Goal.parse("min loss")


def study(folder, trials, space=SPACE, goal="min loss"):
    """Writes a ledger of `(params, epoch, metrics, status)`."""
    book = Ledger(folder / "ledger", itertools.count().__next__)
    book.append("study_started", goal=goal)
    for number, (params, epoch, metrics, status) in enumerate(trials, 1):
        name = f"t{number:05d}"
        coded = space.encode(space.check(params))
        book.append("trial_proposed", trial=name, number=number, params=coded, seed=1)
        book.append("trial_started", trial=name, number=number, params=coded, seed=1)
        if metrics:
            book.append("reported", trial=name, epoch=epoch, seconds=1.0, metrics=metrics)
        book.append("trial_ended", trial=name, status=status, reason="")
    book.append("study_ended", outcome="done", reason="")
    book.close()
    return folder


def at(x, loss, epoch=9, status="ended", kind="a"):
    return {"x": x, "kind": kind}, epoch, {"loss": loss}, status


def test_trials_are_scored_by_rank_and_who_trained_longer_stands_before_who_was_stopped(tmp_path):
    older = study(tmp_path / "older", [at(0.1, 1e9), at(0.2, 3.0), at(0.3, 0.1, epoch=1, status="stopped")])

    lessons, notes = lessons_of([older], SPACE, LOSS)

    scores = {lesson.params["x"]: lesson.scores[0] for lesson in lessons}
    quantiles = stats.norm.ppf([1 / 6, 3 / 6, 5 / 6])
    assert [scores[x] for x in (0.2, 0.1, 0.3)] == pytest.approx(quantiles)
    assert notes == ["learned from 3 of 3 trials of older"]


def test_what_failed_or_lies_elsewhere_teaches_nothing(tmp_path):
    wide = Space({"x": uniform(0, 5), "kind": ["a", "b"]})
    trials = [at(0.1, 1.0), at(0.2, 2.0, status="failed"), at(0.3, float("nan"), status="invalid"), at(4.0, 0.0)]
    older = study(tmp_path / "older", trials, wide)

    lessons, notes = lessons_of([older], SPACE, LOSS)

    assert [lesson.params["x"] for lesson in lessons] == [0.1]
    assert notes == ["learned from 1 of 4 trials of older"]


def test_an_option_is_known_by_what_it_is_and_not_by_its_place(tmp_path):
    turned = Space({"x": uniform(0, 1), "kind": ["b", "a"]})
    older = study(tmp_path / "older", [at(0.1, 1.0, kind="a"), at(0.2, 2.0, kind="b")], turned)

    lessons, _ = lessons_of([older], SPACE, LOSS)

    assert {lesson.params["x"]: lesson.params["kind"] for lesson in lessons} == {0.1: "a", 0.2: "b"}


def test_several_objectives_and_limits_travel_with_them(tmp_path):
    goal = Goal.parse("min loss, max speed >= 2")
    rows = [({"x": 0.1 * k, "kind": "a"}, 3, {"loss": float(k), "speed": float(k)}, "ended") for k in range(1, 6)]
    older = study(tmp_path / "older", rows, goal="min loss, max speed >= 2")

    lessons, _ = lessons_of([older], SPACE, goal)

    by_x = {round(lesson.params["x"], 1): lesson for lesson in lessons}
    assert by_x[0.1].scores[0] < by_x[0.5].scores[0]
    assert by_x[0.5].scores[1] < by_x[0.1].scores[1]
    assert by_x[0.1].margins[0] == 0.5
    assert by_x[0.5].margins[0] < 0


def test_many_trials_are_thinned_from_the_best_to_the_worst(tmp_path):
    older = study(tmp_path / "older", [at(k / 500, float(k)) for k in range(450)])

    lessons, notes = lessons_of([older], SPACE, LOSS)

    tried = sorted(lesson.params["x"] for lesson in lessons)
    assert len(tried) == 200
    assert (tried[0], tried[-1]) == (0.0, 449 / 500)
    assert notes == ["learned from 200 of 450 trials of older"]


@pytest.mark.parametrize(
    ("goal", "space", "message"),
    [
        ("max accuracy", SPACE, r"none of the 1 trials of .*older reported accuracy\. Leave it out"),
        ("min loss", Space({"lr": loguniform(1e-3, 1)}), r"none of the 1 trials of .*older lies in the space .*lr"),
    ],
)
def test_a_study_that_teaches_nothing_is_refused(tmp_path, goal, space, message):
    older = study(tmp_path / "older", [at(0.1, 1.0)])

    with pytest.raises(ValueError, match=message):
        lessons_of([older], space, Goal.parse(goal))


def test_a_folder_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"learn_from: .*nowhere"):
        lessons_of([tmp_path / "nowhere"], SPACE, LOSS)


def test_a_sampler_that_learns_nothing_is_told_so():
    with pytest.raises(ValueError, match=r"Random\(\) learns from no earlier trial.* runs/older\. Use TPE\(\) \+ ASHA"):
        Study(lambda params: 1.0, {"k": choice("a", "b")}, "min loss", Random() + FullLength(), learn_from="runs/older")


def test_a_population_is_told_so_too():
    from examples.digits import SPACE as DIGITS
    from examples.digits import DigitsMLP

    with pytest.raises(ValueError, match=r"PBT\(max_epochs=9\) learns from no earlier trial"):
        Study(DigitsMLP, DIGITS, "max accuracy", Auto() + PBT(max_epochs=9), learn_from="runs/older")


def test_trials_are_judged_by_the_new_goal_at_their_best_epoch_by_it(tmp_path):
    older = tmp_path / "older"
    book = Ledger(older / "ledger", itertools.count().__next__)
    book.append("study_started", goal="max accuracy")
    fields = {"trial": "t00001", "number": 1, "params": {"x": 0.5, "kind": "a"}, "seed": 1, "goal": "max accuracy"}
    book.append("trial_proposed", **fields)
    book.append("trial_started", **fields)
    for epoch, accuracy, loss in ((1, 0.9, 5.0), (2, 0.1, 1.0)):
        metrics = {"accuracy": accuracy, "loss": loss, "speed": loss}
        book.append("reported", trial="t00001", epoch=epoch, seconds=1.0, metrics=metrics)
    book.append("trial_ended", trial="t00001", status="ended", reason="")
    book.close()

    [lesson], _ = lessons_of([older], SPACE, Goal.parse("min loss, speed <= 2"))

    assert lesson.margins == (-0.5,)  # of epoch 2, which has the best loss


def test_a_study_that_is_named_twice_counts_once(tmp_path):
    older = study(tmp_path / "older", [at(0.1, 1.0), at(0.2, 2.0)])

    lessons, notes = lessons_of([older, str(older)], SPACE, LOSS)

    assert (len(lessons), len(notes)) == (2, 1)
