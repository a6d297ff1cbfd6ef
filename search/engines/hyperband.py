"""Hyperband: brackets of successive halving, filled one after another; within a bracket, rungs wait for all.

Li et al. 2018, Hyperband: a novel bandit-based approach to hyperparameter optimization (arXiv:1603.06560), algorithm
1. Ray's own pauses trials through Tune, holds their places meanwhile, and never halves where two run at a time; here
a rung that waits for its last trial leaves the machine to the next bracket.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, field

from search.engines.rungs import Rung, rung
from search.goal import Goal
from search.protocol import Decision, Exploit, Go, Pause, Score
from search.schedulers import BOHB, Bracket, Hyperband, brackets
from search.space import Flat


@dataclass
class Band:
    """One bracket under way.

    Attributes:
        plan: how many trials at which epochs.
        rungs: who came to each; a rung of the last epoch is not needed.
        level: the rung that is being filled.
        members: who trains or waits for this rung.
        called: who may go on from the rung before, and has not begun to.
    """

    plan: Bracket
    rungs: list[Rung]
    level: int = 0
    members: set[str] = field(default_factory=set)
    called: list[str] = field(default_factory=list)
    started: int = 0

    @property
    def is_full(self) -> bool:
        """Whether no more new trials belong to it."""
        return self.started >= self.plan.trials[0]


class Bands:
    """`Hyperband()` at work; trials are known by id."""

    def __init__(self, pace: Hyperband | BOHB, goal: Goal | None = None):
        self._goal = goal or Goal("min", "loss")
        self._plans = brackets(pace)
        self._bands: list[Band] = []
        self._band_of: dict[str, Band] = {}
        self._there: dict[str, int] = {}  # the level at which a trial waits

    def add(self, trial: str, params: Flat, guided: bool = False) -> None:
        """A new trial belongs to the newest bracket, or begins the next one."""
        if not self._bands or self._bands[-1].is_full:
            plan = self._plans[len(self._bands) % len(self._plans)]
            self._bands.append(Band(plan, [rung(self._goal, None) for _ in plan.epochs[:-1]]))
        band = self._bands[-1]
        band.started += 1
        band.members.add(trial)
        self._band_of[trial] = band

    def begin(self, trial: str) -> None:
        """A trial goes on; one that waited was called, although a ledger does not say when its rung was closed."""
        band = self._band_of[trial]
        if trial in self._there and trial not in band.called:
            self._close_rung(band, is_full=True)
        if trial in band.called:
            band.called.remove(trial)
        self._there.pop(trial, None)

    def judge(self, batch: Sequence[Score]) -> dict[str, Decision]:
        decisions: dict[str, Decision] = {score.trial: Go() for score in batch}
        for score in batch:
            band = self._band_of[score.trial]
            if band.level < len(band.rungs) and score.epoch == band.plan.epochs[band.level]:
                band.rungs[band.level].arrive(score)
                self._there[score.trial] = band.level
                decisions[score.trial] = Pause(f"waits at the rung of epoch {score.epoch}")
        for band in {id(self._band_of[score.trial]): self._band_of[score.trial] for score in batch}.values():
            self._close_rung(band, band.is_full)
            for trial in [trial for trial in band.called if isinstance(decisions.get(trial), Pause)]:
                decisions[trial] = Go()  # the last to come need not wait
                self.begin(trial)
        return decisions

    def adopt(self, trial: str, exploit: Exploit) -> None:
        raise AssertionError("Hyperband never exploits")

    def wake(self, more_to_come: bool, busy: Container[str] = ()) -> str | None:
        """A trial whose rung is complete and which is among its best, the oldest bracket's first."""
        for band in self._bands:
            if not more_to_come:
                self._close_rung(band, is_full=True)
            for trial in band.called:
                if trial not in busy:
                    return trial
        return None

    def remove(self, trial: str) -> None:
        band = self._band_of[trial]
        band.members.discard(trial)
        if trial in band.called:
            band.called.remove(trial)
        self._there.pop(trial, None)
        self._close_rung(band, band.is_full)

    def _close_rung(self, band: Band, is_full: bool) -> None:
        """When everybody is there, calls the best to the next rung; a rung without anybody is passed."""
        while is_full and band.level < len(band.rungs) and not band.called:
            if any(self._there.get(trial) != band.level for trial in band.members):
                return
            here = band.rungs[band.level]
            share = band.plan.trials[band.level + 1] / band.plan.trials[band.level]
            count = max(1, round(len(here) * share)) if len(here) else 0
            best = [trial for trial in here.best(len(here)) if trial in band.members][:count]
            band.level += 1
            band.members, band.called = set(best), list(best)
            if not best:
                return
