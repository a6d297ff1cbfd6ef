"""One point trained several times, from several seeds, as one trial: it is judged by the mean, epoch by epoch.

So a scheduler stops a point and not a lucky seed of it, and a sampler learns what a point is worth. The runs take
turns in one process; each has generators of its own.
"""

import random
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from trainables.contract import Metrics, Params, Training
from trainables.firewall import clean
from trainables.folds import CrossTraining
from trainables.seeds import Generators, sow

SPREAD = "_spread"  # ends the names of standard deviations over the runs
SEED_SPREAD = "_seed_spread"  # the same, where each run has a spread over folds


class Outcomes(tuple[Metrics, ...]):
    """What each run reported for one epoch.

    Attributes:
        spread: ends the names of standard deviations over them.
    """

    spread = SPREAD


class FoldedOutcomes(Outcomes):
    """Of runs by folds, each of which has a spread of its own."""

    spread = SEED_SPREAD


class RepeatedTraining:
    """Several runs of one point under way.

    Args:
        start: makes one run from params and a seed.
        params: of all of them.
        seed: of the trial; the runs' own follow from it.
        repeats: how many runs.
    """

    def __init__(self, start: Callable[[Params, int], Training], params: Params, seed: int, repeats: int):
        self._runs: list[Training] = []
        self._generators: list[Generators] = []
        self._last: list[Any] = [None] * repeats
        for run in range(repeats):
            self._runs.append(start(params, _own_seed(seed, run)))
            self._generators.append(Generators())
        self.saves = self._runs[0].saves
        self._outcomes = FoldedOutcomes if isinstance(self._runs[0], CrossTraining) else Outcomes

    def step(self) -> Metrics | Outcomes | None:
        """One epoch of every run; one that has ended keeps its last report while others go on."""
        base = random.getrandbits(31)  # of this trial and this epoch, where runs can be taken up again
        went_on = False
        for place, run in enumerate(self._runs):
            if self.saves:
                sow(_own_seed(base, place), 0)
            else:
                self._generators[place].restore()
            outcome = run.step()
            self._generators[place] = Generators()
            if outcome is not None:
                self._last[place], went_on = outcome, True
        return self._outcomes(outcome or {} for outcome in self._last) if went_on else None

    @property
    def rows(self) -> int:
        """How many all runs were trained on so far, where they tell."""
        return sum(int(getattr(run, "rows", 0)) for run in self._runs)

    def save(self, folder: Path) -> None:
        for place, run in enumerate(self._runs):
            inner = folder / f"run{place}"
            inner.mkdir()
            run.save(inner)

    def load(self, folder: Path) -> None:
        for place, run in enumerate(self._runs):
            run.load(folder / f"run{place}")

    def close(self) -> None:
        """Ends all runs; the first error is raised when all were asked to end."""
        errors = []
        for run in self._runs:
            try:
                run.close()
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
        if errors:
            raise errors[0]


def cleaned(outcome: Any, trial: str, wanted: Sequence[str]) -> dict[str, float]:
    """A report as plain floats; of several runs the means, and for the goal's metrics their spread.

    The spread is the sample's standard deviation, under `<metric>_spread`, or `<metric>_seed_spread` where each run
    has a spread over folds.
    """
    if not isinstance(outcome, Outcomes):
        return clean(outcome, trial, wanted)
    runs = [clean(metrics, trial, wanted) for metrics in outcome]
    names = [name for name in runs[0] if all(name in run for run in runs)]
    means = {name: statistics.fmean(run[name] for run in runs) for name in names}
    spreads = {name + outcome.spread: _deviation([run[name] for run in runs]) for name in wanted}
    return {**means, **spreads}


def _deviation(values: list[float]) -> float:
    mean = statistics.fmean(values)  # of NaN and infinity too, which `statistics.stdev` refuses
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - 1)) ** 0.5)


def _own_seed(seed: int, run: int) -> int:
    """A seed of 31 bits for one of the runs; the first run has the trial's own."""
    return (seed + run * 0x5DEECE66D) % 2**31
