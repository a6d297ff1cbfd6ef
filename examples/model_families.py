"""Which kind of model for a table? Four families, each with params of its own, in ten trials of five folds.

Run: python examples/model_families.py
"""

import argparse

from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from orchestrator import TPE, Data, Folds, SklearnTrainable, Study, choice, integer, loguniform, uniform

SPACE = {
    "family": choice(
        linear={"C": loguniform(1e-3, 1e2)},
        svc={"C": loguniform(1e-1, 1e3), "gamma": loguniform(1e-4, 1e-1)},
        forest={"n_estimators": integer(20, 200), "max_features": uniform(0.1, 1.0)},
        boosting={"learning_rate": loguniform(0.01, 0.5), "max_leaf_nodes": integer(4, 31)},
    )
}
FAMILIES = {"svc": SVC, "forest": RandomForestClassifier, "boosting": HistGradientBoostingClassifier}


class Tabular(SklearnTrainable):
    """A classifier of any of the families."""

    folds = Folds(5, by="stratified")
    metrics = ("accuracy", "f1")

    def estimator(self, params: dict) -> object:
        [(family, own)] = params["family"].items()
        model = LogisticRegression(max_iter=1000, **own) if family == "linear" else FAMILIES[family](**own)
        return make_pipeline(StandardScaler(), model)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few trials")
    smoke = parser.parse_args().smoke
    data = Data("breast_cancer", test=0.2)
    study = Study(Tabular, SPACE, "max roc_auc", TPE(), data=data, name="model_families")
    results = study.run(trials=3 if smoke else 10)
    print(results.frame().sort_values("roc_auc")[["trial", "roc_auc", "roc_auc_spread", "f1", "params.family"]])
    print(study.retrain(results, top=1 if smoke else 3).tested)
