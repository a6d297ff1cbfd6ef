"""A study as its ledger tells it: one fold over the events, used live, on resume and by every table.

Nothing here decides anything; it only remembers. `apply` is told each event once, in order.
"""

from dataclasses import dataclass, field
from typing import Any

from orchestrator.ledger import Event
from search import Goal
from search.goal import Rank

STATUSES = ("proposed", "running", "waiting", "ended", "stopped", "failed", "invalid", "timeout")
OVER = frozenset({"ended", "stopped", "failed", "invalid", "timeout"})
BAD = frozenset({"failed", "invalid", "timeout"})


@dataclass
class TrialRecord:
    """One trial.

    Attributes:
        id: `t00001` ...
        number: counts the study's trials from 1.
        params: coded flat params, as they are now (PBT changes them).
        seed: of this trial.
        status: one of `STATUSES`.
        reason: why it has that status, in words.
        paused_by: who made a waiting trial wait: `scheduler`, `study` (interrupted) or `fault`.
        epoch: the last reported one.
        seconds: of training.
        best: the first objective's value at the trial's best report, and `best_epoch` its epoch.
        best_params: those it had then.
        rank: what that report is compared by, less being better: broken limits, then losses.
        metrics: all metrics of the best epoch (of the last one while there is no best).
        last: all metrics of the last epoch.
        legs: how often it was started.
        faults: how often its process was lost.
        source: `{trial, epoch}` whose weights it took over, at its own epoch `after`.
    """

    id: str
    number: int
    params: dict[str, Any]
    seed: int
    status: str = "proposed"
    reason: str = ""
    paused_by: str | None = None
    epoch: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_epoch: int = 0
    best_params: dict[str, Any] = field(default_factory=dict)
    rank: Rank | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    legs: int = 0
    faults: int = 0
    source: dict[str, Any] | None = None
    after: int = 0
    traceback: str | None = None

    @property
    def point(self) -> dict[str, Any]:
        """The params of its best report; those it has now while there is none."""
        return self.best_params or self.params

    @property
    def over(self) -> bool:
        """Whether it will never run again."""
        return self.status in OVER

    @property
    def keeps_limits(self) -> bool:
        """Whether its best report keeps all limits on outcomes."""
        return self.rank is not None and self.rank[0] <= 0


class Record:
    """A study's trials and how it stands.

    Attributes:
        trials: by id, in the order in which they were proposed.
        started: the `study_started` event of the first driver, or None.
        goal: of the study.
        elapsed_s: study seconds at the last event, over all drivers.
        ended: why the last driver ended; None while it runs, or when it was killed.
        problems: events that fit nothing, for example after a damaged line.
        last_number: of the newest trial.
        bar: the best rank that any report ever had; whoever beats it is worth a checkpoint.
        learned: how many trials of earlier studies the sampler was taught.
        by_last: whether a trial is worth its last report and not its best one, as with folds.
        tested: the metrics on the rows that no trial saw; None until they were scored.
        lineage: of a retraining, the `study` and `trials` that its points came from.
        over: how many trials are over; `failed` are those of them that failed or timed out.
    """

    def __init__(self) -> None:
        self.trials: dict[str, TrialRecord] = {}
        self.started: Event | None = None
        self.goal = Goal("min", "loss")
        self.elapsed_s = 0.0
        self.ended: str | None = None
        self.outcome: str | None = None
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.last_number = 0
        self.over = self.learned = 0
        self.by_last = False
        self.tested: dict[str, float] | None = None
        self.lineage: dict[str, Any] = {}
        self.bar: Rank | None = None
        self.failed: list[TrialRecord] = []

    def apply(self, event: Event) -> None:
        """Takes in the next event."""
        self.elapsed_s = max(self.elapsed_s, event["t"])
        self._learn(event)
        match event["event"]:
            case "study_started":
                self.started = self.started or event
                self.by_last = self.by_last or bool(event.get("by_last"))
                self.lineage = event.get("lineage") or self.lineage
                self.ended = self.outcome = None
            case "study_ended":
                self.ended, self.outcome = event["reason"], event["outcome"]
            case "note":
                self.notes.append(event["text"])
            case "tested":
                self.tested = event["metrics"]
            case "learned":
                self.learned = len(event["lessons"])
            case kind:
                trial = self.trials.get(event.get("trial", ""))
                if trial is None:
                    self.problems.append(f"event {event['seq']} ({kind}) speaks of an unknown trial.")
                else:
                    self._apply_to(trial, event)

    def best(self) -> TrialRecord | None:
        """The trial with the best report: within the limits if there is one, else the nearest to them.

        Failed trials never win, the earlier one wins ties; with several objectives the first one decides.
        """
        return min(self._sound(), key=lambda trial: trial.rank or (), default=None)

    def ranked(self, longest: bool = True) -> list[TrialRecord]:
        """All that could win, the best first; with `longest=False` also those whose means are over fewer folds."""
        return sorted(self._sound(longest), key=lambda trial: trial.rank or ())

    def front(self) -> list[TrialRecord]:
        """The trials within the limits that no other one beats in every objective, in their order."""
        import numpy as np

        from search.pareto import fronts

        kept = [trial for trial in self._sound() if trial.keeps_limits]
        if not kept:
            return []
        losses = np.array([(trial.rank or ())[1:] for trial in kept])
        return [trial for trial, front in zip(kept, fronts(losses), strict=True) if front == 0]

    def _sound(self, longest: bool = True) -> list[TrialRecord]:
        """Those that can win. A mean over two folds is no better than one over five: then only the longest can."""
        sound = [trial for trial in self.trials.values() if trial.status not in BAD and trial.rank is not None]
        most = max((trial.epoch for trial in sound), default=0)
        return [trial for trial in sound if trial.epoch == most] if self.by_last and longest else sound

    def counts(self) -> dict[str, int]:
        """How many trials have each status; statuses that nobody has are left out."""
        found = [trial.status for trial in self.trials.values()]
        return {status: found.count(status) for status in STATUSES if status in found}

    def _learn(self, event: Event) -> None:
        """What several kinds of events repeat, so that one damaged line costs no trial and no goal."""
        if "goal" in event:
            self.goal = Goal.parse(event["goal"])
        trial = str(event.get("trial", ""))
        if trial[1:].isdigit():
            self.last_number = max(self.last_number, int(trial[1:]))
        if "params" in event and "number" in event and trial not in self.trials:
            self.trials[trial] = TrialRecord(trial, event["number"], event["params"], event["seed"])

    def _apply_to(self, trial: TrialRecord, event: Event) -> None:
        match event["event"]:
            case "trial_started":
                trial.status, trial.reason, trial.paused_by = "running", "", None
                trial.legs += 1
            case "reported":
                self._report(trial, event)
            case "trial_paused":
                trial.status, trial.reason, trial.paused_by = "waiting", event["reason"], event["by"]
                trial.faults += event["by"] == "fault"
            case "trial_exploited":
                trial.status, trial.paused_by = "waiting", "scheduler"
                trial.reason = f"goes on from {event['source']['trial']}"
                trial.params, trial.source, trial.after = event["params"], event["source"], trial.epoch
            case "trial_ended":
                trial.status, trial.reason, trial.paused_by = event["status"], event["reason"], None
                trial.traceback = event.get("traceback")
                self.over += 1
                if trial.status in ("failed", "timeout"):
                    self.failed.append(trial)

    def _report(self, trial: TrialRecord, event: Event) -> None:
        metrics = event["metrics"]
        trial.epoch, trial.seconds, trial.last = event["epoch"], event["seconds"], metrics
        rank = self.goal.rank(metrics)
        if rank is not None and (self.by_last or trial.rank is None or rank < trial.rank):
            trial.rank, trial.best, trial.best_epoch = rank, metrics[self.goal.metric], trial.epoch
            trial.best_params = trial.params
            trial.metrics = metrics
            if self.bar is None or rank < self.bar:
                self.bar = rank
        elif trial.rank is None:
            trial.metrics = metrics
