"""A study's goal: which metric, and whether less or more of it is better."""

import math
from dataclasses import dataclass

from search.spelling import did_you_mean

MODES = {
    "min": "min",
    "max": "max",
    "minimize": "min",
    "maximize": "max",
    "minimise": "min",
    "maximise": "max",
}


@dataclass(frozen=True, slots=True)
class Goal:
    """What a study is after.

    Attributes:
        mode: `min` or `max`.
        metric: the name under which the trainable reports it.
    """

    mode: str
    metric: str

    def __post_init__(self) -> None:
        if self.mode not in ("min", "max"):
            raise ValueError(f"a goal's mode is {self.mode!r}. {did_you_mean(str(self.mode), ['min', 'max'])}")
        if not isinstance(self.metric, str) or len(self.metric.split()) != 1 or self.metric != self.metric.strip():
            raise ValueError(f"a goal's metric is {self.metric!r}. Name by one word what trials report: 'min loss'.")

    @staticmethod
    def parse(text: "str | Goal") -> "Goal":
        """Reads `min loss` or `max val_acc`.

        >>> Goal.parse("min loss")
        Goal(mode='min', metric='loss')
        """
        if isinstance(text, Goal):
            return text
        words = text.split() if isinstance(text, str) else []
        if len(words) != 2:
            raise ValueError(f"the goal is {text!r}. Write a mode and a metric: 'min loss' or 'max accuracy'.")
        mode = MODES.get(words[0].lower())
        if mode is None:
            hint = did_you_mean(words[0], MODES)
            raise ValueError(f"the goal {text!r} begins with {words[0]!r}. {hint}")
        return Goal(mode, words[1])

    def loss(self, value: float) -> float:
        """`value` turned so that less is better; NaN stays NaN."""
        return value if self.mode == "min" else -value

    def better(self, value: float, than: float | None) -> bool:
        """Whether a finite `value` beats `than`; anything finite beats nothing and what is not finite."""
        if not math.isfinite(value):
            return False
        return than is None or not math.isfinite(than) or self.loss(value) < self.loss(than)

    def __str__(self) -> str:
        return f"{self.mode} {self.metric}"
