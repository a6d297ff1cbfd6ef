"""Losses as a model likes them: what is bad is drawn near, so that the good ones fill the scale.

Song et al. 2024, The Vizier Gaussian process bandit algorithm (arXiv:2408.11527, section 3.3): losses worse than the
median are put where a normal distribution, as wide as the better half, would have them by their rank; then all are
brought to mean 0 and variance 1.
"""

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata


def half_ranked(losses: np.ndarray) -> np.ndarray:
    """`[N]` warped losses of `[N]`; their order is kept."""
    median = np.median(losses)
    good = losses[losses <= median]
    spread = np.sqrt(((good - median) ** 2).mean())
    if spread <= 0:  # half of them are equal
        spread = np.std(losses) or 1.0
    shares = (rankdata(losses) - 0.5) / len(losses)
    warped = np.where(losses > median, median + spread * ndtri(np.maximum(shares, 0.5)), losses)
    return standardised(warped)


def standardised(values: np.ndarray) -> np.ndarray:
    """`[N]` with mean 0 and variance 1; zeros where all are equal."""
    deviation = values.std()
    found: np.ndarray = (values - values.mean()) / (deviation if deviation > 0 else 1.0)
    return found
