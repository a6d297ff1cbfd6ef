"""Metrics by name: against their formulas, written out or counted by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.metrics import METRICS, Predictions, computable, evaluate, mode_of, settled

labels = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=30)


def scored(name, targets, said, scores=None, classes=None):
    return evaluate(
        settled([name]), targets, Predictions(lambda: said, None if scores is None else lambda: scores, classes)
    )[name]


@given(labels)
def test_scores_of_labels_are_what_counting_gives(pairs):
    targets, said = (np.array(part) for part in zip(*pairs, strict=True))
    classes = sorted({*targets, *said})

    f1s = []
    for k in classes:
        hits = sum(t == k == s for t, s in pairs)
        f1s.append(2 * hits / (sum(t == k for t, _ in pairs) + sum(s == k for _, s in pairs)))
    recalls = [np.mean([s == k for t, s in pairs if t == k]) for k in sorted(set(targets))]

    assert scored("accuracy", targets, said) == pytest.approx(np.mean([t == s for t, s in pairs]))
    assert scored("f1_macro", targets, said) == pytest.approx(np.mean(f1s))
    assert scored("f1_micro", targets, said) == pytest.approx(np.mean([t == s for t, s in pairs]))
    assert scored("balanced_accuracy", targets, said) == pytest.approx(np.mean(recalls))


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 0.99)), min_size=3, max_size=30))
def test_the_area_under_the_curve_is_the_share_of_pairs_in_the_right_order(rows):
    targets, scores = np.array([int(t) for t, _ in rows]), np.array([s for _, s in rows])
    if len(set(targets)) < 2:
        return

    pairs = list(itertools.product(scores[targets == 1], scores[targets == 0]))
    right = np.mean([(a > b) + 0.5 * (a == b) for a, b in pairs])
    nats = -np.mean(np.log(np.where(targets == 1, scores, 1 - scores)))
    both = np.stack([1 - scores, scores], axis=1)

    assert evaluate(settled("roc_auc"), targets, Predictions(lambda: None, lambda: scores))["roc_auc"] == (
        pytest.approx(right)
    )
    found = evaluate(settled(["log_loss", "perplexity"]), targets, Predictions(lambda: None, lambda: both, [0, 1]))
    assert found == pytest.approx({"log_loss": nats, "perplexity": math.exp(nats)})


@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=30))
def test_errors_of_numbers_are_their_formulas(pairs):
    targets, said = (np.array(part) for part in zip(*pairs, strict=True))
    error = said - targets
    if np.ptp(targets) < 1e-3:
        return

    assert scored("mae", targets, said) == pytest.approx(np.abs(error).mean())
    assert scored("mse", targets, said) == pytest.approx((error**2).mean())
    assert scored("rmse", targets, said) == pytest.approx((error**2).mean() ** 0.5)
    assert scored("r2", targets, said) == pytest.approx(1 - (error**2).sum() / ((targets - targets.mean()) ** 2).sum())


def test_texts_may_have_several_right_answers_and_as_many_as_there_are():
    rows = [["the cat sat on the mat", "a cat sat on the mat"], "one dog ran far away from here"]
    said = ["a cat sat on the mat", "one dog ran far away from here"]

    assert scored("bleu", rows, said) == pytest.approx(100)
    assert scored("rouge1", rows, ["a cat sat on the mat", "one dog"]) == pytest.approx((1 + 2 * 2 / 9) / 2)
    with pytest.raises(ValueError, match=r"2 references and 1 texts are compared\. Give a text for every reference"):
        scored("bleu", rows, said[:1])


def test_probabilities_of_the_second_class_are_those_of_both():
    targets, shares = [0, 1, 1, 0], np.array([0.1, 0.9, 0.8, 0.3])

    assert scored("log_loss", targets, None, shares) == pytest.approx(-np.log([0.9, 0.9, 0.8, 0.7]).mean())
    with pytest.raises(ValueError, match=r"the model has 4 outputs, and the targets are 3 classes\. Give it one for"):
        evaluate(settled("log_loss"), [0, 1, 2], Predictions(None, lambda: np.eye(4)[:3], range(4)), range(3))


def test_bleu_is_the_papers_formula():
    """Papineni et al. 2002, eq. 3: a geometric mean of n-gram precisions, times the brevity penalty."""
    reference, said = "the cat sat on the mat", "the cat sat on a mat"

    words, known = said.split(), reference.split()
    precisions = []
    for n in range(1, 5):
        grams = [tuple(words[k : k + n]) for k in range(len(words) - n + 1)]
        there = [tuple(known[k : k + n]) for k in range(len(known) - n + 1)]
        precisions.append(sum(min(grams.count(g), there.count(g)) for g in set(grams)) / len(grams))
    expected = 100 * math.exp(np.mean(np.log(precisions)))

    assert scored("bleu", [reference], [said]) == pytest.approx(expected)


def test_rouge_is_overlap_in_both_directions():
    """Lin 2004: recall and precision of n-grams, here 5 of 6 words and 3 of 5 pairs on both sides."""
    reference, said = "the cat sat on the mat", "the cat sat on a mat"

    assert scored("rouge1", [reference], [said]) == pytest.approx(5 / 6)
    assert scored("rouge2", [reference], [said]) == pytest.approx(3 / 5)
    assert scored("rougeL", [reference], [said]) == pytest.approx(5 / 6)


def test_a_users_function_is_known_by_its_name():
    def profit(targets, said):
        return float((targets * said).sum())

    found = evaluate(settled([profit, "accuracy"]), np.array([1, 0]), Predictions(lambda: np.array([1, 1])))

    assert found == {"profit": 1.0, "accuracy": 0.5}
    assert evaluate(settled({"gain": profit}), np.array([2]), Predictions(lambda: np.array([3]))) == {"gain": 6.0}


def test_every_known_metric_knows_which_way_is_better():
    better = {"accuracy": "max", "f1": "max", "roc_auc": "max", "r2": "max", "bleu": "max", "rougeL": "max"}
    worse = {"log_loss": "min", "rmse": "min", "mae": "min", "perplexity": "min", "loss": "min"}

    assert {name: mode_of(name) for name in {**better, **worse}} == {**better, **worse}
    assert mode_of("val_accuracy") == mode_of("test_accuracy") == "max"
    assert mode_of("profit") is None
    assert computable(["accuracy", "profit", "accuracy"]) == ["accuracy"]
    assert all(metric.mode in ("max", "min") for metric in METRICS.values())


@pytest.mark.parametrize(
    ("name", "targets", "said", "message"),
    [
        ("f1", [0, 1, 2], [0, 1, 1], r"f1 is of two classes, and there are 3\. Say how they count: f1_macro"),
        ("accuracy", [0.5, 1.5], [0, 1], r"accuracy is of classes, and the targets are quantities\. Take .*rmse"),
        ("log_loss", [0, 1], [0, 1], r"gives labels and no probabilities\. Take one that has predict_proba"),
        ("acuracy", [0], [0], r"no metric is called 'acuracy'\. Did you mean 'accuracy'\?"),
    ],
)
def test_a_metric_that_does_not_fit_is_told_with_one_that_does(name, targets, said, message):
    with pytest.raises(ValueError, match=message):
        scored(name, np.array(targets), np.array(said))


def test_scores_that_are_no_probabilities_give_no_log_loss():
    margins = np.array([[2.0, -1.0], [0.5, 0.1]])

    with pytest.raises(ValueError, match=r"log_loss wants probabilities.*max roc_auc"):
        scored("log_loss", np.array([0, 1]), None, margins.tolist())


def test_a_model_that_diverged_gives_nan_and_no_error():
    broken = np.array([[math.nan, math.nan], [0.5, 0.5]])

    scores = evaluate(settled(["roc_auc", "log_loss"]), np.array([0, 1]), Predictions(lambda: None, lambda: broken))
    numbers = evaluate(settled(["rmse"]), np.array([0.5, 1.5]), Predictions(lambda: np.array([math.inf, 1.0])))

    assert all(math.isnan(value) for value in (*scores.values(), *numbers.values()))
