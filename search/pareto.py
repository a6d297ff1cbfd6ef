"""Several objectives at once: who dominates whom, how crowded a front is, and how much it covers.

Losses are `[N, M]`, less is better. A point dominates another when it is nowhere worse and somewhere better.
"""

import numpy as np


def fronts(losses: np.ndarray) -> np.ndarray:
    """`[N]` the front of each point: 0 where nobody dominates it, 1 where only those of front 0 do, and so on.

    Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II, section III.A.

    >>> fronts(np.array([[1, 2], [2, 1], [2, 2], [3, 3]])).tolist()
    [0, 0, 1, 2]
    """
    nowhere_worse = np.all(losses[:, None, :] <= losses[None, :, :], axis=2)
    dominates = nowhere_worse & ~nowhere_worse.T  # [i, j]: i dominates j
    left, found = np.ones(len(losses), dtype=bool), np.zeros(len(losses), dtype=int)
    front = 0
    while left.any():
        free = left & ~dominates[left].any(axis=0)
        found[free] = front
        left &= ~free
        front += 1
    return found


def crowding(losses: np.ndarray) -> np.ndarray:
    """`[N]` how far apart a point's neighbours on a front lie, per objective in shares of its range, summed up.

    The ends of each objective have infinity. Deb et al. 2002, section III.B.
    """
    distances = np.zeros(len(losses))
    for column in losses.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]] if len(order) else 0.0
        distances[order[[0, -1]]] = np.inf
        if span > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return distances


def standing(losses: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """`[N, 3]` what points are compared by, column after column, less being better; equal points have equal rows.

    Those that keep all limits come first, by front, and within a front the least crowded before the others; then
    those that break some, by how much (Deb et al. 2002, section VI). With one objective this is its order.

    Args:
        losses: `[N, M]`.
        excess: `[N]` by how much limits are broken.
    """
    kept = excess <= 0
    rows = np.zeros((len(losses), 3))
    rows[:, 0] = np.maximum(excess, 0.0)
    if losses.shape[1] == 1:
        rows[kept, 1] = losses[kept, 0]
    elif kept.any():
        points, place = np.unique(losses[kept], axis=0, return_inverse=True)
        levels, apart = fronts(points), np.zeros(len(points))
        for level in np.unique(levels):
            apart[levels == level] = crowding(points[levels == level])
        rows[kept, 1], rows[kept, 2] = levels[place.ravel()], -apart[place.ravel()]
    return rows


def ranking(losses: np.ndarray, excess: np.ndarray) -> np.ndarray:
    """`[N]` places of the points from best to worst, by `standing`; the earlier of two equals comes first."""
    rows = standing(losses, excess)
    places: np.ndarray = np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))
    return places


def hypervolume(losses: np.ndarray, reference: np.ndarray) -> float:
    """The volume that is dominated by the points and bounded by `reference`.

    While, Bradstreet & Barone 2012, A fast way of calculating exact hypervolumes (WFG).

    Args:
        losses: `[N, M]`; points that are not below the reference everywhere add nothing.
        reference: `[M]` a point that is worse than those of interest.

    >>> hypervolume(np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([4.0, 4.0]))
    5.0
    """
    inside = losses[(losses < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    unique = np.unique(inside, axis=0)
    return _covered(unique[fronts(unique) == 0], reference)


def _covered(front: np.ndarray, reference: np.ndarray) -> float:
    """WFG: each point's own box, less what those after it cover of it."""
    if front.shape[1] == 1:
        return float(reference[0] - front.min())
    if front.shape[1] == 2:
        ordered = front[np.argsort(front[:, 0])]
        heights = np.minimum.accumulate(ordered[:, 1])
        above = np.concatenate([[reference[1]], heights[:-1]])
        return float(((reference[0] - ordered[:, 0]) * np.maximum(above - heights, 0.0)).sum())
    total = 0.0
    ordered = front[np.argsort(-front[:, -1])]
    for k, point in enumerate(ordered):
        total += float(np.prod(reference - point))
        shadow = np.unique(np.maximum(ordered[k + 1 :], point), axis=0)
        if len(shadow):
            total -= _covered(shadow[fronts(shadow) == 0], reference)
    return total
