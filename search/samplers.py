"""The samplers as values: what they are called and set to. What they do lives in `search.engines`."""

from dataclasses import dataclass
from typing import ClassVar

from search.number import is_number, is_whole
from search.spelling import did_you_mean
from search.strategy import Sampler

TPE_ENGINES = ("hyperopt",)
MOST_POINTS = 2**53  # beyond it, floats no longer tell them apart


@dataclass(frozen=True, slots=True)
class Grid(Sampler):
    """Every combination once, in order; nothing is written out, however large the grid.

    Attributes:
        points: values per continuous parameter, evenly spread over its domain; None where every
            parameter is a choice or has a step.
    """

    points: int | None = None

    def __post_init__(self) -> None:
        if self.points is not None and (not is_whole(self.points, 1) or self.points > MOST_POINTS):
            raise ValueError(f"Grid(points={self.points!r}) is no number of values. Set Grid(points=5).")


@dataclass(frozen=True, slots=True)
class Random(Sampler):
    """Independent draws from the space."""


@dataclass(frozen=True, slots=True)
class TPE(Sampler):
    """Tree-structured Parzen estimator, Bergstra et al. 2011: HyperOpt's, native on conditional trees.

    HyperOpt's own defaults (20 random trials, gamma 0.25) leave too few trials in the good group for
    the budgets that people have; these are the settings that did better at 100 trials.

    Attributes:
        startup: random trials before the model takes over.
        gamma: the good group holds ceil(gamma * sqrt(n)) of n trials, 25 at most.
        candidates: draws from the good group among which expected improvement chooses.
        engine: whose implementation, `hyperopt`.
    """

    learns: ClassVar[bool] = True
    startup: int = 10
    gamma: float = 1.0
    candidates: int = 24
    engine: str = "hyperopt"

    def __post_init__(self) -> None:
        if self.engine not in TPE_ENGINES:
            raise ValueError(f"TPE(engine={self.engine!r}) is unknown. {did_you_mean(str(self.engine), TPE_ENGINES)}")
        for name in ("startup", "candidates"):
            if not is_whole(getattr(self, name), 1):
                raise ValueError(f"TPE({name}={getattr(self, name)!r}) is no whole number of 1 or more. Set {name}=24.")
        if not is_number(self.gamma) or not 0 < self.gamma < 100:
            raise ValueError(f"TPE(gamma={self.gamma!r}) is no number between 0 and 100. Set gamma=1.")
