"""What every trainable can do, and how a user's own class says it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from trainables.metrics import Predictions
from trainables.rows import Given

Params = dict[str, Any]
Metrics = Mapping[str, Any]
Rank = tuple[float, ...]


class Aim(Protocol):
    """What a study is after, as a worker needs to know it; the search room's `Goal` is one.

    Attributes:
        metric: the first objective's name, under which a bare number is reported.
        metrics: the names that every report needs.
    """

    @property
    def metric(self) -> str: ...

    @property
    def metrics(self) -> tuple[str, ...]: ...

    def rank(self, metrics: Mapping[str, float]) -> Rank | None:
        """What to compare a report by, less being better; None where it diverged."""


@dataclass(frozen=True, eq=False)
class Brief:
    """What a training is told of its study, beside its params.

    Attributes:
        metric: the first objective's name, under which a bare number is reported.
        metrics: all names that the goal asks for; those that a440 knows are computed without being asked for again.
        given: the study's data; None where it has none.
        whole: whether the model is to be kept: it is trained on all rows, and validated on those same rows.
        mode: `min` or `max` of the first objective, where it is known.
    """

    metric: str = "loss"
    metrics: tuple[str, ...] = ()
    given: Given | None = None
    whole: bool = False
    mode: str | None = None

    @property
    def classes(self) -> tuple[Any, ...] | None:
        """Those of the study's data; None where there are none."""
        return None if self.given is None else self.given.classes


class Trainable(ABC):
    """A model of any kind, trained one epoch at a time. Subclass it and fill in four methods.

    A new object is made for every trial (and for every time that a trial goes on elsewhere), so nothing
    of one trial can leak into another, although the process is used again. The generators of `random`,
    numpy and torch are seeded before `setup` and before every `step`, by the trial's seed and the epoch:
    a trial that is taken up again draws what it would have drawn undisturbed.
    """

    @abstractmethod
    def setup(self, params: Params) -> None:
        """Builds the model; called once, before anything else. Of a study with data: `setup(self, params, data)`."""

    @abstractmethod
    def step(self) -> Metrics | None:
        """Trains one epoch and returns its metrics as numbers; None when there is nothing left to train."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes all that `load` needs into an empty folder; an OSError costs the checkpoint, not the trial."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Goes on from what `save` wrote; called after `setup`, with the same params or with mutated ones."""


class Training(Protocol):
    """A trial under way, whatever it was made from.

    Attributes:
        saves: whether it can be taken up again from a folder.
    """

    saves: bool

    def step(self) -> Metrics | Sequence[Metrics] | None:
        """One epoch's metrics (of several runs, those of each), or None at the end."""

    def save(self, folder: Path) -> None:
        """Writes a checkpoint into an empty folder."""

    def load(self, folder: Path) -> None:
        """Reads a checkpoint."""

    def close(self) -> None:
        """Ends whatever still runs."""


def class_training(task: Trainable, params: Params, brief: Brief) -> Training:
    """A user's `Trainable` under way; `setup` is given the study's data where it has some."""
    return ClassTraining(task, params, brief.given)


class ClassTraining:
    """A user's `Trainable` under way."""

    saves = True

    def __init__(self, trainable: Any, params: Params, given: Given | None = None):
        self._trainable = trainable
        trainable.setup(params) if given is None else trainable.setup(params, data=given)

    def step(self) -> Metrics | None:
        return self._trainable.step()

    def save(self, folder: Path) -> None:
        self._trainable.save(folder)

    def load(self, folder: Path) -> None:
        self._trainable.load(folder)

    def predictions(self, inputs: Any) -> Predictions:
        """What the user's `predict(inputs)` says, `[N]` classes or numbers.

        Raises:
            ValueError: there is no such method.
        """
        if not callable(getattr(self._trainable, "predict", None)):
            name = type(self._trainable).__name__
            raise ValueError(f"{name} says nothing of new rows. Write def predict(self, inputs): ... in it.")
        return Predictions(lambda: self._trainable.predict(inputs))

    def close(self) -> None:
        """Nothing runs between two steps."""
