"""The families of trainables: what a user's class is derived from, and who trains it.

A family is known by the module of its base class, so that telling it loads neither torch nor keras.
"""

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainables.contract import Brief, Params, Training
from trainables.folds import Folds

Build = Callable[[Any, Params, Brief], Training]


@dataclass(frozen=True, slots=True)
class Family:
    """One of them.

    Attributes:
        kind: its name.
        training: `module:name` of what makes a training from a user's object, params and a brief.
        ends: whether a trial ends by itself, also without folds.
        needs_data: whether the study has to give the data.
        is_network: whether it is one: it takes data as tensors, and may bring its own.
        given_to: the method and its argument that the study's data are given to, where it has to take them.
        deals_folds: whether folds are dealt around it: a fold is then a whole training of so many epochs.
        computes: whether known metrics are computed when the goal asks for them.
        estimates: whether it is an estimator of scikit-learn's kind that is trained.
        grows: whether a trial that ends by itself may have been at its best long before.
    """

    kind: str
    training: str
    ends: bool = True
    needs_data: bool = False
    is_network: bool = False
    given_to: tuple[str, str] | None = None
    deals_folds: bool = True
    computes: bool = True
    estimates: bool = False
    grows: bool = False

    def build(self) -> Build:
        """What makes a training; loads the libraries that it needs."""
        module, _, name = self.training.partition(":")
        found: Build = getattr(importlib.import_module(module), name)
        return found


CLASS = Family("class", "trainables.contract:class_training", given_to=("setup", "data"), computes=False)
FUNCTION = Family("function", "trainables.function:function_training", computes=False)
ESTIMATOR = Family(
    "estimator", "trainables.sklearn_model:estimator_training", needs_data=True, deals_folds=False, estimates=True
)

_BASES = {  # by the module of the base class
    "trainables.contract": CLASS,
    "trainables.torch_model": Family("torch", "trainables.torch_model:TorchTraining", ends=False, is_network=True),
    "trainables.sklearn_model": Family(
        "sklearn", "trainables.sklearn_model:sklearn_training", needs_data=True, deals_folds=False, estimates=True
    ),
    "trainables.boosting": Family(
        "boosting", "trainables.boosting:BoostingTraining", needs_data=True, estimates=True, grows=True
    ),
    "trainables.keras_model": Family("keras", "trainables.keras_model:KerasTraining", ends=False, is_network=True),
    "trainables.lightning_model": Family(
        "lightning", "trainables.lightning_model:LightningTraining", ends=False, is_network=True, computes=False
    ),
    "trainables.huggingface": Family(
        "huggingface", "trainables.huggingface:HuggingFaceTraining", given_to=("trainer", "given"), computes=False
    ),
}


def family_of_class(kind: type) -> Family | None:
    """The family of a user's class; None where it has none."""
    for base in kind.__mro__:
        if base.__module__ in _BASES:
            return _BASES[base.__module__]
    return ESTIMATOR if looks_like_an_estimator(kind) else None


_MODELS = {  # by the module of the base class: what is to be derived from, and its method that builds one
    "lightning.pytorch.core.module": ("LightningTrainable", "module"),
    "pytorch_lightning.core.module": ("LightningTrainable", "module"),
    "keras.src.models.model": ("KerasTrainable", "model"),
    "torch.nn.modules.module": ("TorchTrainable", "model"),
}


def refuse_model(source: Any) -> None:
    """Raises TypeError for a network itself, or its class: every trial builds its own, from its params."""
    kind = source if inspect.isclass(source) else type(source)
    for base in kind.__mro__:
        if base.__module__ in _MODELS:
            ours, method = _MODELS[base.__module__]
            raise TypeError(
                f"{kind.__name__} is a model, and every trial builds one of its own, from its params. "
                f"Write class Mine({ours}), with def {method}(self, params): return {kind.__name__}(...)"
            )


def looks_like_an_estimator(thing: Any) -> bool:
    """Whether it is scikit-learn's kind of model, or a class of them; told without loading scikit-learn."""
    return all(callable(getattr(thing, name, None)) for name in ("fit", "get_params", "set_params"))


def called(source: Any) -> str:
    """A trainable's own name; `study` where it has none, such as a lambda or a partial."""
    name = str(getattr(source, "__name__", type(source).__name__ if looks_like_an_estimator(source) else "study"))
    return name if name.isidentifier() else "study"


def folds_of(source: Any) -> Folds | None:
    """The folds by which trials of it validate; None where they do so otherwise.

    An epoch is a fold then, and its last report is what a trial is worth.
    """
    if looks_like_an_estimator(source):
        return Folds()
    folds = getattr(source, "folds", None) if inspect.isclass(source) else None
    if folds is not None and not isinstance(folds, Folds):
        raise TypeError(f"{source.__name__}.folds is {folds!r}. Write folds = Folds(5), or Folds(5, by='time').")
    return folds
