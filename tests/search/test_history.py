"""What samplers know: trials by number, evidence of one length, lessons of earlier studies."""

import math
import random

import numpy as np
import pytest
from scipy import stats

from search import Space, choice, uniform
from search.engines.history import History, normal_scores
from search.protocol import FINISHED, Lesson, Seen

PLANE = Space({"x": uniform(-1, 1), "kind": choice(a={"y": uniform(0, 1)}, b={})})


def told(losses: dict[int, dict[int, float]]) -> History:
    """A history that knows, for each number, losses by epoch."""
    history = History(PLANE)
    for number, by_epoch in losses.items():
        history.adopt(number, PLANE.sample(random.Random(number)), given=False)
        for epoch, loss in by_epoch.items():
            history.observe(number, Seen(epoch, (loss,)))
    return history


def numbers(history: History) -> list[int]:
    return [past.number for past in history.evidence().pasts]


def test_evidence_is_of_the_longest_length_that_any_trial_came_to():
    history = told({n: {1: float(n), **({9: -float(n)} if n <= 3 else {})} for n in range(1, 31)})

    assert numbers(history) == [1, 2, 3]
    assert history.evidence().epoch == 9
    assert history.evidence().losses[:, 0].tolist() == [-1.0, -2.0, -3.0]
    assert numbers(told({})) == []


def test_where_those_that_came_farthest_failed_the_next_length_counts():
    history = told({1: {1: 0.0, 9: 0.0}, 2: {1: 0.0}, 3: {1: 0.0}})

    history.fail(1)

    assert numbers(history) == [2, 3]


@pytest.mark.parametrize(
    ("far", "near", "failed", "carries"),
    [
        (10, 0, 0, True),
        (9, 0, 0, False),  # fewer than were wished for
        (5, 25, 0, False),  # stopped early, most of them: five are not enough
        (6, 25, 0, True),
        (2, 0, 8, True),  # no more are sound
        (0, 0, 12, False),
    ],
)
def test_a_model_waits_for_trials_that_came_far(far, near, failed, carries):
    long = {n: {1: 0.0, 9: 0.0} for n in range(far)}
    short = {far + n: {1: 0.0} for n in range(near)}
    history = told(long | short | {far + near + n: {1: math.nan} for n in range(failed)})

    assert history.evidence().carries(10) == carries


def test_a_trial_that_failed_is_evidence_nowhere_whatever_it_reported_before():
    history = told({n: {1: float(n), 9: float(n)} for n in range(1, 13)})

    history.fail(7)

    assert 7 not in numbers(history)
    assert [past.number for past in history.failed()] == [7]
    assert len(history.evidence()) == 11


@pytest.mark.parametrize("loss", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_failure(loss):
    history = told({1: {1: 0.5, 3: loss}})

    assert history.pasts[1].failed
    assert not history.pending()


def test_units_are_shares_of_the_domains_and_nan_where_a_leaf_is_not_active():
    history = History(PLANE)
    history.adopt(1, {"x": 0.0, "kind": "a", "kind.y": 0.25}, given=False)
    history.adopt(2, {"x": 1.0, "kind": "b"}, given=False)

    units = history.stacked(list(history.pasts.values()))

    assert units[0].tolist() == [0.5, 0.25, 0.25]
    assert units[1, :2].tolist() == [1.0, 0.75]
    assert np.isnan(units[1, 2])


def test_who_was_over_when_another_was_asked_for_was_known_to_it():
    history = History(PLANE)
    for number in (1, 2):
        history.adopt(number, PLANE.sample(random.Random(number)), given=False)
    history.observe(1, Seen(FINISHED, (0.0,)))
    history.adopt(3, PLANE.sample(random.Random(3)), given=False)
    history.end(2)
    one, two, three = history.pasts.values()

    assert one.was_known_to(three)
    assert not two.was_known_to(three)
    assert [past.number for past in history.pending()] == [3]


def test_trials_are_ordered_by_how_far_they_came_then_by_loss_and_failures_last():
    history = told({1: {1: 0.1}, 2: {1: 0.9, FINISHED: 0.9}, 3: {1: 0.5, FINISHED: 0.5}, 4: {1: 0.0}, 5: {1: 0.0}})
    history.fail(5)

    assert [past.number for past in history.order(list(history.pasts.values()))] == [3, 2, 4, 1, 5]


def test_normal_scores_are_quantiles_of_ranks_whatever_the_scale():
    values = np.array([[3.0], [1e9], [-2.0], [5.0]])

    scores = normal_scores(values)

    assert scores[:, 0] == pytest.approx(stats.norm.ppf([0.375, 0.875, 0.125, 0.625]))
    assert normal_scores(np.exp(values / 1e8))[:, 0].argsort().tolist() == scores[:, 0].argsort().tolist()


def lessons_left(losses: list[float]) -> list[int]:
    """How many of forty lessons, by which less x is better, count after each trial; x grows from trial to trial."""
    history = History(PLANE)
    history.learn([Lesson({"x": k / 40, "kind": "b"}, (float(k),)) for k in range(40)])
    seen = []
    for number, loss in enumerate(losses, start=1):
        history.adopt(number, {"x": number / 20, "kind": "b"}, given=False)
        history.observe(number, Seen(FINISHED, (loss,)))
        seen.append(sum(past.number < 1 for past in history.evidence().pasts))
    return seen


def test_lessons_that_foretell_the_studys_own_trials_count_ever_less():
    left = lessons_left([float(n) for n in range(18)])

    fading = [40 * (1 - n / 16) for n in range(1, 17)] + [0, 0]
    assert left == pytest.approx(fading, abs=2)  # four trials tell 96 % of it


def test_lessons_that_foretell_the_contrary_count_no_more_after_four_trials():
    assert lessons_left([-float(n) for n in range(6)]) == [38, 35, 32, 0, 0, 0]


def test_with_lessons_the_studys_own_losses_are_normal_scores_too():
    history = History(PLANE)
    history.learn([Lesson(PLANE.sample(random.Random(k)), (k - 2.0,)) for k in range(5)])
    for number, loss in ((1, 1e6), (2, 1e7)):
        history.adopt(number, PLANE.sample(random.Random(100 + number)), given=False)
        history.observe(number, Seen(FINISHED, (loss,)))

    evidence = history.evidence()

    assert evidence.losses[:2, 0] == pytest.approx(stats.norm.ppf([0.25, 0.75]))
    assert evidence.losses[2:, 0].tolist() == [-2.0, -1.0, 0.0, 2.0]  # thinned evenly from the best to the worst


def test_margins_beyond_zero_put_a_trial_behind_those_that_keep_the_limits():
    history = History(PLANE)
    for number, (loss, margin) in enumerate([(0.0, 0.5), (9.0, -0.1), (5.0, 0.1)], start=1):
        history.adopt(number, PLANE.sample(random.Random(number)), given=False)
        history.observe(number, Seen(FINISHED, (loss,), (margin,)))

    evidence = history.evidence()

    assert evidence.order().tolist() == [1, 2, 0]
    assert evidence.excess.tolist() == [0.5, 0.0, 0.1]
    assert evidence.best.number == 2


def test_a_history_seen_by_the_next_sampler_has_the_first_trials_as_given():
    history = told({n: {FINISHED: 0.0} for n in range(1, 6)})

    later = history.since(3)

    assert [past.number for past in later.mine] == [4, 5]
    assert len(history.mine) == len(later.evidence()) == 5
