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
    BOHB,
    CMAES,
    NSGA2,
    PB2,
    PBT,
    TPE,
    Auto,
    Bayes,
    Belief,
    Choice,
    Evolution,
    Extrapolate,
    Float,
    FullLength,
    Goal,
    Greedy,
    Grid,
    Hyperband,
    Hypergradient,
    Int,
    MedianStop,
    QLearning,
    Random,
    Reinforce,
    Repeat,
    Sobol,
    Space,
    Strategy,
    Swarm,
    alone,
    believed,
    choice,
    fixed,
    integer,
    logint,
    lognormal,
    loguniform,
    normal,
    ordinal,
    repeat,
    sequence,
    uniform,
    variants,
)
from search.dialects import suggest, to_hyperopt, to_optuna, to_tune  # noqa: E402

if TYPE_CHECKING:
    from orchestrator.front import Front
    from orchestrator.plan import Plan
    from orchestrator.results import Results
    from orchestrator.study import Study
    from trainables import (
        Batches,
        BoostingTrainable,
        Data,
        Folds,
        Given,
        Loop,
        Rows,
        SklearnTrainable,
        TorchTrainable,
        Trainable,
        routed,
        score,
        split,
    )

__version__ = "0.1.0"

__all__ = [
    "ASHA",
    "BOHB",
    "CMAES",
    "NSGA2",
    "PB2",
    "PBT",
    "TPE",
    "Auto",
    "Batches",
    "Bayes",
    "Belief",
    "BoostingTrainable",
    "Budget",
    "Bundle",
    "Choice",
    "Data",
    "Evolution",
    "Extrapolate",
    "Float",
    "Folds",
    "Front",
    "FullLength",
    "Given",
    "Goal",
    "Greedy",
    "Grid",
    "Hyperband",
    "Hypergradient",
    "Int",
    "Loop",
    "MedianStop",
    "Plan",
    "QLearning",
    "Random",
    "Reinforce",
    "Repeat",
    "Results",
    "Rows",
    "SklearnTrainable",
    "Sobol",
    "Space",
    "Strategy",
    "Study",
    "Swarm",
    "TorchTrainable",
    "Trainable",
    "alone",
    "believed",
    "choice",
    "fixed",
    "integer",
    "logint",
    "lognormal",
    "loguniform",
    "normal",
    "ordinal",
    "repeat",
    "routed",
    "score",
    "sequence",
    "split",
    "suggest",
    "to_hyperopt",
    "to_optuna",
    "to_tune",
    "uniform",
    "variants",
]

_LAZY = {
    "Study": "orchestrator.study",
    "Results": "orchestrator.results",
    "Plan": "orchestrator.plan",
    "Front": "orchestrator.front",
    "Trainable": "trainables",
    "TorchTrainable": "trainables",
    "Batches": "trainables",
    "split": "trainables",
    "BoostingTrainable": "trainables",
    "Data": "trainables",
    "Folds": "trainables",
    "Given": "trainables",
    "HuggingFaceTrainable": "trainables",
    "KerasTrainable": "trainables",
    "LightningTrainable": "trainables",
    "Loop": "trainables",
    "ReportCallback": "trainables",
    "Rows": "trainables",
    "SklearnTrainable": "trainables",
    "routed": "trainables",
    "score": "trainables",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        import importlib

        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
