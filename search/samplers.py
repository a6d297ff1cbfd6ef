"""The samplers as values: what they are called and set to. What they do lives in `search.engines`."""

from dataclasses import dataclass
from typing import ClassVar

from search.number import is_whole
from search.settings import check_between, check_flag, check_share, check_whole
from search.spelling import did_you_mean
from search.strategy import Sampler

TPE_ENGINES = ("a440", "hyperopt", "optuna")
BAYES_ENGINES = ("a440", "optuna")
MOST_POINTS = 2**53  # beyond it, floats no longer tell them apart


@dataclass(frozen=True, slots=True)
class Grid(Sampler):
    """Every combination once; nothing is written out, however large the grid.

    Attributes:
        points: values per continuous parameter, evenly spread over its domain; None where every
            parameter is a choice or has a step.
        shuffle: whether they come in random order, which the study's seed decides, instead of in turn.
    """

    several: ClassVar[bool] = True
    ends: ClassVar[bool] = True
    points: int | None = None
    shuffle: bool = False

    def __post_init__(self) -> None:
        if self.points is not None and (not is_whole(self.points, 1) or self.points > MOST_POINTS):
            raise ValueError(f"Grid(points={self.points!r}) is no number of values. Set Grid(points=5).")
        check_flag(self, "shuffle")


@dataclass(frozen=True, slots=True)
class Random(Sampler):
    """Independent draws from the space. Bergstra & Bengio 2012, Random search for hyper-parameter optimization.

    Attributes:
        n: how many; None for as many as the budget has.
        repeat: whether a point of a small space may be drawn again.
    """

    several: ClassVar[bool] = True
    n: int | None = None
    repeat: bool = False

    def __post_init__(self) -> None:
        _check_n(self, self.n)
        check_flag(self, "repeat")

    @property
    def ends(self) -> bool:  # type: ignore[override]
        """Whether it has a last point."""
        return self.n is not None


@dataclass(frozen=True, slots=True)
class Sobol(Sampler):
    """A scrambled Sobol sequence: draws that leave no part of the space empty; best in powers of two.

    Sobol 1967; Owen 1998; scipy's generator.

    Attributes:
        n: how many points; None for as many as the budget has.
    """

    several: ClassVar[bool] = True
    n: int | None = None

    def __post_init__(self) -> None:
        _check_n(self, self.n)

    @property
    def ends(self) -> bool:  # type: ignore[override]
        """Whether it has a last point."""
        return self.n is not None


@dataclass(frozen=True, slots=True)
class TPE(Sampler):
    """Tree-structured Parzen estimator, Bergstra et al. 2011; native on conditional trees.

    Attributes:
        startup: random trials before the model takes over.
        gamma: how many trials count as good, 25 at most. For `a440` and `optuna` a share of all trials, for
            `hyperopt` the factor of their square root; None takes what measured well (0.15; Optuna's own; 1).
        candidates: draws from the good group among which expected improvement chooses.
        engine: whose implementation: `a440`, one density over the whole tree; `hyperopt`, parameter by parameter;
            `optuna`, its multivariate one in groups. For several objectives (Ozaki et al. 2022, Multiobjective
            tree-structured Parzen estimator) the first and the last.
        random: share of later trials that are drawn at random all the same.
    """

    learns: ClassVar[bool] = True
    several: ClassVar[bool] = True
    models: ClassVar[bool] = True
    startup: int = 10
    gamma: float | None = None
    candidates: int = 24
    engine: str = "a440"
    random: float = 0.0

    def __post_init__(self) -> None:
        if self.engine not in TPE_ENGINES:
            raise ValueError(f"TPE(engine={self.engine!r}) is unknown. {did_you_mean(str(self.engine), TPE_ENGINES)}")
        check_whole(self, 1, 24, "startup", "candidates")
        if self.gamma is not None:
            check_between(self, 0, 99 if self.engine == "hyperopt" else 1, 0.15, "gamma")
        check_share(self, 0.1, "random")


@dataclass(frozen=True, slots=True)
class Bayes(Sampler):
    """Bayesian optimisation with a Gaussian process over the whole tree: the fewest trials.

    Matern 5/2, noise learned, log expected improvement over what the trials that run may bring (Ament et al. 2023,
    arXiv:2310.20708).

    Attributes:
        startup: Sobol points before the model takes over.
        noisy: whether one point may give different losses; False saves trials where it surely does not.
        hedge: share of later trials that `TPE()` proposes instead: two models that err in different places find more
            than either (a portfolio, Hoffman et al. 2011); where trials are stopped early, Sobol points. Not for
            `engine="optuna"`, nor for several objectives.
        engine: whose implementation: `a440`, which knows conditions; `optuna`, which takes a tree for flat. For several
            objectives it is Optuna's: hypervolume improvement (Daulton et al. 2020, arXiv:2006.05078).
        n: how many points; None for as many as the budget has. `Bayes(n=300) >> TPE()` stays fast with many trials.
    """

    learns: ClassVar[bool] = True
    several: ClassVar[bool] = True
    models: ClassVar[bool] = True
    startup: int = 6
    noisy: bool = True
    hedge: float = 0.25
    engine: str = "a440"
    n: int | None = None

    def __post_init__(self) -> None:
        _check_n(self, self.n)
        if self.engine not in BAYES_ENGINES:
            hint = did_you_mean(str(self.engine), BAYES_ENGINES)
            raise ValueError(f"Bayes(engine={self.engine!r}) is unknown. {hint}")
        check_whole(self, 1, 10, "startup")
        check_flag(self, "noisy")
        check_share(self, 0.25, "hedge")

    @property
    def ends(self) -> bool:  # type: ignore[override]
        """Whether it has a last point."""
        return self.n is not None


@dataclass(frozen=True, slots=True)
class CMAES(Sampler):
    """CMA-ES with margin for whole numbers and choices: hundreds of trials over continuous parameters.

    Hansen 2016, The CMA evolution strategy: a tutorial (arXiv:1604.00772); Hamano et al. 2025, CatCMA with margin
    (arXiv:2504.07884); the `cmaes` library.

    Attributes:
        population: trials of a generation; None for 4 + 3 ln(parameters).
        sigma: first standard deviation, in shares of each range.
    """

    learns: ClassVar[bool] = True
    population: int | None = None
    sigma: float = 0.17

    def __post_init__(self) -> None:
        if self.population is not None:
            check_whole(self, 3, 12, "population")
        check_between(self, 0, 1, 0.17, "sigma")


@dataclass(frozen=True, slots=True)
class Evolution(Sampler):
    """Evolution on the tree: the best of a few of the newest is mutated, or crossed with another.

    Regularized evolution, Real et al. 2019 (arXiv:1802.01548): the oldest die, not the worst.

    Attributes:
        population: how many of the newest trials are alive (their P).
        tournament: how many of them compete to be a parent (their S).
        crossover: share of children that have two parents, parameter by parameter; 0 is the paper's own form.
        sigma: standard deviation of a number's mutation, in shares of its range.
    """

    learns: ClassVar[bool] = True
    population: int = 30
    tournament: int = 8
    crossover: float = 0.0
    sigma: float = 0.15

    def __post_init__(self) -> None:
        check_whole(self, 2, 30, "population", "tournament")
        check_share(self, 0.5, "crossover")
        check_between(self, 0, 1, 0.15, "sigma")


@dataclass(frozen=True, slots=True)
class Greedy(Sampler):
    """Coordinate search around the best trial: one parameter at a time, in steps that halve where nothing improves.

    Pattern search, Hooke & Jeeves 1961, Direct search solution of numerical and statistical problems.

    Attributes:
        startup: Sobol points before it starts from the best of them.
        radius: first step, in shares of each range.
    """

    learns: ClassVar[bool] = True
    startup: int = 10
    radius: float = 0.25

    def __post_init__(self) -> None:
        check_whole(self, 1, 10, "startup")
        check_between(self, 0, 1, 0.25, "radius")


@dataclass(frozen=True, slots=True)
class Swarm(Sampler):
    """Particle swarm: each particle is drawn to the best place it has seen and to the best that any has.

    Kennedy & Eberhart 1995; the constants of Clerc & Kennedy 2002, The particle swarm: explosion, stability, and
    convergence.

    Attributes:
        particles: how many.
        inertia: share of its last step that a particle keeps (their w).
        own: pull of the particle's own best place (their c1).
        others: pull of the swarm's best place (their c2).
    """

    learns: ClassVar[bool] = True
    particles: int = 10
    inertia: float = 0.7298
    own: float = 1.4962
    others: float = 1.4962

    def __post_init__(self) -> None:
        check_whole(self, 2, 10, "particles")
        check_share(self, 0.7298, "inertia")
        check_between(self, 0, 4, 1.4962, "own", "others")


@dataclass(frozen=True, slots=True)
class Reinforce(Sampler):
    """A policy gradient over the choices of the tree, for architectures.

    REINFORCE, Williams 1992, as a controller of architectures in Zoph & Le 2017 (arXiv:1611.01578); a softmax per
    decision as in Ying et al. 2019, NAS-Bench-101 (arXiv:1902.09635).

    Attributes:
        rate: of learning.
        bins: into which a continuous parameter is cut; within its bin it is drawn evenly.
        entropy: what is paid for staying undecided.
    """

    learns: ClassVar[bool] = True
    rate: float = 0.3
    bins: int = 8
    entropy: float = 0.01

    def __post_init__(self) -> None:
        check_between(self, 0, 10, 0.3, "rate")
        check_whole(self, 2, 8, "bins")
        check_share(self, 0.01, "entropy")


@dataclass(frozen=True, slots=True)
class QLearning(Sampler):
    """Tabular Q-learning through the tree, decision by decision, as MetaQNN does layer by layer.

    Baker et al. 2017, Designing neural network architectures using reinforcement learning (arXiv:1611.02167).

    Attributes:
        rate: of learning (their alpha).
        bins: into which a continuous parameter is cut; within its bin it is drawn evenly.
        explore: trials over which the share of random decisions falls from 1 to 0.1 (their epsilon).
    """

    learns: ClassVar[bool] = True
    rate: float = 0.5
    bins: int = 8
    explore: int = 30

    def __post_init__(self) -> None:
        check_between(self, 0, 1, 0.5, "rate")
        check_whole(self, 2, 8, "bins")
        check_whole(self, 1, 30, "explore")


@dataclass(frozen=True, slots=True)
class NSGA2(Sampler):
    """A genetic algorithm for several objectives, on the tree: fronts first, then what is least crowded.

    Deb et al. 2002, A fast and elitist multiobjective genetic algorithm: NSGA-II.

    Attributes:
        population: parents.
        crossover: share of children that have two.
        sigma: standard deviation of a number's mutation, in shares of its range.
    """

    learns: ClassVar[bool] = True
    several: ClassVar[bool] = True
    population: int = 20
    crossover: float = 0.9
    sigma: float = 0.1

    def __post_init__(self) -> None:
        check_whole(self, 2, 20, "population")
        check_share(self, 0.9, "crossover")
        check_between(self, 0, 1, 0.1, "sigma")


@dataclass(frozen=True, slots=True)
class Hypergradient(Sampler):
    """Descends the gradients that trials report as `grad/<param>`, from several starts at once.

    Bengio 2000, Gradient-based optimization of hyperparameters; steps by sign, per parameter, as in Rprop (Riedmiller
    & Braun 1993). Over orders of magnitude it descends the logarithm.

    Attributes:
        starts: descents that go on at the same time.
        step: first step, in shares of each range.
    """

    learns: ClassVar[bool] = True
    starts: int = 3
    step: float = 0.1

    def __post_init__(self) -> None:
        check_whole(self, 1, 3, "starts")
        check_between(self, 0, 1, 0.1, "step")


@dataclass(frozen=True, slots=True)
class Auto(Sampler):
    """Whichever sampler suits the space, the goal, the budget and how many trials run at once.

    It is settled when a study starts, and says what was picked and why; `search.auto` has the rules.
    """

    learns: ClassVar[bool] = True
    several: ClassVar[bool] = True
    settled: ClassVar[bool] = False


def _check_n(sampler: Sampler, n: object) -> None:
    name = type(sampler).__name__
    if n is not None and not is_whole(n, 1):
        raise ValueError(f"{name}(n={n!r}) is no number of points. Set {name}(n=20).")
