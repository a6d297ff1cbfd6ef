"""A study that waits for machines: it is told why, and turns from spot machines that do not come to on-demand ones.

Neither of Ray's autoscalers turns to another node type where a provider has none left, and neither tells a driver why
nothing comes. A thread looks now and then, for the driver's loop must not wait for Ray's head; what it finds is
handed over in `look`, which the loop calls.
"""

import re
import threading
import time
from dataclasses import dataclass, replace
from typing import Protocol

from cluster import Bundle, Fleet, Machine, NodeType
from cluster.amounts import MARKET, SPOT
from cluster.fit import Wish, fit
from cluster.fleet import type_of
from cluster.scaling import Scaling, explain, fallbacks, selector_of
from orchestrator.budget import span
from orchestrator.standing_request import StandingRequest

TOLD_S = 60.0
LOOK_S = 5.0


class Ray(Protocol):
    """What is asked of Ray."""

    def machines(self) -> tuple[Machine, ...]:
        """Those that are alive."""

    def scaling(self) -> Scaling:
        """What the autoscaler does; raises ConnectionError."""

    def demand(self, wish: Wish, trials: int, selector: dict[str, str]) -> None:
        """Has the autoscaler hold machines of a kind for so many trials."""


@dataclass(frozen=True)
class Need:
    """What the driver's loop knows: legs that wait for a machine and that run, and since when too few have run."""

    waiting: int = 0
    running: int = 0
    since: float = 0.0


class Waiting:
    """Looks after a study's need of machines for as long as a `with` block lasts.

    Args:
        bundle: of a trial.
        fleet: what there was at the start, what may come, and how long spot machines may fail to.
        at_once: how many trials are to run.
        ray: what is asked of it.
        told_s: after which a study that waits is told why, if no machine has come or gone for so long.
        look_s: between two looks.
    """

    def __init__(
        self,
        bundle: Bundle,
        fleet: Fleet,
        at_once: int,
        ray: Ray,
        *,
        told_s: float = TOLD_S,
        look_s: float = LOOK_S,
    ):
        self._wish, self._fleet, self._at_once, self._ray = bundle.wish(), fleet, at_once, ray
        self._spot_s, self._told_s, self._look_s = fleet.spot_s, told_s, look_s
        self._need = Need(since=time.monotonic())
        self._room, self._changed = fit(self._wish, fleet.machines).at_once, float("-inf")
        self._found: list[str] = []
        self._told: set[str] = set()
        self._kind: NodeType | None = None
        self._request = StandingRequest(self._demand)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._look_often, name="waiting", daemon=True)

    def __enter__(self) -> "Waiting":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join(timeout=2 * self._look_s)
        self._request.want(0, time.monotonic())

    def look(self, waiting: int, running: int) -> list[str]:
        """Takes in how many legs wait and run; gives what is to be told."""
        enough = not waiting or running >= self._at_once
        self._need = Need(waiting, running, time.monotonic() if enough else self._need.since)
        found, self._found = self._found, []
        return found

    def _look_often(self) -> None:
        while not self._closing.wait(self._look_s):
            try:
                self._look(self._need, time.monotonic())
            except (ConnectionError, RuntimeError) as error:
                self._tell(f"It cannot be told why the study waits: {error}")

    def _look(self, need: Need, now: float) -> None:
        stuck = need.waiting and need.running < self._at_once
        if not stuck and self._kind is None:
            return
        fleet = replace(self._fleet, machines=self._ray.machines())
        if self._kind is not None:  # in the study's tail, what it cannot use may go
            self._request.want(min(self._request.wanted, self._wanted(need, fleet, self._kind)), now)
        if not stuck:
            return
        room = fit(self._wish, fleet.machines).at_once
        if room != self._room:
            self._room, self._changed = room, now
        waited, unchanged = now - need.since, now - max(need.since, self._changed)
        patience = self._told_s if self._spot_s is None else min(self._told_s, self._spot_s)
        if waited < patience:
            return
        scaling = self._ray.scaling()
        if unchanged >= self._told_s:
            self._tell(f"{_trials(need.waiting)} for {span(waited)}. {explain(self._wish, fleet, scaling)}")
        if self._spot_s is not None and waited >= self._spot_s:
            self._turn_to_on_demand(need, fleet, scaling, now)
        if self._kind is not None:
            self._request.see(self._there(fleet, scaling, self._kind), now)

    def _turn_to_on_demand(self, need: Need, fleet: Fleet, scaling: Scaling, now: float) -> None:
        """Asks for on-demand machines where spot machines have been refused, or were asked for and do not come."""
        assert self._spot_s is not None
        late = [launch.kind for launch in scaling.launching if launch.ago_s >= self._spot_s]
        exhausted = [launch.kind for launch in scaling.refused] + late
        kinds = fallbacks(self._wish, fleet, exhausted)
        if not kinds or (wanted := self._wanted(need, fleet, kinds[0])) <= self._request.wanted:
            return
        try:
            selector_of(kinds[0], fleet)
        except LookupError as error:
            self._tell(str(error))
            return
        if self._kind not in (None, kinds[0]):
            self._request.want(0, now)  # of the type before
        self._kind, self._changed = kinds[0], now
        self._request.want(wanted, now)
        gone = ", ".join(dict.fromkeys(exhausted))
        self._tell(
            f"Spot machines ({gone}) have not come for {span(self._spot_s)}: {kinds[0].name} is asked for instead, "
            f"on demand."
        )

    def _wanted(self, need: Need, fleet: Fleet, kind: NodeType) -> int:
        """How many trials are to run on demand: those that do not lie on the spot machines that there are."""
        on_spot = [machine for machine in fleet.machines if machine.labels.get(MARKET) == SPOT]
        left = min(self._at_once, need.waiting + need.running) - fit(self._wish, on_spot).at_once
        return max(0, min(left, self._hold(kind, _alive(fleet, kind) + fleet.room_for(kind))))

    def _there(self, fleet: Fleet, scaling: Scaling, kind: NodeType) -> int:
        """How many trials machines of a type hold that are there or on their way."""
        coming = sum(launch.count for launch in scaling.launching if launch.kind == kind.name)
        return self._hold(kind, _alive(fleet, kind) + coming + scaling.booting.count(kind.name))

    def _hold(self, kind: NodeType, machines: int) -> int:
        return fit(self._wish, [kind.machine] * machines).at_once

    def _demand(self, trials: int) -> None:
        assert self._kind is not None
        self._ray.demand(self._wish, trials, selector_of(self._kind, self._fleet))

    def _tell(self, text: str) -> None:
        """Each finding once, whatever its numbers."""
        gist = re.sub(r"[\d.]+", "#", text)
        if gist not in self._told:
            self._told.add(gist)
            self._found = [*self._found, text]


def _alive(fleet: Fleet, kind: NodeType) -> int:
    return sum(type_of(machine, fleet.types) == kind.name for machine in fleet.machines)


def _trials(count: int) -> str:
    return f"{count} trials have waited for a machine" if count > 1 else "A trial has waited for a machine"
