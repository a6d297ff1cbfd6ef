"""What many jobs find, each kept in a file as soon as it is over, so that a table can grow."""

import functools
import json
from collections.abc import Callable, Hashable, Iterable
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

Job = TypeVar("Job", bound=tuple[Hashable, ...])


def gathered(work: Callable[[Job], Any], jobs: Iterable[Job], kept: Path, processes: int) -> dict[Job, Any]:
    """What each job finds, as JSON has it; those in the file are not done again.

    Args:
        work: done in a process of its own.
        jobs: tuples of texts and numbers.
        kept: the file, a line each.
        processes: at once.
    """
    wanted = dict.fromkeys(jobs)
    lines = kept.read_text().splitlines() if kept.exists() else []
    found = {tuple(row["job"]): row["found"] for row in map(json.loads, lines)}
    missing = [job for job in wanted if job not in found]
    kept.parent.mkdir(parents=True, exist_ok=True)
    with get_context("spawn").Pool(processes, maxtasksperchild=200) as pool, kept.open("a") as file:
        for count, (job, row) in enumerate(pool.imap_unordered(functools.partial(_done, work), missing), 1):
            found[job] = row
            file.write(json.dumps({"job": job, "found": row}) + "\n")
            file.flush()
            if count % 50 == 0:
                print(f"{count} of {len(missing)} runs", flush=True)
    return {job: found[job] for job in wanted}


def _done(work: Callable[[Job], Any], job: Job) -> tuple[Job, Any]:
    return job, work(job)
