"""PyTorch models: the user says what only the user knows, the loop does the rest.

Whoever trains seeds torch before the model is built and before every epoch, so that a trial that was
interrupted and taken up again computes what it would have computed undisturbed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from trainables.contract import Metrics, Params
from trainables.data import Batches

Loader = Iterable[tuple[Tensor, Tensor]]


class TorchTrainable(ABC):
    """A supervised PyTorch model. Subclass it; keep nothing in `self` that a trial changes."""

    @abstractmethod
    def model(self, params: Params) -> nn.Module:
        """A new model; torch is seeded, and the loop moves it to the device."""

    @abstractmethod
    def optimizer(self, params: Params, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """A new optimizer over the model's parameters."""

    @abstractmethod
    def data(self, params: Params) -> tuple[Loader, Loader]:
        """Training and validation batches: `Batches`, a DataLoader, or any iterable of `(input, target)`."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean loss of a batch, a scalar."""

    @abstractmethod
    def metrics(self, output: Tensor, target: Tensor) -> dict[str, Tensor | float]:
        """More metrics of a validation batch, each a mean over its rows; `{}` for none."""


class TorchTraining:
    """A `TorchTrainable` under way: reports `loss` (validation), `train_loss` and the user's metrics.

    Args:
        task: the user's object.
        params: nested params.
    """

    saves = True

    def __init__(self, task: TorchTrainable, params: Params):
        self._task, self._epoch = task, 0
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = task.model(params).to(self._device)
        self._optimizer = task.optimizer(params, self._model.parameters())
        train, validation = task.data(params)
        self._train, self._validation = self._placed(train), self._placed(validation)

    def step(self) -> Metrics | None:
        self._epoch += 1
        train_loss = self._train_epoch()
        return {"train_loss": train_loss, **self._validate()}

    def save(self, folder: Path) -> None:
        state = {
            "model": self._model.state_dict(),
            "optimizer": {"name": type(self._optimizer).__name__, **_plain(self._optimizer.state_dict())},
            "epoch": self._epoch,
        }
        try:
            torch.save(state, folder / "state.pt")
        except RuntimeError as error:  # torch's own writer says so of a full disk
            raise OSError(f"torch could not write state.pt: {error}") from error

    def load(self, folder: Path) -> None:
        """Weights and the optimizer's state are the checkpoint's; learning rates and the like stay the params'."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self._device)
        try:
            self._model.load_state_dict(state["model"])
            self._load_optimizer(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"the checkpoint {folder.name} does not fit the model that these params build ({_line(error)}). "
                f"Params that shape a model cannot change under trained weights: name the others in PBT(mutate=...)."
            ) from error
        self._epoch = state["epoch"]

    def close(self) -> None:
        """Nothing runs between two epochs."""

    def _load_optimizer(self, saved: dict[str, Any]) -> None:
        """Moments are taken over, settings are not; those of another kind of optimizer mean nothing."""
        if saved.pop("name") != type(self._optimizer).__name__:
            return
        groups = self._optimizer.param_groups
        if len(groups) != len(saved["param_groups"]):
            raise ValueError(f"{len(saved['param_groups'])} groups of parameters, not {len(groups)}")
        saved["param_groups"] = [
            {**own, "params": theirs["params"]} for own, theirs in zip(groups, saved["param_groups"], strict=True)
        ]
        self._optimizer.load_state_dict(saved)

    def _train_epoch(self) -> float:
        self._model.train()
        total, rows = torch.zeros((), device=self._device, dtype=torch.float64), 0
        for inputs, targets in self._batches(self._train, "training"):
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._task.loss(self._model(inputs), targets)
            total += _scalar("loss", loss) * len(inputs)
            loss.backward()
            self._optimizer.step()
            rows += len(inputs)
        return float(total / rows)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self._model.eval()
        sums: dict[str, Tensor] = {}
        rows = 0
        for inputs, targets in self._batches(self._validation, "validation"):
            output = self._model(inputs)
            more = self._task.metrics(output, targets) or {}
            scores: dict[str, Any] = {"loss": self._task.loss(output, targets), **more}
            for name, score in scores.items():
                sums[name] = sums.get(name, 0) + _scalar(name, score).double() * len(inputs)
            rows += len(inputs)
        return {name: float(total) / rows for name, total in sums.items()}

    def _batches(self, loader: Loader, role: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Its batches on the device.

        Raises:
            ValueError: there are none, or something else than pairs of tensors.
        """
        empty = True
        for batch in loader:
            if not isinstance(batch, list | tuple) or len(batch) != 2 or not all(isinstance(x, Tensor) for x in batch):
                raise ValueError(
                    f"data() gives a {role} batch that is no (input, target) of two tensors: {_shape(batch)}. "
                    f"Return Batches(inputs, targets), or a DataLoader over TensorDataset(inputs, targets)."
                )
            inputs, targets = batch
            if len(inputs):
                empty = False
                yield inputs.to(self._device), targets.to(self._device)
        if empty:
            again = " any more" if self._epoch > 1 else ""
            raise ValueError(
                f"data() gives no {role} rows{again} in epoch {self._epoch}. "
                f"Return what can be gone through once per epoch and is not empty: Batches, a list or a DataLoader."
            )

    def _placed(self, loader: Loader) -> Loader:
        return loader.to(self._device) if isinstance(loader, Batches) else loader


def _scalar(name: str, score: Any) -> Tensor:
    score = torch.as_tensor(score).detach()
    if score.numel() != 1:
        raise ValueError(
            f"the metric {name} of a batch has the shape {list(score.shape)}. Return its mean over the batch: .mean()"
        )
    return score.reshape(())


def _plain(state: Any) -> Any:
    """An optimizer's state without numpy's scalars, which are not loaded again with `weights_only`."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)([_plain(value) for value in state])
    return state.item() if isinstance(state, numpy.generic) else state


def _shape(batch: Any) -> str:
    if isinstance(batch, list | tuple):
        return f"a {type(batch).__name__} of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    return f"a {type(batch).__name__}"


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
