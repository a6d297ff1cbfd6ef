"""Trainings that are trained together now: their stack, their batches, and whose own models lag behind it."""

import contextlib
import io
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from trainables.batches import Batches
from trainables.energy import Energy
from trainables.fused.draws import Draws, rates_of
from trainables.fused.forward import Forward
from trainables.fused.stack import Rows, Stack
from trainables.meter import peak_memory_mib
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
        self._behind: set[int] = set()
        self._stack: Stack | None = None
        self._rows: tuple[Rows, Rows] | None = None

    def train(self, turns: Sequence[Turn], energy: Energy) -> None:
        """An epoch of exactly these members, each of which gets its share; where it fails, all is as it was."""
        trainings = [training for training, _, _ in turns]
        stack, rows = self._mustered(trainings)
        before = stack.state()
        try:
            self._epoch(stack, rows, turns, energy)
        except BaseException:
            stack.restore(before)
            for training in trainings:
                training.share = None
            self.disband()
            raise

    def disband(self) -> None:
        """Brings all of them up to date."""
        for training in self.members:
            self._bring_home(training)
        self.members, self._behind, self._stack = [], set(), None

    def _epoch(self, stack: Stack, rows: tuple[Rows, Rows], turns: Sequence[Turn], energy: Energy) -> None:
        energy.restart()
        began, printed = time.perf_counter(), io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            rates = rates_of([training.learner.model for training in self.members])
            draws = Draws([(seed, epoch) for _, seed, epoch in turns], rates)
            losses, count = stack.train(rows[0].batches(draws.generators), draws)
            found = [{"train_loss": loss} for loss in losses.tolist()]
            for metrics, training, outputs in zip(found, self.members, _judged(stack, rows[1], draws), strict=True):
                metrics |= training.validated(outputs)
        seconds = time.perf_counter() - began
        joules = energy.spent(seconds, peak_memory_mib() / 1024)
        self._behind = set(range(len(turns)))
        for metrics, training in zip(found, self.members, strict=True):
            training.share = Share(metrics, count, seconds / len(turns), joules / len(turns), printed.getvalue())

    def _mustered(self, trainings: list[TorchTraining]) -> tuple[Stack, tuple[Rows, Rows]]:
        """The stack of these members in this order."""
        if self._stack is not None and self._rows is not None and self.members == trainings:
            return self._stack, self._rows
        stays = [row for row, training in enumerate(self.members) if training in trainings]
        for training in self.members:
            if training not in trainings:
                self._bring_home(training)
        joins = [training for training in trainings if training not in self.members]
        for training in joins:
            training.come_home()
        if self._stack is None or not stays:
            self._stack, self.members = Stack([training.learner for training in trainings], self._forward), trainings
            self._behind = set()
        else:
            self._regroup(self._stack, stays, joins, trainings)
        for training in joins:
            training.lend(partial(self._bring_home, training))
        self._rows = _rows(trainings)
        return self._stack, self._rows

    def _regroup(
        self, stack: Stack, stays: Sequence[int], joins: list[TorchTraining], trainings: list[TorchTraining]
    ) -> None:
        behind = [self.members[row] for row in self._behind]
        if len(stays) < len(self.members):
            stack.keep(stays)
        if joins:
            stack.add([training.learner for training in joins])
        members = [self.members[row] for row in stays] + joins
        order = [members.index(training) for training in trainings]
        if order != sorted(order):
            stack.keep(order)
        self.members = trainings
        self._behind = {row for row, training in enumerate(trainings) if training in behind}

    def _bring_home(self, training: TorchTraining) -> None:
        row = self.members.index(training) if training in self.members else -1
        if row in self._behind and self._stack is not None:
            self._stack.write(row)
            self._behind.discard(row)


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
