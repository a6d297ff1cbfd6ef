"""PyTorch models: the user says what only the user knows, the loop does the rest.

Every epoch is seeded by the trial's seed and the epoch's number, so that a trial that was interrupted
and taken up again computes what it would have computed undisturbed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

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
        seed: of this trial.
    """

    saves = True

    def __init__(self, task: TorchTrainable, params: Params, seed: int):
        self._task, self._seed, self._epoch = task, seed, 0
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        _seed_everything(seed, 0)
        self._model = task.model(params).to(self._device)
        self._optimizer = task.optimizer(params, self._model.parameters())
        self._train, self._validation = (self._placed(loader) for loader in task.data(params))

    def step(self) -> Metrics | None:
        self._epoch += 1
        _seed_everything(self._seed, self._epoch)
        train_loss = self._train_epoch()
        return {"train_loss": train_loss, **self._validate()}

    def save(self, folder: Path) -> None:
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "epoch": self._epoch,
        }
        torch.save(state, folder / "state.pt")

    def load(self, folder: Path) -> None:
        """Weights and the optimizer's state are the checkpoint's; learning rates and the like stay the params'."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location=self._device)
        self._model.load_state_dict(state["model"])
        settings = [{k: v for k, v in group.items() if k != "params"} for group in self._optimizer.param_groups]
        self._optimizer.load_state_dict(state["optimizer"])
        for group, kept in zip(self._optimizer.param_groups, settings, strict=True):
            group.update(kept)
        self._epoch = state["epoch"]

    def close(self) -> None:
        """Nothing runs between two epochs."""

    def _train_epoch(self) -> float:
        self._model.train()
        total, rows = torch.zeros((), device=self._device), 0
        for inputs, targets in self._train:
            inputs, targets = inputs.to(self._device), targets.to(self._device)
            self._optimizer.zero_grad(set_to_none=True)
            loss = self._task.loss(self._model(inputs), targets)
            loss.backward()
            self._optimizer.step()
            total += loss.detach() * len(inputs)
            rows += len(inputs)
        return float(total / max(rows, 1))

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self._model.eval()
        sums: dict[str, float] = {}
        rows = 0
        for inputs, targets in self._validation:
            inputs, targets = inputs.to(self._device), targets.to(self._device)
            output = self._model(inputs)
            scores: dict[str, Any] = {"loss": self._task.loss(output, targets), **self._task.metrics(output, targets)}
            for name, score in scores.items():
                sums[name] = sums.get(name, 0.0) + float(score) * len(inputs)
            rows += len(inputs)
        return {name: total / rows for name, total in sums.items()} if rows else {}

    def _placed(self, loader: Loader) -> Loader:
        return loader.to(self._device) if isinstance(loader, Batches) else loader


def _seed_everything(seed: int, epoch: int) -> None:
    mixed = (seed * 1_000_003 + epoch) % 2**63
    torch.manual_seed(mixed)
