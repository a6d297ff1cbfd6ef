"""When a study is not worth going on with: its trials fail, and all alike."""

import re
from collections import Counter

from orchestrator.record import Record, TrialRecord

FIRST = 3
ENOUGH = 10


def diagnosis(record: Record) -> str | None:
    """Why the study should stop now, or None.

    The first three trials that are over failed alike; or more than half of at least ten failed.
    """
    failed, over = record.failed, record.over
    if over == len(failed) == FIRST and len({_alike(trial) for trial in failed}) == 1:
        return f"the first {FIRST} trials failed alike: {failed[0].reason}"
    if over >= ENOUGH and len(failed) * 2 > over:
        commonest, _ = Counter(_alike(trial) for trial in failed).most_common(1)[0]
        example = next(trial for trial in failed if _alike(trial) == commonest)
        return f"{len(failed)} of {over} trials failed, most of them with: {example.reason}"
    return None


def _alike(trial: TrialRecord) -> str:
    """A failure without what differs between trials: ids and numbers."""
    place = re.search(r"\(([\w.<>-]+:\d+)\)$", trial.reason)
    kind = trial.reason.split(":", 1)[0]
    return f"{kind} {place.group(1)}" if place else re.sub(r"\d+", "#", trial.reason)
