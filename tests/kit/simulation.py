"""A study without Ray: recorded curves, a simulated clock, any number of workers, and a ledger in memory."""

import heapq
import json
import math
from collections.abc import Callable
from typing import Any

from orchestrator.conductor import Conductor
from orchestrator.terms import Report, Terms
from search import Goal, Space, Strategy, strategy_of
from search.protocol import Go
from search.schedulers import compared_epochs, judged_epochs, last_epoch
from search.to_ray import engines

Curve = Callable[[dict[str, Any], int], dict[str, float]]
Pace = float | Callable[[dict[str, Any]], float]


class Book:
    """A ledger in memory; events pass through JSON as real ones do."""

    def __init__(self, clock: Callable[[], float], events: list[dict[str, Any]] | None = None):
        self.events = list(events or [])
        self._clock = clock

    def append(self, event: str, **fields: Any) -> dict[str, Any]:
        body = {"seq": len(self.events) + 1, "t": self._clock(), "event": event, **fields}
        self.events.append(json.loads(json.dumps(body)))
        return self.events[-1]


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
        self.now, self.notes = 0.0, []
        self.book = Book(lambda: self.now, events)
        self.terms = Terms(
            space=space,
            goal=aim,
            seed=seed,
            trials=trials,
            last_epoch=last_epoch(pair.scheduler),
            judged=judged_epochs(pair.scheduler, at_cost=aim.per is not None),
            compared=compared_epochs(pair.scheduler),
            replaces=pair.scheduler.mutates,
            **terms,
        )
        sampler, scheduler = engines(pair, space, seed=seed, goal=aim, trials=trials, warn=self.notes.append)
        self.conductor = Conductor(self.terms, sampler, scheduler, self.book.append, lambda: self.now)
        self.conductor.begin_study(list(self.book.events), goal=str(aim))

    def run(self, curve: Curve, workers: int = 1, until: int | None = None, seconds: Pace = 1.0) -> None:
        """Runs until the conductor has nothing left, or until the ledger has `until` events.

        Args:
            curve: metrics of flat params at an epoch.
            workers: lanes that work at the same time.
            until: stops the world there, as a kill would.
            seconds: of an epoch, on the simulated clock; or what gives them for flat params.
        """

        def pace(trial: str) -> float:
            params = self.terms.space.decode(conductor.record.trials[trial].params)
            return seconds(params) if callable(seconds) else seconds

        conductor, idle, queue, token = self.conductor, list(range(workers)), [], 0
        while not conductor.finished or queue:
            for lane in list(idle):
                token += 1
                legs = conductor.ask(f"lane{lane}", str(token))
                if legs:
                    idle.remove(lane)
                    conductor.begin(legs[0]["trial"])
                    next_at = self.now + pace(legs[0]["trial"])
                    heapq.heappush(queue, (next_at, token, lane, legs[0], legs[0]["upto"] + 1))
            if until is not None and len(self.book.events) >= until:
                return
            if not queue:
                break
            self.now, _, lane, leg, epoch = heapq.heappop(queue)
            params = self.terms.space.decode(conductor.record.trials[leg["trial"]].params)
            report = Report(leg["trial"], epoch, curve(params, epoch), pace(leg["trial"]) * epoch)
            decision = conductor.tell(f"lane{lane}", [report])[leg["trial"]]
            if isinstance(decision, Go):
                token += 1
                heapq.heappush(queue, (self.now + pace(leg["trial"]), token, lane, leg, epoch + 1))
            else:
                idle.append(lane)

    def reported(self) -> list[tuple[str, int]]:
        """The (trial, epoch) pairs of all reports, in order."""
        return [(e["trial"], e["epoch"]) for e in self.book.events if e["event"] == "reported"]


def bowl(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """A quadratic with its minimum at x = 0.3 that is approached with the epochs."""
    return {"loss": (params["x"] - 0.3) ** 2 + 0.5 / epoch}


def half_broken(params: dict[str, Any], epoch: int) -> dict[str, float]:
    """NaN for x above one half."""
    return {"loss": math.nan} if params["x"] > 0.5 else bowl(params, epoch)
