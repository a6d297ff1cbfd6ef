"""What is predicted: classes or quantities, as the goal says, and for everybody alike."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from scipy import sparse
from sklearn import metrics as sk
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import TimeSeriesSplit, cross_val_score
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from search import Goal
from trainables import BoostingTrainable, Loop
from trainables.checks import kind_of_targets
from trainables.contract import Brief
from trainables.data import Data, deal
from trainables.metrics import Predictions, evaluate, settled
from trainables.mixture import mixed
from trainables.seeds import sow
from trainables.start import starter
from trainables.targets import settled_targets, wanted_kind

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4))


def dealt(data, goal, **more):
    aim = Goal.parse(goal)
    kind = wanted_kind(aim.metrics)
    return Brief(aim.metric, aim.metrics, deal(data, kind=kind, metrics=aim.metrics, **more).given, mode=aim.mode)


def run(source, told, epochs=5):
    training = starter(source, told)({}, 0)
    found = []
    for epoch in range(1, epochs + 1):
        sow(0, epoch)
        metrics = training.step()
        if metrics is None:
            break
        found.append(metrics)
    return training, found


def test_whole_numbers_are_quantities_where_the_goal_measures_distances():
    prices = np.round(50 + 10 * X[:, 0]).astype(int)

    as_numbers = deal(Data((X, prices)), kind=wanted_kind(["rmse"]), tensors=True).given
    as_classes = deal(Data((X, prices)), kind=wanted_kind(["accuracy"]), tensors=True).given

    assert as_numbers.classes is None
    assert as_numbers.rows.targets.dtype == np.float32
    assert sorted(as_numbers.rows.targets) == sorted(prices.astype(np.float32))
    assert as_classes.rows.targets.max() == len(set(prices)) - 1


def test_a_regressor_predicts_quantities_and_a_classifier_classes_whatever_the_goal_is_called():
    assert kind_of_targets(DecisionTreeRegressor(), lambda: [{}]) == "numbers"
    assert kind_of_targets(SVC, lambda: [{}]) == "classes"
    assert kind_of_targets(lambda params: 1, lambda: [{}]) is None


def test_whole_floats_are_classes_where_the_goal_counts_hits():
    targets, classes = settled_targets(np.array([0.0, 1.0, 1.0]), "classes")

    assert classes == (0, 1)
    assert targets.dtype == np.int64


def test_a_column_of_targets_is_one_target_a_row():
    column = (X[:, 0] > 0).astype(int)[:, None]

    rows = Data((X, column)).read()

    assert rows.targets.shape == (120,)
    assert Data((X, np.hstack([column, column]))).read().targets.shape == (120, 2)


def test_accuracy_is_of_rows_that_are_alike_and_not_of_all_pairs():
    labels = np.array([1, 1, 0, 0])

    with pytest.raises(ValueError, match="mix of"):
        evaluate(settled("accuracy"), np.array([1, 2, 3]), Predictions(lambda: np.array([1.2, 2.0, 3.0])))
    assert evaluate(settled("accuracy"), np.array([[0], [1], [1], [0]]), Predictions(lambda: labels)) == {
        "accuracy": 0.5
    }
    both = np.array([[0, 1], [1, 1]])
    assert evaluate(settled("accuracy"), both, Predictions(lambda: np.array([[0, 1], [1, 0]]))) == {"accuracy": 0.5}


@pytest.mark.parametrize(
    "make", [lambda **given: LGBMClassifier(min_child_samples=3, **given), XGBClassifier], ids=["lightgbm", "xgboost"]
)
def test_a_class_that_an_ensemble_never_saw_moves_no_other(make, tmp_path):
    names = np.array(["a"] * 30 + ["b", "c"] * 45)
    names[30:] = np.where(X[30:, 0] > 0, "b", "c")
    groups = np.repeat([0, 1, 2, 3], 30)
    source = type("Grown", (BoostingTrainable,), {"estimator": lambda self, params: make(n_estimators=10, n_jobs=1)})
    told = dealt(Data((X, names), groups=groups, by="grouped", validation=0.25, seed=3), "max accuracy, min log_loss")
    seen = sorted(set(told.given.train.targets))

    training, found = run(source, told, epochs=1)
    training.save(tmp_path)
    again = starter(source, told)({}, 0)
    again.load(tmp_path)

    said = training.predictions(told.given.train.inputs)
    assert said.classes.tolist() == seen
    assert np.mean(said.labels == told.given.train.targets) > 0.95
    held = training.predictions(told.given.validation.inputs)
    assert found[0]["accuracy"] == pytest.approx(np.mean(held.labels == told.given.validation.targets))
    assert again.predictions(X).labels.tolist() == training.predictions(X).labels.tolist()


def test_f1_is_of_the_second_class_also_where_no_row_has_it():
    model = Predictions(lambda: np.array([0, 0, 0]))

    assert evaluate(settled("f1"), np.array([0, 0, 0]), model, classes=(0, 1)) == {"f1": 0.0}
    with pytest.raises(ValueError, match=r"f1 is of two classes, and the targets have 3\. Ask for 'max f1_macro'"):
        settled_targets(np.array([0, 1, 2]), "classes", ("f1",))


def test_an_area_is_the_mean_over_classes_from_margins_too_and_over_those_there_are():
    told = dealt(Data("wine"), "max roc_auc", folds=True)
    _, found = run(SVC(), told)

    targets = np.array([0, 1, 1, 2, 2, 0])
    shares = RNG.dirichlet([1, 1, 1], size=6)
    said = Predictions(lambda: shares.argmax(1), lambda: shares, range(3))

    assert found[-1]["roc_auc"] > 0.5
    assert evaluate(settled("roc_auc"), targets, said)["roc_auc"] == pytest.approx(
        sk.roc_auc_score(targets, shares, multi_class="ovr")
    )
    assert np.isnan(evaluate(settled("roc_auc"), np.zeros(6, int), said)["roc_auc"])


def test_folds_follow_what_the_data_are_dealt_by():
    walk = RNG.normal(size=(120, 1)).cumsum(axis=0)
    targets = walk[:, 0] + 0.1 * RNG.normal(size=120)
    told = dealt(Data((walk, targets), by="time"), "min rmse", folds=True)

    _, found = run(DecisionTreeRegressor(random_state=0), told)

    tree, by_time = DecisionTreeRegressor(random_state=0), TimeSeriesSplit(5)
    scores = -cross_val_score(tree, walk, targets, cv=by_time, scoring="neg_root_mean_squared_error")
    assert found[-1]["rmse"] == pytest.approx(scores.mean())


def test_patience_goes_the_way_of_the_goal_also_for_a_metric_of_ones_own():
    def profit(targets, labels):
        profit.calls += 1
        return 100.0 + profit.calls

    profit.calls = 0
    body = {
        "estimator": lambda self, params: XGBClassifier(n_estimators=8, n_jobs=1),
        "rounds": 1,
        "metrics": (profit,),
        "loop": Loop(patience=2),
    }
    told = dealt(Data("iris"), "max profit")

    _, found = run(type("Earning", (BoostingTrainable,), body), told, epochs=9)

    assert len(found) == 8


def test_tables_reach_networks_as_numbers_of_32_bits():
    table = pd.DataFrame({"age": [1, 2, 3, 4], "ward": list("abab"), "pulse": [0.5, 1.5, 2.5, 3.5], "y": [0, 1, 0, 1]})

    given = deal(Data(pd.get_dummies(table, columns=["ward"]), target="y"), tensors=True).given

    assert given.rows.inputs.dtype == np.float32
    assert given.rows.inputs.shape == (4, 4)
    with pytest.raises(ValueError, match=r"the column 'ward' holds no numbers.*pandas\.get_dummies\(frame"):
        deal(Data(table, target="y"), tensors=True)


def test_an_ensemble_of_margins_votes_and_one_of_probabilities_is_their_mean():
    first = Predictions(lambda: np.array(["a", "b"]), lambda: np.array([[3.0, 1, 0], [0, 2, 1]]), ["a", "b", "c"])
    second = Predictions(lambda: np.array(["a", "c"]), lambda: np.array([[3.0, 1, 0], [0, 1, 2]]), ["a", "b", "c"])
    narrow = Predictions(lambda: np.array(["b"]), lambda: np.array([[0.6, 0.4]]), ["b", "c"])
    wide = Predictions(lambda: np.array(["a"]), lambda: np.array([[0.7, 0.1, 0.2]]), ["a", "b", "c"])

    assert mixed([first, second, first], ["a", "b", "c"]).labels.tolist() == ["a", "b"]
    assert mixed([narrow, wide], ["a", "b", "c"]).scores == pytest.approx(np.array([[0.35, 0.35, 0.3]]))
    assert mixed([Predictions(lambda: np.array([1.0])), Predictions(lambda: np.array([2.0]))], None).labels == [1.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dealt(Data("diabetes"), "max accuracy"), r"accuracy is of classes, and the targets are quantities"),
        (lambda: dealt(Data((X, ["a", "b"] * 60)), "min rmse"), r"rmse is of numbers, and the targets are texts"),
        (lambda: deal(Data((X[:4], [0.5, np.nan, 1.5, 2.5]))), r"1 of 4 targets are missing\. Drop those rows"),
        (lambda: deal(Data((X[:4], np.array(["a", None, "b", "a"], object)))), r"1 of 4 targets are missing"),
        (lambda: deal(Data((X, X[:, 0]), groups=np.zeros(120), test=0.2)), r"all 120 rows are of one group"),
        (lambda: deal(Data((X, X[:, 0]), by="grouped"), folds=True), r"rows are dealt by group, and have none"),
    ],
)
def test_targets_that_the_goal_cannot_judge_are_refused_before_anything_starts(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sources_of_odd_forms_are_read():
    coo = sparse.coo_matrix(X)
    table = pd.DataFrame(X)

    assert deal(Data((coo, X[:, 0]), test=0.2)).test.inputs.shape == (24, 4)
    assert Data(table, target=2).read().inputs.shape == (120, 3)
    assert np.array_equal(Data(table, target="2").read().targets, X[:, 2])


def test_a_model_that_knows_one_class_only_says_that_one():
    told = dealt(Data((X, (np.arange(120) > 3).astype(int)), by="random"), "max f1", folds=True)

    _, found = run(DummyClassifier(strategy="most_frequent"), told)

    assert found[-1]["f1"] > 0.9
