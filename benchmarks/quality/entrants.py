"""Who takes part: our samplers and those of other libraries, behind `ask` and `tell`.

Each gets the space in its own words with what it can know: numbers in their order and on their scale, choices without
an order as such. Trials may be pending while another is asked for.
"""

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from benchmarks.quality.others import RayTune, Smac, SyneTune, of_optuna
from benchmarks.quality.tasks import Loss, Outcome, Point, Task
from search import (
    CMAES,
    NSGA2,
    TPE,
    Auto,
    Bayes,
    Evolution,
    FullLength,
    Goal,
    Greedy,
    Grid,
    Hypergradient,
    QLearning,
    Random,
    Reinforce,
    Sampler,
    Sobol,
    Swarm,
)
from search.auto import settle
from search.dialects import to_hyperopt, to_optuna
from search.engines.at_work import sampler_engine
from search.goal import Objective
from search.protocol import FINISHED, Lesson, Seen

Token = Any


class Entrant(Protocol):
    """A sampler at work on a task."""

    def ask(self) -> tuple[Token, Point] | None:
        """The flat point of a trial and what it is known by; None when there are no more."""

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        """How it ended."""


@runtime_checkable
class Teachable(Entrant, Protocol):
    """A sampler that can be told of trials that others asked for."""

    def fill(self, points: Sequence[Point], loss: Loss) -> None:
        """Tells of trials that it did not ask for."""


class Ours:
    """One of our samplers."""

    def __init__(self, sampler: Sampler, task: Task, seed: int, trials: int, pending: int, objectives: int = 1):
        goal = Goal("min", "loss", tuple(Objective("min", f"loss{k}") for k in range(1, objectives)))
        picked = settle(sampler + FullLength(epochs=1), task.space, goal, trials, pending).strategy.sampler
        self._task, self._asked = task, 0
        self._engine = sampler_engine(picked, task.space, seed=seed, objectives=objectives, warn=lambda text: None)

    def ask(self) -> tuple[Token, Point] | None:
        self._asked += 1
        point = self._engine.propose(self._asked)
        if point is None:
            return None
        self._engine.adopt(self._asked, point)
        return self._asked, point

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        if outcome.failed:
            self._engine.fail(token)
            return
        slopes = {} if self._task.slopes is None else self._task.slopes(point)
        self._engine.observe(token, Seen(FINISHED, outcome.losses, outcome.margins, slopes))

    def learn(self, lessons: Sequence[Lesson]) -> None:
        """Tells of an earlier study."""
        self._engine.learn(lessons)

    def fill(self, points: Sequence[Point], loss: Loss) -> None:
        for point in points:
            self._asked += 1
            self._engine.adopt(self._asked, point)
            self.tell(self._asked, point, Outcome((loss(point),)))


class Optunas:
    """One of Optuna's samplers with its own defaults."""

    def __init__(self, name: str, task: Task, seed: int, trials: int, pending: int, objectives: int = 1):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._space = task.space
        sampler = getattr(optuna.samplers, name)(seed=seed)
        self._study = optuna.create_study(sampler=sampler, directions=["minimize"] * objectives)

    def ask(self) -> tuple[Token, Point] | None:
        trial = self._study.ask()
        return trial, of_optuna(self._space, trial)

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        import optuna

        if outcome.failed:
            self._study.tell(token, state=optuna.trial.TrialState.FAIL)
            return
        for place, margin in enumerate(outcome.margins):
            token.set_constraint(f"limit {place}", margin)
        self._study.tell(token, list(outcome.losses))

    def fill(self, points: Sequence[Point], loss: Loss) -> None:
        import optuna

        kinds = to_optuna(self._space)
        for point in points:
            self._study.add_trial(optuna.create_trial(params=point, distributions=kinds, value=loss(point)))


class HyperOpts:
    """One of HyperOpt's algorithms with its own defaults."""

    def __init__(self, name: str, task: Task, seed: int, trials: int, pending: int, objectives: int = 1):
        import hyperopt

        self._space = task.space
        self._algorithm = getattr(hyperopt, name).suggest
        self._domain = hyperopt.Domain(lambda _: 0.0, to_hyperopt(task.space))
        self._trials, self._rng = hyperopt.Trials(), np.random.default_rng(seed)
        self._states = (hyperopt.JOB_STATE_RUNNING, hyperopt.JOB_STATE_DONE)

    def ask(self) -> tuple[Token, Point] | None:
        import hyperopt

        ids = self._trials.new_trial_ids(1)
        self._trials.refresh()
        [document] = self._algorithm(ids, self._domain, self._trials, int(self._rng.integers(2**31)))
        document["state"] = self._states[0]
        self._trials.insert_trial_docs([document])
        self._trials.refresh()
        vals = {name: value[0] for name, value in document["misc"]["vals"].items() if value}
        return ids[0], self._space.check(hyperopt.space_eval(self._domain.expr, vals))

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        result = {"status": "fail"} if outcome.failed else {"loss": outcome.losses[0], "status": "ok"}
        for document in self._trials._dynamic_trials:
            if document["tid"] == token:
                document["state"], document["result"] = self._states[1], result
        self._trials.refresh()

    def fill(self, points: Sequence[Point], loss: Loss) -> None:
        ids = self._trials.new_trial_ids(len(points))
        documents = [
            {
                "state": self._states[1], "tid": tid, "spec": None, "result": {"loss": loss(point), "status": "ok"},
                "misc": {"tid": tid, "cmd": None, "idxs": {name: [tid] for name in point},
                         "vals": {name: [value] for name, value in point.items()}},
                "exp_key": None, "owner": None, "version": 0, "book_time": None, "refresh_time": None,
            }
            for tid, point in zip(ids, points, strict=True)
        ]  # fmt: skip
        self._trials.insert_trial_docs(documents)
        self._trials.refresh()


Maker = Callable[..., Entrant]


def _ours(sampler: Sampler) -> Maker:
    return functools.partial(Ours, sampler)


# each of ours, and the peer of the same name that it is measured against
ENTRANTS: dict[str, tuple[Maker, str | None]] = {
    "Auto()": (_ours(Auto()), None),
    "TPE()": (_ours(TPE()), "Optuna TPE"),
    "Bayes()": (_ours(Bayes()), "Optuna GP"),
    "Optuna TPE": (functools.partial(Optunas, "TPESampler"), None),
    "Optuna GP": (functools.partial(Optunas, "GPSampler"), None),
    "HyperOpt TPE": (functools.partial(HyperOpts, "tpe"), None),
    "Random()": (_ours(Random()), "Optuna random"),
    "Sobol()": (_ours(Sobol()), "Optuna QMC"),
    "Sobol(20) >> TPE()": (_ours(Sobol(n=20) >> TPE()), "Optuna TPE"),  # type: ignore[arg-type]
    "Grid(shuffle=True)": (_ours(Grid(points=5, shuffle=True)), None),
    "TPE(engine='optuna')": (_ours(TPE(engine="optuna")), "Optuna TPE"),
    "TPE(engine='hyperopt')": (_ours(TPE(engine="hyperopt")), "HyperOpt TPE"),
    "CMAES()": (_ours(CMAES()), "Optuna CMA-ES"),
    "NSGA2()": (_ours(NSGA2()), "Optuna NSGA-II"),
    "Evolution()": (_ours(Evolution()), None),
    "Evolution(crossover=0.5)": (_ours(Evolution(crossover=0.5)), None),
    "Greedy()": (_ours(Greedy()), "HyperOpt annealing"),
    "Swarm()": (_ours(Swarm()), None),
    "Reinforce()": (_ours(Reinforce()), None),
    "QLearning()": (_ours(QLearning()), None),
    "Hypergradient()": (_ours(Hypergradient()), None),
    "Sobol(20) >> Hypergradient()": (_ours(Sobol(n=20) >> Hypergradient()), None),  # type: ignore[arg-type]
    "Optuna random": (functools.partial(Optunas, "RandomSampler"), None),
    "Optuna QMC": (functools.partial(Optunas, "QMCSampler"), None),
    "Optuna CMA-ES": (functools.partial(Optunas, "CmaEsSampler"), None),
    "Optuna NSGA-II": (functools.partial(Optunas, "NSGAIISampler"), None),
    "HyperOpt annealing": (functools.partial(HyperOpts, "anneal"), None),
    "Ray OptunaSearch": (functools.partial(RayTune, "OptunaSearch"), None),
    "Ray HyperOptSearch": (functools.partial(RayTune, "HyperOptSearch"), None),
    "SMAC": (functools.partial(Smac, "HyperparameterOptimizationFacade"), None),
    "SMAC GP": (functools.partial(Smac, "BlackBoxFacade"), None),
    "Syne Tune CQR": (functools.partial(SyneTune, "CQR"), None),
    "Syne Tune BORE": (functools.partial(SyneTune, "BORE"), None),
    "Syne Tune KDE": (functools.partial(SyneTune, "TPE"), None),
}
MAIN = ("Auto()", "TPE()", "Bayes()", "Optuna TPE", "Optuna GP", "HyperOpt TPE", "Random()")


def made(name: str, task: Task, seed: int, trials: int, pending: int = 1, objectives: int = 1) -> Entrant:
    """An entrant at work; warnings about experimental features and replaced points are of no interest here."""
    warnings.simplefilter("ignore")
    return ENTRANTS[name][0](task, seed, trials, pending, objectives)
