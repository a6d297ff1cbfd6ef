"""Strategies side by side: what each found on recorded curves, when, and how soon it matched the first one."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.budget import span
from orchestrator.record import BAD, Record
from orchestrator.screen import number
from orchestrator.simulation import Simulation
from search.goal import Rank

MATCH = "to match"  # the column of the time that it took


@dataclass(frozen=True)
class Outcome:
    """What one simulated study came to.

    Attributes:
        best: the first objective's value of the best trial; None where none is sound and keeps the goal's limits.
        seconds: simulated, until its end.
        trials: that were proposed.
        epochs: that were trained, over all trials.
        path: each time at which there was a new best report within the limits, with its rank.
    """

    best: float | None
    seconds: float
    trials: int
    epochs: int
    path: tuple[tuple[float, Rank], ...]

    @staticmethod
    def of(simulation: Simulation) -> "Outcome":
        """Read from its ledger."""
        record, events = simulation.conductor.record, simulation.book.events
        best = record.best()
        epochs = sum(event["event"] == "reported" for event in events)
        path = tuple(_path(events, record))
        value = best.best if best and best.keeps_limits else None
        return Outcome(value, record.elapsed_s, len(record.trials), epochs, path)

    def reached(self, rank: Rank) -> float:
        """The simulated time of the first report that is as good; infinite where there is none."""
        return next((seconds for seconds, found in self.path if found <= rank), math.inf)

    def share_of(self, first: "Outcome") -> float | None:
        """The time until `first`'s best was matched, over that which it took itself; None where it found nothing.

        What took no time at all is matched in as much, 1, or in infinitely more.
        """
        if not first.path:
            return None
        seconds, rank = first.path[-1]
        reached = self.reached(rank)
        if seconds == 0:
            return 1.0 if reached == 0 else math.inf
        return reached / seconds


def rows(outcomes: Mapping[str, Sequence[Outcome]], metric: str) -> list[dict[str, Any]]:
    """A row per strategy: medians over its seeds, and of the best the range, too. The first one is what all match."""
    first, *others = outcomes.values()
    return [
        {
            "strategy": strategy,
            f"best {metric}": _ranged([outcome.best for outcome in found]),
            "time": span(statistics.median(outcome.seconds for outcome in found)),
            "trials": f"{statistics.median(outcome.trials for outcome in found):g}",
            "epochs": f"{statistics.median(outcome.epochs for outcome in found):g}",
            **({MATCH: _matched(found, first)} if others else {}),
        }
        for strategy, found in outcomes.items()
    ]


def _ranged(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "none"
    spread = f" ({number(min(known))} to {number(max(known))})" if len(values) > 1 else ""
    without = f", none in {len(values) - len(known)} of {len(values)}" if len(known) < len(values) else ""
    return f"{number(float(statistics.median(known)))}{spread}{without}"


def _matched(found: Sequence[Outcome], first: Sequence[Outcome]) -> str:
    pairs = [(one, other) for one, other in zip(found, first, strict=True) if other.path]
    if not pairs:
        return ""
    middle = statistics.median(one.share_of(other) or 0.0 for one, other in pairs)
    if math.isfinite(middle):
        return f"{middle:.2f} x"
    reached = statistics.median(one.reached(other.path[-1][1]) for one, other in pairs)
    return "inf x" if math.isfinite(reached) else "never"


def _path(events: Sequence[Mapping[str, Any]], record: Record) -> Iterator[tuple[float, Rank]]:
    """New bests within the limits, of the trials that can win: see `Record.best`."""
    sound = {trial.id for trial in record.trials.values() if trial.status not in BAD and trial.rank is not None}
    longest = max((record.trials[trial].epoch for trial in sound), default=0)
    best: Rank | None = None
    for event in events:
        if event["event"] != "reported" or event["trial"] not in sound:
            continue
        if record.by_last and event["epoch"] != longest:
            continue
        rank = record.goal.rank(event["metrics"])
        if rank is not None and rank[0] <= 0 and (best is None or rank < best):
            best = rank
            yield event["t"], rank
