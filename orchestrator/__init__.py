"""a440: describe a study once, run it anywhere, get a DataFrame.

    from orchestrator import ASHA, TPE, Study, loguniform

This is the facade. Importing it loads neither ray, torch nor pandas.
"""

from typing import TYPE_CHECKING, Any

from orchestrator.floors import check_names

check_names()  # before anything is taken from a room that may not be ours

from cluster import Bundle  # noqa: E402
from orchestrator.budget import Budget  # noqa: E402
from search import (  # noqa: E402
    ASHA,
    PBT,
    TPE,
    Choice,
    Float,
    FullLength,
    Goal,
    Grid,
    Int,
    Random,
    Space,
    Strategy,
    choice,
    integer,
    logint,
    loguniform,
    uniform,
)

if TYPE_CHECKING:
    from orchestrator.plan import Plan
    from orchestrator.results import Results
    from orchestrator.study import Study
    from trainables import Batches, TorchTrainable, Trainable, split

__version__ = "0.1.0"

__all__ = [
    "ASHA",
    "PBT",
    "TPE",
    "Batches",
    "Budget",
    "Bundle",
    "Choice",
    "Float",
    "FullLength",
    "Goal",
    "Grid",
    "Int",
    "Plan",
    "Random",
    "Results",
    "Space",
    "Strategy",
    "Study",
    "TorchTrainable",
    "Trainable",
    "choice",
    "integer",
    "logint",
    "loguniform",
    "split",
    "uniform",
]

_LAZY = {
    "Study": "orchestrator.study",
    "Results": "orchestrator.results",
    "Plan": "orchestrator.plan",
    "Trainable": "trainables",
    "TorchTrainable": "trainables",
    "Batches": "trainables",
    "split": "trainables",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
