"""What stands in a study file that names nothing to train, which is enough for a simulation."""

from pathlib import Path
from typing import Any

from trainables import Trainable

STAND_IN = {"train": "orchestrator.untrained:Untrained"}


class Untrained(Trainable):
    """Takes any params and can be paused, as far as a study is told; it refuses to train."""

    def setup(self, params: dict[str, Any]) -> None:
        raise RuntimeError("this study names nothing to train. Add it to its file: train: examples.digits:DigitsMLP")

    def step(self) -> dict[str, float] | None:
        raise AssertionError("setup has refused")

    def save(self, folder: Path) -> None:
        raise AssertionError("setup has refused")

    def load(self, folder: Path) -> None:
        raise AssertionError("setup has refused")
