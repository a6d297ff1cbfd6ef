"""Boosted ensembles: grown in parts as in one go, and taken up again as if nothing had happened."""

import random

import numpy as np
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn import metrics
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from xgboost import XGBClassifier, XGBRegressor

from search import Goal
from trainables import BoostingTrainable, Folds, Loop
from trainables.contract import Brief
from trainables.data import Data, deal
from trainables.seeds import sow
from trainables.start import can_save, ends_by_itself, kind_of, starter

SMALL = {"n_estimators": 12, "max_depth": 3}
MAKERS = {
    "hist": lambda: HistGradientBoostingClassifier(max_iter=12, max_depth=3, max_features=0.5),
    "gradient": lambda: GradientBoostingClassifier(**SMALL, subsample=0.7),
    "lightgbm": lambda: LGBMClassifier(**SMALL, subsample=0.7, subsample_freq=1, colsample_bytree=0.5, n_jobs=1),
    "xgboost": lambda: XGBClassifier(**SMALL, subsample=0.7, colsample_bytree=0.5, n_jobs=1),
}
REGRESSORS = {
    "hist": lambda: HistGradientBoostingRegressor(max_iter=12, max_depth=3),
    "lightgbm": lambda: LGBMRegressor(**SMALL, n_jobs=1),
    "xgboost": lambda: XGBRegressor(**SMALL, learning_rate=0.1, n_jobs=1),
}


def trainable(make, **changes):
    body = {"rounds": 4, "estimator": lambda self, params: make(), **changes}
    return type("Grown", (BoostingTrainable,), body)


def brief(goal="max accuracy, min log_loss", data="breast_cancer", **more):
    aim = Goal.parse(goal)
    return Brief(aim.metric, aim.metrics, deal(Data.of(data)).given, **more)


def train(training, epochs, first=1):
    found = []
    for epoch in range(first, first + epochs):
        sow(7, epoch)
        found.append(training.step())
    return found


@pytest.mark.parametrize("library", MAKERS)
def test_an_ensemble_grows_by_rounds_and_ends_by_itself(library):
    training = starter(trainable(MAKERS[library]), brief())({}, 0)

    found = train(training, 4)

    assert [row and row["rounds"] for row in found] == [4, 8, 12, None]
    assert found[2]["log_loss"] < found[1]["log_loss"] < found[0]["log_loss"]
    assert found[2]["accuracy"] > 0.9
    assert training.rows == 12 * 455


@pytest.mark.parametrize("library", MAKERS)
def test_an_ensemble_that_was_taken_up_again_is_the_undisturbed_one(library, tmp_path):
    source = trainable(MAKERS[library])
    whole = train(starter(source, brief())({}, 0), 3)
    first = starter(source, brief())({}, 0)
    train(first, 2)
    first.save(tmp_path)
    random.seed(99)

    second = starter(source, brief())({}, 0)
    second.load(tmp_path)

    assert train(second, 2, first=3) == [whole[2], None]
    assert not any(path.suffix in (".pkl", ".joblib", ".pickle") for path in tmp_path.iterdir())


@pytest.mark.parametrize("library", ["hist", "gradient"])
def test_grown_in_parts_is_grown_in_one_go(library):
    given = brief().given
    one = MAKERS[library]().set_params(random_state=3)
    one.set_params(**({"early_stopping": False} if library == "hist" else {}))
    one.fit(given.train.inputs, given.train.targets)
    expected = metrics.log_loss(given.validation.targets, one.predict_proba(given.validation.inputs))

    parts = train(starter(trainable(lambda: MAKERS[library]().set_params(random_state=3)), brief())({}, 0), 3)

    assert parts[-1]["log_loss"] == pytest.approx(expected, rel=1e-9)


def test_each_part_samples_other_rows():
    """Boosters that go on from a model start their own generators anew: with one seed every part saw the same rows."""
    params = {**SMALL, "subsample": 0.5, "subsample_freq": 1, "n_jobs": 1, "boost_from_average": False}
    training = starter(trainable(lambda: LGBMClassifier(**params)), brief())({}, 0)

    train(training, 2)
    table = training._ensemble._booster.trees_to_dataframe()

    counts = table[(table.node_depth == 1) & (table.tree_index.isin([0, 4]))].groupby("tree_index")["count"].first()
    splits = table[(table.node_depth == 2) & table.tree_index.isin([0, 4])].groupby("tree_index")["count"].first()
    assert len(counts) == 2
    assert splits[0] != splits[4]


@pytest.mark.parametrize("library", REGRESSORS)
def test_regressors_report_what_the_goal_asks_for(library):
    training = starter(trainable(REGRESSORS[library]), brief("min rmse", "diabetes"))({}, 0)

    found = train(training, 3)

    assert set(found[0]) == {"rmse", "rounds"}
    assert found[2]["rmse"] < found[0]["rmse"]


def test_an_ensemble_that_gets_no_better_ends_after_its_patience():
    source = trainable(lambda: HistGradientBoostingClassifier(max_iter=400), rounds=40, loop=Loop(patience=2))

    found = train(starter(source, brief("min log_loss"))({}, 0), 10)

    curve = [row["log_loss"] for row in found if row is not None]
    assert len(curve) < 10
    assert min(curve) < min(curve[-2:])
    assert found[len(curve)] is None


def test_the_winner_grows_on_all_rows():
    inputs, targets = load_breast_cancer(return_X_y=True)
    given = deal(Data("breast_cancer"), folds=True).given
    training = starter(trainable(MAKERS["xgboost"]), Brief("accuracy", ("accuracy",), given, whole=True))({}, 0)

    found = train(training, 3)

    said = training.predictions(inputs)
    assert found[-1]["accuracy"] == pytest.approx(metrics.accuracy_score(targets, said.labels))
    assert np.allclose(said.scores.sum(axis=1), 1)


def test_an_ensemble_validates_by_folds_where_it_says_so():
    source = trainable(MAKERS["hist"], folds=Folds(3), fold_epochs=2)
    given = deal(Data("breast_cancer"), folds=True).given

    training = starter(source, Brief("accuracy", ("accuracy",), given))({}, 0)
    found = train(training, 4)

    assert [row and row["rounds"] for row in found] == [8, 8, 8, None]
    assert (kind_of(source), can_save(source), ends_by_itself(source)) == ("boosting", True, True)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_a_seed_of_the_users_own_decides_what_is_drawn_whatever_the_trials_is(library):
    kind = LGBMClassifier if library == "lightgbm" else XGBClassifier
    settings = {**SMALL, "subsample": 0.5, "n_jobs": 1, **({"subsample_freq": 1} if library == "lightgbm" else {})}
    found = []
    for own, seed in ((3, 0), (3, 1), (4, 1), (None, 0), (None, 1)):
        source = trainable(lambda own=own: kind(**{**settings, "random_state": own}))
        found.append(train(starter(source, brief("min log_loss"))({}, seed), 3, seed)[2]["log_loss"])

    assert found[0] == found[1] != found[2]
    assert found[3] != found[4]


@pytest.mark.parametrize(
    "make", [lambda: LGBMClassifier(boosting_type="dart"), lambda: XGBClassifier(booster="gblinear")]
)
def test_what_is_another_model_when_it_grows_in_parts_is_refused(make):
    with pytest.raises(ValueError, match=r"is another model when it grows in parts.*derive from SklearnTrainable"):
        starter(trainable(make), brief())({}, 0)


def test_what_does_not_grow_is_refused():
    with pytest.raises(TypeError, match=r"RandomForestClassifier does not grow by rounds\. Return a Hist.*derive from"):
        starter(trainable(RandomForestClassifier), brief())({}, 0)
