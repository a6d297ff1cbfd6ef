"""The schedulers as values, with the epochs at which each judges. `search.to_ray` makes them act."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search.number import is_number, is_whole
from search.strategy import FullLength, Scheduler

__all__ = ["ASHA", "PBT", "FullLength"]


@dataclass(frozen=True, slots=True)
class ASHA(Scheduler):
    """Asynchronous successive halving, Li et al. 2018 (arXiv:1810.05934).

    At each rung a trial is compared with all that reached it, and goes on only among the best
    1 in `keep_1_in` (their eta).

    Attributes:
        max_epochs: epochs of a trial that survives to the end (their R).
        grace_epochs: the first rung (their r).
        keep_1_in: rungs lie at grace_epochs * keep_1_in ** k.
        promote: False stops a trial that is not good enough when it arrives; True is the paper's
            own form: each trial waits at its rung, and goes on once it is among the best there.
    """

    max_epochs: int
    grace_epochs: int = 1
    keep_1_in: int = 3
    promote: bool = False

    def __post_init__(self) -> None:
        _check_epochs("ASHA", self.max_epochs)
        if not is_whole(self.grace_epochs, 1) or self.grace_epochs > self.max_epochs:
            raise ValueError(
                f"ASHA(max_epochs={self.max_epochs}, grace_epochs={self.grace_epochs!r}) leaves no rung. "
                f"Set grace_epochs between 1 and {self.max_epochs}."
            )
        if not is_whole(self.keep_1_in, 2):
            raise ValueError(
                f"ASHA(keep_1_in={self.keep_1_in!r}) is no whole number of 2 or more. Set keep_1_in=3 to keep a third."
            )

    def rungs(self) -> list[int]:
        """The epochs at which trials are compared, the last epoch left out.

        >>> ASHA(max_epochs=27).rungs()
        [1, 3, 9]
        """
        rungs, epoch = [], self.grace_epochs
        while epoch < self.max_epochs:
            rungs.append(epoch)
            epoch *= self.keep_1_in
        return rungs


@dataclass(frozen=True, slots=True)
class PBT(Scheduler):
    """Population based training, Jaderberg et al. 2017 (arXiv:1711.09846).

    Every `every` epochs a member of the worst quarter takes over the weights and params of one of the
    best quarter, and some params are perturbed by 1.2 or 0.8, or drawn anew, within their domains.

    Attributes:
        max_epochs: epochs that each member trains.
        every: epochs between two judgements of a member.
        population: how many members; None means as many as the budget has trials.
        mutate: names of the params to perturb; empty means every unconditional `Float`. Params that
            shape the model (width, depth) cannot change under trained weights: leave them out.
        quantile: share that is replaced, and share that is copied, (0, 0.5].
        resample: chance that a mutated param is drawn anew instead of perturbed, [0, 1].
    """

    mutates: ClassVar[bool] = True
    max_epochs: int
    every: int = 1
    population: int | None = None
    mutate: tuple[str, ...] = ()
    quantile: float = 0.25
    resample: float = 0.25

    def __post_init__(self) -> None:
        _check_epochs("PBT", self.max_epochs)
        if not is_whole(self.every, 1) or self.every >= self.max_epochs:
            raise ValueError(
                f"PBT(max_epochs={self.max_epochs}, every={self.every!r}) never judges a member. "
                f"Set every between 1 and {self.max_epochs - 1}."
            )
        if self.population is not None and not is_whole(self.population, 2):
            raise ValueError(f"PBT(population={self.population!r}) has nobody to copy. Set population=4 or more.")
        if not is_number(self.quantile) or not 0 < self.quantile <= 0.5:
            raise ValueError(
                f"PBT(quantile={self.quantile!r}) is no share to replace. Set quantile above 0, up to 0.5."
            )
        if not is_number(self.resample) or not 0 <= self.resample <= 1:
            raise ValueError(f"PBT(resample={self.resample!r}) is no chance. Set resample between 0 and 1.")
        names = (self.mutate,) if isinstance(self.mutate, str) else self.mutate
        if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
            raise ValueError(f"PBT(mutate={self.mutate!r}) names no params. Name them: mutate=('lr',).")
        names = tuple(dict.fromkeys(names))
        object.__setattr__(self, "mutate", names)


def last_epoch(scheduler: Scheduler) -> int | None:
    """The epoch after which a trial is over; None where only the trainable knows."""
    match scheduler:
        case FullLength(epochs=epochs):
            return epochs
        case ASHA(max_epochs=epochs) | PBT(max_epochs=epochs):
            return epochs
    raise TypeError(f"{scheduler!r} is no scheduler of ours. Use FullLength, ASHA or PBT.")


def needs_checkpoints(scheduler: Scheduler) -> bool:
    """Whether trials are ever taken up again from a saved state."""
    return scheduler.mutates or (isinstance(scheduler, ASHA) and scheduler.promote)


def judged_epochs(scheduler: Scheduler) -> Sequence[int]:
    """The epochs at which a scheduler may say anything but "go on", in order."""
    match scheduler:
        case ASHA():
            return scheduler.rungs()
        case PBT(max_epochs=end, every=every):
            return range(every, end, every)
    return ()


def _check_epochs(name: str, epochs: object) -> None:
    if not is_whole(epochs, 2):
        raise ValueError(f"{name}(max_epochs={epochs!r}) is no whole number of 2 or more. Set max_epochs=27.")
