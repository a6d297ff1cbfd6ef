"""Which trainings a process trains together, and what it says of the others."""

import random

import numpy as np
import pytest
import torch
from torch import nn

from tests.kit.nets import CLASSES, ROWS, alone, epoch_of, of, perceptron, state, texts, trial
from trainables import Batches
from trainables.fused import stacks as module
from trainables.fused.pace import Pace
from trainables.fused.stacks import Stacks
from trainables.seeds import sow

RANDOM = random.Random(1)


def model(make):
    return of(model=lambda self, params: make().double())


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.calls = nn.Linear(12, 2), 0

    def forward(self, rows):
        self.calls += 1
        return self.layer(rows)


class Doing(nn.Module):
    """A layer, and what is done to its output."""

    def __init__(self, what):
        super().__init__()
        self.layer, self.what = nn.Linear(12, 2), what

    def forward(self, rows):
        return self.what(self.layer(rows))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cells, self.last = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, rows):
        return self.last(self.cells(rows.view(-1, 4, 3))[0][:, -1])


def noisy(output):
    return output + torch.randn_like(output)


def seeded(output):
    return output * random.random()


def numbered(output):
    return output * np.random.random()


def deciding(output):
    return output if output.sum() > 0 else -output


def indexed(output):
    return output[output.sum(1) > -1e9]


def in_place(output):
    found = torch.zeros(len(output), 2, dtype=output.dtype)
    found[:, 0] = output[:, 0]
    return found + output


def hooked():
    made = perceptron()
    made[0].register_forward_hook(lambda module, inputs, output: output * 2)
    return made


def loaders(self, params):
    train = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(ROWS[:120], CLASSES[:120]), 16)
    return train, Batches(ROWS[120:], CLASSES[120:])


class Own(torch.optim.SGD):
    """An optimizer of the user's own."""


REFUSED = {
    "LSTM": (model(Recurrent), "LSTM (cells): torch has no batching rule for it"),
    "a mean over all batches": (
        model(lambda: nn.Sequential(nn.BatchNorm1d(12, momentum=None), nn.Linear(12, 2))),
        "BatchNorm1d (0) has momentum=None",
    ),
    "sparse": (model(lambda: nn.Sequential(nn.Embedding(3, 2, sparse=True))), "Embedding (0) is sparse"),
    "spectral norm": (
        model(lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(12, 2)))),
        "parametrized (weight_norm, spectral_norm)",
    ),
    "weight norm": (
        model(lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(12, 2)))), "ParametrizedLinear (0)"
    ),
    "alpha dropout": (model(lambda: nn.Sequential(nn.AlphaDropout(), nn.Linear(12, 2))), "it draws in its own way"),
    "hooks": (model(hooked), "Linear (0) has hooks"),
    "counting": (model(Counting), "Counting's calls changes as it runs"),
    "noise": (model(lambda: Doing(noisy)), "draws random numbers other than by dropout"),
    "random": (model(lambda: Doing(seeded)), "draws from generators of the whole process"),
    "numpy.random": (model(lambda: Doing(numbered)), "draws from generators of the whole process"),
    "an if": (model(lambda: Doing(deciding)), "decides by the values of a tensor"),
    "a mask": (model(lambda: Doing(indexed)), "shapes depend on values"),
    "in place": (model(lambda: Doing(in_place)), "writes members' values into a tensor that all share"),
    "a closure": (model(lambda: Doing(lambda output, rng=RANDOM: output)), "what is a Random"),
    "bf16": (of(loop=lambda self, params: module_loop(precision="bf16")), "it trains in bf16"),
    "another optimizer": (
        of(optimizer=lambda self, params, its: torch.optim.Adagrad(its)), "Adagrad, and stacked are SGD, Adam"
    ),
    "an optimizer of one's own": (of(optimizer=lambda self, params, its: Own(its)), "its optimizer is Own"),
    "some parameters": (
        of(optimizer=lambda self, params, its: torch.optim.SGD(list(its)[:2])), "other parameters than those"
    ),
    "a data loader": (of(data=loaders), "come from a DataLoader and not from Batches"),
}  # fmt: skip


def module_loop(**settings):
    from trainables import Loop

    return Loop(**settings)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_stacked_is_named_and_trains_alone(name):
    task, reason = REFUSED[name]
    runs = {str(number): trial(number, task) for number in (0, 1)}
    stacks = Stacks(measures=False)

    groups = stacks.groups(runs)

    notes = texts(stacks)
    assert groups == []
    assert len(notes) == 1
    assert notes[0].startswith(f"trials of {task.__name__} are trained one by one: ")
    assert reason in notes[0]


def test_a_parameter_without_a_gradient_is_named():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(12, 2), nn.Linear(12, 2)

        def forward(self, rows):
            return self.used(rows)

    stacks, task = Stacks(measures=False), model(Idle)

    assert stacks.groups({str(number): trial(number, task) for number in (0, 1)}) == []
    assert "idle.weight gets no gradient" in texts(stacks)[0]


def test_looking_at_a_kind_leaves_its_members_and_the_generators_as_they_were():
    runs = {str(number): trial(number) for number in (0, 1)}
    before = {name: {key: value.clone() for key, value in state(run).items()} for name, run in runs.items()}
    sow(5, 5)
    drawn = (torch.rand(3), random.random(), np.random.random())
    sow(5, 5)

    Stacks(measures=True).groups(runs)

    assert torch.equal(torch.rand(3), drawn[0])
    assert (random.random(), np.random.random()) == drawn[1:]
    for name, run in runs.items():
        assert all(torch.equal(value, before[name][key]) for key, value in state(run).items())


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"optimizer": "adam"}, "the optimizer differs"),
        ({"rows": 12}, "the training batch size differs"),
        ({"loop": {"accumulate": 2}}, "accumulate differs"),
        ({"loop": {"clip_norm": 1.0}}, "clip_norm differs"),
        ({"net": "tied"}, "Sequential is where another has Tied"),
    ],
)
def test_those_that_differ_are_stacked_with_their_like(changes, difference):
    runs = {"0": trial(0), "1": trial(1, **changes), "2": trial(2), "3": trial(3, **changes)}
    stacks = Stacks(measures=False)

    assert stacks.groups(runs) == [["0", "2"], ["1", "3"]]
    assert [note for note in texts(stacks) if difference in note]


def test_what_a_model_keeps_of_the_params_tells_it_from_others():
    class Steep(nn.Module):
        def __init__(self, slope):
            super().__init__()
            self.layer, self.slope = nn.Linear(12, 2), slope

        def forward(self, rows):
            return self.layer(rows) * self.slope

    task = of(model=lambda self, params: Steep(params["lr"]).double())
    stacks = Stacks(measures=False)

    assert stacks.groups({str(number): trial(number, task) for number in (0, 1, 4)}) == [["0", "4"]]
    assert "Steep's slope differs" in texts(stacks)[-1]


def test_a_lambda_that_knows_a_param_tells_a_model_from_others():
    def make(self, params):
        rate = params["lr"]
        return Doing(lambda output: output * rate).double()

    stacks, task = Stacks(measures=False), of(model=make)

    assert stacks.groups({str(number): trial(number, task) for number in (0, 1, 4)}) == [["0", "4"]]


def test_an_epoch_that_fails_leaves_all_as_it_was_and_is_trained_alone():
    runs = {str(number): trial(number) for number in (0, 1)}
    stacks = Stacks(measures=False)
    for epoch in (1, 2, 3):
        epoch_of(stacks, runs, epoch)
    crew = stacks._kinds[stacks._kind_of[runs["0"]]].crews[0]
    stack, calls = crew._stack, []
    step = stack._vectors.step

    def failing(weights, gradient):
        calls.append(1)
        step(weights, gradient)
        if len(calls) == 5:
            raise RuntimeError("no rule for this")

    stack._vectors.step = failing

    assert not stacks.train([(runs[name], int(name), 4) for name in runs])

    assert "no rule for this" in texts(stacks)[-1]
    assert stacks.groups(runs) == []
    for number in (0, 1):
        sow(number, 4)
        row = runs[str(number)].step()
        expected = alone(number, 4)
        assert row == pytest.approx(expected[0][-1], abs=1e-10)
        for name, value in expected[1].items():
            assert torch.allclose(state(runs[str(number)])[name].double(), value.double(), atol=1e-10)


def test_an_interruption_while_they_validate_leaves_all_as_it_was():
    runs = {str(number): trial(number, net="attention") for number in (0, 1)}
    stacks = Stacks(measures=False)
    [group] = stacks.groups(runs)

    def interrupted(judged):
        list(judged)  # upon which its own model is an epoch ahead
        raise KeyboardInterrupt

    runs["1"].validated = interrupted
    with pytest.raises(KeyboardInterrupt):
        stacks.train([(runs[name], int(name), 1) for name in group])

    for name, run in runs.items():
        fresh = state(trial(int(name), net="attention"))
        assert state(run).keys() == fresh.keys()
        assert all(torch.equal(value, fresh[key]) for key, value in state(run).items())


def test_out_of_memory_makes_stacks_smaller(monkeypatch):
    runs = {str(number): trial(number) for number in range(8)}
    stacks = Stacks(measures=False)
    [group] = stacks.groups(runs)
    monkeypatch.setattr(module.Crew, "_epoch", lambda *_: (_ for _ in ()).throw(MemoryError("8 are too many")))

    assert not stacks.train([(runs[name], int(name), 1) for name in group])
    monkeypatch.undo()

    assert [len(group) for group in stacks.groups(runs)] == [4, 4]
    for group in stacks.groups(runs):
        assert stacks.train([(runs[name], int(name), 1) for name in group])


def test_a_broken_gpu_is_no_reason_to_train_alone(monkeypatch):
    from trainables.endings import LostError

    runs = {str(number): trial(number) for number in (0, 1)}
    stacks = Stacks(measures=False)
    [group] = stacks.groups(runs)
    error = RuntimeError("CUDA error: an illegal memory access was encountered")
    monkeypatch.setattr(module.Crew, "_epoch", lambda *_: (_ for _ in ()).throw(error))

    with pytest.raises(LostError, match="the GPU reported an error"):
        stacks.train([(runs[name], int(name), 1) for name in group])


@pytest.mark.parametrize(
    ("gains", "best", "groups"),
    [
        ({2: 0.8, 4: 0.9, 8: 0.7}, 1, []),
        ({2: 1.02, 4: 1.15}, 1, []),
        ({2: 1.5, 4: 2.8, 8: 2.9, 16: 2.0}, 4, [4, 3]),
        ({2: 0.9, 4: 1.7, 8: 3.0}, 8, [7]),
        ({2: 1.3, 4: 1.6}, 4, [4, 3]),
    ],
)
def test_as_many_are_stacked_as_pay(monkeypatch, gains, best, groups):
    monkeypatch.setattr(module, "measured", lambda training, forward: Pace(gains))
    runs = {str(number): trial(number) for number in range(7)}
    stacks = Stacks(measures=True)

    found = stacks.groups(runs)

    assert stacks.room == best
    assert [len(group) for group in found] == groups
    [note] = texts(stacks)
    assert ("one by one: together they would be" if best == 1 else f"{best} at a time") in note


def test_folds_and_repeats_train_alone():
    stacks = Stacks(measures=False)

    assert stacks.groups({"0": object(), "1": object()}) == []
    assert "folds or repeats" in texts(stacks)[0]
