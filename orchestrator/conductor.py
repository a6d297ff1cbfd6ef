"""The study's brain: sampler, scheduler and ledger behind two calls, `ask` and `tell`.

It knows no Ray and no clock of its own. Every decision is first an event in the ledger; the events
then change the record and the engines in one place (`_follow`), so that a live study, a simulated one
and one that is read back from its ledger go through the same lines. Both calls may be repeated: the
same lane and token get the same answer, and an epoch that is known already is not counted again.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from orchestrator.budget import span
from orchestrator.health import diagnosis
from orchestrator.ledger import Event
from orchestrator.record import BAD, Record, TrialRecord
from orchestrator.terms import Report, Terms, trial_seed
from orchestrator.told import read, score, seen, unsound, written
from search.goal import JOULES, beyond
from search.protocol import (
    FINISHED,
    Decision,
    Drawn,
    Exploit,
    Go,
    Lesson,
    Pause,
    SamplerEngine,
    SchedulerEngine,
    Score,
    Stop,
)
from trainables.secrets import redact

Write = Callable[..., Event]


Leg = dict[str, Any]


class Conductor:
    """Proposes legs of trials, records what they report, and decides how they go on.

    Args:
        terms: of the study.
        sampler: proposes params.
        scheduler: judges trials.
        write: puts an event into the ledger and returns it.
        clock: study seconds, over all drivers.
    """

    def __init__(
        self,
        terms: Terms,
        sampler: SamplerEngine,
        scheduler: SchedulerEngine,
        write: Write,
        clock: Callable[[], float],
    ):
        self.terms, self.record = terms, Record()
        self._sampler, self._scheduler = sampler, scheduler
        self._write, self._clock = write, clock
        self._resumable: deque[str] = deque()
        self._running: set[str] = set()
        self._answers: dict[str, tuple[str, list[Leg]]] = {}
        self._verdicts: dict[str, Decision] = {}
        self._batch: list[Score] = []
        self._exhausted = self._learned = False
        self._starts = list(terms.start)  # and the best of earlier studies, which makes them comparable
        self.closing: str | None = None
        self.broken: str | None = None

    # -- the two calls -------------------------------------------------------------------------

    def ask(self, lane: str, token: str, n: int = 1) -> list[Leg]:
        """Up to `n` legs for a lane; fewer, or none, while there is nothing to do.

        The same lane and token get the same legs again.
        """
        if lane in self._answers and self._answers[lane][0] == token:
            return self._answers[lane][1]
        legs: list[Leg] = []
        while len(legs) < n and (trial := self._next_trial()) is not None:
            self._running.add(trial)
            legs.append(self._leg(self.record.trials[trial]))
        self._answers[lane] = (token, legs)
        return legs

    def tell(self, lane: str, reports: Iterable[Report]) -> dict[str, Decision]:
        """Records a batch of reports, then decides on each trial in it; anything but `Go` ends the leg."""
        reports = list(reports)
        fresh = [report for report in reports if self._is_fresh(report)]
        for place, report in enumerate(fresh):
            fields = {"epoch": report.epoch, "seconds": report.seconds, "metrics": report.metrics}
            more = {"more": True} if place < len(fresh) - 1 else {}
            self._emit("reported", trial=report.trial, **fields, **more)
        decisions: dict[str, Decision] = {}
        for trial in dict.fromkeys(report.trial for report in reports):
            decisions[trial] = self._conclude(trial)
        return decisions

    # -- what befalls a trial ------------------------------------------------------------------

    def begin(self, trial: str) -> None:
        """A leg starts."""
        known = self.record.trials[trial]
        self._emit("trial_started", trial=trial, number=known.number, params=known.params, seed=known.seed)

    def forget(self, lane: str) -> None:
        """A lane is gone for good: its answer will not be asked for again."""
        self._answers.pop(lane, None)

    def saved(self, trial: str, epoch: int) -> None:
        """A checkpoint was written."""
        self._emit("checkpointed", trial=trial, epoch=epoch)

    def note(self, text: str) -> None:
        """Something that a reader of the study should know."""
        self._emit("note", text=redact(text)[:2000])

    def end(self, trial: str, status: str, reason: str, traceback: str | None = None) -> None:
        """A trial is over; ending it twice changes nothing."""
        if self.record.trials[trial].over:
            return
        trace = {"traceback": redact(traceback)[-4000:]} if traceback else {}
        self._emit("trial_ended", trial=trial, status=status, reason=redact(reason)[:1000], **trace)
        if status in BAD and self.broken is None and (broken := diagnosis(self.record)) is not None:
            self.broken = broken
            self.close(broken)

    def lose(self, trial: str, reason: str, *, own_fault: bool = True) -> None:
        """A trial's process is gone: it goes on elsewhere, or has failed once too often."""
        known = self.record.trials[trial]
        if trial not in self._running:
            return
        self._running.discard(trial)
        if own_fault and known.faults >= self.terms.retries:
            tries = f", and {known.faults} retries ended alike" if known.faults else ""
            self.end(trial, "failed", f"{reason}{tries}")
            return
        self._emit("trial_paused", trial=trial, by="fault" if own_fault else "study", reason=redact(reason)[:1000])
        self._resumable.append(trial)

    def interrupt(self, trial: str) -> None:
        """A trial waits because the study is closing; a later driver takes it up again."""
        if not self.record.trials[trial].over:
            self._emit("trial_paused", trial=trial, by="study", reason=self.closing or "interrupted")

    # -- the study as a whole ------------------------------------------------------------------

    def close(self, reason: str) -> None:
        """No more legs; trials that run are interrupted at their next report."""
        self.closing = self.closing or reason

    def check_time(self) -> None:
        """Closes the study when its time is over."""
        if self.terms.seconds is not None and self._clock() >= self.terms.seconds:
            self.close(f"the budget of {span(self.terms.seconds)} is used up")

    @property
    def running(self) -> set[str]:
        """The trials that have a leg, begun or about to begin."""
        return self._running

    @property
    def finished(self) -> bool:
        """Whether there will never be another leg."""
        if self.closing is not None:
            return True
        waits = self._resumable or self._running or self._may_propose()
        return not waits and self._scheduler.wake(False) is None

    def begin_study(self, events: Iterable[Event], **fields: Any) -> None:
        """Reads back what there is, and writes that a driver is at work; a new study learns its lessons first."""
        self.replay(events)
        self._emit("study_started", **fields)
        if self.terms.lessons and not self._learned:
            self._emit("learned", lessons=[written(lesson, self.terms.space) for lesson in self.terms.lessons])

    def finish(self) -> str:
        """Writes the study's end and returns how it ended: `done`, `interrupted` or `broken`."""
        outcome = "broken" if self.broken else "interrupted" if self.closing else "done"
        for trial in list(self.record.trials.values()):
            if trial.over:
                continue
            if outcome == "done" and trial.paused_by == "scheduler":
                self.end(trial.id, "stopped", trial.reason)
            elif trial.status == "running":
                self.interrupt(trial.id)
        self._emit("study_ended", outcome=outcome, reason=self.closing or "all trials are over")
        return outcome

    def replay(self, events: Iterable[Event]) -> None:
        """Rebuilds all state from a ledger, and takes up what its last driver left undone."""
        for event in events:
            self._follow(event)
        self._judge_batch()
        for trial in list(self.record.trials.values()):
            if trial.status == "running" and trial.epoch:
                self._conclude(trial.id)
        self._verdicts.clear()
        self._running.clear()
        for trial in self.record.trials.values():
            if not trial.over and trial.paused_by != "scheduler":
                self._resumable.append(trial.id)

    # -- within --------------------------------------------------------------------------------

    def _next_trial(self) -> str | None:
        if self.closing is not None:
            return None
        if self._resumable:
            return self._resumable.popleft()
        waking = self._scheduler.wake(self._may_propose(), self._running)
        if waking is not None:
            return waking
        return self._propose() if self._may_propose() else None

    def _may_propose(self) -> bool:
        if self._exhausted or self.closing is not None:
            return False
        return self.terms.trials is None or len(self.record.trials) < self.terms.trials

    def _propose(self) -> str | None:
        number = self.record.last_number + 1
        given = number <= len(self._starts)
        params = self._starts[number - 1] if given else self._sampler.propose(number)
        if params is None:
            self._exhausted = True
            return None
        trial = f"t{number:05d}"
        coded = self.terms.space.encode(params)
        seed, goal = trial_seed(self.terms.seed, number), str(self.terms.goal)
        fields = {"number": number, "params": coded, "seed": seed, "goal": goal}
        if given or not isinstance(params, Drawn):
            fields["given" if given else "guided"] = True
        self._emit("trial_proposed", trial=trial, **fields)
        return trial

    def _leg(self, trial: TrialRecord) -> Leg:
        return {
            "trial": trial.id,
            "params": trial.params,
            "seed": trial.seed,
            "upto": trial.epoch,
            "after": trial.after,
            "source": trial.source,
            "seconds": trial.seconds,
            "joules": trial.last.get(JOULES, 0.0),
            "best": trial.rank,
            "best_epoch": trial.best_epoch,
            "bar": self.record.bar,
        }

    def _is_fresh(self, report: Report) -> bool:
        trial = self.record.trials[report.trial]
        return trial.status == "running" and report.epoch > trial.epoch

    def _conclude(self, trial_id: str) -> Decision:
        """Turns what is known of a trial into its decision, and into events where its leg ends."""
        trial = self.record.trials[trial_id]
        verdict = self._verdicts.pop(trial_id, Go())
        if trial.over:
            return Stop(trial.reason)
        if trial.status == "waiting":
            return Pause(trial.reason)
        if trial.last and not self.terms.goal.is_sound(trial.last) and not self._is_replaced(trial, verdict):
            verdict = Stop(f"reported {unsound(self.terms.goal, trial.last)} at epoch {trial.epoch}")
            self.end(trial_id, "invalid", verdict.reason)
        elif self.terms.last_epoch is not None and trial.epoch >= self.terms.last_epoch:
            verdict = Stop(f"ran all {self.terms.last_epoch} epochs")
            self.end(trial_id, "ended", verdict.reason)
        else:
            self._carry_out(trial_id, verdict)
        if isinstance(verdict, Go) and self.closing is not None:
            self.interrupt(trial_id)
            return Pause(self.closing)
        return verdict

    def _is_replaced(self, trial: TrialRecord, verdict: Decision) -> bool:
        """Whether a diverged trial lives on: with another's weights, now or at its next judgement."""
        to_be_judged = trial.epoch not in self.terms.judged and any(e > trial.epoch for e in self.terms.judged[-1:])
        return isinstance(verdict, Exploit) or (self.terms.replaces and to_be_judged)

    def _carry_out(self, trial: str, verdict: Decision) -> None:
        match verdict:
            case Stop(reason=reason):
                self.end(trial, "stopped", reason)
            case Pause(reason=reason):
                self._emit("trial_paused", trial=trial, by="scheduler", reason=reason)
            case Exploit(source=source, source_epoch=epoch, params=params):
                coded = self.terms.space.encode(params)
                self._emit("trial_exploited", trial=trial, source={"trial": source, "epoch": epoch}, params=coded)

    def _emit(self, event: str, **fields: Any) -> None:
        self._follow(self._write(event, **fields))

    def _follow(self, event: Event) -> None:
        """Lets an event, new or read back, change the record and the engines."""
        if event["event"] != "reported":
            self._judge_batch()  # a kill tore it: of those that reported, none trains on unjudged
        known = event.get("trial") in self.record.trials
        self.record.apply(event)
        if event["event"] == "learned":
            self._learn([read(lesson, self.terms.space) for lesson in event["lessons"]])
        trial = self.record.trials.get(event.get("trial", ""))
        if trial is None:
            return
        if not known:
            params = self.terms.space.decode(trial.params)
            self._sampler.adopt(trial.number, params, given=event.get("given", False))
            self._scheduler.add(trial.id, params, event.get("guided", False))
        match event["event"]:
            case "trial_started":
                self._running.add(trial.id)
                self._verdicts.pop(trial.id, None)  # of its last leg, which has been carried out
                self._scheduler.begin(trial.id)
            case "reported":
                self._judge(trial, event)
            case "trial_paused":
                self._running.discard(trial.id)
            case "trial_exploited":
                self._running.discard(trial.id)
                source, params = event["source"], self.terms.space.decode(event["params"])
                self._scheduler.adopt(trial.id, Exploit(source["trial"], source["epoch"], params))
                self._verdicts.pop(trial.id, None)
            case "trial_ended":
                self._running.discard(trial.id)
                self._teach(trial)
                self._scheduler.remove(trial.id)

    def _learn(self, lessons: list[Lesson]) -> None:
        """Teaches the sampler, and has the best point of earlier studies tried again among the first."""
        self._learned = True
        self._sampler.learn(lessons)
        best = min(lessons, key=lambda lesson: (beyond(lesson.margins), lesson.scores)).params
        if best not in self._starts:
            self._starts.append(best)

    def _judge(self, trial: TrialRecord, event: Event) -> None:
        """Takes in a report; its batch is judged when it is whole."""
        epoch = event["epoch"]
        if epoch in self.terms.judged:
            self._batch.append(score(self.terms.goal, event))
        if epoch in self.terms.compared and trial.rank is not None:
            self._sampler.observe(trial.number, seen(self.terms.goal, trial, epoch))
        if not event.get("more"):
            self._judge_batch()

    def _judge_batch(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._verdicts.update(self._scheduler.judge(batch))

    def _teach(self, trial: TrialRecord) -> None:
        """Tells the sampler how a trial ended: failures are bad, not unknown."""
        if trial.status in BAD or trial.rank is None:
            self._sampler.fail(trial.number)
        elif trial.status == "ended":
            self._sampler.observe(trial.number, seen(self.terms.goal, trial, FINISHED))
        else:
            self._sampler.end(trial.number)
