"""A study: all that decides a result, as one value, and the verbs that act on it."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster import Bundle, Fleet
from orchestrator.budget import Budget
from orchestrator.fit import check_fit, some_points
from orchestrator.folder import check_name, resolve
from orchestrator.home import local
from orchestrator.launched import default_storage
from orchestrator.width import Fuse, fuse_of
from search import Belief, Goal, Sampler, Scheduler, Space, Strategy, strategy_of
from search.agreement import check_points, points_of
from search.dialects import read_space
from search.limits import Limit
from trainables.checks import check_given, kind_of_targets
from trainables.data import Data, Dealt, deal
from trainables.families import ESTIMATOR, called, folds_of
from trainables.start import family_of
from trainables.targets import wanted_kind

if TYPE_CHECKING:
    from orchestrator.plan import Plan
    from orchestrator.results import Best, Results


@dataclass(frozen=True, eq=False, init=False)
class Study:
    """All that decides a result. Checked when it is made; nothing runs before `run`.

    Attributes:
        train: a function of params, an estimator of scikit-learn's kind, or a class derived from `Trainable`,
            `TorchTrainable`, `KerasTrainable`, `SklearnTrainable`, `BoostingTrainable` or `LightningTrainable`.
        space: names and domains; a list is a choice, a mapping is a group. Ray Tune's, HyperOpt's and Optuna's
            spaces are read too.
        goal: `min METRIC` or `max METRIC`; several of them, and limits such as `latency_ms <= 20`, in a list.
        strategy: a sampler and a scheduler; a sampler alone runs every trial to its end.
        bundle: the resources of one trial.
        budget: what ends the study; `run(trials=..., hours=...)` override it.
        name: of its folder; the trainable's name where it is not given.
        seed: equal seeds and an equal order of finishing give equal proposals.
        storage: where study folders are made: a path, or an address such as `s3://bucket/runs`.
        retries: how often a trial may lose its process before it counts as failed.
        fuse: how many trials share a process, where networks of one kind are trained together: `"auto"` for as many
            as pay, or a number.
        start: points to try first, flat or nested.
        learn_from: folders of earlier studies, whose trials the sampler knows from the start.
        repeats: how often a point is trained, each time from another seed; it is judged by the mean.
        data: what is learned from, read once and shared by all trials; `Data(...)`, or a source alone.
        whole: whether models are to be kept: they are trained on all rows but the test's, and their metrics are
            those on the same rows. `retrain` makes such a study.
        lineage: of such a study, the `study` and the `trials` that its points came from.

    `limits` (relations between parameters that every point keeps) and `prior` (what is believed about them) become part
    of the space.

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
    fuse: Fuse
    start: tuple[dict[str, Any], ...]
    learn_from: tuple[str, ...]
    repeats: int
    data: Data | None
    whole: bool
    lineage: Mapping[str, Any] | None

    def __init__(
        self,
        train: Callable[..., Any] | type,
        space: Space | Mapping[str, Any],
        goal: Goal | str | list[str],
        strategy: Strategy | Sampler | Scheduler,
        bundle: Bundle | None = None,
        budget: Budget | None = None,
        name: str | None = None,
        seed: int = 0,
        storage: str | Path | None = None,
        retries: int = 2,
        start: Mapping[str, Any] | Iterable[Mapping[str, Any]] = (),
        limits: Iterable[str | Limit] = (),
        prior: Belief | Iterable[Belief] = (),
        learn_from: str | Path | Iterable[str | Path] = (),
        repeats: int = 1,
        data: Any = None,
        whole: bool = False,
        lineage: Mapping[str, Any] | None = None,
        fuse: Fuse = None,
    ):
        family_of(train)
        tree = space_of(space, limits, prior)
        settled = {
            "train": train,
            "space": tree,
            "goal": Goal.parse(goal),
            "strategy": strategy_of(strategy),
            "bundle": _of(Bundle, bundle, "Bundle(cpus=1, gpus=0.25)"),
            "budget": _of(Budget, budget, "Budget(trials=64)"),
            "name": check_name(name or called(train)),
            "seed": _count("seed", seed),
            "storage": resolve(default_storage() if storage is None else storage),
            "retries": _count("retries", retries),
            "fuse": fuse_of(fuse),
            "start": tuple(tree.check(point) for point in ((start,) if isinstance(start, Mapping) else start)),
            "learn_from": _folders(learn_from),
            "repeats": _count("repeats", repeats, least=1),
            "data": None if data is None else Data.of(data),
            "whole": bool(whole),
            "lineage": None if lineage is None else dict(lineage),
        }
        vars(self).update(settled)
        check_fit(self)

    @property
    def by_last(self) -> bool:
        """Whether a trial is worth its last report and not its best one: a mean over folds, a model to be kept."""
        return self.whole or folds_of(self.train) is not None

    @property
    def folds(self) -> int | None:
        """How many epochs a trial has at most, a fold each; None where it does not validate by folds."""
        folds = None if self.whole else folds_of(self.train)
        if folds is None:
            return None
        return self.data.folds if self.data is not None and family_of(self.train) is ESTIMATOR else folds.n

    def deal(self) -> Dealt | None:
        """Reads the data and deals them as the trainable wants them; None where it brings its own."""
        if self.data is None:
            return None
        family, metrics = family_of(self.train), self.goal.metrics
        kind = wanted_kind(metrics) or kind_of_targets(self.train, some_points(self.space))
        dealt = deal(self.data, folds=self.by_last, tensors=family.is_network, kind=kind, metrics=metrics)
        folds = None if self.whole else folds_of(self.train)
        check_given(self.train, dealt.given, folds, some_points(self.space))
        return dealt

    def plan(
        self,
        trials: int | None = None,
        hours: float | str | None = None,
        address: str | None = None,
        cluster: str | Path | None = None,
        epoch_s: float | None = None,
    ) -> "Plan":
        """What this study would do, and whether it ever could; starts nothing on this machine.

        Args:
            trials: as in `run`.
            hours: as in `run`.
            address: HOST:PORT of a Ray to look at; otherwise this machine, or the cluster as its file describes it.
            cluster: a launch file, whose node types count with those that there are.
            epoch_s: how many seconds an epoch takes, for hours and cost.
        """
        from cluster.to_ray import connect, local_machine
        from orchestrator import plan as planning
        from orchestrator.launched import fleet_of

        study = self.with_budget(trials, hours)
        may_come = fleet_of(cluster) or Fleet(())
        if address is not None:
            with connect(address) as connection:
                return planning.plan(study, dataclasses.replace(may_come, machines=connection.machines), epoch_s)
        if cluster is not None and not any(machine.cpus for machine in may_come.at_most()):
            raise ValueError(
                f"{cluster} does not say how many CPUs its machines have, so nothing can be planned from it alone. "
                f"Write --num-cpus=8 into its ray start commands, or ask the cluster: --address HOST:PORT"
            )
        there = may_come if cluster is not None else Fleet((local_machine(),))
        return planning.plan(study, there, epoch_s)

    def run(
        self,
        trials: int | None = None,
        hours: float | str | None = None,
        *,
        address: str | None = None,
        cluster: str | Path | None = None,
        progress: bool = True,
    ) -> "Results":
        """Runs the study to its end in a new folder, and returns its results.

        Args:
            trials: overrides the budget's.
            hours: overrides the budget's; a number or a text such as "90 min".
            address: HOST:PORT of a Ray; otherwise the one this host is on, or a local one.
            cluster: its launch file, which says what an autoscaler may start; on a head that `ray up` made it is found.
            progress: whether to print a header, a live table and a summary.

        Raises:
            ValueError: it can never run like this; nothing was started.
        """
        from orchestrator.drive import drive
        from orchestrator.launched import fleet_of

        study = self.with_budget(trials, hours)
        return drive(study, None, address=address, progress=progress, may_come=fleet_of(cluster))

    def simulate(
        self,
        table: Any,
        workers: int | None = None,
        trials: int | None = None,
        hours: float | str | None = None,
        *,
        out: str | Path | None = None,
    ) -> "Results":
        """Runs the study on recorded learning curves, on a simulated clock: nothing is trained, Ray is not started.

        Args:
            table: a .csv or .parquet file or a DataFrame with a row per epoch, a study's folder or `Results`, or a
                function of params that returns or yields metrics, or its name, `surrogate.py:curve`.
            workers: trials at once; None for as many as this machine would run.
            trials: as in `run`.
            hours: as in `run`, of simulated time.
            out: a new folder, in which the study is kept.

        Raises:
            ValueError: the table does not go with the study.
        """
        from orchestrator.recordings import read_curves
        from orchestrator.simulated import check_free, check_workers, simulate, workers_here, written

        study = self.with_budget(trials, hours)
        folder = None if out is None else check_free(out)
        at_once = workers_here(study) if workers is None else check_workers(workers)
        return written(simulate(study, read_curves(table, self.space, self.goal), at_once), study, folder)

    def resume(
        self,
        folder: str | Path,
        trials: int | str | None = None,
        hours: float | str | None = None,
        *,
        address: str | None = None,
        cluster: str | Path | None = None,
        progress: bool = True,
        accept_changes: bool = False,
        trust: bool = False,
    ) -> "Results":
        """Goes on with a study that was interrupted, killed or finished.

        Args:
            folder: the study's folder or address, wherever it lies now.
            trials: the new total, or "+32" for so many more.
            hours: the new total of hours.
            address: as in `run`.
            cluster: as in `run`.
            progress: as in `run`.
            accept_changes: go on although the trainable's code is not what it was.
            trust: go on although the folder belongs to another user.

        Raises:
            ValueError: space, goal or trainable are not those of the folder; the message has the difference.
            BusyError: another driver is at work there.
        """
        from orchestrator.drive import drive
        from orchestrator.launched import fleet_of
        from orchestrator.saved import check_owner, check_same, total_trials
        from orchestrator.working_copy import refresh

        path = local(folder).resolve()
        refresh(path)
        if not trust:
            check_owner(path)
        study = self.with_budget(total_trials(path, trials, self.budget.trials), hours)
        check_same(study, path, accept_changes=accept_changes)
        return drive(study, path, address=address, progress=progress, may_come=fleet_of(cluster))

    def retrain(
        self,
        source: "Results | Best | str | Path",
        epochs: int | None = None,
        *,
        top: int = 1,
        address: str | None = None,
        progress: bool = True,
    ) -> "Results":
        """Trains the winner once more, on all rows and to the end, in a new study with its lineage.

        Rows that `data` kept back as a test are scored once, when it is over: `results.tested`. A trainable that brings
        its own data is trained on what it trains on.

        Args:
            source: this study's results or folder, or the trial to train, such as `results.best`.
            epochs: how long; None for as long as the winner took to become its best, or to the end of what ends by
                itself.
            top: how many of the best; their mean is scored on the test rows, and given by `predict`.
            address: as in `run`.
            progress: as in `run`.

        Raises:
            LookupError: no trial has reported a usable value.
        """
        from orchestrator.drive import drive
        from orchestrator.results import Best, Results
        from orchestrator.retrain import retraining

        trial = source.trial if isinstance(source, Best) else None
        folder = source.folder if isinstance(source, Best | Results) else source
        again = retraining(self, Results(folder, self.space), epochs=epochs, top=top, trial=trial)
        return drive(again, None, address=address, progress=progress)

    def predict(self, retrained: "Results | str | Path", inputs: Any) -> Any:
        """`[N]` what the models of a retraining say of inputs: classes as the data had them, or numbers.

        Args:
            retrained: what `retrain` returned, or its folder.
            inputs: `[N, ...]`, in the form of the study's data.
        """
        from orchestrator.results import Results
        from orchestrator.retrain import predict

        folder = retrained.folder if isinstance(retrained, Results) else retrained
        return predict(dataclasses.replace(self, whole=True), Results(folder, self.space), inputs)

    def with_budget(self, trials: int | None = None, hours: float | str | None = None) -> "Study":
        """This study with another budget; where it has no number of trials, a sampler's last point or a population."""
        changes: dict[str, Any] = {"trials": trials, "hours": hours}
        budget = dataclasses.replace(self.budget, **{k: v for k, v in changes.items() if v is not None})
        size = points_of(self.strategy.sampler, self.space)
        population = getattr(self.strategy.scheduler, "population", None)
        given = len(self.start) + bool(self.learn_from)  # the best of earlier studies is tried again
        check_points(self.strategy, self.space, budget.trials, given)
        if budget.trials is None and (size or population):
            budget = dataclasses.replace(budget, trials=size + given if size else population)
        return dataclasses.replace(self, budget=budget)

    def check_budget(self) -> None:
        """Raises ValueError where nothing would ever end the study, or a population does not fit it."""
        if self.budget.trials is None and self.budget.hours is None:
            raise ValueError(
                f"nothing ends the study {self.name}. Say how many trials or how long: "
                f"run(trials=64), budget: {{trials: 64}}, or --trials 64."
            )
        population = getattr(self.strategy.scheduler, "population", None)
        if population is not None and self.budget.trials is not None and population != self.budget.trials:
            raise ValueError(
                f"a population of {population} and a budget of {self.budget.trials} trials disagree. "
                f"Set trials={population}, or leave population out."
            )
        if self.strategy.scheduler.mutates and self.budget.trials == 1:
            raise ValueError("a population of 1 has nobody to copy. Set trials=4 or more.")


def _of(kind: type, value: Any, example: str) -> Any:
    """A value of a kind: as it is, its default for None, or made from a mapping of its settings."""
    if isinstance(value, Mapping):
        return kind(**value)
    if value is None or isinstance(value, kind):
        return kind() if value is None else value
    raise TypeError(f"{kind.__name__.lower()} is {value!r} ({type(value).__name__}). Write {example}")


def _count(name: str, value: object, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}. Give a whole number of {least} or more: {name}={least}")
    return value


def space_of(space: Any, limits: Iterable[str | Limit] = (), prior: Belief | Iterable[Belief] = ()) -> Space:
    """A space from our words, or from those of Ray Tune, HyperOpt or Optuna, with limits and beliefs."""
    tree = read_space(space)
    if not limits and not prior:
        return tree
    held = (prior,) if isinstance(prior, Belief | str) else tuple(prior)
    kept = (limits,) if isinstance(limits, str | Limit) else tuple(limits)
    return Space(dict(tree), (*tree.limits, *kept), (*tree.prior.beliefs, *held))


def _folders(value: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    given = (value,) if isinstance(value, str | Path) or not isinstance(value, Iterable) else tuple(value)
    if not all(isinstance(folder, str | Path) for folder in given):
        raise TypeError(f"learn_from is {value!r}. Name the folders of studies: learn_from=['runs/older'].")
    return tuple(str(folder) for folder in given)
