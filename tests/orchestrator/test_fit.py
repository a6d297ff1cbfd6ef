"""Mistakes that can be told before anything runs: what a trainable says of itself against its data and the goal."""

import lightgbm
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import StratifiedKFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from torch import nn
from xgboost import XGBClassifier

from orchestrator import (
    BoostingTrainable,
    Data,
    Folds,
    FullLength,
    Random,
    SklearnTrainable,
    Study,
    TorchTrainable,
    choice,
    uniform,
)
from orchestrator.spec import parse_text

SPACE = {"x": uniform(0, 1)}
C = {"C": uniform(0.1, 1)}
X = np.random.default_rng(0).normal(size=(60, 3)).astype("float32")
DAYS = np.arange(60) * 7


def own(self, output, target):
    """A loss of one's own, which says nothing of its targets."""
    return output.sum()


class Net(TorchTrainable):
    """One layer; its settings are what is tested."""

    loss = "cross_entropy"

    def model(self, params):
        return nn.Linear(3, 1)

    def optimizer(self, params, parameters):
        return torch.optim.SGD(parameters, lr=0.1)


class Machine(SklearnTrainable):
    """A support vector machine; its settings are what is tested."""

    def estimator(self, params):
        return SVC()


def net(goal="max accuracy", data=(X, DAYS % 2), **changes):
    return Study(type("Net", (Net,), changes), SPACE, goal, Random() + FullLength(2), data=data)


def fit(estimator, goal="max accuracy", data="iris", space=None):
    return Study(estimator, space or {"random_state": choice(1, 2)}, goal, Random(), data=data)


def machine(**changes):
    return Study(type("Machine", (Machine,), changes), SPACE, "max accuracy", Random(), data="iris")


def grown(make, **changes):
    kind = type("Grown", (BoostingTrainable,), {"estimator": lambda self, params: make(), **changes})
    return Study(kind, SPACE, "max accuracy", Random(), data="iris")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fit(Ridge(), space={"alpha": uniform(0, 1)}), r"Ridge predicts quantities, and accuracy is of cl"),
        (lambda: fit(SVC(), "min rmse", space=C), r"SVC predicts classes, and rmse is of quantities\. Ask for 'max"),
        (lambda: fit(make_pipeline(StandardScaler(), Ridge()), space={"ridge__alpha": uniform(0, 1)}), r"predicts q"),
        (lambda: fit(KMeans()), r"KMeans predicts neither classes nor quantities, and accuracy compares them"),
        (lambda: fit(PCA()), r"PCA predicts neither classes"),
        (lambda: fit(SVC(), "min log_loss", space=C), r"log_loss wants probabilities, and SVC gives none\. Take one"),
        (lambda: fit(SVC(), space={"kernel": choice("rbf", "liner")}), r"'kernel' parameter of SVC must be .*'liner'"),
        (lambda: fit(make_pipeline(SVC()), space={"svc__C": uniform(-2, -1)}), r"'C' parameter of SVC must be a float"),
        (lambda: fit(LogisticRegression(), space={"max_iter": uniform(1, 9)}), r"'max_iter' parameter of Logistic"),
        (lambda: fit(XGBClassifier(), data=(X, np.array(["a", "b"])[DAYS % 2])).deal(), r"XGBClassifier takes no"),
        (lambda: grown(lambda: lightgbm.LGBMRegressor()), r"LGBMRegressor predicts quantities, and accuracy is"),
        (lambda: grown(lambda: lightgbm.LGBMClassifier(), rounds=0), r"grows by rounds=0\. Write rounds = 10"),
        (lambda: machine(estimator=lambda self, params: None), r"Machine\.estimator\(\) gives None, no estimator"),
        (lambda: machine(estimator=lambda self, params: SVC), r"estimator\(\) gives <class .*SVC'>, no estimator"),
        (lambda: machine(folds=5), r"Machine\.folds is 5\. Write folds = Folds\(5\)"),
        (lambda: machine(folds=StratifiedKFold(5)), r"Machine\.folds is Strat.*Write folds = Folds\(5\)"),
        (lambda: machine(metrics=lambda self, a, b: 1), r"metrics is a function\. Write metrics = \("),
        (lambda: machine(metrics={"mine": "f1_marco"}), r"no metric is called 'f1_marco'\. Did you mean 'f1_macro'\?"),
        (lambda: machine(metrics=(make_scorer(accuracy_score),)), r"scores an estimator, and a metric compares"),
        (lambda: net(loss="cross_entrpy"), r"torch\.nn\.functional has no 'cross_entrpy'\. Did you mean"),
        (lambda: net(loss=nn.CrossEntropyLoss), r"Net\.loss is a class.*Write loss = nn\.CrossEntropyLoss\(\)"),
        (lambda: net(metrics="f1_marco"), r"no metric is called 'f1_marco'"),
        (lambda: net("max acuracy"), r"the goal asks for acuracy, which nobody computes\. Did you mean 'accuracy'"),
        (lambda: net(loop={"batch_size": 3}), r"Net\.loop is \{'batch_size': 3\}\. Write loop = Loop\(batch_size=64\)"),
        (lambda: Study(nn.Linear(2, 2), SPACE, "min loss", Random()), r"Linear is a model, and every trial builds one"),
        (lambda: fit(SVC(), space=C, data=(X[:3], [0, 1, 0])).deal(), r"3 rows are not dealt into 5 .* folds"),
        (lambda: fit(SVC(), space=C, data=(X, np.zeros(60, int))).deal(), r"all 60 targets are 0, one class\. Give"),
        (lambda: net(data=(X, np.array([0, "a", 1.5] * 20, object))).deal(), r"40 of 60 targets are numbers"),
        (lambda: net("min loss", (X, DAYS // 14), loss=own).deal(), r"30 different whole numbers, and n"),
        (lambda: net(data=Data("iris", test=0.999)).deal(), r"1 row is left to be parted once more\. Give more rows"),
        (lambda: Data((X, None)).read(), r"the data are \(ndarray, None\), and inputs with their targets are wanted"),
        (lambda: Data((X, DAYS, DAYS)).read(), r"the data are \(ndarray, ndarray, ndarray\)"),
        (lambda: Data(X).read(), r"the data are inputs without targets\. Write Data\(\(x, y\)\)"),
        (lambda: Data("iris", task="regress"), r"no task is called 'regress'\. Did you mean 'regression'\?"),
        (lambda: Data("iris", folds=1), r"n=1 makes no folds"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_runs(make, message):
    with pytest.raises((ValueError, TypeError), match=message) as told:
        make()
    assert str(told.value).count(". ") >= 1 or "\n" in str(told.value), "what was seen, and the mend"


def test_what_can_be_fitted_is_not_refused():
    fit(StackingClassifier([("a", GaussianNB())]), "min log_loss", space={"cv": choice(2, 3)})
    fit(make_pipeline(StandardScaler(), SVC()), "max roc_auc", space={"svc__C": uniform(0.1, 1)})
    fit(make_pipeline(SVC(probability=True)), "min log_loss", space={"svc__C": uniform(0.1, 1)})
    fit(XGBClassifier()).deal()
    net("min train_loss", metrics=lambda self, output, target: {"mine": 1.0})
    machine(metrics=("f1_macro", accuracy_score))
    machine(estimator=lambda self, params: SVC(C=params["of another space"]))


def test_targets_are_what_the_trainable_takes_where_the_goal_does_not_tell():
    by_loss = net("min loss", (X, DAYS), loss="mse_loss").deal().given
    by_metrics = net("min loss", (X, DAYS), loss=own, metrics=("rmse",)).deal().given
    told = net("min loss", Data((X, DAYS), task="classification"), loss=own).deal()
    grades = net("min loss", (X, DAYS % 5), loss=own).deal()

    for given in (by_loss, by_metrics):
        assert given.classes is None
        assert sorted(given.rows.targets.tolist()) == DAYS.tolist()
    assert len(told.given.classes) == 60
    assert str(grades).endswith("; targets are 5 classes")


def test_the_number_of_folds_of_a_bare_estimator_is_in_a_file():
    sheet = """
train: sklearn.svm:SVC
data: {source: iris, folds: 3, by: stratified, test: 0.2}
space: {C: 'loguniform(0.1, 100)'}
goal: max accuracy
strategy: Random()
budget: {trials: 1}
"""
    study = parse_text(sheet)

    assert study.folds == study.deal().given.folds == 3
    with pytest.raises(ValueError, match=r":3 data: 'tst' is unknown\. Did you mean 'test'\?"):
        parse_text(sheet.replace("test:", "tst:"))
    with pytest.raises(ValueError, match=r":3 data: it has no source\. Write data: \{source: digits\}"):
        parse_text(sheet.replace("source: iris, ", ""))


def test_rows_of_other_kinds_have_digests_of_their_own():
    from scipy import sparse

    wide, narrow = (sparse.csr_matrix(([1.0], ([0], [0])), shape=(3, columns)) for columns in (9, 5))
    frame = pd.DataFrame(X, columns=list("abc")).assign(y=DAYS)

    dealt = [net("min rmse", data, loss="mse_loss").deal().digest for data in (Data(frame, target="y"), (X, DAYS))]

    assert len({*dealt, *(_digest(part) for part in (wide, narrow))}) == 4


def _digest(inputs):
    from trainables.data import deal

    return deal(Data((inputs, [0.5, 1.5, 2.5]), validation=0.4)).digest


def test_a_fold_holds_its_rows_once():
    """What is taken for a fold is one copy: the rows to train on and those held out are views of it."""
    import tracemalloc

    from trainables.contract import Brief
    from trainables.data import deal
    from trainables.folds import folded

    class Nothing:
        rows = 0

        def __init__(self, params, brief):
            self.given = brief.given

        def step(self):
            return {"loss": float(self.given.train.inputs[0, 0] + self.given.validation.inputs[0, 0])}

        def close(self):
            pass

    given = deal(Data((np.ones((20_000, 50), "float32"), np.arange(20_000.0))), folds=True).given
    training = folded(Nothing, {}, Brief(given=given), Folds(2), 1)

    tracemalloc.start()
    training.step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 1.3 * given.rows.inputs.nbytes
