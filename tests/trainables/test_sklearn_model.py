"""Estimators fold by fold: against scikit-learn's own cross-validation, with the same folds."""

import json

import numpy as np
import pytest
from sklearn import model_selection
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from search import Goal
from trainables import SklearnTrainable
from trainables.checks import check_data, check_settings
from trainables.contract import Brief
from trainables.data import Data, deal
from trainables.families import folds_of
from trainables.folds import CrossTraining, Folds, folded
from trainables.sklearn_model import load_model, routed
from trainables.start import can_save, ends_by_itself, kind_of, starter

PIPELINE = make_pipeline(StandardScaler(), SVC())


class Families(SklearnTrainable):
    """A model of two kinds."""

    folds = Folds(4, shuffle=False)
    metrics = ("f1_macro",)

    def estimator(self, params):
        if "svc" in params["family"]:
            return make_pipeline(StandardScaler(), SVC(**params["family"]["svc"]))
        return LogisticRegression(max_iter=500)


def brief(goal="max accuracy", data="iris", **more):
    aim = Goal.parse(goal)
    return Brief(aim.metric, aim.metrics, deal(Data.of(data), folds=True).given, **more)


def run(source, params, told):
    training = starter(source, told)(params, 0)
    found = []
    while (metrics := training.step()) is not None:
        found.append(metrics)
    return found


@pytest.mark.parametrize("shuffle", [True, False])
def test_folds_give_the_scores_of_scikit_learn(shuffle):
    inputs, targets = load_iris(return_X_y=True)
    dealt = model_selection.StratifiedKFold(5, shuffle=shuffle, random_state=0 if shuffle else None)
    expected = model_selection.cross_val_score(make_pipeline(StandardScaler(), SVC(C=0.1)), inputs, targets, cv=dealt)

    class Shuffled(SklearnTrainable):
        folds = Folds(5, shuffle=shuffle)

        def estimator(self, params):
            return routed(PIPELINE, params)

    found = run(Shuffled, {"svc__C": 0.1}, brief())

    means = [expected[: k + 1].mean() for k in range(5)]
    assert [row["accuracy"] for row in found] == pytest.approx(means)
    assert [row["accuracy_spread"] for row in found[1:]] == pytest.approx(
        [expected[: k + 1].std(ddof=1) for k in range(1, 5)]
    )


def test_a_regression_is_scored_by_what_its_goal_asks_for():
    inputs, targets = load_diabetes(return_X_y=True)
    dealt = model_selection.KFold(5, shuffle=True, random_state=0)
    expected = -model_selection.cross_val_score(
        Ridge(0.5), inputs, targets, cv=dealt, scoring="neg_root_mean_squared_error"
    )

    last = run(Ridge(), {"alpha": 0.5}, brief("min rmse", "diabetes"))[-1]

    assert last["rmse"] == pytest.approx(expected.mean())


@pytest.mark.parametrize(
    ("by", "splitter"),
    [
        ("grouped", model_selection.GroupKFold(3, shuffle=True, random_state=0)),
        ("time", model_selection.TimeSeriesSplit(3)),
        ("random", model_selection.KFold(3, shuffle=True, random_state=0)),
        ("stratified", model_selection.StratifiedKFold(3, shuffle=True, random_state=0)),
    ],
)
def test_folds_are_dealt_as_scikit_learn_deals_them(by, splitter):
    inputs, targets = load_iris(return_X_y=True)
    groups = np.arange(150) // 5
    rows = Data((inputs, targets), groups=groups).read()

    found = Folds(3, by=by).splits(rows)

    for (train, held), (their_train, their_held) in zip(found, splitter.split(inputs, targets, groups), strict=True):
        assert np.array_equal(train, their_train)
        assert np.array_equal(held, their_held)
    auto = Folds(3).splits(rows)
    inherited = Folds(3).splits(rows, by)
    assert all(not set(groups[train]) & set(groups[held]) for train, held in auto)
    assert all(np.array_equal(one[1], other[1]) for one, other in zip(found, inherited, strict=True))


def test_a_trial_goes_on_after_the_folds_it_has_done(tmp_path):
    params = {"family": {"svc": {"C": 2.0}}}
    whole = run(Families, params, brief())
    first = starter(Families, brief())(params, 0)
    first.step(), first.step()
    first.save(tmp_path)

    second = starter(Families, brief())(params, 0)
    second.load(tmp_path)

    assert [second.step(), second.step(), second.step()] == [*whole[2:], None]
    assert len(json.loads((tmp_path / "folds.json").read_text())) == 2
    assert set(whole[-1]) == {"f1_macro", "f1_macro_spread", "accuracy", "accuracy_spread"}


def test_params_reach_the_steps_by_either_notation():
    flat = routed(PIPELINE, {"svc__C": 3.0, "standardscaler__with_mean": False})
    nested = routed(PIPELINE, {"svc": {"C": 3.0}, "standardscaler": {"with_mean": False}})

    assert flat.get_params()["svc__C"] == nested.get_params()["svc__C"] == 3.0
    assert PIPELINE.get_params()["svc__C"] == 1.0
    with pytest.raises(ValueError, match=r"Pipeline has no parameter 'svc__c'\. Did you mean 'svc__C'\?"):
        routed(PIPELINE, {"svc__c": 1.0})


def test_the_winner_is_fitted_on_all_rows_and_kept_without_a_pickle(tmp_path):
    inputs, targets = load_iris(return_X_y=True)
    training = starter(PIPELINE, brief(whole=True))({"svc__C": 5.0}, 0)
    expected = make_pipeline(StandardScaler(), SVC(C=5.0)).fit(inputs, targets)

    metrics = training.step()
    training.save(tmp_path)
    model = load_model(tmp_path, PIPELINE)

    assert training.step() is None
    assert metrics == {"accuracy": pytest.approx(expected.score(inputs, targets))}
    assert np.array_equal(model.predict(inputs), expected.predict(inputs))
    assert np.array_equal(training.predictions(inputs).labels, expected.predict(inputs))
    assert not any(path.suffix in (".pkl", ".joblib") for path in tmp_path.iterdir())


class Constant(ClassifierMixin, BaseEstimator):
    """An estimator of the user's own."""

    def __init__(self, answer=0):
        self.answer = answer

    def fit(self, inputs, targets):
        self.classes_ = np.unique(targets)
        return self

    def predict(self, inputs):
        return np.full(len(inputs), self.answer)


def test_an_estimator_of_the_users_own_is_loaded_only_where_the_study_builds_it(tmp_path):
    training = starter(Constant(), brief(whole=True))({"answer": 1}, 0)
    training.step()
    training.save(tmp_path)

    assert load_model(tmp_path, Constant()).answer == 1
    with pytest.raises(ValueError, match=r"holds .*Constant, which this study does not build\. If you trust them"):
        load_model(tmp_path, SVC())


def test_estimators_and_their_classes_are_known_for_what_they_are():
    for source, kind in ((SVC(), "estimator"), (SVC, "estimator"), (PIPELINE, "estimator"), (Families, "sklearn")):
        assert (kind_of(source), can_save(source), ends_by_itself(source)) == (kind, True, True)
        assert isinstance(folds_of(source), Folds)


def test_a_goal_that_nobody_computes_is_refused_before_anything_starts():
    with pytest.raises(ValueError, match=r"the goal asks for acuracy, which nobody computes\. Did you mean 'accuracy'"):
        check_settings(SVC(), ("acuracy",), list)
    check_settings(Families, ("f1_macro", "joules", "f1_macro_spread"), list)


def test_a_fold_of_what_trains_in_epochs_is_a_whole_training():
    seen = []

    class Counting:
        def __init__(self, given):
            self.given, self.epoch, self.rows = given, 0, 0
            seen.append((given.cut, len(given.rows)))

        def step(self):
            self.epoch += 1
            self.rows += self.given.cut
            return {"loss": 1.0 / self.epoch + float(self.given.validation.targets.mean())}

        def close(self):
            seen.append("closed")

    told = brief("min loss")
    training = folded(lambda params, brief: Counting(brief.given), {}, told, Folds(3), epochs=4)

    found = [training.step() for _ in range(3)]

    assert isinstance(training, CrossTraining)
    assert seen == [(100, 150), "closed"] * 3
    assert found[-1]["loss"] == pytest.approx(0.25 + 1.0)
    assert training.step() is None
    assert training.rows == 3 * 4 * 100  # a row counts in every epoch of every fold


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Folds(1), r"n=1 makes no folds\. Write Folds\(5\)"),
        (lambda: Folds(5, by="stratify"), r"folds by 'stratify' are unknown\. Did you mean 'stratified'"),
        (
            lambda: Folds(3, by="grouped").splits(Data("iris").read()),
            r"rows are dealt by group, and have none\. Name their column",
        ),
        (
            lambda: Folds(60).splits(Data("iris").read(), classes=(0, 1, 2)),
            r"150 rows are not dealt into 60 stratified folds.*Folds\(2\)",
        ),
    ],
)
def test_folds_that_cannot_be_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_without_folds_one_model_is_scored_on_the_rows_kept_to_validate_with():
    class Single(SklearnTrainable):
        folds = None

        def estimator(self, params):
            return SVC(**params)

    given = deal(Data("iris", seed=1)).given
    found = run(Single, {"C": 2.0}, Brief("accuracy", ("accuracy",), given))

    model = SVC(C=2.0).fit(given.train.inputs, given.train.targets)
    assert found == [{"accuracy": pytest.approx(model.score(given.validation.inputs, given.validation.targets))}]
    assert folds_of(Single) is None


@pytest.mark.parametrize(
    ("methods", "given", "message"),
    [
        ({}, False, r"Net has no data\. Write def data\(self, params\).*or give the study some"),
        (
            {"data": lambda self, params: None},
            True,
            r"Net brings data of its own, and the study gives some\. Make batches .*def data\(self, params, given\)",
        ),
    ],
)
def test_a_network_has_data_from_one_side(methods, given, message):
    from trainables import TorchTrainable

    with pytest.raises(ValueError, match=message):
        check_data(type("Net", (TorchTrainable,), {**NET, **methods}), given)
    check_data(type("Net", (TorchTrainable,), {**NET, "data": lambda self, params, given=None: None}), True)


NET = {name: lambda self, *given: None for name in ("model", "optimizer", "loss")}
