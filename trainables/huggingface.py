"""Hugging Face transformers: its Trainer, an epoch at a time; or its evaluations as the reports of a function.

    def train(params, report):
        Trainer(..., callbacks=[ReportCallback(report)]).train()

The Trainer of a `HuggingFaceTrainable` runs in a thread and waits where an epoch begins. It seeds itself from
`args.seed`, which is made the trial's, and shuffles by the epoch and what torch was seeded with when it was set up.
"""

import copy
import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch

from trainables.contract import Brief, Metrics, Params
from trainables.litter import collect
from trainables.takeover import check, check_weights, misfit, plain, settings, take_over
from trainables.threaded import Report, reported, size_of, sown

try:
    import transformers
    from safetensors import SafetensorError
    from transformers.trainer_callback import ExportableState
except ModuleNotFoundError as error:
    if error.name != "transformers":
        raise
    raise ModuleNotFoundError("transformers is not installed. Run: pip install 'a440[huggingface]'") from None

NOTE = "a440.json"  # in a checkpoint, beside what transformers writes
_ARGUMENTS = {
    "eval_strategy": transformers.IntervalStrategy.EPOCH,
    "logging_strategy": transformers.IntervalStrategy.EPOCH,  # of the training loss
    "save_strategy": transformers.trainer_utils.SaveStrategy.NO,
    "eval_delay": 0,
    "report_to": [],
    "disable_tqdm": True,
    "push_to_hub": False,
    "restore_callback_states_from_checkpoint": True,
}
_PRINTERS = (transformers.PrinterCallback, transformers.ProgressCallback)
_CHATTY = ("transformers.integrations", "transformers.utils.notebook", "transformers.trainer_jit_checkpoint")
_CLOCKS = ("runtime", "_per_second", "jit_compilation_time", "model_preparation_time")
_COUNTS = ("epoch", "num_input_tokens_seen")


class ReportCallback(transformers.TrainerCallback):
    """Reports every evaluation of a Trainer, without `eval_` before its names, and the newest `train_loss`.

    Args:
        report: what a function `train(params, report)` was given.
    """

    def __init__(self, report: Callable[[Metrics], None]):
        self._report = report
        self._training: dict[str, float] = {}

    def on_log(self, args: Any, state: Any, control: Any, logs: Any, **_: Any) -> None:
        if "loss" in logs:  # of training; an evaluation logs its own as `eval_loss`
            self._training = {"train_loss": float(logs["loss"])}

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any, **_: Any) -> None:
        self._report({**self._training, **_bare(metrics)})


class HuggingFaceTrainable(ABC):
    """A model of transformers and its Trainer. Subclass it; keep nothing in `self` that a trial changes.

    The Trainer evaluates and logs after every epoch, and neither saves nor pushes nor reports, whatever its arguments
    say. `num_train_epochs` is the length of the learning rate's schedule, and where a trial ends by itself.

    Attributes:
        folds: validates by folds of the study's data, each trained for `fold_epochs` (or `params["epochs"]`); wants
            `def trainer(self, params, given)`.
    """

    folds: Any = None
    fold_epochs: int | None = None

    @abstractmethod
    def trainer(self, params: Params) -> Any:
        """A new Trainer with both data sets; torch is seeded. Of a study with data: `trainer(self, params, given)`."""


class HuggingFaceTraining:
    """A `HuggingFaceTrainable` under way.

    Args:
        task: the user's object.
        params: nested params.
        brief: the study's wishes and data.

    Attributes:
        rows: how many were trained on so far; a row counts in every epoch.
    """

    saves = True

    def __init__(self, task: HuggingFaceTrainable, params: Params, brief: Brief = Brief()):  # noqa: B008 - frozen
        self._sow_building = sown()
        seed = torch.initial_seed() % 2**32
        with _no_bars():
            self._trainer = _quiet(_trainer(task, params, brief), seed)
        self._epochs: Any = _Epochs()
        self.rows = 0
        self._trainer.add_callback(ReportCallback(self._epochs.metrics.update))
        self._trainer.add_callback(self._epochs)
        self._checkpoint: Path | None = None
        self._reports = reported(self._run, "Trainer")

    def step(self) -> Metrics | None:
        """Lets the Trainer train one epoch; None when it is through."""
        metrics = next(self._reports, None)
        self.rows = self._epochs.rows
        return metrics

    def save(self, folder: Path) -> None:
        """Writes what `Trainer.train(resume_from_checkpoint=folder)` takes: safetensors, JSON, and tensors of torch."""
        trainer = self._trainer
        parts = {"optimizer": trainer.optimizer, "scheduler": trainer.lr_scheduler}
        if getattr(trainer.accelerator, "scaler", None) is not None:
            parts["scaler"] = trainer.accelerator.scaler
        try:
            _save_model(trainer, folder)
            for name, part in parts.items():
                torch.save(plain(part.state_dict()), folder / f"{name}.pt")
        except (RuntimeError, SafetensorError) as error:  # so their writers say of a full disk
            raise OSError(f"the checkpoint could not be written: {error}") from error
        stateful = [
            one for one in (*trainer.callback_handler.callbacks, trainer.control) if isinstance(one, ExportableState)
        ]
        state = dataclasses.replace(trainer.state, stateful_callbacks=stateful)
        state.save_to_json(str(folder / "trainer_state.json"))
        (folder / NOTE).write_text(json.dumps(self._epochs.note))

    def load(self, folder: Path) -> None:
        """Looks whether the weights fit; the Trainer loads everything when it begins, but for the learning rates."""
        check_weights(folder, self._trainer.model)
        self._checkpoint = folder
        self._epochs.goes_on_from(folder.name, json.loads((folder / NOTE).read_text()))
        self.rows = self._epochs.rows

    def close(self) -> None:
        """Ends the Trainer and lets go of its model."""
        self._reports.close()
        if self._trainer is not None:
            size = size_of(self._trainer.model)
            self._trainer = self._epochs = None
            collect(size)

    def _run(self, report: Report) -> None:
        if self._epochs.over:
            return
        sow_epoch = sown()
        self._sow_building()
        self._epochs.begins(report, sow_epoch, self._trainer)
        self._trainer.train(resume_from_checkpoint=str(self._checkpoint) if self._checkpoint else None)


class _Epochs(transformers.TrainerCallback):
    """Waits where an epoch begins, and where training ends; keeps what transformers does not keep.

    Attributes:
        metrics: what was evaluated and is not reported yet.
        rows: how many were trained on so far.
        over: whether the Trainer is through.
    """

    def __init__(self) -> None:
        self.rows, self.over = 0, False
        self.metrics: dict[str, Any] = {}
        self._began, self._name = False, ""
        self._note: dict[str, Any] = {}

    @property
    def note(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"rows": self.rows, "over": self.over, "step": self._step, "optimizer": self._now}

    def goes_on_from(self, name: str, note: Mapping[str, Any]) -> None:
        """Takes in what was noted in a checkpoint of that name."""
        self.rows, self.over = note["rows"], note["over"]
        self._name, self._note = name, dict(note)

    def begins(self, report: Report, sow_epoch: Callable[[], None], trainer: Any) -> None:
        """Takes in what the optimizer is, and whether a checkpoint goes into it; transformers tells epochs by steps."""
        self._report, self._trainer, self._sow_epoch = report, trainer, sow_epoch
        self._now = settings(trainer.create_optimizer())
        self._step = trainer.get_total_train_batch_size(trainer.args)
        if not self._note:
            return
        then, step = self._note["optimizer"], self._note["step"]
        check(then, self._now, self._name)
        if then["kind"] != self._now["kind"]:
            raise misfit(self._name, f"an optimizer {then['kind']}, not {self._now['kind']}")
        if step != self._step:
            raise misfit(self._name, f"steps of {step} rows, not {self._step}")

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:  # all is loaded
        then = self._note["optimizer"] if self._note else self._now
        take_over(parts["optimizer"], [parts["lr_scheduler"]], then, self._now)

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self._began:
            self._tell()
        else:
            self._began = True
            self._sow_epoch()

    def on_epoch_end(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **_: Any) -> None:
        try:
            self.rows = round(state.epoch * self._trainer.num_examples(train_dataloader))
        except TypeError:  # a stream has no length
            self.rows = state.global_step * self._step

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.over = True
        if self.metrics:
            self._tell()

    def _tell(self) -> None:
        self._report(dict(self.metrics))
        self.metrics.clear()


def _trainer(task: HuggingFaceTrainable, params: Params, brief: Brief) -> Any:
    """The user's own, of the study's data where it has some."""
    name = type(task).__name__
    make: Callable[..., Any] = task.trainer
    trainer = make(params) if brief.given is None else make(params, given=brief.given)
    if not isinstance(trainer, transformers.Trainer):
        raise TypeError(
            f"{name}.trainer() gives a {type(trainer).__name__}. Return Trainer(model, args, train_dataset=..., ...)."
        )
    own_loader = type(trainer).get_eval_dataloader is not transformers.Trainer.get_eval_dataloader
    if trainer.eval_dataset is None and not own_loader:
        raise ValueError(
            f"the Trainer of {name} has nothing to evaluate after an epoch. Write Trainer(..., eval_dataset=...)."
        )
    return trainer


def _quiet(trainer: Any, seed: int) -> Any:
    """A Trainer that evaluates after every epoch, writes nothing of its own, and draws from the trial's seed."""
    arguments = trainer.args = copy.copy(trainer.args)  # which trials may share
    for name, value in _ARGUMENTS.items():
        setattr(arguments, name, value)
    arguments.seed = seed
    for callback in list(trainer.callback_handler.callbacks):
        if isinstance(callback, _PRINTERS) or type(callback).__module__.startswith(_CHATTY):
            trainer.remove_callback(callback)
    if Path(arguments.output_dir) in (Path("trainer_output"), Path("tmp_trainer")):  # its defaults
        with suppress(OSError):
            Path(arguments.output_dir).rmdir()  # it made it, and nothing will be written into it
    return trainer


def _save_model(trainer: Any, folder: Path) -> None:
    with _no_bars():
        trainer.save_model(str(folder))
        (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle; the params say it all
        try:
            check_weights(folder, trainer.model)
        except ValueError:  # some models are written under the names of old; a Trainer that goes on wants their own
            trainer.model.save_pretrained(folder, save_original_format=False)


@contextmanager
def _no_bars() -> Iterator[None]:
    """Loads and saves without the bars that transformers draws."""
    bars = transformers.utils.logging
    drawn = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            bars.enable_progress_bar()


def _bare(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """An evaluation without `eval_` before its names, and without what clocks and counters say.

    >>> _bare({"eval_loss": 0.5, "eval_accuracy": 0.8, "eval_runtime": 12.5, "epoch": 1.0})
    {'loss': 0.5, 'accuracy': 0.8}
    """
    kept = [name for name in metrics if name not in _COUNTS and not name.endswith(_CLOCKS)]
    return {name.removeprefix("eval_"): metrics[name] for name in kept}
