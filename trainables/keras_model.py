"""Keras models on torch: the user compiles a model, and an epoch is a `fit`.

What Keras draws hangs on the seed and the epoch alone. Layers and initializers take their seeds from `random`, arrays
are shuffled by torch and a PyDataset by `random`, and whoever trains sows both; Keras' own global generator begins anew
with every epoch; the generators of layers, such as GaussianNoise's, are among the model's variables and are saved. A
model is built before its first `fit`, which would else build it by a batch, and so shuffle once more than later ones.
"""

import math
import os
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainables.batches import tensor_of
from trainables.contract import Brief, Metrics, Params
from trainables.device import device_of
from trainables.keras_data import parts_of, weights_by_class
from trainables.keras_variables import assign, kind_of, misfit, moments, read, state_of, write
from trainables.litter import collect
from trainables.loop import Loop, Patience, loop_of
from trainables.metrics import Own, Predictions, computable, evaluate, settled
from trainables.outputs import predictions_of, targets_like

if sys.modules.get("keras") and sys.modules["keras"].config.backend() != "torch":
    raise ValueError(
        f"Keras is already loaded on {sys.modules['keras'].config.backend()}, and KerasTrainable trains on torch. "
        f"Write this before Keras is imported: import os; os.environ['KERAS_BACKEND'] = 'torch'"
    )
os.environ["KERAS_BACKEND"] = "torch"
try:
    import keras
except ModuleNotFoundError as error:
    if error.name != "keras":
        raise
    raise ModuleNotFoundError("Keras is not installed. Run: pip install 'a440[keras]'") from None

STATE, MODEL = "state.npz", "model.keras"
POLICIES = {"bf16": "mixed_bfloat16", "fp16": "mixed_float16"}


class KerasTrainable(ABC):
    """A compiled Keras model. Subclass it; keep nothing in `self` that a trial changes.

    Keras takes its backend from `KERAS_BACKEND` when it is first imported: set it to "torch" before, or import this
    class before Keras. Of a study's winner the whole model is kept, for `keras.saving.load_model("model.keras")`, whose
    safe mode refuses Python lambdas, for they are code: give layers and losses named functions.

    Attributes:
        loop: batch size, precision, accumulation, clipping, patience, class weights; or `def loop(self, params)`.
            Keras accumulates batches across the end of an epoch, and weighs the training loss alone by class.
        data: `def data(self, params)` returns what to train on and what to validate with: `(inputs, targets)` of
            arrays each, or what `fit` takes and can be gone through again, such as a PyDataset or a DataLoader. Not
            needed where the study has data; `def data(self, params, given)` makes it from those.
        metrics: known ones by name, or functions `(targets, labels)`, computed over all validation rows at once.
            Those of the goal need not be named; what the model is compiled with is reported under its own names.
        folds: validates by folds of the study's data, each trained for `fold_epochs` (or `params["epochs"]`).
    """

    loop: Loop | Callable[[Params], Loop] = Loop()
    data: Callable[..., tuple[Any, Any]] | None = None
    metrics: Iterable[str | Own] | Mapping[str, Own] = ()
    folds: Any = None
    fold_epochs: int | None = None

    @abstractmethod
    def model(self, params: Params) -> keras.Model:
        """A new compiled model; Keras is seeded, and the names of layers and metrics count from the beginning."""


class KerasTraining:
    """A `KerasTrainable` under way: reports `loss` (validation), `train_loss` and the metrics.

    Args:
        task: the user's object.
        params: nested params.
        brief: the study's wishes and data.

    Attributes:
        rows: how many were trained on so far; a row counts in every epoch.
    """

    saves = True

    def __init__(self, task: KerasTrainable, params: Params, brief: Brief = Brief()):  # noqa: B008 - frozen
        self._epoch, self.rows, self._whole = 0, 0, brief.whole
        self._loop = loop_of(task.loop, params)
        mode = brief.mode if self._loop.watch == brief.metric else None
        self._patience = Patience(self._loop, mode, endless=brief.whole)
        self._named = {**settled(task.metrics), **settled(computable(brief.metrics))}
        self._classes = brief.given.codes if brief.given is not None else None
        device_of(self._loop)
        _sow()
        with _own_settings(self._loop):
            self._model: Any = _checked(task.model(params))
            _settle(self._model.optimizer, self._loop)
            self._train, self._validation = parts_of(task.data, params, brief.given)
            self._class_weights = weights_by_class(self._train, self._loop, brief.classes)
            self._model.evaluate(**self._validation.arguments(self._loop.batch_size), steps=1, verbose=0)  # builds all

    def step(self) -> Metrics | None:
        if self._patience.is_over:
            return None
        _sow()
        known = self._model.fit(
            **self._train.arguments(self._loop.batch_size),
            shuffle=not self._train.is_loader,
            class_weight=self._class_weights,
            initial_epoch=self._epoch,
            epochs=self._epoch + 1,
            verbose=0,
        )
        self._epoch += 1
        self.rows += self._train.count or _rows_seen(self._model)
        metrics = {"train_loss": known.history.get("loss", [math.nan])[-1], **self._validate()}
        self._patience.look(metrics)
        return metrics

    def save(self, folder: Path) -> None:
        optimizer = self._model.optimizer
        about = {"epoch": self._epoch, "rows": self.rows, "patience": self._patience.state, "kind": kind_of(optimizer)}
        write(folder / STATE, about, model=state_of(self._model), optimizer=moments(optimizer))
        if self._whole:
            self._model.save(folder / MODEL)

    def load(self, folder: Path) -> None:
        """Weights and the optimizer's state are the checkpoint's; the learning rate stays the params'.

        An optimizer of another kind, or with other moments, begins with fresh ones.
        """
        about, saved = read(folder / STATE, "model", "optimizer")
        state, optimizer = state_of(self._model), self._model.optimizer
        wrong = misfit(state, saved["model"])
        if wrong is not None:
            raise ValueError(
                f"the checkpoint {folder.name} does not fit the model that these params build ({wrong}). "
                f"Params that shape a model cannot change under trained weights: name the others in PBT(mutate=...)."
            )
        assign(state, saved["model"])
        if about["kind"] == kind_of(optimizer) and misfit(moments(optimizer), saved["optimizer"]) is None:
            assign(moments(optimizer), saved["optimizer"])
        self._epoch, self.rows, self._patience.state = about["epoch"], about["rows"], about["patience"]

    def predictions(self, inputs: Any) -> Predictions:
        """What the model says of inputs, `[N, ...]` as the study gives them."""
        tensor = tensor_of(inputs)
        return self._read(self._model.predict(tensor, batch_size=self._many, verbose=0))

    def close(self) -> None:
        """Lets go of the model."""
        if self._model is not None:
            variables = [*self._model.variables, *self._model.optimizer.variables]
            self._model = None
            collect(sum(4 * math.prod(variable.shape) for variable in variables))

    @property
    def _many(self) -> int:
        """Rows per batch where nothing is learnt."""
        return max(self._loop.batch_size, 1024)

    def _validate(self) -> dict[str, Any]:
        found: dict[str, Any] = self._model.evaluate(
            **self._validation.arguments(self._many), return_dict=True, verbose=0
        )
        wanted = {name: metric for name, metric in self._named.items() if name not in found}
        if not wanted:
            return found
        outputs = self._validation.outputs(self._model, self._many)
        targets = targets_like(outputs, self._validation.targets())
        return {**found, **evaluate(wanted, targets, self._read(outputs), self._classes)}

    def _read(self, outputs: Any) -> Predictions:
        return predictions_of(outputs, takes_logits=getattr(self._model.loss, "from_logits", False))


# -- how it is trained -------------------------------------------------------------------------------


def _sow() -> None:
    """Lets Keras' global generator begin anew, from `random`, which whoever trains has sown."""
    keras.utils.set_random_seed(random.getrandbits(31))


@contextmanager
def _own_settings(loop: Loop) -> Iterator[None]:
    """What is built inside finds nothing of earlier models, and leaves no setting behind."""
    policy, floats = keras.config.dtype_policy(), keras.config.floatx()
    keras.utils.clear_session(free_memory=False)  # names such as `dense_1` and `auc_1` count all models before
    keras.config.set_dtype_policy(POLICIES.get(loop.precision, policy))
    try:
        yield
    finally:
        keras.config.set_floatx(floats)
        keras.config.set_dtype_policy(policy)


def _checked(model: Any) -> keras.Model:
    if not isinstance(model, keras.Model) or not model.compiled:
        raise TypeError(f"model() gives {model!r}, no compiled keras.Model. Call model.compile(optimizer, loss) in it.")
    if getattr(model.optimizer, "inner_optimizer", model.optimizer).use_ema:  # see `finalize_variable_values`
        raise ValueError(
            "the optimizer has use_ema=True, and Keras replaces the weights by their average after every fit, which "
            "is every epoch here. Write use_ema=False."
        )
    return model


def _settle(optimizer: Any, loop: Loop) -> None:
    """Puts clipping and accumulation into the optimizer, which does both in Keras."""
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    clips, batches = ("clipnorm", "clipvalue", "global_clipnorm"), ("gradient_accumulation_steps",)
    accumulate = loop.accumulate if loop.accumulate > 1 else None
    for setting, value, names in (("clip_norm", loop.clip_norm, clips), ("accumulate", accumulate, batches)):
        if value is None:
            continue
        if inner.built or any(getattr(inner, name) for name in names):
            raise ValueError(
                f"Loop({setting}={value}) is wanted, and the optimizer is built already or has {' or '.join(names)} "
                f"of its own. Leave {setting} out of Loop."
            )
        setattr(inner, names[-1], value)


def _rows_seen(model: Any) -> int:
    """How many the last epoch had: the tracker of the loss, a mean over rows, has counted them."""
    return next((int(metric.count.value) for metric in model.metrics if metric.name == "loss"), 0)
