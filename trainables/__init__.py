"""What is trained: the contract, and what turns functions and PyTorch models into it.

Knows no samplers, no studies and no clusters. `TorchTrainable` loads torch, so it is only imported
when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from trainables.contract import Trainable

if TYPE_CHECKING:
    from trainables.data import Batches, split
    from trainables.torch_model import TorchTrainable

__all__ = ["Batches", "TorchTrainable", "Trainable", "split"]

_LAZY = {"TorchTrainable": "trainables.torch_model", "Batches": "trainables.data", "split": "trainables.data"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'trainables' has no attribute {name!r}")
