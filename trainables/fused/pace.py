"""How many members pay: steps per second of stacks of growing size, against steps of one alone, measured here and now.

Whether stacking helps depends on the model, the batch and the machine: small steps are mostly overhead, which a stack
pays once, and wide ones are arithmetic, which it does not make less.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, repeat

import numpy
import psutil
import torch

from trainables.batches import Batches
from trainables.endings import loss_of
from trainables.fused.draws import Draws, rates_of
from trainables.fused.forward import Forward
from trainables.fused.stack import Rows, Stack
from trainables.learner import Learner
from trainables.seeds import Generators
from trainables.torch_model import TorchTraining

SIZES = (2, 8, 32, 128, 512)
MOST = 1024  # that share a process at all
WORTH = 1.1  # times what a smaller stack does: the rest may be noise
PAYS = 1.2  # times what one alone does: members wait for each other, and a sampler knows less of them
_ENOUGH_S = 0.01  # of steps, for one figure
_STEPS = (2, 12)
_COPIES = 8  # of a member's parameters that lie in memory: weights, gradient, moments and what steps make of them
_SHARE = 0.25  # of the free memory that a stack may take


@dataclass(frozen=True)
class Pace:
    """What was measured; where nothing was, all that the memory allows are stacked.

    Attributes:
        gains: training throughput of a stack by its size, over that of one alone.
        most: members that the memory allows.
    """

    gains: dict[int, float] = field(default_factory=dict)
    most: int = MOST

    @property
    def best(self) -> int:
        """The smallest size that a larger one does not beat by much; 1 where none pays."""
        size, gain = 1, PAYS / WORTH
        for other in sorted(self.gains):
            if self.gains[other] >= gain * WORTH:
                size, gain = other, self.gains[other]
        return size

    @property
    def largest(self) -> int:
        """As many as are trained together."""
        return min(self.best, self.most) if self.gains else self.most

    def gain(self, members: int) -> float:
        """Of so many, between those that were measured along a line."""
        sizes = [1, *sorted(self.gains)]
        return float(numpy.interp(members, sizes, [1.0, *(self.gains[size] for size in sizes[1:])]))

    def pays(self, members: int) -> bool:
        """Whether so many are trained sooner together."""
        return members > 1 and (not self.gains or self.gain(members) >= PAYS)


def measured(training: TorchTraining, forward: Forward) -> Pace:
    """Measures with copies of one training, for as long as larger stacks are quicker."""
    assert isinstance(training.train, Batches)
    training.come_home()
    most = _room(training.learner)
    kept = Generators()
    try:
        alone_s = _alone(training)
        gains: dict[int, float] = {}
        best = 1.0
        for place, size in enumerate(SIZES):
            if size > most:
                break
            try:
                gains[size] = alone_s * size / _together(training, forward, size)
            except Exception as error:
                if loss_of(error) is None or "memory" not in str(loss_of(error)):
                    raise
                most = size - 1
                break
            if place and gains[size] < best * WORTH:  # two members may cost more than they save
                break
            best = max(best, gains[size])
    finally:
        kept.restore()
    return Pace(gains, most)


def _room(learner: Learner) -> int:
    """How many members the memory has room for, by their parameters."""
    size = sum(tensor.numel() * tensor.element_size() for tensor in learner.model.state_dict().values())
    if learner.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(learner.device)
    else:
        free = psutil.virtual_memory().available
    return max(1, int(free * _SHARE / max(1, size * _COPIES)))


def _alone(training: TorchTraining) -> float:
    """Seconds of a step of one alone."""
    old = training.learner
    model, optimizer = copy.deepcopy((old.model, old.optimizer))
    learner = Learner(model, optimizer, old.loss, old.loop, old.device)
    assert isinstance(training.train, Batches)
    batches = training.train

    def steps(count: int) -> None:
        epochs = chain.from_iterable(batches for _ in repeat(None))
        learner.train(islice(epochs, count * old.loop.accumulate))

    return _seconds(steps, old.device)


def _together(training: TorchTraining, forward: Forward, size: int) -> float:
    """Seconds of a step of so many."""
    stack = Stack([training.learner] * size, forward)
    assert isinstance(training.train, Batches)
    rows = Rows([training.train] * size)
    rates = rates_of([training.learner.model] * size)

    def steps(count: int) -> None:
        draws = Draws([(row, 1) for row in range(size)], rates)
        epochs = chain.from_iterable(rows.batches(draws.generators) for _ in repeat(None))
        stack.train(islice(epochs, count * training.learner.loop.accumulate), draws)

    return _seconds(steps, training.learner.device)


def _seconds(steps: Callable[[int], None], device: torch.device) -> float:
    """Of one step: the best of three tries, each long enough to be timed."""

    def timed(count: int) -> float:
        began = time.perf_counter()
        steps(count)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return (time.perf_counter() - began) / count

    first = timed(1)  # which allocates
    count = max(_STEPS[0], min(_STEPS[1], int(_ENOUGH_S / max(first, 1e-6))))
    tries: Sequence[float] = [timed(count) for _ in range(3 if first < _ENOUGH_S else 1)]
    return min(tries)
