"""What the conductor works by: a study's terms, a trial's report, and a trial's own seed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search import Goal, Scheduler, Space
from search.protocol import Lesson
from search.schedulers import compared_epochs, judged_epochs, last_epoch
from search.space import Flat

if TYPE_CHECKING:
    from orchestrator.study import Study


@dataclass(frozen=True, slots=True)
class Terms:
    """What the conductor needs to know of a study.

    Attributes:
        space: what is searched.
        goal: what is better.
        seed: of the study; trials' own seeds follow from it and their numbers.
        trials: how many to propose; None where time or the sampler ends the study.
        seconds: of the study, over all its drivers; None for no limit.
        last_epoch: after which a trial is over; None where the trainable ends by itself.
        judged: epochs at which the scheduler is asked.
        compared: epochs at which the sampler is told of a trial, so that it compares trials of one length.
        replaces: whether the scheduler gives a diverged trial another's weights when it judges it.
        retries: how often a trial may lose its process.
        start: flat points to try first.
        lessons: trials of earlier studies.
    """

    space: Space
    goal: Goal
    seed: int = 0
    trials: int | None = None
    seconds: float | None = None
    last_epoch: int | None = None
    judged: Sequence[int] = ()
    compared: Sequence[int] = ()
    replaces: bool = False
    retries: int = 2
    start: tuple[Flat, ...] = ()
    lessons: tuple[Lesson, ...] = ()

    @staticmethod
    def under(scheduler: Scheduler, space: Space, goal: Goal, **others: Any) -> "Terms":
        """The terms under a scheduler, which says when trials are judged, compared and over."""
        return Terms(
            space,
            goal,
            last_epoch=last_epoch(scheduler),
            judged=judged_epochs(scheduler, at_cost=goal.per is not None),
            compared=compared_epochs(scheduler),
            replaces=scheduler.mutates,
            **others,
        )

    @staticmethod
    def of(study: "Study", lessons: Iterable[Lesson] = ()) -> "Terms":
        """Those of a study that knows these trials of earlier ones."""
        return Terms.under(
            study.strategy.scheduler,
            study.space,
            study.goal,
            seed=study.seed,
            trials=study.budget.trials,
            seconds=study.budget.seconds,
            retries=study.retries,
            start=tuple(dict(point) for point in study.start),
            lessons=tuple(lessons),
        )


@dataclass(frozen=True, slots=True)
class Report:
    """One epoch of one trial."""

    trial: str
    epoch: int
    metrics: dict[str, float]
    seconds: float = 0.0


def trial_seed(study: int, number: int) -> int:
    """A trial's own seed, of 31 bits: it depends on nothing but the study's seed and the trial's number."""
    mixed = (study * 0x9E3779B97F4A7C15 + number * 0xBF58476D1CE4E5B9) % 2**64  # SplitMix64, Steele et al. 2014
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) % 2**64
    return (mixed ^ (mixed >> 31)) % 2**31
