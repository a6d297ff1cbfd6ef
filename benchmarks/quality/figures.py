"""What the runs say: regrets, ranks, ratios, and how sure they are."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from benchmarks.quality.runs import Job, Run

STOPS = (25, 50, 100)
LEAST = 1e-4  # of a normalised regret, for logarithms and ties
RESAMPLED = 4_000


class Board:
    """Runs in a block: who, what, which seed, which evaluation.

    Args:
        found: the runs.
        entrants: E names.
        tasks: T names.
        seeds: S of them.
        pending: how many were in flight.
        refill: whether each was replaced at once.

    Attributes:
        regrets: `[E, T, S, len(STOPS)]`, at least `LEAST`.
        seconds: `[E]` median over runs, of all proposals of a run.
    """

    def __init__(
        self,
        found: dict[Job, Run],
        entrants: Sequence[str],
        tasks: Sequence[str],
        seeds: int,
        pending: int = 1,
        refill: bool = False,
    ):
        self.entrants, self.tasks = list(entrants), list(tasks)
        block = [
            [[found[Job(who, what, seed, pending, refill)] for seed in range(seeds)] for what in tasks]
            for who in entrants
        ]
        places = [stop - 1 for stop in STOPS]
        raw = np.array([[[[run.regrets[p] for p in places] for run in row] for row in rows] for rows in block])
        self.regrets = np.maximum(raw, LEAST)
        self.seconds = np.array([np.median([run.seconds for row in rows for run in row]) for rows in block])

    def means(self) -> np.ndarray:
        """`[E, len(STOPS)]` over tasks and seeds."""
        means: np.ndarray = self.regrets.mean(axis=(1, 2))
        return means

    def geometric(self) -> np.ndarray:
        """`[E, len(STOPS)]` geometric means over tasks and seeds."""
        means: np.ndarray = np.exp(np.log(self.regrets).mean(axis=(1, 2)))
        return means

    def ranks(self) -> np.ndarray:
        """`[E]` mean rank at the end among the entrants, 1 the best; equals share."""
        ranks: np.ndarray = rankdata(self.regrets[..., -1], axis=0).mean(axis=(1, 2))
        return ranks

    def rank_intervals(self) -> np.ndarray:
        """`[E, 2]` of the mean rank, 95 %, by resampling seeds within tasks."""
        ranks = rankdata(self.regrets[..., -1], axis=0)
        rng = np.random.default_rng(0)
        seeds = ranks.shape[2]
        drawn = [ranks[:, :, rng.integers(seeds, size=seeds)].mean(axis=(1, 2)) for _ in range(RESAMPLED)]
        quantiles: np.ndarray = np.quantile(drawn, [0.025, 0.975], axis=0).T
        return quantiles

    def ratio(self, mine: str, theirs: str, task: str | None = None) -> tuple[float, float, float]:
        """Geometric mean of one's regret at the end over the other's, seed by seed, and its 95 % interval."""
        rows = slice(None) if task is None else [self.tasks.index(task)]
        logs = np.log(self.regrets[self.entrants.index(mine), rows, :, -1])
        logs = (logs - np.log(self.regrets[self.entrants.index(theirs), rows, :, -1])).mean(axis=0)
        low, high = np.exp(interval(logs))
        return float(np.exp(logs.mean())), float(low), float(high)


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % of the mean of `[N]` values, by resampling them."""
    drawn = np.random.default_rng(0).choice(values, size=(RESAMPLED, len(values))).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)
