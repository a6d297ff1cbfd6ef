"""Forecasts of learning curves: calibration, the closed form against quadrature, and whom they stop."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from search import Extrapolate
from search.engines.extrapolation import NOISE, NOISE_SHAPE, REACH, Forecast, Forecasting
from search.protocol import Go, Score, Stop


def curves(count, epochs=50, seed=0):
    """Curves of three families, with noise."""
    rng, t = np.random.default_rng(seed), np.arange(1, epochs + 1.0)
    for _ in range(count):
        shapes = (
            t ** -rng.uniform(0.2, 2),
            np.exp(-rng.uniform(1, 12) * (t - 1) / epochs),
            (1 + t / 5) ** -rng.uniform(0.5, 2),
        )
        yield rng.normal(0, 1) + abs(rng.normal(0, 1.5)) * shapes[rng.integers(3)] + rng.normal(0, 0.03, epochs)


@pytest.mark.parametrize("seen", [4, 10, 25])
def test_the_last_loss_lies_below_its_forecast_quantiles_as_often_as_they_say(seen):
    forecast = Forecast(50)

    chances = [forecast.chance(range(1, seen + 1), curve[:seen], curve[-1]) for curve in curves(300)]

    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        assert np.mean(np.array(chances) < quantile) == pytest.approx(quantile, abs=0.2 if seen == 4 else 0.12)
    assert np.mean(np.array(chances) < 0.05) < 0.12


def test_one_family_is_bayesian_regression_by_quadrature():
    """The Student distribution of `mixture` against an integral over the noise."""
    epochs, losses = np.array([1.0, 2.0, 3.0, 5.0]), np.array([1.0, 0.6, 0.5, 0.3])
    forecast = Forecast(20)
    weights, means, scales, degrees = forecast.mixture(epochs, losses)
    basis = forecast._families(epochs)[0]
    end = forecast._families(np.array([20.0]))[0, 0]
    design = np.stack([np.ones(4), basis], axis=1)
    row = np.array([1.0, end])

    def given_variance(variance):
        precision = (np.eye(2) / REACH**2 + design.T @ design) / variance
        mean = np.linalg.solve(precision, design.T @ losses / variance)
        spread = variance + row @ np.linalg.solve(precision, row)
        evidence = stats.multivariate_normal.pdf(
            losses, np.zeros(4), variance * (np.eye(4) + REACH**2 * design @ design.T)
        )
        prior = stats.invgamma.pdf(variance, NOISE_SHAPE, scale=NOISE_SHAPE * NOISE**2)
        return evidence * prior, row @ mean, spread

    grid = np.exp(np.linspace(math.log(1e-6), math.log(10), 4000))
    rows = [given_variance(v) for v in grid]
    mass = np.array([r[0] for r in rows])
    for bar in (0.0, 0.1, 0.2):
        below = np.array([stats.norm.cdf(bar, r[1], math.sqrt(r[2])) for r in rows])
        expected = integrate.trapezoid(mass * below, grid) / integrate.trapezoid(mass, grid)
        assert stats.t.cdf((bar - means[0]) / scales[0], degrees) == pytest.approx(expected, abs=2e-3)
    assert weights.sum() == pytest.approx(1)


def told(engine, trial, curve):
    for epoch, loss in enumerate(curve, start=1):
        [decision] = engine.judge([Score(trial, epoch, loss)]).values()
        if isinstance(decision, Stop):
            return epoch, decision.reason
    return len(curve), ""


def falling(level, epochs=26, rate=0.3):
    return [level + math.exp(-rate * epoch) for epoch in range(1, epochs + 1)]


def test_who_levels_off_above_the_best_is_stopped_early_and_who_may_win_goes_on():
    engine = Forecasting(Extrapolate(max_epochs=27))
    told(engine, "best", falling(0.1))

    hopeless, reason = told(engine, "hopeless", falling(2.0))
    rival, _ = told(engine, "rival", falling(0.05, rate=0.1))  # slower, and better in the end

    assert hopeless <= 6
    assert "will be the best with a chance of" in reason
    assert rival == 26


def test_nobody_is_stopped_before_the_grace_is_over_nor_while_alone_nor_when_best():
    engine = Forecasting(Extrapolate(max_epochs=27, grace_epochs=10))

    assert told(engine, "alone", falling(0.5))[0] == 26
    assert told(engine, "hopeless", falling(9.0))[0] == 10
    assert told(engine, "best", falling(0.0))[0] == 26


def test_a_keener_chance_stops_sooner():
    epochs = []
    for chance in (0.001, 0.05, 0.5):
        engine = Forecasting(Extrapolate(max_epochs=27, grace_epochs=2, chance=chance))
        told(engine, "best", falling(0.1))
        epochs.append(told(engine, "other", falling(0.3, rate=0.15))[0])

    assert epochs == sorted(epochs, reverse=True)
    assert epochs[-1] < 10


def test_who_diverged_is_stopped():
    engine = Forecasting(Extrapolate(max_epochs=9))
    engine.judge([Score("good", 1, 1.0)])

    assert engine.judge([Score("bad", 1, math.nan)]) == {"bad": Stop("diverged at epoch 1")}
    assert engine.judge([Score("good", 2, 1.0)]) == {"good": Go()}


def test_a_forecast_takes_a_fraction_of_a_millisecond(benchmark_s):
    forecast = Forecast(100)

    spent = benchmark_s(lambda: forecast.chance(range(1, 51), falling(0.1, 50), 0.05), repeats=20)

    assert spent < 0.02
