"""A strategy: a sampler that proposes and a scheduler that stops, pauses or mutates.

`TPE() + ASHA(max_epochs=27)` is a value; a sampler alone means `+ FullLength()`, and `A >> B` lets one sampler follow
another. Which pairs agree is decided by what each side says of itself, so that a new sampler needs no edit of this
file; `search.agreement` decides what agrees with a goal and a space.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from search.number import is_whole
from search.shown import shown


class Sampler:
    """What proposes params. Subclasses are frozen dataclasses and hold nothing but their settings.

    Attributes:
        learns: whether later proposals depend on earlier results.
        several: whether it can look for a front of several objectives.
        models: whether it fits a model that can tell lengths of training apart, as BOHB wants it.
        settled: whether it is what it says; `Auto` stands for another one.
        ends: whether it has a last point, after which another sampler may follow.
    """

    __slots__ = ()
    learns: ClassVar[bool] = False
    several: ClassVar[bool] = False
    models: ClassVar[bool] = False
    settled: ClassVar[bool] = True
    ends: ClassVar[bool] = False

    def __str__(self) -> str:
        return " >> ".join(map(shown, chain_of(self)))

    def __add__(self, scheduler: object) -> "Strategy":
        if not isinstance(scheduler, Scheduler):
            raise TypeError(f"{self} + {scheduler!r} is no strategy. Add a scheduler: {self} + ASHA(max_epochs=27).")
        return Strategy(self, scheduler)

    def __rshift__(self, other: object) -> "Chain | Strategy":
        """This sampler, and when it has proposed all its points, the other one."""
        match other:
            case Sampler():
                return Chain((*chain_of(self), *chain_of(other)))
            case Strategy(sampler=sampler, scheduler=scheduler):
                return Strategy(Chain((*chain_of(self), *chain_of(sampler))), scheduler)
        raise TypeError(f"{self} >> {other!r} is no chain. Name the sampler that follows: Sobol(20) >> TPE().")


@dataclass(frozen=True, slots=True)
class Chain(Sampler):
    """Samplers in turn, as `Sobol(20) >> TPE()`: a coarse search, then the refinement of its best points.

    Attributes:
        parts: two or more; each but the last says how many points it proposes.
    """

    parts: tuple[Sampler, ...]

    def __post_init__(self) -> None:
        for part in self.parts:
            if not part.settled:
                raise ValueError(
                    f"{part} is no part of a chain. Use it alone, or name the sampler: Sobol(20) >> TPE()."
                )
        for part in self.parts[:-1]:
            if not part.ends:
                raise ValueError(
                    f"{part} has no last point, and {self.parts[-1]} would never begin. "
                    f"Say how many come first: Sobol(n=20) >> {self.parts[-1]}."
                )

    @property
    def learns(self) -> bool:  # type: ignore[override]
        """Whether any of them does."""
        return any(part.learns for part in self.parts)

    @property
    def several(self) -> bool:  # type: ignore[override]
        """Whether all of them can look for a front."""
        return all(part.several for part in self.parts)

    @property
    def models(self) -> bool:  # type: ignore[override]
        """Whether the last one does."""
        return self.parts[-1].models

    @property
    def ends(self) -> bool:  # type: ignore[override]
        """Whether the last one does."""
        return self.parts[-1].ends


def chain_of(sampler: Sampler) -> tuple[Sampler, ...]:
    """The samplers that propose in turn."""
    return sampler.parts if isinstance(sampler, Chain) else (sampler,)


class Scheduler:
    """What decides how long each trial runs. Subclasses are frozen dataclasses like samplers.

    Attributes:
        mutates: whether it changes params while trials run, and thus replaces a sampler's learning.
        goals: what it can judge: `plain`, one objective at equal epochs; `one`, also at equal cost; `any`, also
            several objectives and limits on outcomes.
        wants_model: whether its sampler must be one that models.
    """

    __slots__ = ()
    mutates: ClassVar[bool] = False
    goals: ClassVar[str] = "plain"
    wants_model: ClassVar[bool] = False

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

    goals: ClassVar[str] = "any"
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
        if self.scheduler.mutates and self.sampler.learns and self.sampler.settled:
            raise ValueError(
                f"{self.sampler} learns from finished trials, while {self.scheduler} changes params as they run: "
                f"the two do not agree. Use Random() + {self.scheduler}."
            )
        if self.scheduler.wants_model and self.sampler.settled and not self.sampler.models:
            raise ValueError(
                f"{self.scheduler} needs a sampler that models what it sees, which {self.sampler} does not. "
                f"Use TPE() + {self.scheduler}, or {self.sampler} + Hyperband(max_epochs={self.scheduler.max_epochs})."  # type: ignore[attr-defined]
            )

    def __str__(self) -> str:
        return f"{self.sampler} + {self.scheduler}"
