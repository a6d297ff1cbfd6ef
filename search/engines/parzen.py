"""TPE with one joint density over the whole tree: proposals keep together what was good together.

Bergstra et al. 2011, Algorithms for hyper-parameter optimization (section 4): good trials and the others give two
densities l and g, and what maximises l / g among draws from l is proposed. Joint over all parameters as in Falkner
et al. 2018 (BOHB, arXiv:1807.01774); widths and weights of the kernels as in Watanabe 2023, Tree-structured Parzen
estimator: understanding its algorithm components (arXiv:2304.11127).

Each trial is a product kernel over the parameters that were active in it; a parameter that a kernel does not know is
even under it, so that trials of all branches of a tree share one density. Trials that run count among the bad
(constant liar), and so do those that failed. Beliefs multiply l as in piBO (Hvarfner et al. 2022,
arXiv:2204.11051, eq. 6).
"""

import math

import numpy as np
from scipy.special import ndtr, ndtri

from search.engines.belief import Belief
from search.engines.cube import Cube
from search.engines.draws import draw, generator
from search.engines.history import Evidence, History
from search.engines.logs import log_sum
from search.samplers import TPE
from search.space import Flat, Space

GOOD = 0.15  # share of the trials that count as good
MOST_GOOD = 25  # of them
TOLD_APART = 25  # newest trials that count in full; older ones count ever less
FINEST = 100.0  # a kernel is never narrower than a hundredth of the range


class Parzen:
    """`TPE()` at work.

    Args:
        space: what to search.
        settings: the sampler's value.
        seed: with a trial's number it decides the random part of that trial's proposal.
    """

    def __init__(self, space: Space, settings: TPE, seed: int):
        self._space, self._settings, self._seed = space, settings, seed
        self._cube = Cube(space)

    def propose(self, number: int, history: History, attempt: int) -> Flat | None:
        rng = generator(self._seed, number, attempt)
        evidence = history.evidence()
        if not evidence.carries(self._settings.startup) or rng.random() < self._settings.random:
            return draw(self._space, self._seed, number, attempt)
        good, bad = self._groups(evidence, history)
        liked, disliked = Mixture(self._cube, good), Mixture(self._cube, bad)  # l and g
        candidates = self._candidates(liked, rng)
        scores = liked.log(candidates) - disliked.log(candidates)
        scores += Belief(self._space, evidence.heard).logs(candidates)
        return self._best_new(candidates, scores, history)

    def _groups(self, evidence: Evidence, history: History) -> tuple[np.ndarray, np.ndarray]:
        """`[Ng, D]` and `[Nb, D]`, each by number: failures and what runs are never among the good."""
        order = evidence.order()
        split = self._good(len(evidence))
        chosen = np.zeros(len(order), dtype=bool)
        chosen[order[:split]] = True
        seen = {past.number for past in evidence.pasts}
        others = [past for past in (*history.failed(), *history.pending()) if past.number not in seen]
        bad = [*(past for past, is_good in zip(evidence.pasts, chosen, strict=True) if not is_good), *others]
        bad.sort(key=lambda past: past.number)
        return evidence.units[chosen], history.stacked(bad)

    def _good(self, trials: int) -> int:
        gamma = GOOD if self._settings.gamma is None else self._settings.gamma
        return min(math.ceil(gamma * trials), MOST_GOOD)

    def _candidates(self, liked: "Mixture", rng: np.random.Generator) -> np.ndarray:
        """`[C, D]` draws from the good density; of those that keep the limits, if there are enough."""
        wanted = self._settings.candidates
        if not self._space.limits:
            return liked.sample(rng, wanted)
        drawn = liked.sample(rng, 8 * wanted)
        kept = [row for row in drawn if self._space.allows(self._cube.point(row))][:wanted]
        return np.array(kept) if kept else drawn[:wanted]

    def _best_new(self, candidates: np.ndarray, scores: np.ndarray, history: History) -> Flat:
        points = [self._cube.point(candidates[k]) for k in np.argsort(-scores, kind="stable")]
        return next((point for point in points if history.is_new(point)), points[0])


class Mixture:
    """A density over the tree: a kernel for each trial, and an even one.

    Args:
        cube: the coordinates.
        units: `[N, D]` the trials; NaN where a leaf was not active.
    """

    def __init__(self, cube: Cube, units: np.ndarray):
        self._cube, self._count = cube, len(units) + 1
        even = np.full((1, cube.size), np.nan)
        self._units = np.concatenate([units, even])
        self._weights = np.append(_weights(len(units)), 1.0)
        self._weights /= self._weights.sum()
        self._numeric: list[int] = np.flatnonzero((cube.options == 0) & cube.searched).tolist()
        self._choices: list[int] = np.flatnonzero(cube.options > 1).tolist()
        self._means = self._units[:, self._numeric]
        self._widths = (
            np.stack([_widths(self._units[:, d]) for d in self._numeric], axis=1) if len(self._numeric) else self._means
        )
        self._below = ndtr(-self._means / self._widths)
        self._inside = ndtr((1 - self._means) / self._widths) - self._below

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """`[size, D]` draws, at the middles of their values' cells; NaN where a leaf is not active."""
        rows = rng.choice(self._count, size=size, p=self._weights)
        units = rng.random((size, self._cube.size))
        means, widths = self._means[rows], self._widths[rows]
        shares = self._below[rows] + units[:, self._numeric] * self._inside[rows]
        drawn = means + widths * ndtri(np.clip(shares, 1e-12, 1 - 1e-12))
        known = ~np.isnan(means)
        even = units[:, self._numeric]
        even[known] = np.clip(drawn[known], 0.0, 1.0)
        units[:, self._numeric] = even
        for d in self._choices:
            chosen = rng.random(size) < self._kept(d)
            copied = chosen & ~np.isnan(self._units[rows, d])
            units[copied, d] = self._units[rows[copied], d]
        return self._cube.masked(self._cube.snapped(units))

    def log(self, candidates: np.ndarray) -> np.ndarray:
        """`[C]` log densities with respect to the even one."""
        total = np.zeros((len(candidates), self._count))
        for k, d in enumerate(self._numeric):
            total += self._numeric_log(candidates[:, d], k, d)
        for d in self._choices:
            total += self._choice_log(candidates[:, d], d)
        return log_sum(total + np.log(self._weights))

    def _numeric_log(self, values: np.ndarray, k: int, d: int) -> np.ndarray:
        """`[C, N]` of one number; 0 where either side does not have it."""
        means, widths, inside = self._means[:, k], self._widths[:, k], self._inside[:, k]
        edges = self._cube.edges[d]
        if edges is None:
            z = (values[:, None] - means) / widths
            found = -0.5 * z**2 - np.log(widths * math.sqrt(2 * math.pi) * inside)
        else:
            cell = self._cube.cells(d, values)
            low, high = edges[cell], edges[cell + 1]
            mass = ndtr((high[:, None] - means) / widths) - ndtr((low[:, None] - means) / widths)
            found = np.log(np.maximum(mass, 1e-300) / inside / (high - low)[:, None])
        known: np.ndarray = np.nan_to_num(found, nan=0.0)
        return known

    def _choice_log(self, values: np.ndarray, d: int) -> np.ndarray:
        """`[C, N]` of one choice: a kernel prefers its own option, and the more so the more kernels there are."""
        options, kept = self._cube.options[d], self._kept(d)
        mine = np.floor(values[:, None] * options) == np.floor(self._units[:, d] * options)
        found = np.log(np.where(mine, kept * options + (1 - kept), 1 - kept))
        unknown = np.isnan(values)[:, None] | np.isnan(self._units[:, d])[None, :]
        known: np.ndarray = np.where(unknown, 0.0, found)
        return known

    def _kept(self, d: int) -> float:
        """The share of draws that take a kernel's own option; the others take any."""
        return float(1 / (1 + self._cube.options[d] / self._count))


def _weights(trials: int) -> np.ndarray:
    """`[N]` the newest 25 in full, the older ones rising from nothing."""
    if trials <= TOLD_APART:
        return np.ones(trials)
    return np.concatenate([np.linspace(1 / trials, 1, trials - TOLD_APART), np.ones(TOLD_APART)])


def _widths(values: np.ndarray) -> np.ndarray:
    """`[N]` deviation of each kernel along one number: the distance to its farther neighbour."""
    widths = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    if not len(known):
        return widths
    order = known[np.argsort(values[known], kind="stable")]
    fenced = np.concatenate([[0.0], values[order], [1.0]])
    gaps = np.maximum(fenced[1:-1] - fenced[:-2], fenced[2:] - fenced[1:-1])
    if len(order) > 1:
        gaps[0], gaps[-1] = fenced[2] - fenced[1], fenced[-2] - fenced[-3]
    widths[order] = np.clip(gaps, 1 / min(FINEST, 2.0 + len(order)), 1.0)
    return widths
