"""Ray's own ASHA as an engine: over stand-in trials, one class decides live, in a simulation and from a ledger."""

import math
from collections import Counter
from collections.abc import Container, Sequence

from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

from search.engines.stand_in import StandIn
from search.protocol import Decision, Exploit, Go, Score, Stop
from search.schedulers import ASHA
from search.space import Flat

HUGE = 1e300  # beyond every loss


class RayASHA:
    """Ray's `AsyncHyperBandScheduler` in its stopping form, NaN-safe and fair to batches.

    Ray compares a report with those before it, so whoever comes first to a rung is never stopped. Here a
    batch is recorded whole; who comes to a rung alone gets Ray's own verdict. A NaN counts as the worst.
    """

    def __init__(self, pace: ASHA):
        self._rungs = set(pace.rungs())
        self._ray = AsyncHyperBandScheduler(
            time_attr="epoch",
            metric="reward",
            mode="max",
            max_t=pace.max_epochs + 0.5,  # log(243) / log(3) is 4.999...: half an epoch keeps the top rung
            grace_period=pace.grace_epochs,
            reduction_factor=pace.keep_1_in,
        )
        self._trials: dict[str, StandIn] = {}

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        self._trials[trial] = StandIn(trial, params)
        self._ray._trial_info[trial] = self._ray._brackets[0]  # on_trial_add would draw it from numpy's global state

    def begin(self, trial: str) -> None:
        """Nothing to note."""

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        verdicts = [(score, self._record(score)) for score in batch]
        crowds = Counter(score.epoch for score in batch)
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score, alone in verdicts:
            stop = alone if crowds[score.epoch] == 1 else self._below_cutoff(score)
            if stop and isinstance(decisions[score.trial], Go):
                decisions[score.trial] = Stop(f"not among the best at epoch {score.epoch}")
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("ASHA never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        return None

    def remove(self, trial: str) -> None:
        self._trials.pop(trial, None)
        self._ray._trial_info.pop(trial, None)

    def _record(self, score: Score) -> bool:
        """Adds a report to its rung; whether Ray, who knows those before it, would stop the trial."""
        if score.epoch not in self._rungs:
            return False
        result = {"epoch": score.epoch, "reward": _reward(score)}
        verdict = self._ray.on_trial_result(None, self._trials[score.trial], result)
        return bool(verdict == TrialScheduler.STOP) or math.isnan(score.loss)

    def _below_cutoff(self, score: Score) -> bool:
        if score.epoch not in self._rungs:
            return False
        [bracket] = self._ray._brackets
        recorded = next(recorded for epoch, recorded in bracket._rungs if epoch == score.epoch)
        return bool(_reward(score) < bracket.cutoff(recorded)) or math.isnan(score.loss)


def _reward(score: Score) -> float:
    """More is better, and a NaN is worse than anything: NaN compares False and would never be stopped.

    Not minus infinity: the percentile between it and a number is no number.
    """
    return -HUGE if math.isnan(score.loss) else -min(max(score.loss, -HUGE), HUGE)
