"""PyTorch Lightning: a LightningModule, trained by Lightning's own Trainer, an epoch at a time.

The Trainer runs in a thread and waits where an epoch begins: schedulers have then taken their steps, and all metrics
are logged. What it draws while it is set up, such as a DataModule's `random_split`, hangs on the trial's seed alone,
and what it draws in an epoch on the seed and the epoch.
"""

import copy
import logging
import tempfile
import warnings
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from trainables.batches import own_batches, tensor_of, tensors_of
from trainables.contract import Brief, Metrics, Params
from trainables.litter import collect
from trainables.metrics import Predictions
from trainables.rows import Given
from trainables.takeover import Settings, check, misfit, plain, read, settings, take_over
from trainables.threaded import THREAD, Report, reported, size_of, sown
from trainables.torch_model import said_by

try:
    import lightning
except ModuleNotFoundError as error:
    if error.name != "lightning":
        raise
    raise ModuleNotFoundError("Lightning is not installed. Run: pip install 'a440[lightning]'") from None

STATE, NOTE = "state.ckpt", "a440"  # a checkpoint's file, and our part of it
_OURS = {
    "max_epochs": -1,  # the strategy decides
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "default_root_dir": tempfile.gettempdir(),  # not the working folder; nothing is written into it
    "devices": 1,  # more of them would start this process' script again
    "num_nodes": 1,
}
_DEFAULTS = {"enable_model_summary": False, "num_sanity_val_steps": 0}
_CHATTY = ("utilities.rank_zero", "accelerators.cuda", "trainer.connectors.signal_connector")  # lightning.pytorch.*
_PAIRS = "Using a target size .* that is different to the input size"  # each output is compared with each target
_CHATTER = (".*does not have many workers which may be a bottleneck.*", r".*isinstance\(treespec, LeafSpec\).*")


class LightningTrainable(ABC):
    """A LightningModule and how it is trained. Subclass it; keep nothing in `self` that a trial changes.

    All that the module logs is reported; where it logs `val_loss` and no `loss`, that is the `loss` too. A module
    whose learning rate is scheduled takes the schedule's length from the params, for the Trainer does not know when
    a trial ends.

    Attributes:
        trainer: more arguments of `lightning.Trainer`, such as `{"precision": "bf16-mixed", "gradient_clip_val": 1.0}`.
        data: `def data(self, params)` returns a LightningDataModule, or DataLoaders to train on and to validate with.
            Not needed where the study has data; `def data(self, params, given)` makes them from those.
        folds: validates by folds of the study's data, each trained for `fold_epochs` (or `params["epochs"]`).
    """

    trainer: Mapping[str, Any] = MappingProxyType({})
    data: Any = None
    folds: Any = None
    fold_epochs: int | None = None

    @abstractmethod
    def module(self, params: Params) -> Any:
        """A new LightningModule; torch is seeded."""


class LightningTraining:
    """A `LightningTrainable` under way.

    Args:
        task: the user's object.
        params: nested params.
        brief: the study's wishes and data.

    Attributes:
        rows: how many were trained on so far; a row counts in every epoch.
    """

    saves = True

    def __init__(self, task: LightningTrainable, params: Params, brief: Brief = Brief()):  # noqa: B008 - frozen
        warnings.filterwarnings("error", message=_PAIRS)  # in the process of a trial, which such a loss would mislead
        self._sow_building = sown()
        self._arguments = _arguments(task)
        self._module: Any = _module(task, params)
        self._data: Any = _data(task, params, brief.given)
        self._epochs: Any = _Epochs()
        self.rows = 0
        self._trainer: Any = None
        self._checkpoint: Path | None = None
        self._reports = reported(self._run, "Trainer")

    def step(self) -> Metrics | None:
        """Lets the Trainer train one epoch; the first time it is set up."""
        metrics = next(self._reports, None)
        self.rows = self._epochs.rows
        return metrics

    def save(self, folder: Path) -> None:
        self._trainer.save_checkpoint(folder / STATE, weights_only=False)

    def load(self, folder: Path) -> None:
        """Loads the weights, and the Trainer the rest when it begins; learning rates and the like stay the params'."""
        state = read(folder / STATE)
        try:
            self._module.configure_model()
            self._module.on_load_checkpoint(state)
            self._module.load_state_dict(state["state_dict"], strict=self._module.strict_loading)
        except RuntimeError as error:
            raise misfit(folder.name, error) from error
        self._checkpoint = folder / STATE
        self._epochs.goes_on_from(folder.name, state[NOTE])
        self.rows = self._epochs.rows

    def predictions(self, inputs: Any) -> Predictions:
        """What the module's `forward` says of inputs, `[N, ...]` as the study gives them."""
        tensor = tensor_of(inputs)
        modes = [(part, part.training) for part in self._module.modules()]
        self._module.eval()
        with torch.no_grad():
            outputs = [self._module(part.to(self._module.device)) for part in tensor.split(1024)]
        for part, mode in modes:
            part.training = mode
        return said_by(torch.cat(outputs))

    def close(self) -> None:
        """Ends the Trainer, which takes its model from the device."""
        self._reports.close()
        if self._module is not None:
            size = size_of(self._module)
            self._trainer = self._module = self._data = self._epochs = None
            collect(size)

    def _run(self, report: Report) -> None:
        if self._epochs.over:
            return
        self._epochs.report, self._epochs.sow_epoch = report, sown()
        self._sow_building()
        callbacks = [self._epochs, *self._arguments.pop("callbacks")]
        self._trainer = lightning.Trainer(callbacks=callbacks, **self._arguments)
        self._trainer.fit(self._module, **self._data, ckpt_path=self._checkpoint, weights_only=True)


class _Epochs(lightning.Callback):
    """Waits where an epoch begins, and where training ends; keeps what Lightning does not keep.

    Attributes:
        report: to be called once per epoch.
        sow_epoch: sows what was sown when the first epoch was wanted.
        rows: how many were trained on so far.
        over: whether the Trainer has ended by itself.
    """

    report: Any = None
    sow_epoch: Any = None

    def __init__(self) -> None:
        self.rows, self.over = 0, False
        self._trained = False  # whether there is an epoch to report
        self._loaded: dict[str, Any] = {}
        self._name = ""
        self._then: list[Settings] = []
        self._now: list[Settings] = []

    def goes_on_from(self, name: str, note: Mapping[str, Any]) -> None:
        """Takes in what was noted in a checkpoint of that name."""
        self.rows, self.over = note["rows"], note["over"]
        self._name, self._then = name, note["optimizers"]

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        self._loaded = checkpoint

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Optimizers are made and not yet loaded; the moments of another kind mean nothing."""
        self._now = [settings(optimizer) for optimizer in trainer.optimizers]
        if not self._loaded:
            return
        if len(self._then) != len(self._now):
            raise misfit(self._name, f"{len(self._then)} optimizers, not {len(self._now)}")
        for place, (then, now) in enumerate(zip(self._then, self._now, strict=True)):
            check(then, now, self._name)
            if then["kind"] != now["kind"]:
                self._loaded["optimizer_states"][place] = trainer.optimizers[place].state_dict()

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """All is loaded: the learning rates are the params' again."""
        for optimizer, then, now in zip(trainer.optimizers, self._then or self._now, self._now, strict=True):
            schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
            take_over(optimizer, [one for one in schedulers if one.optimizer is optimizer], then, now)
        self._loaded = {}

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if self._trained:
            self.report(_reported(trainer.callback_metrics))
        else:
            trainer.fit_loop.on_iteration_done()  # it has an iterator of before, and is to make one like any other time
            self.sow_epoch()
        self._trained = True

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.rows += _length(batch)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self.over = True
        if self._trained:
            self.report(_reported(trainer.callback_metrics))

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Makes it one of a complete epoch, although the next one has begun, and of plain values."""
        progress = checkpoint["loops"]["fit_loop"]["epoch_progress"]
        for part in ("total", "current"):
            progress[part]["ready"] = progress[part]["completed"]
        for name in ("optimizer_states", "lr_schedulers", "hyper_parameters", "datamodule_hyper_parameters"):
            if name in checkpoint:
                checkpoint[name] = plain(checkpoint[name])
        checkpoint[NOTE] = {"rows": self.rows, "over": self.over, "optimizers": self._now}


def _arguments(task: LightningTrainable) -> dict[str, Any]:
    """Those of `lightning.Trainer`; callbacks remember, so each trial gets copies."""
    own = copy.deepcopy(dict(task.trainer))
    refused = [name for name in own if name in _OURS]
    if refused:
        rest = {name: value for name, value in own.items() if name not in _OURS}
        raise ValueError(
            f"{type(task).__name__}.trainer sets {', '.join(refused)}, and a440 does: the strategy says how long a "
            f"trial is trained, and its folder holds what is written. Write trainer = {rest!r}."
        )
    callbacks = own.pop("callbacks", None) or []
    own["callbacks"] = list(callbacks) if isinstance(callbacks, list | tuple) else [callbacks]
    return {**_DEFAULTS, **own, **_OURS}


def _module(task: LightningTrainable, params: Params) -> Any:
    module = task.module(params)
    if not isinstance(module, lightning.LightningModule):
        kind = f"{type(module).__module__}.{type(module).__name__}"
        raise TypeError(f"module() gives a {kind}, no LightningModule. Write class Net(lightning.LightningModule): ...")
    return module


def _data(task: LightningTrainable, params: Params, given: Given | None) -> dict[str, Any]:
    """As `fit` takes them: the user's own, those that the user makes of the study's data, or these as they are."""
    found = own_batches(task.data, params, given)
    if found is None:
        assert given is not None, "a study of a model without data is refused"
        return _loaders(given, params.get("batch_size", 32))
    if isinstance(found, lightning.LightningDataModule):
        return {"datamodule": found}
    if not isinstance(found, list | tuple) or len(found) != 2:
        raise ValueError(
            f"data() gives a {type(found).__name__}, and a Trainer wants to train and to validate. "
            f"Return a LightningDataModule, or two DataLoaders: return train, validation"
        )
    return {"train_dataloaders": found[0], "val_dataloaders": found[1]}


def _loaders(given: Given, batch_size: int) -> dict[str, Any]:
    """A study's rows; a lone one in the last batch, on which batch normalization cannot train, waits for its turn."""
    train, held = TensorDataset(*tensors_of(given.train)), TensorDataset(*tensors_of(given.validation))
    lone = len(train) > batch_size > 1 == len(train) % batch_size
    return {
        "train_dataloaders": DataLoader(train, batch_size, shuffle=True, drop_last=lone),
        "val_dataloaders": DataLoader(held, max(batch_size, 1024)),
    }


def _reported(metrics: Mapping[str, Any]) -> dict[str, float]:
    found = {name: float(value) for name, value in metrics.items()}
    return {"loss": found["val_loss"], **found} if "val_loss" in found else found


def _length(batch: Any) -> int:
    """Rows of a batch: the length of the first tensor in it."""
    if isinstance(batch, torch.Tensor):
        return len(batch) if batch.ndim else 1
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, list | tuple) else ()
    return next((rows for rows in map(_length, parts) if rows), 0)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """Whether a record is more than chatter, or none of a trial's."""
    return record.levelno > logging.INFO or record.threadName != THREAD


for _name in _CHATTY:
    logging.getLogger(f"lightning.pytorch.{_name}").addFilter(_is_worth_a_line)
for _message in _CHATTER:
    warnings.filterwarnings("ignore", message=_message)
