"""PyTorch models: the user says what only the user knows, the loop does the rest.

Whoever trains seeds torch before the model is built and before every epoch, so that a trial that was
interrupted and taken up again computes what it would have computed undisturbed.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables.batches import Batches, batches_of, own_batches, tensor_of
from trainables.contract import Brief, Metrics, Params
from trainables.device import device_of
from trainables.loop import Loop, Patience, class_weights, loop_of
from trainables.losses import Loss
from trainables.metrics import Predictions, computable, evaluate, load, settled
from trainables.outputs import predictions_of
from trainables.takeover import misfit, plain

Loader = Iterable[tuple[Tensor, Tensor]]
_NOTHING: Tensor | int = 0


class TorchTrainable(ABC):
    """A supervised PyTorch model. Subclass it; keep nothing in `self` that a trial changes.

    Attributes:
        loop: batch size, precision, accumulation, clipping, patience, class weights; or `def loop(self, params)`.
        data: `def data(self, params)` returns training and validation batches: `Batches`, a DataLoader, or any
            iterable of `(input, target)`. Not needed where the study has data; `def data(self, params, given)` makes
            batches from those.
        metrics: names such as `("f1_macro", "roc_auc")`, computed over all validation rows, or
            `def metrics(self, output, target)`: a dict of means over a validation batch. Those of the goal that are
            known by name need not be named.
        folds: validates by folds of the study's data, each trained for `fold_epochs` (or `params["epochs"]`).
    """

    loop: Loop | Callable[[Params], Loop] = Loop()
    data: Callable[..., tuple[Loader, Loader]] | None = None
    metrics: Any = ()
    folds: Any = None
    fold_epochs: int | None = None

    @abstractmethod
    def model(self, params: Params) -> nn.Module:
        """A new model; torch is seeded, and the loop moves it to the device."""

    @abstractmethod
    def optimizer(self, params: Params, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """A new optimizer over the model's parameters."""

    @abstractmethod
    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean loss of a batch, a scalar; or a name in `torch.nn.functional`: `loss = "cross_entropy"`.

        With class weights: `loss(self, output, target, weight)`, where `weight` is `[C]` on the device.
        """


class TorchTraining:
    """A `TorchTrainable` under way: reports `loss` (validation), `train_loss` and the metrics.

    Args:
        task: the user's object.
        params: nested params.
        brief: the study's wishes and data.

    Attributes:
        rows: how many were trained on so far; a row counts in every epoch.
    """

    saves = True

    def __init__(self, task: TorchTrainable, params: Params, brief: Brief = Brief()):  # noqa: B008 - frozen
        self._task, self._epoch, self.rows = task, 0, 0
        self._loop = loop_of(task.loop, params)
        self._device = device_of(self._loop)
        self._model = _checked("model", task.model(params), nn.Module).to(self._device)
        optimizer = task.optimizer(params, self._model.parameters())
        self._optimizer = _checked("optimizer", optimizer, torch.optim.Optimizer)
        train, validation = self._loaders(params, brief)
        self._train, self._validation = self._placed(train), self._placed(validation)
        mode = brief.mode if self._loop.watch == brief.metric else None
        self._patience = Patience(self._loop, mode, endless=brief.whole)
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=self._loop.precision == "fp16")
        self._loss = Loss(task.loss, _weights(self._loop, self._train, brief, self._device))
        self._batch_metrics = task.metrics if callable(task.metrics) else None
        self._named = {**({} if self._batch_metrics else settled(task.metrics)), **settled(computable(brief.metrics))}
        load(self._named)
        self._classes = brief.given.codes if brief.given is not None else None

    def step(self) -> Metrics | None:
        if self._patience.is_over:
            return None
        self._epoch += 1
        metrics = {"train_loss": self._train_epoch(), **self._validate()}
        self._patience.look(metrics)
        return metrics

    def save(self, folder: Path) -> None:
        state = {
            "model": self._model.state_dict(),
            "optimizer": {"name": type(self._optimizer).__name__, **plain(self._optimizer.state_dict())},
            "epoch": self._epoch,
            "rows": self.rows,
            "patience": self._patience.state,
            "scaler": self._scaler.state_dict(),
        }
        try:
            torch.save(state, folder / "state.pt")
        except RuntimeError as error:  # torch's own writer says so of a full disk
            raise OSError(f"torch could not write state.pt: {error}") from error

    def load(self, folder: Path) -> None:
        """Weights and the optimizer's state are the checkpoint's; learning rates and the like stay the params'."""
        state = torch.load(folder / "state.pt", weights_only=True, map_location="cpu", mmap=True)
        try:
            self._model.load_state_dict(state["model"])
            self._load_optimizer(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise misfit(folder.name, error) from error
        self._epoch, self.rows = state["epoch"], state.get("rows", 0)
        self._patience.state = state.get("patience", self._patience.state)
        if state.get("scaler"):
            self._scaler.load_state_dict(state["scaler"])

    def predictions(self, inputs: Any) -> Predictions:
        """What the model says of inputs, `[N, ...]` as the study gives them."""
        tensor = tensor_of(inputs)
        self._model.eval()
        with torch.no_grad():
            outputs = [self._output(part.to(self._device)) for part in tensor.split(1024)]
        return said_by(torch.cat(outputs), self._loss.takes_logits)

    def close(self) -> None:
        """Nothing runs between two epochs."""

    def _load_optimizer(self, saved: dict[str, Any]) -> None:
        """Moments are taken over, settings are not; those of another kind of optimizer mean nothing."""
        if saved.pop("name") != type(self._optimizer).__name__:
            return
        groups = self._optimizer.param_groups
        if len(groups) != len(saved["param_groups"]):
            raise ValueError(f"{len(saved['param_groups'])} groups of parameters, not {len(groups)}")
        saved["state"] = {place: _copied(moments) for place, moments in saved["state"].items()}
        saved["param_groups"] = [
            {**own, "params": theirs["params"]} for own, theirs in zip(groups, saved["param_groups"], strict=True)
        ]
        self._optimizer.load_state_dict(saved)

    def _train_epoch(self) -> float:
        self._model.train()
        total, weight = torch.zeros((), device=self._device, dtype=torch.float64), _NOTHING
        for group in _in_groups(self._batches(self._train, "training"), self._loop.accumulate):
            self._optimizer.zero_grad(set_to_none=True)
            shares = [self._loss.share(targets) for _, targets in group]
            for (inputs, targets), share in zip(group, shares, strict=True):
                loss = self._loss(self._output(inputs), targets)
                total += _scalar("loss", loss) * share
                self._scaler.scale(loss * (share / sum(shares)) if len(group) > 1 else loss).backward()
            if self._loop.clip_norm is not None:
                self._scaler.unscale_(self._optimizer)
                nn.utils.clip_grad_norm_(self._model.parameters(), self._loop.clip_norm)
            self._scaler.step(self._optimizer)
            self._scaler.update()
            weight += sum(shares)
            self.rows += sum(len(inputs) for inputs, _ in group)
        return float(total / weight)

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self._model.eval()
        sums: dict[str, Tensor] = {}
        rows, weight, kept = 0, _NOTHING, []
        loss = torch.zeros((), device=self._device, dtype=torch.float64)
        for inputs, targets in self._batches(self._validation, "validation"):
            output = self._output(inputs)
            more = self._batch_metrics(output, targets) if self._batch_metrics else {}
            share = self._loss.share(targets)
            loss = loss + _scalar("loss", self._loss(output, targets)).double() * share
            for name, score in (more or {}).items():
                sums[name] = sums.get(name, 0) + _scalar(name, score).double() * len(inputs)
            rows, weight = rows + len(inputs), weight + share
            if self._named:
                kept.append((output, targets))
        found = {"loss": float(loss / weight), **{name: float(total) / rows for name, total in sums.items()}}
        self._named = {name: metric for name, metric in self._named.items() if name not in found}
        return {**found, **self._over_all_rows(kept)}

    def _over_all_rows(self, kept: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """The metrics by name, of what each batch gave."""
        if not self._named:
            return {}
        outputs, targets = (torch.cat(parts) for parts in zip(*kept, strict=True))
        said = said_by(outputs, self._loss.takes_logits)
        return evaluate(self._named, targets.cpu().numpy(), said, self._classes)

    def _output(self, inputs: Tensor) -> Tensor:
        if self._loop.precision == "full":
            return self._model(inputs)
        kind = torch.bfloat16 if self._loop.precision == "bf16" else torch.float16
        with torch.autocast(self._device.type, kind):
            return self._model(inputs).float()

    def _loaders(self, params: Params, brief: Brief) -> tuple[Loader, Loader]:
        """The user's own, or the study's as they are."""
        found = own_batches(self._task.data, params, brief.given)
        if found is not None:
            return found
        assert brief.given is not None, "a study of a model without data is refused"
        return batches_of(brief.given, self._loop.batch_size)

    def _batches(self, loader: Loader, role: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Its batches on the device.

        Raises:
            ValueError: there are none, or something else than pairs of tensors.
        """
        if isinstance(loader, Batches):  # which are checked, and lie there
            yield from loader
            return
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


def _checked(method: str, made: Any, kind: type) -> Any:
    if not isinstance(made, kind):
        raise TypeError(
            f"{method}() gives {made!r}, no {kind.__module__.split('.')[0]} {kind.__name__}. "
            f"Return one from it: return {'nn.Linear(64, 10)' if method == 'model' else 'torch.optim.Adam(parameters)'}"
        )
    return made


def _copied(moments: Any) -> Any:
    """In memory of their own: what was loaded lies in the file, which is not there for ever."""
    match moments:
        case Tensor():
            return moments.clone()
        case dict():
            return {name: _copied(value) for name, value in moments.items()}
        case list():
            return [_copied(value) for value in moments]
    return moments


def _weights(loop: Loop, train: Loader, brief: Brief, device: torch.device) -> Tensor | None:
    """`[C]` of the classes, on the device."""
    if loop.class_weights is None:
        return None
    targets = train.targets if isinstance(train, Batches) else torch.cat([target for _, target in train])
    return torch.tensor(class_weights(loop, targets.cpu().numpy(), brief.classes), dtype=torch.float32, device=device)


def _in_groups(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    group: list[Any] = []
    for batch in batches:
        group.append(batch)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def said_by(output: Tensor, takes_logits: bool = False) -> Predictions:
    """What an output says, as `outputs.predictions_of` reads it."""
    return predictions_of(output.detach().float().cpu().numpy(), takes_logits)


def _scalar(name: str, score: Any) -> Tensor:
    if isinstance(score, Tensor) and score.ndim == 0:  # nearly always, and in every batch
        return score.detach()
    score = torch.as_tensor(score).detach()
    if score.numel() != 1:
        raise ValueError(
            f"the metric {name} of a batch has the shape {list(score.shape)}. Return its mean over the batch: .mean()"
        )
    return score.reshape(())


def _shape(batch: Any) -> str:
    if isinstance(batch, list | tuple):
        return f"a {type(batch).__name__} of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    return f"a {type(batch).__name__}"
