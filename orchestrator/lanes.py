"""Ray Tune's trials as lanes of the conductor: each lane runs one leg of one of our trials.

This is the driver that `search.to_ray`'s adapters call from inside Ray Tune's loop. It knows no Ray
either: an actor is only something that can be asked to keep a checkpoint, or be killed.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.conductor import Conductor
from orchestrator.terms import Report
from search.protocol import Go

GRACE_S = 30.0  # for running epochs to end after an interruption, more where epochs are longer
NODE_LOST = "its node was lost"
CUT_OFF, DIED = "its process does not answer any more", "its process died"
NOTICED_S = {CUT_OFF: 10.0, DIED: 3.0}  # for Ray to notice that the machine is gone too, before a trial is blamed


@dataclass(frozen=True)
class _Loss:
    """An actor that is gone, and a machine of which it is not known yet."""

    actor: Any
    reason: str
    until: float


LATENCY_S = 0.2  # within which the driver surely answers


class HurryError(Exception):
    """Tune's loop is to end now, whatever it still has in its queue."""


class Actors(Protocol):
    """What can be done to an actor from the driver."""

    def keep(self, actor: Any) -> int:
        """Has it write a checkpoint of its newest epoch, which is returned; 0 when it could not."""

    def lost_its_node(self, actor: Any) -> bool | None:
        """Whether the machine of one that is gone is gone too; None where there is no other machine."""

    def kill(self, actor: Any) -> None:
        """Ends it."""


class Lanes:
    """The driver behind Ray Tune's loop.

    Args:
        conductor: of the study.
        actors: what can be done to them.
        watch: called often, to redraw what a user sees.
        at_once: how many trials run at the same time.
        ahead: how many more may be proposed before there is room for them. Very short trials need
            that, or workers wait for the driver; a sampler that learns pays for it with its foresight.
        trial_s: seconds that a trial may go without a report before it counts as hung; None for ever.
        stopped: tells how often the user asked to stop.
    """

    def __init__(
        self,
        conductor: Conductor,
        actors: Actors,
        watch: Callable[[], None],
        at_once: int,
        ahead: int = 0,
        trial_s: float | None = None,
        stopped: Callable[[], int] = lambda: 0,
    ):
        self._conductor, self._actors, self._watch = conductor, actors, watch
        self._at_once, self._ahead = at_once, ahead
        self._trial_s, self._stopped = trial_s, stopped
        self._leg_s = 1.0  # how long a leg takes, smoothed
        self._began_at: dict[str, float] = {}
        self._trial_of: dict[str, str] = {}
        self._actor_of: dict[str, Any] = {}
        self._heard_at: dict[str, float] = {}
        self._hung: set[str] = set()
        self._unclear: dict[str, _Loss] = {}
        self._longest_s = 0.0  # between two reports
        self._closed_at: float | None = None

    def next_leg(self, lane: str) -> dict[str, Any] | None:
        """The config of a Tune trial: one leg as JSON."""
        self._judge_losses()  # while nothing runs, Tune asks for legs and does nothing else
        if len(self._conductor.running) >= self._at_once + self._wanted_ahead():
            return None
        legs = self._conductor.ask(lane, "leg")
        if not legs:
            return None
        self._trial_of[lane] = legs[0]["trial"]
        return {"leg": json.dumps(legs[0])}

    @property
    def finished(self) -> bool:
        """Whether there will never be another leg."""
        return self._conductor.finished

    @property
    def waiting(self) -> int:
        """How many legs were handed out and have no actor yet."""
        return len(self._trial_of) - len(self._actor_of)

    @property
    def running(self) -> int:
        """How many legs have an actor."""
        return len(self._actor_of)

    def began(self, lane: str, actor: Any) -> None:
        """The lane's actor has taken the leg; one that comes after the study has closed is not wanted any more."""
        if self._conductor.closing is not None:  # or it would train epochs that nobody hears of
            self._forget(lane)
            self._actors.kill(actor)
            return
        self._actor_of[lane] = actor
        self._heard_at[lane] = self._began_at[lane] = time.monotonic()
        self._conductor.begin(self._trial_of[lane])

    def heard(self, lane: str, result: Mapping[str, Any]) -> bool:
        """Takes in a batch of reports; the answer says whether the leg goes on."""
        if lane not in self._actor_of:
            return False
        [said] = result["said"]
        trial = self._trial_of[lane]
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - self._heard_at[lane])
        self._heard_at[lane] = now
        for text in said["notes"]:
            self._conductor.note(text)
        reports = [Report(trial, row["epoch"], row["metrics"], row["seconds"]) for row in said["reports"]]
        decision = self._conductor.tell(lane, reports).get(trial, Go())
        saved = max(said["saved"], default=0)
        over = self._conductor.record.trials[trial].over
        if self._conductor.closing is not None and said["end"] is None and not over:
            saved = self._actors.keep(actor=self._actor_of[lane])
        if saved:
            self._conductor.saved(trial, saved)
        if said["end"] is not None:
            self._ended(trial, said["end"])
        elif isinstance(decision, Go) and not over:
            return True
        self._forget(lane)
        return False

    def lost(self, lane: str, error: str) -> None:
        """The lane's actor is gone."""
        trial = self._trial_of.get(lane)
        if trial is None:
            return
        reason, own_fault = _cause(error)
        seconds = next((s for start, s in NOTICED_S.items() if reason.startswith(start)), None)
        if lane in self._hung:
            self._conductor.end(trial, "timeout", f"no report for {self._trial_s:g} seconds")
            self._forget(lane)
        elif seconds is not None and lane in self._actor_of:
            self._heard_at.pop(lane)
            self._unclear[lane] = _Loss(self._actor_of.pop(lane), reason, time.monotonic() + seconds)
            self._judge_losses()
        else:
            self._conductor.lose(trial, reason, own_fault=own_fault)
            self._forget(lane)

    def tick(self) -> None:
        """Looks around between two events of Tune's loop.

        Raises:
            HurryError: the study is over, or has closed and nothing runs any more, or what runs is not waited for.
        """
        if self._stopped() >= 1:
            self._conductor.close("interrupted")
        self._conductor.check_time()
        self._end_hung()
        self._judge_losses()
        self._watch()
        if self._conductor.closing is None:
            if not self._trial_of and self._conductor.finished:  # or Tune would write down all its trials, for nobody
                raise HurryError("all trials are over")
            return
        now = time.monotonic()
        self._closed_at = self._closed_at or now
        if self._stopped() >= 2 or not self._actor_of or now - self._closed_at > max(GRACE_S, 1.5 * self._longest_s):
            raise HurryError(self._conductor.closing)

    def _judge_losses(self) -> None:
        """Actors whose machine is gone too are no fault of their trials; Ray may notice that some seconds later."""
        for lane, loss in list(self._unclear.items()):
            gone = self._actors.lost_its_node(loss.actor)
            if gone is False and time.monotonic() < loss.until:
                continue
            reason = NODE_LOST if gone else loss.reason
            self._conductor.lose(self._trial_of[lane], reason, own_fault=not gone)
            self._forget(lane)

    def _ended(self, trial: str, end: Mapping[str, Any]) -> None:
        if end["status"] == "lost":
            self._conductor.lose(trial, end["reason"])
        else:
            self._conductor.end(trial, end["status"], end["reason"], end["traceback"])

    def _end_hung(self) -> None:
        if self._trial_s is None:
            return
        now = time.monotonic()
        for lane, at in list(self._heard_at.items()):
            if now - at > self._trial_s and lane not in self._hung:
                self._hung.add(lane)
                self._actors.kill(self._actor_of[lane])

    def _wanted_ahead(self) -> int:
        """Enough legs in waiting to cover the driver's own latency."""
        return min(self._ahead, int(LATENCY_S / self._leg_s))

    def _forget(self, lane: str) -> None:
        if lane in self._began_at:
            self._leg_s = 0.8 * self._leg_s + 0.2 * max(time.monotonic() - self._began_at.pop(lane), 1e-3)
        self._heard_at.pop(lane, None)
        self._unclear.pop(lane, None)
        self._actor_of.pop(lane, None)
        self._trial_of.pop(lane, None)
        self._conductor.forget(lane)


def _cause(error: str) -> tuple[str, bool]:
    """A lost actor's reason in one line, and whether the trial counts it as its own fault."""
    text = " ".join(error.split()).split("Some common causes include")[0]  # those are guesses of Ray's
    if "node" in text and ("died" in text or "preempt" in text) and "The actor died because its node" in text:
        return NODE_LOST, False
    if "temporarily unavailable" in text:
        return CUT_OFF, True
    if "LostError" in text:
        return text.rsplit("LostError:", 1)[1].strip()[:300] or "its process could not be trusted", True
    if "creation task" in text or "TuneError" in text:
        return _last_words(error), True
    if "OutOfMemory" in text or "memory usage threshold" in text:
        return "out of memory: the operating system or Ray ended the process", True
    if "SIGSEGV" in text or "segfault" in text.lower():
        return "its process crashed (segmentation fault)", True
    if "actor died unexpectedly" in text or "ActorDiedError" in text or "died" in text:
        return DIED + (_exit_code(text) or _unseen(text)), True
    return text[:300], True


def _last_words(error: str) -> str:
    """The last line of a traceback, which names what was raised."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return f"its process could not begin: {lines[-1][:300]}" if lines else "its process could not begin"


def _unseen(text: str) -> str:
    """What may have happened where Ray saw only that a connection had ended."""
    return " without a word: a crash, os._exit(), or out of memory" if "End of file" in text else ""


def _exit_code(text: str) -> str:
    for mark in ("exit code ", "Exit code ", "exit_code="):
        if mark in text:
            return f" with exit code {text.split(mark, 1)[1].split()[0].rstrip('.,')}"
    return ""
