"""Runs of entrants on tasks.

A run's evaluations are one at a time, in batches (all are asked for, then all are told), or refilled (as soon as one
is over another is asked for; how long each takes is drawn at random, alike for every entrant).
"""

import heapq
import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.quality.entrants import made
from benchmarks.quality.gathered import gathered
from benchmarks.quality.tasks import Outcome
from benchmarks.quality.tasks import task as task_of

EVALUATIONS = 100


class Job(NamedTuple):
    """One run.

    Attributes:
        entrant: who searches.
        task: what.
        seed: of the entrant, and of how long evaluations take.
        pending: how many are in flight.
        refill: whether each is replaced as soon as it is over, instead of all at once.
    """

    entrant: str
    task: str
    seed: int
    pending: int = 1
    refill: bool = False


@dataclass(frozen=True)
class Run:
    """What came of it.

    Attributes:
        regrets: `[EVALUATIONS]` normalised, of the best so far.
        seconds: of all proposals.
    """

    regrets: list[float]
    seconds: float


def run(job: Job) -> Run:
    """Searches."""
    task = task_of(job.task)
    entrant = made(job.entrant, task, job.seed, EVALUATIONS, job.pending)
    rng = np.random.default_rng([job.seed, 1])
    flying: list[tuple[float, int, object, dict]] = []
    best, regrets, spent, now, asked = math.inf, [], 0.0, 0.0, 0
    is_over = False
    while len(regrets) < EVALUATIONS:
        wanted = 0 if is_over or (flying and not job.refill) else job.pending - len(flying)
        for _ in range(min(wanted, EVALUATIONS - asked)):
            began = time.perf_counter()
            answer = entrant.ask()
            spent += time.perf_counter() - began
            if answer is None:
                is_over = True
                break
            asked += 1
            heapq.heappush(flying, (now + rng.lognormal(0.0, 0.5), asked, *answer))
        if not flying:
            break
        now, _, token, point = heapq.heappop(flying)
        loss = task.loss(point)
        best = min(best, loss)
        regrets.append(task.regret(best))
        began = time.perf_counter()
        entrant.tell(token, point, Outcome((loss,)))
        spent += time.perf_counter() - began
    return Run(regrets + regrets[-1:] * (EVALUATIONS - len(regrets)), spent)


def runs(jobs: Iterable[Job], kept: Path, processes: int) -> dict[Job, Run]:
    """All runs that are asked for; those in the file `kept` are not run again."""
    wanted = sorted(set(jobs), key=lambda job: (job.seed, job.task, job.entrant, job.pending))
    return {job: Run(**row) for job, row in gathered(_rounded, wanted, kept, processes).items()}


def _rounded(job: Job) -> dict[str, Any]:
    found = run(job)
    return {"regrets": [float(f"{regret:.6g}") for regret in found.regrets], "seconds": round(found.seconds, 4)}
