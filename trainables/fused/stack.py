"""K trainings of one kind, as rows of one matrix.

A row is a member's parameters, one after another in the order of its optimizer. Buffers and frozen parameters are
stacked by name. A member's own model and optimizer are brought up to date when somebody wants them: for a checkpoint, a
prediction, or to go on alone.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainables.batches import Batches
from trainables.fused.draws import Draws
from trainables.fused.forward import Forward
from trainables.fused.objective import Objective
from trainables.fused.vectors import Vectors, places_in
from trainables.learner import Learner, in_groups

ROWS = 2**16  # that are validated at once, of however many members


class Stack:
    """Members and their state.

    Args:
        learners: of one kind.
        forward: of their models.
    """

    def __init__(self, learners: Sequence[Learner], forward: Forward):
        self._learners, self._forward = list(learners), forward
        first = learners[0]
        self._objective, self._loop = Objective([learner.loss for learner in learners]), first.loop
        names = {id(parameter): name for name, parameter in first.model.named_parameters()}
        listed = _parameters(first)
        self._trained = [names[id(parameter)] for parameter in listed]
        self._shapes = [parameter.shape for parameter in listed]
        self._sizes = [parameter.numel() for parameter in listed]
        self._weights = torch.stack([_row(learner) for learner in learners])
        self._held = {name: torch.stack([_held(each.model)[name] for each in learners]) for name in _held(first.model)}
        self._vectors = Vectors([learner.optimizer for learner in learners], self._weights)

    def __len__(self) -> int:
        return len(self._learners)

    def keep(self, rows: Sequence[int]) -> None:
        """Keeps these, in this order; the others' own models and optimizers have to be up to date by then."""
        if list(rows) == list(range(len(self))):
            return
        kept = torch.tensor(rows, device=self._weights.device)
        weights = self._weights[kept]
        held = {name: tensor[kept] for name, tensor in self._held.items()}
        self._vectors.rows(kept)
        self._learners = [self._learners[row] for row in rows]
        self._weights, self._held = weights, held
        self._objective = Objective([learner.loss for learner in self._learners])

    def add(self, learners: Sequence[Learner]) -> None:
        """More members, as they are in their own models and optimizers."""
        if not learners:
            return
        other = Stack(learners, self._forward)
        weights = torch.cat([self._weights, other._weights])
        held = {name: torch.cat([tensor, other._held[name]]) for name, tensor in self._held.items()}
        self._vectors.append(other._vectors)
        self._learners = self._learners + other._learners
        self._weights, self._held = weights, held
        self._objective = Objective([learner.loss for learner in self._learners])

    @torch.no_grad()
    def write(self, row: int) -> None:
        """Brings a member's own model and optimizer up to date."""
        learner = self._learners[row]
        for _, parameter, columns in places_in(learner.optimizer):
            parameter.copy_(self._weights[row, columns].view(parameter.shape))
        own = {**dict(learner.model.named_parameters()), **dict(learner.model.named_buffers())}
        for name, held in self._held.items():
            own[name].copy_(held[row])
        self._vectors.write(row, learner.optimizer)

    def state(self) -> tuple[Any, ...]:
        """All that an epoch changes, to go back to."""
        held = {name: tensor.clone() for name, tensor in self._held.items()}
        return self._weights.clone(), held, self._vectors.state()

    def restore(self, state: tuple[Any, ...]) -> None:
        """Goes back."""
        self._weights, self._held, vectors = state
        self._vectors.restore(vectors)

    def train(self, batches: Iterator[tuple[Tensor, Tensor, bool]], draws: Draws) -> tuple[Tensor, int]:
        """Takes the steps of an epoch.

        Args:
            batches: inputs and targets, and whether they are `[B, ...]` for all members; else they are `[K, B, ...]`.
            draws: of the epoch.

        Returns:
            `[K]` mean losses in float64, and how many rows each was trained on.
        """
        self._vectors.tune([learner.optimizer for learner in self._learners])
        clip = self._clip()
        total = torch.zeros(len(self), dtype=torch.float64, device=self._weights.device)
        weight: Any = 0
        rows = 0
        weights = {name: view.requires_grad_() for name, view in self._views(self._weights.detach()).items()}
        gradient = torch.empty_like(self._weights)
        slopes = list(self._views(gradient).values())
        for group in in_groups(batches, self._loop.accumulate):
            tensors = {**weights, **self._held}
            shares = [self._objective.share(targets, shared) for _, targets, shared in group]
            losses = []
            for inputs, targets, shared in group:
                losses.append(self._objective(self._forward(tensors, inputs, shared, draws), targets, shared))
                rows += targets.shape[0 if shared else 1]
            whole = sum(shares)
            parts = losses if len(losses) == 1 else [loss * (s / whole) for loss, s in zip(losses, shares, strict=True)]
            found = torch.autograd.grad([part.sum() for part in parts], list(weights.values()))
            for slope, part in zip(slopes, found, strict=True):
                slope.copy_(part)
            for loss, share in zip(losses, shares, strict=True):
                total += loss.detach() * share
            weight = weight + whole
            if clip is not None:
                _clip(gradient, self._sizes, clip)
            self._vectors.step(self._weights, gradient)
        return total / weight, rows

    @torch.no_grad()
    def outputs(self, inputs: Tensor, shared: bool) -> Iterator[Tensor]:
        """What each member's model says of inputs `[B, ...]` that all share, or of its own, `[K, B, ...]`."""
        rows = inputs.shape[0 if shared else 1]
        together = max(1, ROWS // max(1, rows))
        for start in range(0, len(self), together):
            part = slice(start, start + together)
            tensors = {name: tensor[part] for name, tensor in {**self._views(self._weights), **self._held}.items()}
            yield from self._forward(tensors, inputs if shared else inputs[part], shared, None).unbind(0)

    def _views(self, matrix: Tensor) -> dict[str, Tensor]:
        """Columns of a `[K, P]` matrix as `[K, ...]` parameters, by their names in a model."""
        parts = zip(self._trained, matrix.split(self._sizes, 1), self._shapes, strict=True)
        return {name: part.view(len(matrix), *shape) for name, part, shape in parts}

    def _clip(self) -> Tensor | None:
        norms = [learner.loop.clip_norm for learner in self._learners]
        if norms[0] is None:
            return None
        return torch.tensor(norms, dtype=self._weights.dtype, device=self._weights.device)[:, None]


def _parameters(learner: Learner) -> list[nn.Parameter]:
    return [parameter for _, parameter, _ in places_in(learner.optimizer)]


def _row(learner: Learner) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in _parameters(learner)])


def _held(model: Any) -> dict[str, Tensor]:
    """Buffers and frozen parameters by name."""
    frozen = {name: parameter.detach() for name, parameter in model.named_parameters() if not parameter.requires_grad}
    return {**dict(model.named_buffers()), **frozen}


def _clip(gradient: Tensor, sizes: Sequence[int], largest: Tensor) -> None:
    """As `torch.nn.utils.clip_grad_norm_`, row by row; its norm is that of the parameters' norms."""
    norms = torch.stack([part.norm(dim=1) for part in gradient.split(list(sizes), 1)], 1).norm(dim=1, keepdim=True)
    gradient.mul_((largest / (norms + 1e-6)).clamp(max=1.0))


class Rows:
    """The batches of all members.

    Args:
        loaders: of the members, of one shape.
    """

    def __init__(self, loaders: Sequence[Batches]):
        self._first = loaders[0]
        self._inputs, self._inputs_shared = _together([loader.inputs for loader in loaders])
        self._targets, self._targets_shared = _together([loader.targets for loader in loaders])
        self._members = len(loaders)

    def batches(self, generators: Sequence[torch.Generator]) -> Iterator[tuple[Tensor, Tensor, bool]]:
        """Those of an epoch: inputs, targets, and whether they are the same for all members."""
        bounds = self._first.bounds()
        if not self._first.shuffle and self._inputs_shared and self._targets_shared:
            for start, stop in bounds:
                yield self._inputs[start:stop], self._targets[start:stop], True
            return
        device = self._inputs.device
        orders = torch.stack([self._first.order(generator) for generator in generators]).to(device)
        for start, stop in bounds:
            rows = orders[:, start:stop]
            yield (
                _picked(self._inputs, self._inputs_shared, rows),
                _picked(self._targets, self._targets_shared, rows),
                False,
            )


def _together(tensors: Sequence[Tensor]) -> tuple[Tensor, bool]:
    """One tensor for all where they are the same, else `[K, N, ...]`."""
    first = tensors[0]
    for other in tensors:
        is_here = other.data_ptr() == first.data_ptr() and other.stride() == first.stride()
        if not is_here and not torch.equal(other, first):
            return torch.stack(list(tensors)), False
    return first, True


def _picked(tensor: Tensor, shared: bool, rows: Tensor) -> Tensor:
    """`[K, B, ...]` rows of each member."""
    if shared:
        found = tensor.index_select(0, rows.flatten())
        return found.view(*rows.shape, *tensor.shape[1:])
    return tensor[torch.arange(len(rows), device=rows.device)[:, None], rows]
