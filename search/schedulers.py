"""The schedulers as values, with the epochs at which each judges. `search.to_ray` makes them act."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from search.number import is_number, is_whole
from search.settings import check_flag, check_share
from search.strategy import FullLength, Scheduler

__all__ = ["ASHA", "BOHB", "PB2", "PBT", "Extrapolate", "FullLength", "Hyperband", "MedianStop"]


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
        by_draws: True also lets a trial that a model chose go on where it is among the best 1 in `keep_1_in` ** 2 of
            the trials that were drawn at random, and holds these against each other alone: a model that likes what
            starts fast would else raise the bar until nothing that starts slowly is ever trained. Without a model,
            and with False, it is the paper's rule.
    """

    goals: ClassVar[str] = "any"
    max_epochs: int
    grace_epochs: int = 1
    keep_1_in: int = 3
    promote: bool = False
    by_draws: bool = True

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
        check_flag(self, "promote")
        check_flag(self, "by_draws")

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
class Hyperband(Scheduler):
    """Hyperband, Li et al. 2018 (JMLR 18, arXiv:1603.06560): brackets of successive halving, from bold to careful.

    A bracket of s + 1 rungs starts many trials on few epochs, the next one fewer on more. Trials of a rung wait for
    each other, and the best 1 in `keep_1_in` of them go on; meanwhile the next bracket is filled.

    Attributes:
        max_epochs: epochs of a trial that survives to the end (their R).
        keep_1_in: their eta.
    """

    goals: ClassVar[str] = "any"
    max_epochs: int
    keep_1_in: int = 3

    def __post_init__(self) -> None:
        _check_halving(self)


@dataclass(frozen=True, slots=True)
class BOHB(Scheduler):
    """Hyperband whose trials a model proposes, Falkner et al. 2018 (arXiv:1807.01774).

    Alone it brings its sampler: TPE with one density over all parameters, built on the most epochs that enough
    trials have reached, and a third of random trials; `TPE(...) + BOHB(...)` sets it otherwise.

    Attributes:
        max_epochs: epochs of a trial that survives to the end (their R).
        keep_1_in: their eta.
    """

    goals: ClassVar[str] = "any"
    wants_model: ClassVar[bool] = True
    max_epochs: int
    keep_1_in: int = 3

    def __post_init__(self) -> None:
        _check_halving(self)


@dataclass(frozen=True, slots=True)
class MedianStop(Scheduler):
    """The median rule, Golovin et al. 2017, Google Vizier: stops who is worse than most were on average by then.

    Attributes:
        max_epochs: epochs of a trial that survives to the end.
        grace_epochs: the first epoch at which a trial may be stopped.
        least: how many others must have come as far.
    """

    goals: ClassVar[str] = "one"
    max_epochs: int
    grace_epochs: int = 1
    least: int = 3

    def __post_init__(self) -> None:
        _check_epochs("MedianStop", self.max_epochs)
        _check_grace("MedianStop", self.max_epochs, self.grace_epochs)
        if not is_whole(self.least, 1):
            raise ValueError(f"MedianStop(least={self.least!r}) is no whole number of 1 or more. Set least=3.")


@dataclass(frozen=True, slots=True)
class Extrapolate(Scheduler):
    """Stops who will hardly ever be the best, by a forecast of its learning curve.

    The model average over families of curves of Domhan et al. 2015, Speeding up automatic hyperparameter optimization
    of deep neural networks by extrapolation of learning curves, with its linear part integrated out in closed form.

    Attributes:
        max_epochs: epochs of a trial that survives to the end, for which the forecast is made.
        grace_epochs: the first epoch at which a trial may be stopped.
        every: epochs between two forecasts of a trial.
        chance: of ending better than the best so far, below which it is stopped.
    """

    max_epochs: int
    grace_epochs: int = 4
    every: int = 1
    chance: float = 0.05

    def __post_init__(self) -> None:
        _check_epochs("Extrapolate", self.max_epochs)
        _check_grace("Extrapolate", self.max_epochs, self.grace_epochs)
        if not is_whole(self.every, 1) or self.every >= self.max_epochs:
            raise ValueError(
                f"Extrapolate(max_epochs={self.max_epochs}, every={self.every!r}) never forecasts. "
                f"Set every between 1 and {self.max_epochs - 1}."
            )
        check_share(self, 0.05, "chance")


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
        _check_population(self)
        if not is_number(self.resample) or not 0 <= self.resample <= 1:
            raise ValueError(f"PBT(resample={self.resample!r}) is no chance. Set resample between 0 and 1.")


@dataclass(frozen=True, slots=True)
class PB2(Scheduler):
    """Population based bandits, Parker-Holder et al. 2020 (arXiv:2002.02518).

    As PBT, but a Gaussian process over params and time chooses the new params of a replaced member, where the next
    epochs should improve most; good with few members. Only params of type `Float` and `Int` change.

    Attributes:
        max_epochs: epochs that each member trains.
        every: epochs between two judgements of a member.
        population: how many members; None means as many as the budget has trials.
        mutate: names of the params to change; empty means every unconditional `Float`.
        quantile: share that is replaced, and share that is copied, (0, 0.5].
    """

    mutates: ClassVar[bool] = True
    max_epochs: int
    every: int = 1
    population: int | None = None
    mutate: tuple[str, ...] = ()
    quantile: float = 0.25

    def __post_init__(self) -> None:
        _check_population(self)


def last_epoch(scheduler: Scheduler) -> int | None:
    """The epoch after which a trial is over; None where only the trainable knows."""
    match scheduler:
        case FullLength(epochs=epochs):
            return epochs
        case ASHA() | Hyperband() | BOHB() | MedianStop() | Extrapolate() | PBT() | PB2():
            return scheduler.max_epochs
    raise TypeError(f"{scheduler!r} is no scheduler of ours. Use FullLength, ASHA or PBT.")


def needs_checkpoints(scheduler: Scheduler) -> bool:
    """Whether trials are ever taken up again from a saved state."""
    return (
        scheduler.mutates
        or isinstance(scheduler, Hyperband | BOHB)
        or (isinstance(scheduler, ASHA) and scheduler.promote)
    )


def rungs(scheduler: Scheduler) -> Sequence[int]:
    """The epochs at which a scheduler may say anything but "go on", in order."""
    match scheduler:
        case ASHA():
            return scheduler.rungs()
        case Hyperband() | BOHB():
            return sorted({rung for bracket in brackets(scheduler) for rung in bracket.epochs[:-1]})
        case MedianStop(max_epochs=end):
            return range(1, end)
        case Extrapolate(max_epochs=end, every=every):
            return range(every, end, every)
        case PBT(max_epochs=end, every=every) | PB2(max_epochs=end, every=every):
            return range(every, end, every)
    return ()


def judged_epochs(scheduler: Scheduler, at_cost: bool = False) -> Sequence[int]:
    """The epochs of which a scheduler is told: its rungs, or all where trials are compared at equal cost."""
    end = last_epoch(scheduler)
    return range(1, end) if at_cost and end is not None else rungs(scheduler)


def compared_epochs(scheduler: Scheduler) -> Sequence[int]:
    """The epochs at which a sampler is told of a trial: rungs, or powers of three where any epoch may be the last."""
    found = rungs(scheduler)
    if not isinstance(scheduler, MedianStop | Extrapolate):
        return found
    return [epoch for epoch in (3**k for k in range(40)) if epoch < scheduler.max_epochs]


@dataclass(frozen=True, slots=True)
class Bracket:
    """One run of successive halving.

    Attributes:
        trials: how many are compared at each rung, the last epoch included.
        epochs: of each rung; the last one is `max_epochs`.
    """

    trials: tuple[int, ...]
    epochs: tuple[int, ...]


def brackets(pace: Hyperband | BOHB) -> list[Bracket]:
    """The brackets of Hyperband, the boldest first.

    Algorithm 1 of the paper, with the numbers of its table 1: n = floor((s_max + 1) / (s + 1)) * eta^s trials begin
    bracket s with R / eta^s epochs, and n / eta^i of them reach rung i.

    >>> [(bracket.trials, bracket.epochs) for bracket in brackets(Hyperband(max_epochs=81))][:2]
    [((81, 27, 9, 3, 1), (1, 3, 9, 27, 81)), ((27, 9, 3, 1), (3, 9, 27, 81))]
    """
    end, eta, most = pace.max_epochs, pace.keep_1_in, 0
    while eta ** (most + 1) <= end:
        most += 1
    found = []
    for s in range(most, -1, -1):
        first = (most + 1) // (s + 1) * eta**s
        epochs = tuple(max(1, end // eta ** (s - i)) for i in range(s + 1))
        found.append(Bracket(tuple(first // eta**i for i in range(s + 1)), epochs))
    return found


def _check_halving(pace: Hyperband | BOHB) -> None:
    name = type(pace).__name__
    _check_epochs(name, pace.max_epochs)
    if not is_whole(pace.keep_1_in, 2):
        raise ValueError(
            f"{name}(keep_1_in={pace.keep_1_in!r}) is no whole number of 2 or more. Set keep_1_in=3 to keep a third."
        )


def _check_population(pace: "PBT | PB2") -> None:
    name = type(pace).__name__
    _check_epochs(name, pace.max_epochs)
    if not is_whole(pace.every, 1) or pace.every >= pace.max_epochs:
        raise ValueError(
            f"{name}(max_epochs={pace.max_epochs}, every={pace.every!r}) never judges a member. "
            f"Set every between 1 and {pace.max_epochs - 1}."
        )
    if pace.population is not None and not is_whole(pace.population, 2):
        raise ValueError(f"{name}(population={pace.population!r}) has nobody to copy. Set population=4 or more.")
    if not is_number(pace.quantile) or not 0 < pace.quantile <= 0.5:
        raise ValueError(f"{name}(quantile={pace.quantile!r}) is no share to replace. Set quantile above 0, up to 0.5.")
    names = (pace.mutate,) if isinstance(pace.mutate, str) else pace.mutate
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{name}(mutate={pace.mutate!r}) names no params. Name them: mutate=('lr',).")
    object.__setattr__(pace, "mutate", tuple(dict.fromkeys(names)))


def _check_grace(name: str, end: int, grace: object) -> None:
    if not is_whole(grace, 1) or grace > end:
        raise ValueError(
            f"{name}(max_epochs={end}, grace_epochs={grace!r}) never stops a trial. "
            f"Set grace_epochs between 1 and {end}."
        )


def _check_epochs(name: str, epochs: object) -> None:
    if not is_whole(epochs, 2):
        raise ValueError(f"{name}(max_epochs={epochs!r}) is no whole number of 2 or more. Set max_epochs=27.")
