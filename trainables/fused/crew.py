"""Trainings that are trained together now: their stack, their batches, and whose own models lag behind it."""

import contextlib
import io
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from trainables.batches import Batches
from trainables.endings import LostError
from trainables.energy import Energy
from trainables.fused.draws import Draws, rates_of
from trainables.fused.forward import Forward
from trainables.fused.stack import Rows, Stack
from trainables.meter import peak_memory_mib
from trainables.seeds import sow
from trainables.shared import Share
from trainables.torch_model import TorchTraining

Turn = tuple[TorchTraining, int, int]  # a member, its seed, and the epoch that is its next


class Crew:
    """The members of one stack; those that come and go are copied in and out of its rows.

    Args:
        forward: of their models.

    Attributes:
        members: row by row.
    """

    def __init__(self, forward: Forward):
        self._forward = forward
        self.members: list[TorchTraining] = []
        self._behind: set[TorchTraining] = set()  # those whose own models lag behind their rows
        self._stack: Stack | None = None
        self._rows: tuple[Rows, Rows] | None = None
        self._judges_alone = False  # each by its own model: attention has a quicker way there, which rounds otherwise

    def train(self, turns: Sequence[Turn], energy: Energy) -> None:
        """An epoch of exactly these members, each of which gets its share; where it fails, all is as it was."""
        trainings = [training for training, _, _ in turns]
        if any(training.share is not None for training in trainings):
            raise LostError("an epoch was trained of which nobody has heard")
        before = None
        try:
            stack, rows = self._mustered(trainings)
            before = stack.state()
            self._epoch(stack, rows, turns, energy)
        except BaseException:
            if before is not None and self._stack is not None:
                self._stack.restore(before)
                self._behind = set(self.members)  # some may have been brought up to date with what is undone
            for training in trainings:
                training.share = None
            self.disband()
            raise

    def disband(self) -> None:
        """Brings all of them up to date."""
        for training in self.members:
            if training.lent_to is self:
                training.come_home(to_stay=True)
        self.members, self._behind, self._stack = [], set(), None

    def _epoch(self, stack: Stack, rows: tuple[Rows, Rows], turns: Sequence[Turn], energy: Energy) -> None:
        energy.restart()
        began, printed = time.perf_counter(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            rates = rates_of([training.learner.model for training in self.members])
            draws = Draws([(seed, epoch) for _, seed, epoch in turns], rates)
            losses, count = stack.train(rows[0].batches(draws.generators), draws)
            self._behind = set(self.members)
            found = self._validated(stack, rows[1], turns, draws)
        seconds = time.perf_counter() - began
        joules = energy.spent(seconds, peak_memory_mib() / 1024)
        parts = (count, seconds / len(turns), joules / len(turns), printed.getvalue())
        for loss, (metrics, error), training in zip(losses.tolist(), found, self.members, strict=True):
            training.share = Share({"train_loss": loss, **metrics}, *parts, error)

    def _validated(
        self, stack: Stack, rows: Rows, turns: Sequence[Turn], draws: Draws
    ) -> list[tuple[dict[str, float], BaseException | None]]:
        """The metrics of each, or what its own ones raised, which is its own affair."""
        if self._judges_alone:
            judged: list[Any] = [training.judged() for training in self.members]
        else:
            judged = _judged(stack, rows, draws)
        found: list[tuple[dict[str, float], BaseException | None]] = []
        for training, (_, seed, epoch), outputs, own in zip(self.members, turns, judged, draws.generators, strict=True):
            # Alone, what it draws now would go on from where its training left the generators.
            if training.draws_to_validate or self._judges_alone:
                sow(seed, epoch)
                torch.default_generator.set_state(own.get_state())
            try:
                found.append((training.validated(outputs), None))
            except (Exception, SystemExit) as error:  # noqa: BLE001 - raised again in the member's own step
                found.append(({}, error))
        return found

    def _mustered(self, trainings: list[TorchTraining]) -> tuple[Stack, tuple[Rows, Rows]]:
        """The stack of these members in this order."""
        here = all(training.lent_to is self for training in trainings)
        if here and self._stack is not None and self._rows is not None and self.members == trainings:
            return self._stack, self._rows
        joins = [training for training in trainings if training.lent_to is not self]
        for training in joins:
            training.come_home()
        for training in self.members:
            if training not in trainings and training.lent_to is self:
                training.come_home(to_stay=True)
        if self._stack is None or len(joins) == len(trainings):
            self._stack, self._behind = Stack([training.learner for training in trainings], self._forward), set()
        else:
            self._regroup(self._stack, joins, trainings)
        self.members = trainings
        for training in joins:
            training.lend(self, partial(self._bring_home, training))
        self._rows = _rows(trainings)
        kinds = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)
        modules = trainings[0].learner.model.modules()
        self._judges_alone = any(isinstance(module, kinds) for module in modules)
        return self._stack, self._rows

    def _regroup(self, stack: Stack, joins: list[TorchTraining], trainings: list[TorchTraining]) -> None:
        """Joins come to the end of the stack, and then those that are wanted are kept: old rows stay where they are
        until all of it has worked."""
        stack.add([training.learner for training in joins])
        rows = {training: row for row, training in enumerate([*self.members, *joins])}  # of one that is back, the new
        stack.keep([rows[training] for training in trainings])

    def _bring_home(self, training: TorchTraining) -> None:
        if training in self._behind and self._stack is not None:
            self._stack.write(self.members.index(training))
            self._behind.discard(training)


def _judged(stack: Stack, rows: Rows, draws: Draws) -> list[list[tuple[Any, Any]]]:
    """Outputs and targets of the validation, batch by batch, of each member."""
    judged: list[list[tuple[Any, Any]]] = [[] for _ in range(len(stack))]
    for inputs, targets, shared in rows.batches(draws.generators):
        for row, output in enumerate(stack.outputs(inputs, shared)):
            judged[row].append((output, targets if shared else targets[row]))
    return judged


def _rows(trainings: Sequence[TorchTraining]) -> tuple[Rows, Rows]:
    trains = [training.train for training in trainings if isinstance(training.train, Batches)]
    validations = [training.validation for training in trainings if isinstance(training.validation, Batches)]
    return Rows(trains), Rows(validations)
