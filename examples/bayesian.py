"""The coefficients of a regression by Bayesian inference; how wide their priors are is tuned by predictive density.

A prior that is too narrow or too wide predicts held-out rows worse: no rule of thumb, a search. Needs a440[bayes].
Run: python examples/bayesian.py
"""

import argparse

import numpy as np

from orchestrator import TPE, Given, Study, fixed, loguniform


def infer(params: dict, data: Given) -> dict:
    """Posterior draws given the training rows, and the log density of the validation rows under them."""
    import pymc as pm

    draws = params["draws"]
    train, held = data.train, data.validation
    centre, width = train.targets.mean(), train.targets.std()
    seen, unseen = (train.targets - centre) / width, (held.targets - centre) / width
    scale = 1 / train.inputs.std(axis=0)
    with pm.Model():
        weights = pm.Normal("weights", 0, params["weight_scale"], shape=train.inputs.shape[1])
        noise = pm.HalfNormal("noise", params["noise_scale"])
        pm.Normal("seen", (train.inputs * scale) @ weights, noise, observed=seen)
        found = pm.sample(draws, tune=draws, chains=2, cores=1, random_seed=1, progressbar=False).posterior
    drawn = found["weights"].to_numpy().reshape(-1, train.inputs.shape[1])  # [draws, columns]
    sigma = found["noise"].to_numpy().reshape(-1, 1)
    error = (unseen - drawn @ (held.inputs * scale).T) / sigma
    density = np.exp(-0.5 * error**2) / (sigma * np.sqrt(2 * np.pi))  # [draws, rows]
    coefficients = {f"weight.{k}": drawn[:, k].mean() for k in range(drawn.shape[1])}
    return {"log_density": np.log(density.mean(axis=0)).mean(), "noise": sigma.mean(), **coefficients}


SPACE = {"weight_scale": loguniform(1e-3, 10), "noise_scale": loguniform(0.1, 10), "draws": fixed(300)}

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--smoke", action="store_true", help="a few trials")
    smoke = parser.parse_args().smoke
    space = SPACE | {"draws": fixed(40)} if smoke else SPACE
    study = Study(infer, space, "max log_density", TPE(), data="diabetes", name="bayesian")
    results = study.run(trials=2 if smoke else 20)
    print(results.frame().sort_values("log_density").filter(regex="trial|log|noise|weight").tail(3).T)
