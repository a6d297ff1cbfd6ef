"""How far an earlier study is believed: told by how well it foretells the order of this study's own trials.

Only ranks are compared, as in Feurer et al. 2018, Practical transfer learning for Bayesian optimization
(arXiv:1802.02219): what an earlier study has to be right about is which of two points is the better one.
"""

import math

import numpy as np

NEIGHBOURS = 5  # lessons that foretell a point
FEWEST = 4  # own trials before anything can be told
TESTED = 16  # own trials, the first: later ones lie close together, and tell nothing


def foretold(at: np.ndarray, units: np.ndarray, scores: np.ndarray, is_choice: np.ndarray) -> np.ndarray:
    """`[N, M]` the mean score of the lessons that are nearest.

    Args:
        at: `[N, D]` points; NaN where a leaf is not active.
        units: `[L, D]` of the lessons.
        scores: `[L, M]` of them.
        is_choice: `[D]` whether values of a leaf have no order: they are alike, or 1 apart, as are points of which one
            has a leaf and the other has not.
    """
    gaps = np.abs(at[:, None] - units[None])
    gaps[..., is_choice] = gaps[..., is_choice] > 1e-9
    is_there = ~np.isnan(at)[:, None], ~np.isnan(units)[None]
    gaps = np.where(is_there[0] & is_there[1], gaps, is_there[0] != is_there[1])
    nearest = np.argsort((gaps**2).sum(axis=2), axis=1, kind="stable")[:, :NEIGHBOURS]
    found: np.ndarray = scores[nearest].mean(axis=1)
    return found


def trust(foretold: np.ndarray, losses: np.ndarray) -> float:
    """How sure it is, from 0 to 1, that the order foretold is not there by chance; 1 while there is little to tell by.

    That is twice the probability, less one, that Kendall's tau is above 0, from its variance under no relation:
    2 (2n + 5) / 9 n (n - 1), Kendall 1938, A new measure of rank correlation.

    Args:
        foretold: `[N, M]` scores of trials in their order, less is better; M objectives.
        losses: `[N, M]` what came of them.
    """
    from scipy.special import ndtr
    from scipy.stats import kendalltau

    count = min(len(losses), TESTED)
    if count < FEWEST:
        return 1.0
    taus = [kendalltau(foretold[:count, m], losses[:count, m]).statistic for m in range(losses.shape[1])]
    tau = float(np.nan_to_num(taus).mean())
    deviation = math.sqrt(2 * (2 * count + 5) / (9 * count * (count - 1)))
    return max(2 * float(ndtr(tau / deviation)) - 1, 0.0)
