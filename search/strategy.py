"""A strategy: a sampler that proposes and a scheduler that stops, pauses or mutates.

`TPE() + ASHA(max_epochs=27)` is a value; a sampler alone means `+ FullLength()`. Which pairs agree is
decided here, by what each side says of itself, so that a new sampler needs no edit of this file.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from search.number import is_whole
from search.shown import shown


class Sampler:
    """What proposes params. Subclasses are frozen dataclasses and hold nothing but their settings.

    Attributes:
        learns: whether later proposals depend on earlier results.
    """

    __slots__ = ()
    learns: ClassVar[bool] = False

    def __str__(self) -> str:
        return shown(self)

    def __add__(self, scheduler: object) -> "Strategy":
        if not isinstance(scheduler, Scheduler):
            raise TypeError(f"{self} + {scheduler!r} is no strategy. Add a scheduler: {self} + ASHA(max_epochs=27).")
        return Strategy(self, scheduler)


class Scheduler:
    """What decides how long each trial runs. Subclasses are frozen dataclasses like samplers.

    Attributes:
        mutates: whether it changes params while trials run, and thus replaces a sampler's learning.
    """

    __slots__ = ()
    mutates: ClassVar[bool] = False

    def __str__(self) -> str:
        return shown(self)

    def __add__(self, other: object) -> "Strategy":
        raise TypeError(f"{self} + {other} has its parts in the wrong order. Put the sampler first: {other} + {self}.")


@dataclass(frozen=True, slots=True)
class FullLength(Scheduler):
    """Every trial runs to its end.

    Attributes:
        epochs: reports after which a trial is over; None where the trainable ends by itself.
    """

    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.epochs is not None and not is_whole(self.epochs, 1):
            raise ValueError(
                f"FullLength(epochs={self.epochs!r}) is no whole number of 1 or more. Set FullLength(epochs=27)."
            )


@dataclass(frozen=True, slots=True)
class Strategy:
    """A sampler and a scheduler that agree.

    Raises:
        ValueError: the pair does not agree; the message names the pair to use.
    """

    sampler: Sampler
    scheduler: Scheduler = field(default_factory=FullLength)

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, Sampler) or not isinstance(self.scheduler, Scheduler):
            raise TypeError(
                f"Strategy({self.sampler!r}, {self.scheduler!r}) needs a sampler and a scheduler. "
                f"Write TPE() + ASHA(max_epochs=27)."
            )
        if self.scheduler.mutates and self.sampler.learns:
            raise ValueError(
                f"{self.sampler} learns from finished trials, while {self.scheduler} changes params as they run: "
                f"the two do not agree. Use Random() + {self.scheduler}."
            )

    def __str__(self) -> str:
        return f"{self.sampler} + {self.scheduler}"


def strategy_of(value: "Strategy | Sampler") -> Strategy:
    """A strategy as it is; a sampler alone with FullLength()."""
    if isinstance(value, Sampler):
        return Strategy(value)
    if isinstance(value, Strategy):
        return value
    if isinstance(value, Scheduler):
        raise ValueError(f"the strategy is {value} without a sampler. Add one: {partner(value)} + {value}.")
    raise ValueError(f"the strategy is {value!r}. Write a sampler and a scheduler: TPE() + ASHA(max_epochs=27).")


def partner(scheduler: object) -> str:
    """A sampler that agrees with a scheduler, as a user would write it."""
    return "Random()" if isinstance(scheduler, Scheduler) and scheduler.mutates else "TPE()"
