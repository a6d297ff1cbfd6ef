"""A HyperOpt space, unchanged, on Ray: choices come back as values and not as indices.

Run: python examples/hyperopt_space.py
"""

import argparse

import numpy as np
from hyperopt import hp
from sklearn.ensemble import HistGradientBoostingClassifier

from orchestrator import TPE, Study

SPACE = {  # as it stands in many a notebook, where `fmin` would answer {"max_depth": 1, ...}
    "learning_rate": hp.loguniform("learning_rate", np.log(0.01), np.log(0.5)),
    "max_depth": hp.choice("max_depth", [2, 4, 8]),
    "max_leaf_nodes": hp.choice("max_leaf_nodes", [7, 15, 31]),
    "l2_regularization": hp.loguniform("l2_regularization", np.log(1e-4), np.log(10)),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few trials")
    smoke = parser.parse_args().smoke
    model = HistGradientBoostingClassifier(max_iter=5 if smoke else 50)
    study = Study(model, SPACE, "min log_loss", TPE(engine="hyperopt"), data="wine", name="hyperopt_space")
    best = study.run(trials=3 if smoke else 30).best
    print(best.params)
    assert best.params["max_depth"] in (2, 4, 8)
