"""How long a proposal takes with so many trials behind it, in so many dimensions."""

import time
from collections.abc import Sequence

import numpy as np

from benchmarks.quality.entrants import Teachable, made
from benchmarks.quality.tasks import Outcome, Task
from search import Space, uniform

SIZES, DIMENSIONS = (100, 1_000, 5_000), (2, 10, 30)
ASKED = 7  # proposals, of which the median is taken; the first, which loads libraries, is left out


def milliseconds(name: str, trials: int, dimensions: int) -> float:
    """Median over some proposals, each of which is told; `trials` random points were told before."""
    space = Space({f"x{k}": uniform(0, 1) for k in range(dimensions)})

    def loss(point: dict[str, float]) -> float:
        return sum((value - 0.3) ** 2 for value in point.values())

    entrant = made(name, Task("bowl", "", space, loss, 0.0, 1.0), 0, trials + ASKED, 1)
    assert isinstance(entrant, Teachable), f"{name} cannot be told of trials"
    rng = np.random.default_rng(0)
    entrant.fill([{f"x{k}": float(u) for k, u in enumerate(row)} for row in rng.random((trials, dimensions))], loss)
    found = []
    for _ in range(ASKED + 1):
        began = time.perf_counter()
        asked = entrant.ask()
        found.append(1000 * (time.perf_counter() - began))
        assert asked is not None
        entrant.tell(*asked, Outcome((loss(asked[1]),)))
    return float(np.median(found[1:]))


def latency(names: Sequence[str]) -> None:
    """Prints the table."""
    cells = [(dimensions, trials) for dimensions in DIMENSIONS for trials in SIZES]
    print("| ms a proposal | " + " | ".join(f"d = {d}, n = {n:,}" for d, n in cells) + " |")
    print("|---" * (len(cells) + 1) + "|")
    for name in names:
        found = [milliseconds(name, trials, dimensions) for dimensions, trials in cells]
        print(f"| {name} | " + " | ".join(f"{ms:.1f}" for ms in found) + " |", flush=True)
