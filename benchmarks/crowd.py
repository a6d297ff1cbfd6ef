"""Many actors in one process: Ray Tune's actors where a host has no room for a process each.

Everything of the driver stays as it is: conductor, ledger, engines, Tune's controller and its actor manager, one
placement group per trial, one remote call per answer, one `ray.wait` over all that is awaited. Only the actors are not
processes of their own: each is a seat in one asynchronous Ray actor, which answers as `trainables.to_ray.Legs` would,
after as long as an epoch is said to take. What is left out is what a node does: starting a process, and training.
"""

import asyncio
import itertools
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ray
from ray.air.execution.resources.placement_group import PlacementGroupAcquiredResources, PlacementGroupResourceManager
from ray.tune.execution import tune_controller

from trainables.meter import MEASURED
from trainables.session import BATCH_S

AT_ONCE = 2_000  # calls that the crowd answers at the same time


@dataclass(frozen=True)
class Pace:
    """How a crowd trains.

    Attributes:
        epoch_s: seconds of an epoch.
        last_epoch: of a trial that is not stopped.
    """

    epoch_s: float
    last_epoch: int

    @property
    def batch(self) -> int:
        """Epochs in an answer, by the rule of a session: those that are over before its time is."""
        return max(1, math.ceil(BATCH_S / self.epoch_s) - 1) if self.epoch_s else 1


class Crowd:
    """The process in which all sit; each seat has its leg."""

    def __init__(self, pace: Pace, judged: tuple[int, ...]):
        self._pace, self._judged = pace, frozenset(judged)
        self._legs: dict[int, dict[str, Any]] = {}

    async def call(self, seat: int, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of a seat's actor."""
        answer = getattr(self, method.strip("_"))(seat, *args, **kwargs)
        return await answer if asyncio.iscoroutine(answer) else answer

    def ray_ready(self, seat: int) -> bool:
        return True

    def setup(self, seat: int, config: dict[str, Any], storage: Any) -> None:
        self._begin(seat, config)

    def reset(self, seat: int, config: dict[str, Any], storage: Any) -> bool:
        self._begin(seat, config)
        return True

    def _begin(self, seat: int, config: dict[str, Any]) -> None:
        [leg] = json.loads(config["legs"])
        self._legs[seat] = {
            "trial": leg["trial"],
            "params": leg["params"],
            "epoch": leg["upto"],
            "due": time.monotonic(),
        }

    async def train(self, seat: int) -> dict[str, Any]:
        """The epochs that a session would answer with at once: never past one that is judged."""
        leg, reports = self._legs[seat], []
        for _ in range(self._pace.batch):
            leg["epoch"] += 1
            reports.append(self._report(leg))
            if leg["epoch"] in self._judged or leg["epoch"] == self._pace.last_epoch:
                break
        leg["due"] = max(leg["due"], time.monotonic()) + self._pace.epoch_s * len(reports)
        await asyncio.sleep(leg["due"] - time.monotonic())
        told = {"trial": leg["trial"], "reports": reports, "saved": [], "end": None, "notes": [], "stacked": False}
        return {"said": [told], **self._filled(leg["epoch"])}

    def _report(self, leg: dict[str, Any]) -> dict[str, Any]:
        params, epoch = leg["params"], leg["epoch"]
        loss = (params["x"] - 0.3) ** 2 + (params["y"] - 0.6) ** 2 + 0.5 / epoch
        metrics = {**dict.fromkeys(MEASURED, 123.456), "loss": loss}
        return {"epoch": epoch, "seconds": epoch * self._pace.epoch_s, "metrics": metrics}

    def _filled(self, iteration: int) -> dict[str, Any]:
        """What Ray Tune's Trainable adds to every result."""
        return {
            "done": False,
            "training_iteration": iteration,
            "trial_id": "00000000",
            "date": time.strftime("%Y-%m-%d_%H-%M-%S"),
            "timestamp": int(time.time()),
            "time_this_iter_s": self._pace.epoch_s,
            "time_total_s": iteration * self._pace.epoch_s,
            "pid": 1,
            "hostname": "crowd",
            "node_ip": "127.0.0.1",
            "config": {},
            "time_since_restore": iteration * self._pace.epoch_s,
            "iterations_since_restore": iteration,
        }

    def get_auto_filled_metrics(self, seat: int, debug_metrics_only: bool = False) -> dict[str, Any]:
        return self._filled(0)

    def keep(self, seat: int) -> int:
        return 0

    def stop(self, seat: int) -> None:
        self._legs.pop(seat, None)

    def ray_terminate(self, seat: int) -> None:
        self.stop(seat)


class _Method:
    """`seat.train`, of which Ray Tune calls `remote`."""

    def __init__(self, crowd: Any, seat: int, name: str):
        self._crowd, self._seat, self._name = crowd, seat, name

    def remote(self, *args: Any, **kwargs: Any) -> Any:
        return self._crowd.call.remote(self._seat, self._name, *args, **kwargs)


class _Seat:
    """One actor of the crowd, as Ray Tune sees it."""

    def __init__(self, crowd: Any, number: int):
        self._crowd, self._number = crowd, number

    def __getattr__(self, name: str) -> _Method:
        if name.startswith("__") and not name.startswith("__ray_"):
            raise AttributeError(name)  # or it would seem to know how to be copied
        return _Method(self._crowd, self._number, name)


class _SeatClass:
    """What makes seats in place of processes."""

    def __init__(self, crowd: Any, numbers: Iterator[int]):
        self._crowd, self._numbers = crowd, numbers

    def remote(self, **kwargs: Any) -> _Seat:
        seat = _Seat(self._crowd, next(self._numbers))
        seat.setup.remote(**kwargs)
        return seat


@contextmanager
def crowded(pace: Pace, judged: tuple[int, ...] = ()) -> Iterator[None]:
    """While the block lasts, Ray Tune's actors of this process sit in one crowd."""
    crowd = ray.remote(Crowd).options(num_cpus=0, max_concurrency=AT_ONCE).remote(pace, judged)
    seats = _SeatClass(crowd, itertools.count())

    class Acquired(PlacementGroupAcquiredResources):
        def annotate_remote_entities(self, entities: list[Any]) -> list[Any]:
            super().annotate_remote_entities(entities)
            return [seats for _ in entities]

    class Manager(PlacementGroupResourceManager):
        _resource_cls = Acquired

    before, tune_controller.PlacementGroupResourceManager = tune_controller.PlacementGroupResourceManager, Manager
    try:
        yield
    finally:
        tune_controller.PlacementGroupResourceManager = before
        ray.kill(crowd)
