"""What is trained: the contract, and what turns functions, estimators and models of many libraries into it.

Knows no samplers, no studies and no clusters. Whatever loads a library is only imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from trainables.contract import Trainable

if TYPE_CHECKING:
    from trainables.batches import Batches, split
    from trainables.boosting import BoostingTrainable
    from trainables.data import Data
    from trainables.folds import Folds
    from trainables.loop import Loop
    from trainables.metrics import score
    from trainables.rows import Given, Rows
    from trainables.sklearn_model import SklearnTrainable, routed
    from trainables.torch_model import TorchTrainable

__all__ = [
    "Batches",
    "BoostingTrainable",
    "Data",
    "Folds",
    "Given",
    "Loop",
    "Rows",
    "SklearnTrainable",
    "TorchTrainable",
    "Trainable",
    "routed",
    "score",
    "split",
]

_LAZY = {  # those of extras are not in `__all__`, for they may not be installed
    "Batches": "trainables.batches",
    "BoostingTrainable": "trainables.boosting",
    "Data": "trainables.data",
    "Folds": "trainables.folds",
    "Given": "trainables.rows",
    "HuggingFaceTrainable": "trainables.huggingface",
    "KerasTrainable": "trainables.keras_model",
    "LightningTrainable": "trainables.lightning_model",
    "Loop": "trainables.loop",
    "ReportCallback": "trainables.huggingface",
    "Rows": "trainables.rows",
    "SklearnTrainable": "trainables.sklearn_model",
    "TorchTrainable": "trainables.torch_model",
    "routed": "trainables.sklearn_model",
    "score": "trainables.metrics",
    "split": "trainables.batches",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'trainables' has no attribute {name!r}")
