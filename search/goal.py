"""A study's goal: which metrics, whether less or more of each is better, and what must be kept.

    min loss                                    one objective
    max accuracy, min latency_ms <= 20          two, and a limit on an outcome
    max accuracy, latency_ms <= 20              one, and a limit
    min loss per second                         trials are compared at equal time, not at equal epochs

Everything that compares reports does it through `rank`: limits first, then the objectives in their order.
"""

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from search.number import is_number, plain
from search.spelling import did_you_mean

MODES = {
    "min": "min",
    "max": "max",
    "minimize": "min",
    "maximize": "max",
    "minimise": "min",
    "maximise": "max",
}
COSTS = {"second": "second", "seconds": "second", "joule": "joule", "joules": "joule"}
JOULES = "joules"  # the metric under which a trial reports its energy so far

_PIECE = re.compile(r"(?P<head>[^<>=]+?)\s*(?:(?P<relation><=|>=|[<>](?!=))\s*(?P<bound>\S+))?")


@dataclass(frozen=True, slots=True)
class Objective:
    """One metric that is to be small, or large.

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

    def loss(self, value: float) -> float:
        """`value` turned so that less is better; NaN stays NaN."""
        return value if self.mode == "min" else -value

    def __str__(self) -> str:
        return f"{self.mode} {self.metric}"


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit on an outcome: trials beyond it are worth less than any within.

    Attributes:
        metric: what is limited.
        relation: `<=` or `>=`.
        value: the bound itself is kept.
    """

    metric: str
    relation: str
    value: float

    def __post_init__(self) -> None:
        if self.relation not in ("<=", ">=") or not is_number(self.value):
            raise ValueError(
                f"the limit on {self.metric} is {self.relation} {self.value!r}. Write: {self.metric} <= 20."
            )
        object.__setattr__(self, "value", plain(self.value))

    def margin(self, value: float) -> float:
        """How far `value` lies beyond, in shares of the bound (or as it is, where that is zero); less than 0 within."""
        over = value - self.value if self.relation == "<=" else self.value - value
        return over / (abs(self.value) or 1.0)

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.value:g}"


Rank = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a study is after.

    Attributes:
        mode: `min` or `max`, of the first objective.
        metric: the first objective's name.
        others: further objectives; with any, a study looks for a front and not for a point.
        limits: on outcomes.
        per: `second` or `joule`: schedulers compare trials at equal cost instead of at equal epochs.
    """

    mode: str
    metric: str
    others: tuple[Objective, ...] = ()
    limits: tuple[Bound, ...] = ()
    per: str | None = None

    def __post_init__(self) -> None:
        named = [objective.metric for objective in self.objectives]
        for name in named:
            if named.count(name) > 1:
                raise ValueError(f"the goal names {name} twice. Keep one of the two.")
        _refuse_empty(self.limits)
        if self.per is not None and self.per not in ("second", "joule"):
            raise ValueError(f"the goal is judged per {self.per!r}. {did_you_mean(str(self.per), COSTS)}")
        if self.per is not None and self.others:
            raise ValueError(f"several objectives are not judged per {self.per}. Keep one of them: '{self.first}'.")

    @staticmethod
    def parse(value: "str | Goal | Iterable[str]") -> "Goal":
        """Reads `min loss`, or a list such as `["max accuracy", "min latency_ms <= 20"]`.

        >>> Goal.parse("min loss").metric
        'loss'
        >>> print(Goal.parse(["max accuracy", "min latency_ms <= 20"]))
        max accuracy, min latency_ms <= 20
        """
        if isinstance(value, Goal):
            return value
        texts = (
            value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else [value]
        )
        objectives: list[Objective] = []
        limits: list[Bound] = []
        per = None
        for text in texts:
            cost = _read(text, objectives, limits)
            per = cost or per
        if not objectives:
            raise ValueError(f"the goal is {value!r}. Write a mode and a metric: 'min loss' or 'max accuracy'.")
        first, *others = objectives
        return Goal(first.mode, first.metric, tuple(others), tuple(limits), per)

    @property
    def first(self) -> Objective:
        """The objective that decides which epoch a trial stands for."""
        return Objective(self.mode, self.metric)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """All of them."""
        return (self.first, *self.others)

    @property
    def metrics(self) -> tuple[str, ...]:
        """What every report needs."""
        named = [*(o.metric for o in self.objectives), *(bound.metric for bound in self.limits)]
        return tuple(dict.fromkeys([*named, JOULES] if self.per == "joule" else named))

    @property
    def is_plain(self) -> bool:
        """Whether one number at an epoch says all: one objective, no limits, no cost."""
        return not self.others and not self.limits and self.per is None

    def loss(self, value: float) -> float:
        """A value of the first objective, turned so that less is better; NaN stays NaN."""
        return self.first.loss(value)

    def losses(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """All objectives of a report, turned so that less is better; NaN where one is not finite or is missing."""
        found = (o.loss(metrics.get(o.metric, math.nan)) for o in self.objectives)
        return tuple(loss if math.isfinite(loss) else math.nan for loss in found)

    def margins(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """How far a report lies beyond each limit; less than 0 within."""
        return tuple(bound.margin(metrics.get(bound.metric, math.nan)) for bound in self.limits)

    def excess(self, metrics: Mapping[str, float]) -> float:
        """By how much a report breaks the limits; 0 where it keeps them all."""
        return beyond(self.margins(metrics))

    def cost(self, metrics: Mapping[str, float], seconds: float) -> float:
        """What a trial has spent at a report, in the unit that the goal is judged by."""
        return metrics.get(JOULES, math.nan) if self.per == "joule" else seconds

    def is_sound(self, metrics: Mapping[str, float]) -> bool:
        """Whether a report has a finite number for everything that the goal names."""
        return all(math.isfinite(metrics.get(name, math.nan)) for name in self.metrics)

    def rank(self, metrics: Mapping[str, float]) -> Rank | None:
        """What to compare a report by, less being better: its excess, then its losses; None where it is not sound."""
        return (self.excess(metrics), *self.losses(metrics)) if self.is_sound(metrics) else None

    def __str__(self) -> str:
        left, words = list(self.limits), []
        for objective in self.objectives:
            bound = next((bound for bound in left if bound.metric == objective.metric), None)
            if bound is not None:
                left.remove(bound)
            words.append(f"{objective.mode} {bound}" if bound else str(objective))
        return ", ".join([*words, *map(str, left)]) + (f" per {self.per}" if self.per else "")


def _refuse_empty(limits: Iterable[Bound]) -> None:
    """Raises ValueError where nothing lies within two limits on one metric."""
    for low, high in itertools.permutations(limits, 2):
        if low.metric == high.metric and low.relation == ">=" and high.relation == "<=" and low.value > high.value:
            raise ValueError(f"nothing is both {low} and {high}. Turn one round: {high.metric} >= {high.value:g}.")


def beyond(margins: Iterable[float]) -> float:
    """By how much limits are broken, summed up; NaN where one is not known."""
    return sum(margin for margin in margins if not margin <= 0)


def _read(text: object, objectives: list[Objective], limits: list[Bound]) -> str | None:
    """Adds what one piece of a goal says; returns the cost that it is judged by."""
    words = text.split() if isinstance(text, str) else []
    per = None
    if len(words) >= 4 and words[-2] == "per":
        per = COSTS.get(words[-1].lower())
        if per is None:
            raise ValueError(f"the goal {text!r} is judged per {words[-1]!r}. {did_you_mean(words[-1], COSTS)}")
        words = words[:-2]
    form = _PIECE.fullmatch(" ".join(words))
    head = form["head"].split() if form else []
    if form is None or not 1 <= len(head) <= 2 or (len(head) == 1 and not form["relation"]):
        raise ValueError(f"the goal is {text!r}. Write a mode and a metric: 'min loss' or 'max accuracy'.")
    if len(head) == 2:
        mode = MODES.get(head[0].lower())
        if mode is None:
            raise ValueError(f"the goal {text!r} begins with {head[0]!r}. {did_you_mean(head[0], MODES)}")
        objectives.append(Objective(mode, head[1]))
    if form["relation"]:
        limits.append(_bound(str(text), form["head"].strip(), form["relation"], form["bound"]))
    return per


def _bound(text: str, head: str, relation: str, bound: str) -> Bound:
    metric = head.split()[-1]
    if _is_a_number(metric):
        turned = {"<": ">", ">": "<"}[relation[0]] + relation[1:]
        raise ValueError(
            f"the goal {text!r} begins with the number {metric}. Put the metric first: '{bound} {turned} {metric}'."
        )
    try:
        return Bound(metric, relation[0] + "=", float(bound))
    except ValueError:
        raise ValueError(
            f"the goal {text!r} limits {metric} by {bound!r}. Write a number: '{head} {relation} 20'."
        ) from None


def _is_a_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
