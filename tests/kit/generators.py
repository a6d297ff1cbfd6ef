"""Whether something leaves the global random generators as they are."""

import random
from collections.abc import Callable
from typing import TypeVar

import numpy as np

Made = TypeVar("Made")


def watching(make: Callable[[], Made]) -> tuple[Made, bool]:
    """What it makes, and whether `random` and numpy draw afterwards what they would have drawn without."""
    _sow()
    undisturbed = random.random(), np.random.random()
    _sow()
    made = make()
    return made, (random.random(), np.random.random()) == undisturbed


def _sow() -> None:
    random.seed(1)
    np.random.seed(1)
