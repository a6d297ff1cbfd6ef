"""SMAC, Syne Tune, and Optuna and HyperOpt as Ray Tune wraps them, behind `ask` and `tell`.

Each has its own defaults. What a library cannot say of a space it goes without: Syne Tune knows no conditions, so it
is asked for every parameter, and those that do not exist in a point are dropped.
"""

import logging
import tempfile
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks.quality.tasks import Outcome, Point, Task
from search import Space
from search.dialects import suggest, to_hyperopt
from search.domains import Choice, Float, Int

Token = Any


def of_optuna(space: Space, trial: Any) -> Point:
    """The flat point that an Optuna trial suggests; a table's numbers have places, which it is asked for."""
    if not all(isinstance(leaf.domain, Choice) for leaf in space.leaves):
        return space.check(suggest(space, trial))
    return {leaf.name: _of_table(trial, leaf.name, leaf.domain) for leaf in space.leaves}


def _of_table(trial: Any, name: str, domain: Any) -> Any:
    count = len(domain.options)
    ask = trial.suggest_int(name, 0, count - 1) if domain.ordered else trial.suggest_categorical(name, range(count))
    return domain.options[ask]


def _point(space: Space, numbers: Callable[[str], Any]) -> Point:
    """The flat point of what a library gives by the leaves' labels: values, and places of options."""
    point: Point = {}
    for _, leaf in space.walk(point):
        number = numbers(leaf.label)
        match leaf.domain:
            case Choice(options=options):
                point[leaf.name] = options[int(number)]
            case Int():
                point[leaf.name] = int(number)
            case Float():
                point[leaf.name] = leaf.domain.clip(float(number))
    return point


class Smac:
    """SMAC3's facade for hyperparameters, a random forest (Lindauer et al. 2022), or that for black boxes, a process.

    Args:
        facade: the class.
    """

    def __init__(self, facade: str, task: Task, seed: int, trials: int, pending: int, objectives: int = 1):
        import smac

        self._space = task.space
        self._folder = tempfile.TemporaryDirectory(prefix="smac")  # which goes when this does
        scenario = smac.Scenario(
            _configurations(task.space, seed), n_trials=trials, deterministic=True, seed=seed,
            output_directory=self._folder.name,
        )  # fmt: skip
        kind = getattr(smac, facade)
        self._smac = kind(
            scenario, lambda config, seed=0: 0.0, intensifier=kind.get_intensifier(scenario, max_config_calls=1),
            logging_level=logging.ERROR, overwrite=True,
        )  # fmt: skip

    def ask(self) -> tuple[Token, Point] | None:
        info = self._smac.ask()
        return info, _point(self._space, dict(info.config).__getitem__)

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        status = StatusType.CRASHED if outcome.failed else StatusType.SUCCESS
        cost = float("inf") if outcome.failed else outcome.losses[0]
        self._smac.tell(token, TrialValue(cost=cost, time=1.0, status=status), save=False)


def _configurations(space: Space, seed: int) -> Any:
    """The space with its conditions, in ConfigSpace's words."""
    import ConfigSpace

    whole = ConfigSpace.ConfigurationSpace(seed=seed)
    nodes = [_node(leaf.label, leaf.domain) for leaf in space.leaves]
    whole.add(nodes)
    whole.add([
        ConfigSpace.InCondition(nodes[child], nodes[parent], list(places))
        for child, (parent, places) in space.parents.items()
    ])  # fmt: skip
    return whole


def _node(label: str, domain: Float | Int | Choice) -> Any:
    import ConfigSpace

    match domain:
        case Choice(options=options, ordered=True):
            return ConfigSpace.UniformIntegerHyperparameter(label, 0, len(options) - 1)
        case Choice(options=options):
            return ConfigSpace.CategoricalHyperparameter(label, list(range(len(options))))
        case Int():
            return ConfigSpace.UniformIntegerHyperparameter(label, domain.low, domain.high, log=domain.log)
        case Float():
            return ConfigSpace.UniformFloatHyperparameter(label, domain.low, domain.high, log=domain.log)


class SyneTune:
    """One of Syne Tune's baselines (Salinas et al. 2022).

    Args:
        name: the class, such as `CQR`.
    """

    def __init__(self, name: str, task: Task, seed: int, trials: int, pending: int, objectives: int = 1):
        from syne_tune.optimizer import baselines
        from syne_tune.optimizer.schedulers.ask_tell_scheduler import AskTellScheduler

        logging.getLogger("syne_tune").setLevel(logging.ERROR)
        self._space = task.space
        domains = {leaf.label: _domain(leaf.domain) for leaf in task.space.leaves}
        scheduler = getattr(baselines, name)(domains, metric="loss", do_minimize=True, random_seed=seed)
        self._scheduler = AskTellScheduler(scheduler)

    def ask(self) -> tuple[Token, Point] | None:
        trial = self._scheduler.ask()
        return trial, _point(self._space, trial.config.__getitem__)

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        if outcome.failed:
            self._scheduler.base_scheduler.on_trial_error(token)
        else:
            self._scheduler.tell(token, {"loss": outcome.losses[0]})


def _domain(domain: Float | Int | Choice) -> Any:
    from syne_tune import config_space as words

    match domain:
        case Choice(options=options, ordered=True):
            return words.randint(0, len(options) - 1)
        case Choice(options=options):
            return words.choice([str(place) for place in range(len(options))])
        case Int():
            return (words.lograndint if domain.log else words.randint)(domain.low, domain.high)
        case Float():
            return (words.loguniform if domain.log else words.uniform)(domain.low, domain.high)


class RayTune:
    """`OptunaSearch` or `HyperOptSearch` of Ray Tune."""

    def __init__(self, name: str, task: Task, seed: int, trials: int, pending: int, objectives: int = 1):
        space, self._name = task.space, name
        self._point: Point = {}
        if name == "OptunaSearch":
            from ray.tune.search.optuna import OptunaSearch

            def define(trial: Any) -> None:
                self._point = of_optuna(space, trial)

            logging.getLogger("optuna").setLevel(logging.ERROR)
            self._search: Any = OptunaSearch(define, metric="loss", mode="min", seed=seed)
        else:
            from ray.tune.search.hyperopt import HyperOptSearch

            self._search = HyperOptSearch(to_hyperopt(space), metric="loss", mode="min", random_state_seed=seed)
        self._space = space

    def ask(self) -> tuple[Token, Point] | None:
        token = uuid.uuid4().hex
        found = self._search.suggest(token)
        return token, self._point if self._name == "OptunaSearch" else self._space.check(found)

    def tell(self, token: Token, point: Point, outcome: Outcome) -> None:
        result = None if outcome.failed else {"loss": outcome.losses[0]}
        self._search.on_trial_complete(token, result, error=outcome.failed)
