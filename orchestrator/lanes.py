"""Ray Tune's trials as lanes of the conductor: each lane runs a leg of one of our trials, or of several.

This is the driver that `search.to_ray`'s adapters call from inside Ray Tune's loop. It knows no Ray
either: an actor is only something that can be asked to keep a checkpoint, or be killed.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from orchestrator.conductor import Conductor
from orchestrator.terms import Report
from orchestrator.width import Width
from search.protocol import Decision, Go

GRACE_S = 30.0  # for running epochs to end after an interruption, more where epochs are longer
NODE_LOST = "its node was lost"
BROKEN = "its process was broken by "  # as a cohort says of a neighbour
CUT_OFF, DIED = "its process does not answer any more", "its process died"
NOTICED_S = {CUT_OFF: 10.0, DIED: 3.0}  # for Ray to notice that the machine is gone too, before a trial is blamed
SLOW_S = 1.0  # between two words of a trial, after which those that share its process do not wait for it
LATENCY_S = 0.2  # within which the driver surely answers
_SILENT: Mapping[str, Any] = {"end": None, "saved": ()}  # of a trial that had nothing to say


@dataclass(frozen=True)
class _Loss:
    """An actor that is gone, and a machine of which it is not known yet."""

    actor: Any
    reason: str
    until: float


class HurryError(Exception):
    """Tune's loop is to end now, whatever it still has in its queue."""


class Actors(Protocol):
    """What can be done to an actor from the driver."""

    def keep(self, actor: Any) -> Mapping[str, int]:
        """Has it write checkpoints of the newest epochs, which are returned per trial; none when it could not."""

    def take(self, actor: Any, legs: Sequence[Mapping[str, Any]], dropped: Sequence[str]) -> None:
        """Has it end the legs of some trials, and begin others, before it is asked to train again."""

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
        width: decides how many trials share a lane; None for one.
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
        width: Width | None = None,
    ):
        self._conductor, self._actors, self._watch = conductor, actors, watch
        self._at_once, self._ahead = at_once, ahead
        self._trial_s, self._stopped = trial_s, stopped
        self._leg_s = 1.0  # how long a leg takes, smoothed
        self._began_at: dict[str, float] = {}
        self._width = width or Width(None, at_once, None, learns=False)
        self._trials_of: dict[str, list[str]] = {}
        self._wide: dict[str, int] = {}
        self._alone: set[str] = set()  # of those that were lost together, one may have done it
        self._spoken: set[str] = set()  # of those that have a leg, who has reported in it
        self._asked = 0
        self._told: set[str] = set()
        self._held_up: set[str] = set()  # lanes with a slow trial, which nobody is to join
        self._actor_of: dict[str, Any] = {}
        self._heard_at: dict[str, float] = {}
        self._hung: set[str] = set()
        self._unclear: dict[str, _Loss] = {}
        self._longest_s = 0.0  # between two reports
        self._closed_at: float | None = None

    def next_leg(self, lane: str) -> dict[str, Any] | None:
        """The config of a Tune trial: its first legs as JSON."""
        self._judge_losses()  # while nothing runs, Tune asks for legs and does nothing else
        if len(self._trials_of) >= self._at_once + self._wanted_ahead():
            return None
        width = 1 if self._alone else self._width.now()
        legs = self._conductor.ask(lane, "first", width)
        if not legs:
            return None
        self._trials_of[lane], self._wide[lane] = [leg["trial"] for leg in legs], width
        return {"legs": json.dumps(legs)}

    @property
    def finished(self) -> bool:
        """Whether there will never be another leg."""
        return self._conductor.finished

    @property
    def waiting(self) -> int:
        """How many lanes were handed out and have no actor yet."""
        return len(self._trials_of) - len(self._actor_of)

    @property
    def running(self) -> int:
        """How many lanes have an actor."""
        return len(self._actor_of)

    def began(self, lane: str, actor: Any) -> None:
        """The lane's actor has taken its legs; one that comes after the study has closed is not wanted any more."""
        if self._conductor.closing is not None:  # or it would train epochs that nobody hears of
            self._forget(lane)
            self._actors.kill(actor)
            return
        self._actor_of[lane] = actor
        self._heard_at[lane] = self._began_at[lane] = time.monotonic()
        for trial in self._trials_of[lane]:
            self._conductor.begin(trial)

    def heard(self, lane: str, result: Mapping[str, Any]) -> bool:
        """Takes in what a lane's trials reported; the answer says whether it goes on."""
        if lane not in self._actor_of:
            return False
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - self._heard_at[lane])
        self._heard_at[lane] = now
        said = {one["trial"]: one for one in result["said"]}
        for text in (text for one in said.values() for text in one["notes"]):
            self._conductor.note(text)
        self._learn(lane, result)
        self._spoken |= set(said)
        is_slow = len(self._trials_of[lane]) > 1 and any(self._is_slow(one) for one in said.values())
        decisions = self._conductor.tell(lane, [report for one in said.values() for report in _reports(one)])
        left = [trial for trial, one in said.items() if self._leaves(trial, one, decisions.get(trial, Go()))]
        if self._conductor.closing is not None:
            left = self._interrupted(lane, said)
        elif is_slow:
            left += self._given_back(lane)
        return self._goes_on(lane, left, [trial for trial in left if said.get(trial, _SILENT)["end"] is None])

    def _learn(self, lane: str, result: Mapping[str, Any]) -> None:
        """Takes in what a process has found out about training several together."""
        for about, text in result.get("notes", ()):
            if about not in self._told:  # each process finds it out for itself, and measures a little otherwise
                self._told.add(about)
                self._conductor.note(text)
        room = result.get("room", 0)
        self._width.stacks(room)
        if room > 1 and lane not in self._held_up:
            self._wide[lane] = max(self._wide[lane], self._width.now())

    def _leaves(self, trial: str, said: Mapping[str, Any], decision: Decision) -> bool:
        """Writes down what a trial saved and how it ended; whether its leg is over."""
        if said["saved"]:
            self._conductor.saved(trial, max(said["saved"]))
        if said["end"] is not None:
            self._ended(trial, said["end"])
        return said["end"] is not None or not isinstance(decision, Go) or self._conductor.record.trials[trial].over

    def _interrupted(self, lane: str, said: Mapping[str, Any]) -> list[str]:
        """The study is closing: all of a lane's trials are saved and wait, also those that had nothing to say."""
        records, trials = self._conductor.record.trials, list(self._trials_of[lane])
        going = {trial: said.get(trial, _SILENT) for trial in trials if not records[trial].over}
        going = {trial: one for trial, one in going.items() if one["end"] is None}
        kept = self._actors.keep(self._actor_of[lane]) if going else {}
        for trial, one in going.items():
            if kept.get(trial, 0) > max(one["saved"], default=0):
                self._conductor.saved(trial, kept[trial])
            if trial in self._conductor.running:
                self._conductor.interrupt(trial)
        return trials

    def _is_slow(self, said: Mapping[str, Any]) -> bool:
        """Whether a trial trained for so long without a word that others should not wait for it."""
        if said.get("stacked"):  # whose seconds are a part of everybody's
            return False
        before_s = self._conductor.record.trials[said["trial"]].seconds
        return bool(said["reports"]) and said["reports"][-1]["seconds"] - before_s > SLOW_S

    def _given_back(self, lane: str) -> list[str]:
        """Trials that a slow one kept from their first epoch go elsewhere, and nobody new joins it."""
        self._wide[lane] = 1
        self._held_up.add(lane)
        self._width.slow()
        silent = [trial for trial in self._trials_of[lane] if trial not in self._spoken]
        for trial in silent:
            self._conductor.lose(trial, "a slow trial held its process", own_fault=False)
        return silent

    def _goes_on(self, lane: str, left: Sequence[str], dropped: Sequence[str]) -> bool:
        """Lets others take the places of those that have left; whether any trial is left in the lane."""
        for trial in left:
            self._trials_of[lane].remove(trial)
            self._alone.discard(trial)
            self._spoken.discard(trial)
            known = self._conductor.record.trials[trial]
            if known.over:
                self._width.ended(known.seconds)
        legs = self._more(lane)
        if not self._trials_of[lane] and not legs:
            self._forget(lane)
            return False
        if legs or dropped:
            self._trials_of[lane] += [leg["trial"] for leg in legs]
            self._actors.take(self._actor_of[lane], legs, dropped)
            for leg in legs:
                self._conductor.begin(leg["trial"])
        return True

    def _more(self, lane: str) -> list[dict[str, Any]]:
        """Legs for the free places of a lane that several trials share."""
        free = self._wide[lane] - len(self._trials_of[lane])
        if self._wide[lane] == 1 or free <= 0 or self._alone:
            return []
        self._asked += 1
        return self._conductor.ask(lane, f"more {self._asked}", free)

    def lost(self, lane: str, error: str) -> None:
        """The lane's actor is gone."""
        if lane not in self._trials_of:
            return
        reason, own_fault = _cause(error)
        seconds = next((s for start, s in NOTICED_S.items() if reason.startswith(start)), None)
        if lane in self._hung and len(self._trials_of[lane]) == 1:
            [trial] = self._trials_of[lane]
            self._conductor.end(trial, "timeout", f"no report for {self._trial_s:g} seconds")
            self._alone.discard(trial)
            self._forget(lane)
        elif seconds is not None and lane in self._actor_of and lane not in self._hung:
            self._heard_at.pop(lane)
            self._unclear[lane] = _Loss(self._actor_of.pop(lane), reason, time.monotonic() + seconds)
            self._judge_losses()
        else:
            self._lose(lane, reason, own_fault=own_fault)

    def _lose(self, lane: str, reason: str, *, own_fault: bool) -> None:
        """Its trials go on elsewhere; of several nobody knows whose fault it was, so each is tried alone."""
        trials = self._trials_of[lane]
        for trial in list(trials):
            self._conductor.lose(trial, reason, own_fault=own_fault and len(trials) == 1)
        if own_fault and len(trials) > 1:
            self._alone |= set(trials)
        self._alone = {trial for trial in self._alone if not self._conductor.record.trials[trial].over}
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
            if not self._trials_of and self._conductor.finished:  # or Tune would write down all its trials, for nobody
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
            self._lose(lane, NODE_LOST if gone else loss.reason, own_fault=not gone)

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
        self._spoken.difference_update(self._trials_of.pop(lane, ()))
        self._wide.pop(lane, None)
        self._held_up.discard(lane)
        self._conductor.forget(lane)


def _reports(said: Mapping[str, Any]) -> list[Report]:
    return [Report(said["trial"], row["epoch"], row["metrics"], row["seconds"]) for row in said["reports"]]


def _cause(error: str) -> tuple[str, bool]:
    """A lost actor's reason in one line, and whether the trial counts it as its own fault."""
    text = " ".join(error.split()).split("Some common causes include")[0]  # those are guesses of Ray's
    if "node" in text and ("died" in text or "preempt" in text) and "The actor died because its node" in text:
        return NODE_LOST, False
    if "temporarily unavailable" in text:
        return CUT_OFF, True
    if "LostError" in text:
        reason = text.rsplit("LostError:", 1)[1].strip()[:300]
        return reason or "its process could not be trusted", not reason.startswith(BROKEN)
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
