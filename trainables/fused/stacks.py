"""The stacks of one process: which trainings are trained together, and why others are not.

A kind of trainings is looked at when its first member is there: compared in float64 with training alone, and, where
the number of members is to be found, measured. What comes of it holds for as long as the process does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from trainables.endings import line_of, loss_of
from trainables.energy import Energy
from trainables.fused.crew import Crew, Turn
from trainables.fused.forward import Forward, Layered
from trainables.fused.pace import Pace, measured
from trainables.fused.parity import agreed
from trainables.fused.signature import OddError, Signature, difference, signature
from trainables.torch_model import TorchTraining

KINDS = 64  # that a process remembers
_ALONE: Signature = (("alone", None),)  # the kind of those that have none


@dataclass(eq=False)
class _Kind:
    """Trainings that can be stacked.

    Attributes:
        forward: of their models; None where they train alone after all.
        pace: of stacks of them.
        crews: those that were trained together last.
    """

    forward: Forward | None
    pace: Pace = field(default_factory=Pace)
    crews: list[Crew] = field(default_factory=list)


class Stacks:
    """Trains members of one kind together.

    Args:
        measures: whether only as many are stacked as are quicker so; else all that can be.
        energy: of the process.

    Attributes:
        room: how many members pay, of the kind for which most do; 0 while that is not known.
    """

    def __init__(self, measures: bool, energy: Energy | None = None):
        self._measures, self._energy = measures, energy or Energy()
        self._kinds: dict[Signature, _Kind] = {}
        self._kind_of: WeakKeyDictionary[Any, Signature] = WeakKeyDictionary()
        self._told: set[str] = set()
        self._notes: list[tuple[str, str]] = []
        self.room = 0

    def notes(self) -> list[tuple[str, str]]:
        """What a reader of the study should know, once: what each is about, and the text."""
        notes, self._notes = self._notes, []
        return notes

    def groups(self, trainings: Mapping[str, Any]) -> list[list[str]]:
        """Those that are to be trained together, by their names; whoever is in none trains alone."""
        self._let_go(trainings)
        by_kind: dict[Signature, list[str]] = {}
        for name, training in trainings.items():
            kind = self._kind(training)
            if kind is not _ALONE and not training.is_over:
                by_kind.setdefault(kind, []).append(name)
        self._compare(by_kind, trainings)
        groups = []
        for kind, names in by_kind.items():
            found = self._looked_at(kind, [trainings[name] for name in names])
            if found is None or found.forward is None or len(names) < 2:
                continue
            groups += _dealt(names, found.pace)
        return groups

    def _let_go(self, trainings: Mapping[str, Any]) -> None:
        """Of crews whose members are all gone, and of kinds when there are too many."""
        masters = {id(getattr(training, "lent_to", None)) for training in trainings.values()}
        for known in self._kinds.values():
            for crew in known.crews:
                if id(crew) not in masters:
                    crew.disband()
            known.crews = [crew for crew in known.crews if id(crew) in masters]
        if len(self._kinds) > KINDS:
            self._kinds = {known: what for known, what in self._kinds.items() if what.crews}

    def _compare(self, by_kind: Mapping[Signature, list[str]], trainings: Mapping[str, TorchTraining]) -> None:
        """Says in what members differ that are here together and cannot be stacked for that."""
        kinds = [kind for kind in by_kind if kind is not _ALONE]
        if len(kinds) > 1:
            name = type(trainings[by_kind[kinds[0]][0]].task).__name__
            self._tell(f"trials of {name} are trained together only with their like: {difference(kinds[0], kinds[1])}")

    def train(self, turns: Sequence[Turn]) -> bool:
        """An epoch of members of one kind: each gets its share of it.

        Returns:
            Whether it was trained; if not, they are as they were before, and the next epoch is trained alone.

        Raises:
            LostError: the process cannot be trusted any more.
        """
        trainings = [training for training, _, _ in turns]
        kind = self._kinds[self._kind_of[trainings[0]]]
        crew = self._crew(kind, trainings)
        try:
            crew.train(turns, self._energy)
        except (Exception, SystemExit) as error:
            kind.crews.remove(crew)
            lost = loss_of(error)
            if lost is not None and not str(lost).startswith("out of"):
                raise lost from error
            if lost is not None and len(turns) > 2:  # fewer may find room
                kind.pace = replace(kind.pace, most=len(turns) // 2)
                return False
            kind.forward = None
            self._note(trainings[0], _why(error))
            return False
        return True

    def _crew(self, kind: _Kind, trainings: Sequence[TorchTraining]) -> Crew:
        """The one that most of them are in, or a new one."""
        assert kind.forward is not None
        shared = [sum(training.lent_to is crew for training in trainings) for crew in kind.crews]
        if not any(shared):
            kind.crews.append(Crew(kind.forward))
            return kind.crews[-1]
        return kind.crews[shared.index(max(shared))]

    def _kind(self, training: Any) -> Signature:
        if not isinstance(training, TorchTraining):
            self._tell("trials are trained one by one: each is several trainings (folds or repeats)")
            return _ALONE
        before = self._kind_of.get(training)
        if before is None:
            self._kind_of[training] = self._seen(training)
        elif before is not _ALONE and training.may_change and self._seen(training) != before:
            training.come_home(to_stay=True)
            self._note(training, "what it holds changes from epoch to epoch")
            self._kind_of[training] = _ALONE
        return self._kind_of[training]

    def _seen(self, training: TorchTraining) -> Signature:
        try:
            found = signature(training)
            hash(found)
        except Exception as error:  # noqa: BLE001 - noted; a trial that cannot be looked at can be trained all the same
            self._note(training, _why(error))
            return _ALONE
        return found

    def _looked_at(self, kind: Signature, trainings: Sequence[TorchTraining]) -> _Kind | None:
        """What is known of a kind; None while it is not worth finding out."""
        if kind in self._kinds:
            return self._kinds[kind]
        if len(trainings) < 2 and (self._kinds or not self._measures):  # of a first one there will be more
            return None
        found = self._kinds[kind] = _Kind(None)
        try:
            forward = agreed(trainings[:2])
            if self._measures:
                found.pace = measured(trainings[0], forward)
                self.room = max(self.room, found.pace.largest)
                self._note_pace(trainings[0], forward, found.pace)
        except Exception as error:  # noqa: BLE001 - the user's code, or torch's
            self._note(trainings[0], _why(error))
            return found
        found.forward = forward
        return found

    def _note(self, training: TorchTraining, why: str) -> None:
        self._tell(f"trials of {type(training.task).__name__} are trained one by one: {why}")

    def _note_pace(self, training: TorchTraining, forward: Forward, pace: Pace) -> None:
        name, size = type(training.task).__name__, pace.best
        if size == 1:
            most = max(pace.gains.values(), default=1.0)
            text = f"trials of {name} are trained one by one: together they would be {most:.2g} times as quick"
        else:
            how = "layers batched by hand" if isinstance(forward, Layered) else "torch.func.vmap"
            text = f"trials of {name} are trained {size} at a time ({how}), {pace.gains[size]:.2g} times as quick"
        self._tell(text, about=f"the pace of {name}")

    def _tell(self, text: str, about: str | None = None) -> None:
        """Once for each thing that it is about, which is the text itself where it has no figures in it."""
        about = about or text
        if about not in self._told:
            self._told.add(about)
            self._notes.append((about, text))


def _why(error: BaseException) -> str:
    return str(error) if isinstance(error, OddError) else f"{type(error).__name__}: {line_of(error)}"


def _dealt(names: list[str], pace: Pace) -> list[list[str]]:
    """Names in stacks of no more members than pay, and none of so few that they do not."""
    parts = -(-len(names) // max(1, pace.largest))
    size = -(-len(names) // parts)
    dealt = [names[start : start + size] for start in range(0, len(names), size)]
    return [part for part in dealt if pace.pays(len(part))]
