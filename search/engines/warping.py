"""Losses as a model likes them: what is bad is drawn near, so that the good ones fill the scale.

Song et al. 2024, The Vizier Gaussian process bandit algorithm (arXiv:2408.11527, section 3.3): losses worse than the
median are put where a normal distribution, as wide as the better half, would have them by their rank; then all are
brought to mean 0 and variance 1. What lies beyond a limit is drawn near by its logarithm, Eriksson & Poloczek 2021,
Scalable constrained Bayesian optimization (arXiv:2002.08526): zero stays zero.
"""

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

LARGEST = 1e150  # of what is squared


def half_ranked(losses: np.ndarray) -> np.ndarray:
    """`[N]` warped losses of `[N]`; their order is kept."""
    losses = np.clip(losses, -LARGEST, LARGEST)
    median = np.median(losses)
    good = losses[losses <= median]
    spread = np.sqrt(((good - median) ** 2).mean())
    if spread <= 0:  # half of them are equal
        spread = deviation(losses) or 1.0
    shares = (rankdata(losses) - 0.5) / len(losses)
    warped = np.where(losses > median, median + spread * ndtri(np.maximum(shares, 0.5)), losses)
    return standardised(warped)


def bilogs(margins: np.ndarray) -> np.ndarray:
    """`[N]` margins with their signs, and logarithms of how large they are in terms of their median."""
    margins = np.clip(margins, -LARGEST, LARGEST)
    middle = np.median(np.abs(margins)) or 1.0
    found: np.ndarray = np.sign(margins) * np.log1p(np.abs(margins) / middle)
    return found


def standardised(values: np.ndarray) -> np.ndarray:
    """`[N]` with mean 0 and variance 1; zeros where all are equal."""
    spread = deviation(values)
    return (values - values.mean()) / spread if spread else np.zeros(len(values))


def deviation(values: np.ndarray) -> float:
    """The standard deviation; 0 where it is no more than what rounding makes of equal values."""
    spread = float(values.std())
    return spread if spread > 1e-12 * float(np.abs(values).max()) else 0.0
