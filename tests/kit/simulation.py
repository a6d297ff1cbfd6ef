"""A study without Ray: curves that a function gives, a simulated clock, any number of workers, a ledger in memory."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.simulation import Simulation
from orchestrator.terms import Terms
from search import Goal, Space, Strategy, strategy_of

Curve = Callable[[dict[str, Any], int], dict[str, float]]
Pace = float | Callable[[dict[str, Any]], float]


@dataclass(frozen=True)
class Drawn:
    """The curve that a function gives at some params, each epoch as long as any other."""

    function: Curve
    params: dict[str, Any]
    pace: float
    distance: float = 0.0

    def seconds_at(self, epoch: int) -> float:
        return self.pace * epoch

    def metrics_at(self, epoch: int) -> dict[str, float]:
        return self.function(self.params, epoch)


@dataclass(frozen=True)
class Functions:
    """Curves of a function of flat params and an epoch; `seconds` of an epoch, or what gives them for flat params."""

    function: Curve
    seconds: Pace = 1.0

    def curve(self, params: dict[str, Any]) -> Drawn:
        return Drawn(self.function, params, self.seconds(params) if callable(self.seconds) else self.seconds)


class World:
    """A conductor with its book and a clock that only the simulation moves."""

    def __init__(
        self,
        space: Space,
        strategy: Any,
        goal: Any = "min loss",
        trials: int | None = 20,
        seed: int = 0,
        events: list[dict[str, Any]] | None = None,
        **terms: Any,
    ):
        pair: Strategy = strategy_of(strategy)
        aim = Goal.parse(goal)
        self.notes: list[str] = []
        self.terms = Terms.under(pair.scheduler, space, aim, seed=seed, trials=trials, **terms)
        self.simulation = Simulation(self.terms, pair, events or [], self.notes.append, {"goal": str(aim)})
        self.book, self.conductor = self.simulation.book, self.simulation.conductor

    def run(self, curve: Curve, workers: int = 1, until: int | None = None, seconds: Pace = 1.0) -> None:
        """Runs until the conductor has nothing left, or until the ledger has `until` events.

        Args:
            curve: metrics of flat params at an epoch.
            workers: lanes that work at the same time.
            until: stops the world there, as a kill would.
            seconds: of an epoch, on the simulated clock; or what gives them for flat params.
        """
        for _ in self.simulation.steps(Functions(curve, seconds), workers):
            if until is not None and len(self.book.events) >= until:
                return

    def reported(self) -> list[tuple[str, int]]:
        """The (trial, epoch) pairs of all reports, in order."""
        return [(e["trial"], e["epoch"]) for e in self.book.events if e["event"] == "reported"]


def bowl(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """A quadratic with its minimum at x = 0.3 that is approached with the epochs."""
    return {"loss": (params["x"] - 0.3) ** 2 + 0.5 / epoch}


def half_broken(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """NaN for x above one half."""
    return {"loss": math.nan} if params["x"] > 0.5 else bowl(params, epoch)
