"""What a study would do, told before anything runs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search import ASHA, Grid, Strategy
from search.schedulers import judged_epochs, last_epoch

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
    """

    trials: int | None
    at_once: int
    why: str
    rungs: tuple[int, ...]
    epochs: int | None
    worth: tuple[int, int] | None

    @property
    def fits(self) -> bool:
        """Whether a trial can ever run here."""
        return self.at_once > 0

    def __str__(self) -> str:
        rungs = ", ".join(map(str, self.rungs)) if len(self.rungs) <= 12 else f"{len(self.rungs)} of them"
        lines = [
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
        return "\n".join(lines)


def plan(study: "Study", machines: "tuple[Machine, ...]") -> Plan:
    """What `study` would do on `machines`."""
    from cluster.machine import fit

    found = fit(study.bundle, machines)
    strategy = study.strategy
    trials = study.budget.trials
    at_once = min(found.at_once, trials) if trials is not None else found.at_once
    return Plan(
        trials,
        at_once,
        found.why,
        tuple(judged_epochs(strategy.scheduler)),
        last_epoch(strategy.scheduler),
        _worth(strategy, trials),
    )


def _worth(strategy: Strategy, trials: int | None) -> tuple[int, int] | None:
    epochs = last_epoch(strategy.scheduler)
    if epochs is None or trials is None:
        return None
    if not isinstance(strategy.scheduler, ASHA):
        return trials * epochs, trials * epochs
    left, spent, before = float(trials), 0.0, 0
    for rung in [*strategy.scheduler.rungs(), epochs]:
        spent += left * (rung - before)
        left, before = max(left / strategy.scheduler.keep_1_in, 1.0), rung
    return trials * epochs, round(spent)


def grid_fits(strategy: Strategy, size: int | None, trials: int | None) -> None:
    """Raises ValueError where a grid has more points than the budget has trials."""
    if isinstance(strategy.sampler, Grid) and size is not None and trials is not None and size > trials:
        raise ValueError(
            f"the grid has {size:,} points, and the budget would end it after {trials}. "
            f"Set trials: {size}, fewer points, or draw from it: Random() + {strategy.scheduler}."
        )
