"""What a study would do, told before anything runs."""

import dataclasses
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.budget import span
from search import ASHA, BOHB, FullLength, Hyperband, Strategy
from search.auto import settle
from search.schedulers import brackets, last_epoch, rungs

if TYPE_CHECKING:
    from cluster import Fit, Fleet
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
        scales: how many trials run at once when the autoscaler has started all it may, and on what; empty where there
            is none.
        takes: hours, where it is known how long an epoch takes; empty where it is not.
        costs: of the cluster, where prices are known; empty where there are none.
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
    scales: str = ""
    takes: str = ""
    costs: str = ""
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
        more = {"scales": self.scales, "takes": self.takes, "costs": self.costs, "note": self.note}
        lines += [f"{name:<8} {text}" for name, text in more.items() if text]
        return "\n".join(lines)


def plan(study: "Study", fleet: "Fleet", epoch_s: float | None = None) -> Plan:
    """What `study` would do on a fleet; `epoch_s` is how long an epoch takes, where that is known."""
    now = study.bundle.fit(fleet)
    found = study.bundle.fit(fleet.at_most()) if fleet.scales else now
    trials = study.budget.trials
    at_once = min(found.at_once, trials) if trials is not None else found.at_once
    pick = settle(study.strategy, study.space, study.goal, trials, at_once, informed=bool(study.learn_from))
    strategy = pick.strategy
    worth = _worth(strategy, trials)
    hours = _hours(worth, epoch_s, at_once)
    return Plan(
        trials,
        at_once,
        _why(now, found),
        tuple(rungs(strategy.scheduler)),
        last_epoch(strategy.scheduler),
        worth,
        str(pick),
        strategy,
        _scales(study, fleet, found, at_once) if fleet.scales and found.at_once else "",
        _takes(hours),
        _costs(study, fleet, at_once, hours),
        bool(study.learn_from),
        study.folds,
    )


def _why(now: "Fit", ever: "Fit") -> str:
    if not ever.at_once:
        return ever.why
    return now.why if now.at_once else f"none yet: {now.why.split('. ')[0]}."


def _scales(study: "Study", fleet: "Fleet", found: "Fit", at_once: int) -> str:
    from cluster.outlay import started_for

    started = Counter(kind.name for kind in started_for(study.bundle.wish(), fleet, at_once))
    machines = ", ".join(f"{count} {name}" for name, count in started.items())
    most = found.why.rstrip(".") if found.at_once == at_once else f"{at_once} at once"
    return f"to {most}, with {machines} more"


def _hours(worth: tuple[int, int] | None, epoch_s: float | None, at_once: int) -> tuple[float, float] | None:
    """Of the whole study with stopping and without, if all lanes were busy all the time."""
    if worth is None or epoch_s is None or not at_once:
        return None
    most, least = (epochs * epoch_s / at_once / 3600 for epochs in worth)
    return least, most


def _takes(hours: tuple[float, float] | None) -> str:
    if hours is None:
        return ""
    least, most = (span(hour * 3600) for hour in hours)
    return f"{least} to {most}, all lanes busy" if least != most else f"{least}, all lanes busy"


def _costs(study: "Study", fleet: "Fleet", at_once: int, hours: tuple[float, float] | None) -> str:
    """What the machines cost for the study's time: that of its budget, or as long as its epochs take."""
    from cluster.outlay import outlay

    if not any(kind.price is not None for kind in fleet.types):
        return ""
    bill = outlay(study.bundle.wish(), fleet, at_once)
    if bill.an_hour is None:
        return str(bill)
    cap = study.budget.hours
    if hours is not None:
        least, most = (bill.an_hour * min(hour, cap or hour) for hour in hours)
        return f"{least:.4g} to {most:.4g}: {bill}" if least != most else f"{least:.4g}: {bill}"
    return f"up to {bill.an_hour * cap:.4g}: {bill}" if cap is not None else str(bill)


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
