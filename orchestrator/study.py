"""A study: all that decides a result, as one value, and the verbs that act on it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import Bundle
from orchestrator.budget import Budget
from orchestrator.folder import check_name, resolve
from search import Goal, Sampler, Space, Strategy, strategy_of
from search.schedulers import last_epoch, needs_checkpoints
from trainables.start import can_save, ends_by_itself, kind_of

if TYPE_CHECKING:
    from orchestrator.plan import Plan
    from orchestrator.results import Results


@dataclass(frozen=True, eq=False, init=False)
class Study:
    """All that decides a result. Checked when it is made; nothing runs before `run`.

    Attributes:
        train: a function of params, or a class derived from `Trainable` or `TorchTrainable`.
        space: names and domains; a list is a choice, a mapping is a group.
        goal: `min METRIC` or `max METRIC`.
        strategy: a sampler and a scheduler; a sampler alone runs every trial to its end.
        bundle: the resources of one trial.
        budget: what ends the study; `run(trials=..., hours=...)` override it.
        name: of its folder; the trainable's name where it is not given.
        seed: equal seeds and an equal order of finishing give equal proposals.
        storage: where study folders are made.
        retries: how often a trial may lose its process before it counts as failed.
        start: points to try first, flat or nested.

    Raises:
        ValueError, TypeError: something in it cannot work; the message has the mend.
    """

    train: Callable[..., Any] | type
    space: Space
    goal: Goal
    strategy: Strategy
    bundle: Bundle
    budget: Budget
    name: str
    seed: int
    storage: str | Path
    retries: int
    start: tuple[dict[str, Any], ...]

    def __init__(
        self,
        train: Callable[..., Any] | type,
        space: Space | Mapping[str, Any],
        goal: Goal | str,
        strategy: Strategy | Sampler,
        bundle: Bundle | None = None,
        budget: Budget | None = None,
        name: str | None = None,
        seed: int = 0,
        storage: str | Path = "runs",
        retries: int = 2,
        start: Iterable[Mapping[str, Any]] = (),
    ):
        kind_of(train)
        tree = space if isinstance(space, Space) else Space(space)
        settled = {
            "train": train,
            "space": tree,
            "goal": Goal.parse(goal),
            "strategy": strategy_of(strategy),
            "bundle": _of(Bundle, bundle, "Bundle(cpus=1, gpus=0.25)"),
            "budget": _of(Budget, budget, "Budget(trials=64)"),
            "name": check_name(name or called(train)),
            "seed": _count("seed", seed),
            "storage": resolve(storage),
            "retries": _count("retries", retries),
            "start": tuple(tree.check(point) for point in start),
        }
        for key, value in settled.items():
            object.__setattr__(self, key, value)
        self._check_strategy()

    def plan(self, trials: int | None = None, hours: float | str | None = None, address: str | None = None) -> "Plan":
        """What this study would do, and whether it ever could; starts nothing on this machine."""
        from cluster.to_ray import connect, local_machine
        from orchestrator import plan as planning

        study = self.with_budget(trials, hours)
        if address is None:
            return planning.plan(study, (local_machine(),))
        with connect(address) as connection:
            return planning.plan(study, connection.machines)

    def run(
        self,
        trials: int | None = None,
        hours: float | str | None = None,
        *,
        address: str | None = None,
        progress: bool = True,
    ) -> "Results":
        """Runs the study to its end in a new folder, and returns its results.

        Args:
            trials: overrides the budget's.
            hours: overrides the budget's; a number or a text such as "90 min".
            address: HOST:PORT of a Ray; otherwise the one this host is on, or a local one.
            progress: whether to print a header, a live table and a summary.

        Raises:
            ValueError: it can never run like this; nothing was started.
        """
        from orchestrator.drive import drive

        return drive(self.with_budget(trials, hours), None, address=address, progress=progress)

    def resume(
        self,
        folder: str | Path,
        trials: int | str | None = None,
        hours: float | str | None = None,
        *,
        address: str | None = None,
        progress: bool = True,
        accept_changes: bool = False,
        trust: bool = False,
    ) -> "Results":
        """Goes on with a study that was interrupted, killed or finished.

        Args:
            folder: the study's folder, wherever it lies now.
            trials: the new total, or "+32" for so many more.
            hours: the new total of hours.
            address: as in `run`.
            progress: as in `run`.
            accept_changes: go on although the trainable's code is not what it was.
            trust: go on although the folder belongs to another user.

        Raises:
            ValueError: space, goal or trainable are not those of the folder; the message has the difference.
            BusyError: another driver is at work there.
        """
        from orchestrator.drive import drive
        from orchestrator.saved import check_owner, check_same, total_trials

        path = Path(folder).expanduser().resolve()
        if not trust:
            check_owner(path)
        study = self.with_budget(total_trials(path, trials, self.budget.trials), hours)
        check_same(study, path, accept_changes=accept_changes)
        return drive(study, path, address=address, progress=progress)

    def with_budget(self, trials: int | None = None, hours: float | str | None = None) -> "Study":
        """This study with another budget; a grid's size is its number of trials where none is given."""
        from orchestrator.plan import grid_fits
        from search.engines.lattice import grid_size
        from search.samplers import Grid

        changes: dict[str, Any] = {"trials": trials, "hours": hours}
        budget = dataclasses.replace(self.budget, **{k: v for k, v in changes.items() if v is not None})
        sampler = self.strategy.sampler
        size = grid_size(self.space, sampler.points) + len(self.start) if isinstance(sampler, Grid) else None
        population = getattr(self.strategy.scheduler, "population", None)
        grid_fits(self.strategy, size, budget.trials)
        if budget.trials is None and (size or population):
            budget = dataclasses.replace(budget, trials=size or population)
        return dataclasses.replace(self, budget=budget)

    def check_budget(self) -> None:
        """Raises ValueError where nothing would ever end the study, or a population does not fit it."""
        if self.budget.trials is None and self.budget.hours is None:
            raise ValueError(f"nothing ends the study {self.name}. Say how many trials or how long: run(trials=64)")
        population = getattr(self.strategy.scheduler, "population", None)
        if population is not None and self.budget.trials is not None and population != self.budget.trials:
            raise ValueError(
                f"a population of {population} and a budget of {self.budget.trials} trials disagree. "
                f"Set trials={population}, or leave population out."
            )
        if self.strategy.scheduler.mutates and self.budget.trials == 1:
            raise ValueError("a population of 1 has nobody to copy. Set trials=4 or more.")

    def _check_strategy(self) -> None:
        scheduler = self.strategy.scheduler
        if needs_checkpoints(scheduler) and not can_save(self.train):
            raise ValueError(
                f"{scheduler} takes trials up again from checkpoints; {called(self.train)}() has none. "
                f"Derive a class from Trainable, or use {self.strategy.sampler} + ASHA(max_epochs=27)."
            )
        if last_epoch(scheduler) is None and not ends_by_itself(self.train):
            raise ValueError(
                f"{called(self.train)} trains until it is told to stop, and {self.strategy} never does. "
                f"Say how long: {self.strategy.sampler} + FullLength(epochs=27)."
            )


def called(train: Any) -> str:
    """A trainable's own name; `study` where it has none, such as a lambda or a partial."""
    name = str(getattr(train, "__name__", "study"))
    return name if name.isidentifier() else "study"


def _of(kind: type, value: Any, example: str) -> Any:
    """A value of a kind: as it is, its default for None, or made from a mapping of its settings."""
    if isinstance(value, Mapping):
        return kind(**value)
    if value is None or isinstance(value, kind):
        return kind() if value is None else value
    raise TypeError(f"{kind.__name__.lower()} is {value!r} ({type(value).__name__}). Write {example}")


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}. Give a whole number of 0 or more: {name}=0")
    return value
