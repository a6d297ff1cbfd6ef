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

from trainables import schedule
from trainables.batches import Batches, batches_of, own_batches, tensor_of
from trainables.contract import Brief, Metrics, Params
from trainables.device import device_of
from trainables.learner import Learner, scalar
from trainables.loop import Loop, Patience, class_weights, loop_of
from trainables.losses import Loss
from trainables.metrics import Predictions, computable, evaluate, load, settled
from trainables.outputs import predictions_of
from trainables.shared import Share
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
        schedule: `def schedule(self, params, optimizer)` returns a schedule of the learning rate, stepped after every
            epoch: `lr_scheduler.CosineAnnealingLR(optimizer, 27)`. `ReduceLROnPlateau` sees `loop.watch`.
        metrics: names such as `("f1_macro", "roc_auc")`, computed over all validation rows, or
            `def metrics(self, output, target)`: a dict of means over a validation batch. Those of the goal that are
            known by name need not be named.
        folds: validates by folds of the study's data, each trained for `fold_epochs` (or `params["epochs"]`).
    """

    loop: Loop | Callable[[Params], Loop] = Loop()
    data: Callable[..., tuple[Loader, Loader]] | None = None
    schedule: Callable[..., Any] | None = None
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

        One that takes the trial's params, for a label smoothing, say: `loss(self, output, target, params)`.
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
        learner: the model and what changes it.
        train: its batches to train on.
        validation: its batches to validate with.
        share: what an epoch that was trained together with others brought this one, until `step` takes it.
        lent_to: who changes the weights; None where this training does.
    """

    saves = True

    def __init__(self, task: TorchTrainable, params: Params, brief: Brief = Brief()):  # noqa: B008 - frozen
        self._task, self._epoch, self.rows = task, 0, 0
        self._loop = loop_of(task.loop, params)
        device = device_of(self._loop)
        model = _checked("model", task.model(params), nn.Module).to(device)
        optimizer = _checked("optimizer", task.optimizer(params, model.parameters()), torch.optim.Optimizer)
        train, validation = (_placed(loader, device) for loader in self._loaders(params, brief))
        self.train, self.validation = train, validation
        mode = brief.mode if self._loop.watch == brief.metric else None
        self._patience = Patience(self._loop, mode, endless=brief.whole)
        loss = Loss(task.loss, _weights(self._loop, train, brief, device), params)
        self.learner = Learner(model, optimizer, loss, self._loop, device)
        self._schedule = schedule.begin(task.schedule, params, optimizer)
        self.share: Share | None = None
        self.lent_to: Any = None
        self._home: Callable[[], None] | None = None
        self._batch_metrics = task.metrics if callable(task.metrics) else None
        self._named = {**({} if self._batch_metrics else settled(task.metrics)), **settled(computable(brief.metrics))}
        load(self._named)
        self._classes = brief.given.codes if brief.given is not None else None

    def step(self) -> Metrics | None:
        if self._patience.is_over:
            return None
        self._epoch += 1
        metrics = self._shared() or self._train_alone()
        if self._schedule is not None:
            schedule.step(self._schedule, metrics, self._loop.watch)
        self._patience.look(metrics)
        return metrics

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to train."""
        return self._patience.is_over

    @property
    def task(self) -> TorchTrainable:
        """The user's object."""
        return self._task

    @property
    def may_change(self) -> bool:
        """Whether code of the user's own runs between two epochs, which may change more than numbers."""
        is_own = self._schedule is not None and not type(self._schedule).__module__.startswith("torch.")
        return is_own or self._batch_metrics is not None

    @property
    def draws_to_validate(self) -> bool:
        """Whether its metrics are the user's own, which may draw."""
        return self._batch_metrics is not None

    def lend(self, to: Any, home: Callable[[], None]) -> None:
        """The weights are changed elsewhere from now on; `home` brings them up to date here, when they are needed."""
        self.lent_to, self._home = to, home

    def come_home(self, to_stay: bool = False) -> None:
        """Brings the weights up to date, where they are elsewhere; those that stay are not changed there any more."""
        if self._home is not None:
            self._home()
        if to_stay:
            self.lent_to = self._home = None

    def _shared(self) -> Metrics | None:
        share, self.share = self.share, None
        if share is None:
            return None
        self.rows += share.rows
        if share.error is not None:
            raise share.error
        return share.metrics

    def save(self, folder: Path) -> None:
        state = self._state()
        try:
            torch.save(state, folder / "state.pt")
        except RuntimeError as error:  # torch's own writer says so of a full disk
            raise OSError(f"torch could not write state.pt: {error}") from error

    def _state(self) -> dict[str, Any]:
        """All that a checkpoint holds, over the memory of this training."""
        if self.share is not None:
            raise RuntimeError("its weights are an epoch ahead of what it has reported")
        self.come_home()
        optimizer, paced = self.learner.optimizer, self._schedule
        return {
            "model": self.learner.model.state_dict(),
            "optimizer": {"name": type(optimizer).__name__, **plain(optimizer.state_dict())},
            **({} if paced is None else {"schedule": plain(paced.state_dict())}),
            "epoch": self._epoch,
            "rows": self.rows,
            "patience": dict(self._patience.state),
            "scaler": self.learner.scaler.state_dict(),
        }

    def load(self, folder: Path) -> None:
        """Weights and the optimizer's state are the checkpoint's; learning rates and the like stay the params'.

        A schedule goes on from where it was, from the params' rate.
        """
        self._take(torch.load(folder / "state.pt", weights_only=True, map_location="cpu", mmap=True), folder.name)

    def give(self, other: "TorchTraining") -> None:
        """Lets another training in the same process go on from here, as from a checkpoint that this one would write."""
        other._take(self._state(), "of its neighbour")

    def _take(self, state: dict[str, Any], called: str) -> None:
        self.come_home(to_stay=True)
        try:
            self.learner.model.load_state_dict(state["model"])
            self._load_optimizer(state["optimizer"], state.get("schedule"))
        except (RuntimeError, ValueError) as error:
            raise misfit(called, error) from error
        self._epoch, self.rows = state["epoch"], state.get("rows", 0)
        self._patience.state = dict(state.get("patience", self._patience.state))
        if state.get("scaler"):
            self.learner.scaler.load_state_dict(state["scaler"])

    def predictions(self, inputs: Any) -> Predictions:
        """What the model says of inputs, `[N, ...]` as the study gives them."""
        self.come_home()
        tensor, learner = tensor_of(inputs), self.learner
        learner.model.eval()
        with torch.no_grad():
            outputs = [learner.output(part.to(learner.device)) for part in tensor.split(1024)]
        return said_by(torch.cat(outputs), learner.loss.takes_logits)

    def close(self) -> None:
        """Nothing runs between two epochs; who trained it with others is let go of."""
        self.share = self.lent_to = self._home = None

    def _load_optimizer(self, saved: dict[str, Any], paced: dict[str, Any] | None) -> None:
        """Moments are taken over, settings are not; those of another kind of optimizer mean nothing."""
        optimizer = self.learner.optimizer
        if paced is not None and self._schedule is not None:
            schedule.resume(self._schedule, paced, optimizer.param_groups, saved["param_groups"])
        if saved.pop("name") != type(optimizer).__name__:
            return
        groups = optimizer.param_groups
        if len(groups) != len(saved["param_groups"]):
            raise ValueError(f"{len(saved['param_groups'])} groups of parameters, not {len(groups)}")
        saved["state"] = {place: _copied(moments) for place, moments in saved["state"].items()}
        saved["param_groups"] = [
            {**own, "params": theirs["params"]} for own, theirs in zip(groups, saved["param_groups"], strict=True)
        ]
        optimizer.load_state_dict(saved)

    def _train_alone(self) -> dict[str, float]:
        """An epoch of this training by itself."""
        self.come_home(to_stay=True)
        loss, rows = self.learner.train(self._batches(self.train, "training"))
        self.rows += rows
        return {"train_loss": loss, **self.validated(self.judged())}

    @torch.no_grad()
    def judged(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Outputs and targets of the validation, batch by batch, as the model is now."""
        self.come_home()
        self.learner.model.eval()
        for inputs, targets in self._batches(self.validation, "validation"):
            yield self.learner.output(inputs), targets

    @torch.no_grad()
    def validated(self, judged: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """The validation's metrics, from outputs and targets batch by batch."""
        sums: dict[str, Tensor] = {}
        rows, weight, kept, of = 0, _NOTHING, [], self.learner.loss
        loss = torch.zeros((), device=self.learner.device, dtype=torch.float64)
        for output, targets in judged:
            more = self._batch_metrics(output, targets) if self._batch_metrics else {}
            share = of.share(targets)
            loss = loss + scalar("loss", of(output, targets)).double() * share
            for name, score in (more or {}).items():
                sums[name] = sums.get(name, 0) + scalar(name, score).double() * len(targets)
            rows, weight = rows + len(targets), weight + share
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
        said = said_by(outputs, self.learner.loss.takes_logits)
        return evaluate(self._named, targets.cpu().numpy(), said, self._classes)

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
                yield inputs.to(self.learner.device), targets.to(self.learner.device)
        if empty:
            again = " any more" if self._epoch > 1 else ""
            raise ValueError(
                f"data() gives no {role} rows{again} in epoch {self._epoch}. "
                f"Return what can be gone through once per epoch and is not empty: Batches, a list or a DataLoader."
            )


def _placed(loader: Loader, device: torch.device) -> Loader:
    return loader.to(device) if isinstance(loader, Batches) else loader


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


def said_by(output: Tensor, takes_logits: bool = False) -> Predictions:
    """What an output says, as `outputs.predictions_of` reads it."""
    return predictions_of(output.detach().float().cpu().numpy(), takes_logits)


def _shape(batch: Any) -> str:
    if isinstance(batch, list | tuple):
        return f"a {type(batch).__name__} of {', '.join(type(part).__name__ for part in batch) or 'nothing'}"
    return f"a {type(batch).__name__}"
