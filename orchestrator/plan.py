"""What a study would do, told before anything runs."""

import dataclasses
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search import ASHA, BOHB, FullLength, Hyperband, Strategy
from search.auto import settle
from search.schedulers import brackets, last_epoch, rungs

if TYPE_CHECKING:
    from cluster import Machine
    from orchestrator.study import Study


@dataclass(frozen=True)
class Plan:
    """A study's outlook.

    Attributes:
        trials: at most; None where only time ends it.
        at_once: how many trials run at the same time here; 0 when none ever can.
        why: what limits that number, with the mend when it is 0.
        rungs: the epochs at which trials are judged.
        epochs: of a trial that runs to its end; None where the trainable decides.
        worth: epochs of the whole study if nothing were stopped, and with stopping at its keenest.
        picked: the sampler that `Auto` stands for, and why; empty where nothing was left open.
        strategy: with a sampler that is settled.
        informed: whether there are earlier studies to learn from.
        folds: of a trial; None where it does not validate by folds.
    """

    trials: int | None
    at_once: int
    why: str
    rungs: tuple[int, ...]
    epochs: int | None
    worth: tuple[int, int] | None
    picked: str
    strategy: Strategy
    informed: bool = False
    folds: int | None = None

    @property
    def note(self) -> str:
        """What a user would rather know before the study; empty where there is nothing."""
        return "; ".join(filter(None, [self._startup_note(), self._folds_note()]))

    def _folds_note(self) -> str:
        if self.folds is None or self.epochs is None or self.epochs <= self.folds:
            return ""
        scheduler = self.strategy.scheduler
        if hasattr(scheduler, "max_epochs"):
            scheduler = dataclasses.replace(scheduler, max_epochs=self.folds)  # type: ignore[type-var]
        else:
            scheduler = FullLength(self.folds)
        return f"a trial has {self.folds} epochs, a fold each; {scheduler} has its rungs there"

    def _startup_note(self) -> str:
        sampler = self.strategy.sampler
        startup = getattr(sampler, "startup", 0)
        if self.informed or self.trials is None or startup < self.trials:
            return ""
        mend = dataclasses.replace(sampler, startup=max(1, self.trials // 3))  # type: ignore[type-var]
        return f"all {self.trials} trials are startup points of {sampler}, which learns from none; {mend} would"

    @property
    def fits(self) -> bool:
        """Whether a trial can ever run here."""
        return self.at_once > 0

    def __str__(self) -> str:
        rungs = ", ".join(map(str, self.rungs)) if len(self.rungs) <= 12 else f"{len(self.rungs)} of them"
        lines = [f"auto     {self.picked}"] if self.picked else []
        lines += [
            f"trials   {self.trials if self.trials is not None else 'until time is up'}",
            f"epochs   {self.epochs if self.epochs is not None else 'as many as the trainable reports'}",
            f"judged   {f'at epochs {rungs}' if self.rungs else 'never: every trial runs to its end'}",
            f"at once  {self.why}",
        ]
        if self.worth is not None:
            most, least = self.worth
            lines.append(
                f"worth    {most:,} epochs at most" + (f", about {least:,} with stopping" if least < most else "")
            )
        if self.note:
            lines.append(f"note     {self.note}")
        return "\n".join(lines)


def plan(study: "Study", machines: "tuple[Machine, ...]") -> Plan:
    """What `study` would do on `machines`."""

    found = study.bundle.fit(machines)
    trials = study.budget.trials
    at_once = min(found.at_once, trials) if trials is not None else found.at_once
    pick = settle(study.strategy, study.space, study.goal, trials, at_once, informed=bool(study.learn_from))
    strategy = pick.strategy
    return Plan(
        trials,
        at_once,
        found.why,
        tuple(rungs(strategy.scheduler)),
        last_epoch(strategy.scheduler),
        _worth(strategy, trials),
        str(pick),
        strategy,
        bool(study.learn_from),
        study.folds,
    )


def _worth(strategy: Strategy, trials: int | None) -> tuple[int, int] | None:
    epochs = last_epoch(strategy.scheduler)
    if epochs is None or trials is None:
        return None
    match strategy.scheduler:
        case ASHA() as pace:
            return trials * epochs, _kept(trials, [*pace.rungs(), epochs], pace.keep_1_in)
        case Hyperband() | BOHB() as pace:
            return trials * epochs, _banded(trials, pace)
    return trials * epochs, trials * epochs


def _kept(trials: float, levels: list[int], keep_1_in: int) -> int:
    """Epochs of successive halving when exactly 1 in so many goes on at each level but the last."""
    left, spent, before = float(trials), 0.0, 0
    for rung in levels:
        spent += left * (rung - before)
        left, before = max(left / keep_1_in, 1.0), rung
    return round(spent)


def _banded(trials: int, pace: Hyperband | BOHB) -> int:
    """Epochs of so many trials in Hyperband's brackets, one after another."""
    spent, left = 0, trials
    for bracket in itertools.cycle(brackets(pace)):
        first = min(bracket.trials[0], left)
        spent += _kept(first, list(bracket.epochs), pace.keep_1_in)
        left -= first
        if not left:
            return spent
    return spent
