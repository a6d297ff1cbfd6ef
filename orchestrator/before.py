"""What a study knows before its first trial: earlier studies to learn from, and what was decided when it began."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from orchestrator import ledger
from orchestrator.lessons import lessons_of
from orchestrator.plan import Plan
from orchestrator.study import Study
from search.notation import STRATEGIES, parse
from search.protocol import Lesson
from trainables.data import Dealt


@dataclass(frozen=True)
class Before:
    """What a study knows before its first trial, or was decided when it began.

    Attributes:
        lessons: trials of earlier studies; none where the ledger has them already.
        notes: what was learned from each.
        picked: the sampler that `Auto` was settled to, as it was written down; None in a new study.
        data: the digest of the study's data when it began; None in a new study, or without data.
    """

    lessons: tuple[Lesson, ...] = ()
    notes: tuple[str, ...] = ()
    picked: str | None = None
    data: str | None = None

    @staticmethod
    def of(study: Study, folder: Path | None) -> "Before":
        """Reads the studies to learn from; of a study that has begun, what its ledger says.

        Raises:
            ValueError: nothing can be learned from one of them; no trial was started.
        """
        events = ledger.read(folder / "ledger").events if folder is not None else []
        if any(event["event"] == "trial_proposed" for event in events):
            started = [event for event in events if event["event"] == "study_started"]
            picked, data = (next((e[name] for e in started if e.get(name)), None) for name in ("picked", "data"))
            return Before(picked=picked, data=data)
        lessons, notes = lessons_of(study.learn_from, study.space, study.goal)
        return Before(tuple(lessons), tuple(notes))

    def check_data(self, dealt: Dealt | None) -> None:
        """Raises ValueError where the data are not those that the study began with."""
        if self.data is not None and dealt is not None and dealt.digest != self.data:
            raise ValueError(
                f"the data have changed since the study began (their digest was {self.data}, and is {dealt.digest}). "
                f"Put the old ones back, or begin a new study with them: a440 run"
            )

    def kept(self, outlook: Plan) -> Plan:
        """The plan with the sampler that the study began with, whatever the machine is now."""
        if self.picked is None or not outlook.picked:
            return outlook
        sampler = parse(self.picked, STRATEGIES)
        strategy = dataclasses.replace(outlook.strategy, sampler=sampler)
        return dataclasses.replace(outlook, strategy=strategy, picked=f"{sampler}, as when the study began")
