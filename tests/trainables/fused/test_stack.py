"""A member of a stack learns what it would learn alone."""

import math

import pytest
import torch

from tests.kit.nets import NETS, OPTIMIZERS, Net, alone, state, texts, trial
from trainables.fused.stacks import Stacks
from trainables.seeds import sow

EPOCHS = 10  # of 11 steps
EXACT = 1e-10


def together(numbers, epochs, task=Net, leave=None, **changes):
    """Reports of members of one stack, and what they learned; `leave` says after which epoch each goes."""
    runs = {str(number): trial(number, task, **changes) for number in numbers}
    rows = {name: [] for name in runs}
    stacks = Stacks(measures=False)
    for epoch in range(1, epochs + 1):
        here = {name: run for name, run in runs.items() if epoch <= (leave or {}).get(int(name), epochs)}
        [group] = stacks.groups(here)
        assert set(group) == set(here)
        assert stacks.train([(here[name], int(name), epoch) for name in group]), texts(stacks)
        for name in group:
            rows[name].append(here[name].step())
    return {int(name): (rows[name], state(run)) for name, run in runs.items()}


def assert_same(found, expected, within=EXACT):
    rows, learned = found
    for row, other in zip(rows, expected[0], strict=True):
        assert row == pytest.approx(other, rel=within, abs=within)
    assert learned.keys() == expected[1].keys()
    for name, value in expected[1].items():
        assert torch.allclose(learned[name].double(), value.double(), rtol=within, atol=within), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_takes_the_steps_it_takes_alone(optimizer):
    found = together([0, 1, 2, 3], EPOCHS, optimizer=optimizer)

    for number in (0, 1, 2, 3):
        assert_same(found[number], alone(number, EPOCHS, optimizer=optimizer))


@pytest.mark.parametrize("net", NETS)
def test_every_layer_computes_what_it_computes_alone(net):
    optimizer = "momentum" if net == "attention" else "adamw"  # keys' biases have no gradient but rounding errors
    found = together([0, 1, 3], EPOCHS, net=net, optimizer=optimizer)

    for number in (0, 1, 3):
        assert_same(found[number], alone(number, EPOCHS, net=net, optimizer=optimizer))


@pytest.mark.parametrize(
    "changes",
    [
        {"loop": {"clip_norm": 0.05}},
        {"loop": {"accumulate": 3}},
        {"loop": {"class_weights": (1.0, 5.0), "accumulate": 2}},
        {"shuffle": False},
        {"rows": 119},  # and one row that joins it
        {"rows": 500},
    ],
)
def test_the_loop_is_the_same(changes):
    found = together([0, 1], EPOCHS, **changes)

    for number in (0, 1):
        assert_same(found[number], alone(number, EPOCHS, **changes))


def of_loss(loss, **members):
    return type("Variant", (Net,), {"loss": loss, **members})


def smoothed(self, output, target, params):
    return torch.nn.functional.cross_entropy(output, target, label_smoothing=params["lr"])


def smoothed_by_place(self, output, target, params):
    return torch.nn.functional.cross_entropy(output, target, None, None, -100, None, "mean", params["lr"])


def scaled(self, output, target, params):
    return (output.squeeze(-1) - target).square().mean() * params["lr"]


@pytest.mark.parametrize(
    "task",
    [
        of_loss(torch.nn.CrossEntropyLoss(label_smoothing=0.1)),
        of_loss(smoothed),
        of_loss(smoothed_by_place),
        of_loss("multi_margin_loss"),
        of_loss(scaled, model=lambda self, params: torch.nn.Linear(12, 1).double(), metrics=()),
        of_loss("mse_loss", model=lambda self, params: torch.nn.Linear(12, 1).double(), metrics=()),
        of_loss(
            "binary_cross_entropy_with_logits",
            model=lambda self, params: torch.nn.Sequential(torch.nn.Linear(12, 1), torch.nn.Flatten(0)).double(),
        ),
    ],
)
def test_the_loss_is_the_same(task):
    found = together([0, 1, 3], EPOCHS, task)

    for number in (0, 1, 3):
        assert_same(found[number], alone(number, EPOCHS, task))


def test_targets_that_torch_ignores_are_ignored():
    def data(self, params):
        train, validation = Net.data(self, params)
        train.targets[::7] = -100
        return train, validation

    task = type("Variant", (Net,), {"data": data})

    found = together([0, 1], EPOCHS, task)

    assert_same(found[1], alone(1, EPOCHS, task))


def test_members_may_have_data_of_their_own():
    def data(self, params):
        train, validation = Net.data(self, params)
        noise = torch.randn(train.inputs.shape, generator=torch.Generator().manual_seed(int(100 * params["lr"])))
        return type(train)(train.inputs + noise, train.targets, 16, True), validation

    task = type("Variant", (Net,), {"data": data})

    found = together([0, 1], EPOCHS, task)

    for number in (0, 1):
        assert_same(found[number], alone(number, EPOCHS, task))


@pytest.mark.parametrize("task_of", ["cosine", "plateau"])
def test_each_has_its_own_schedule(task_of):
    def schedule(self, params, optimizer):
        if task_of == "cosine":
            return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10 + int(100 * params["lr"]))
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=0.1)

    task = type("Variant", (Net,), {"schedule": schedule})

    found = together([0, 1, 3], EPOCHS, task)

    for number in (0, 1, 3):
        assert_same(found[number], alone(number, EPOCHS, task))


@pytest.mark.parametrize("optimizer", ["momentum", "adamw", "centered rmsprop"])
def test_who_the_neighbours_are_and_when_they_leave_changes_not_one_bit(optimizer):
    few = together([1, 2], EPOCHS, net="batch norm by hand", optimizer=optimizer)
    many = together([7, 0, 1, 3, 2, 5], EPOCHS, net="batch norm by hand", optimizer=optimizer, leave={0: 2, 7: 5, 5: 9})
    same = together([1, 5, 9], EPOCHS, net="batch norm by hand", optimizer=optimizer)  # with the same hyperparameters

    for other in (many, same):
        rows, learned = other[1]
        assert rows == few[1][0]
        assert all(torch.equal(learned[name], value) for name, value in few[1][1].items())


def test_one_that_joins_later_is_what_it_would_be_alone():
    runs = {str(number): trial(number) for number in (0, 1)}
    late, stacks, rows = trial(3), Stacks(measures=False), []
    for epoch in range(1, 9):
        here = runs if epoch < 4 else {"3": late, **runs}
        [group] = stacks.groups(here)
        stacks.train([(here[name], int(name), epoch if name != "3" else epoch - 3) for name in group])
        rows += [here[name].step() for name in group if name == "3"]
        for name in group:
            here[name].step() if name != "3" else None

    assert_same((rows, state(late)), alone(3, 5))
    assert_same(([], state(runs["1"])), ([], alone(1, 8)[1]))


def test_one_that_diverges_leaves_the_others_as_they_are():
    found = together([0, 1, 2], EPOCHS)

    with_nan = {str(number): trial(number, **({"lr": 1e200} if number == 3 else {})) for number in (0, 1, 3)}
    stacks, lost = Stacks(measures=False), []
    for epoch in range(1, EPOCHS + 1):
        [group] = stacks.groups(with_nan)
        stacks.train([(with_nan[name], int(name), epoch) for name in group])
        reports = {name: with_nan[name].step() for name in group}
        lost.append(math.isnan(reports.get("3", {"loss": math.nan})["loss"]))

    assert lost[-1]
    for number in (0, 1):
        assert all(torch.equal(value, found[number][1][name]) for name, value in state(with_nan[str(number)]).items())


def test_a_checkpoint_is_the_ordinary_one_and_can_be_gone_on_from_either_way(tmp_path):
    first = {str(number): trial(number, optimizer="adam") for number in (0, 1)}
    stacks = Stacks(measures=False)
    for epoch in (1, 2, 3):
        [group] = stacks.groups(first)
        stacks.train([(first[name], int(name), epoch) for name in group])
        for name in group:
            first[name].step()
    first["1"].save(tmp_path)

    alone_on = trial(1, optimizer="adam")
    alone_on.load(tmp_path)
    fused_on = {"1": trial(1, optimizer="adam"), "2": trial(2, optimizer="adam")}
    fused_on["1"].load(tmp_path)
    ends = []
    for run in (alone_on, fused_on):
        for epoch in (4, 5, 6):
            if run is alone_on:
                sow(1, epoch)
                run.step()
                continue
            [group] = (again := Stacks(measures=False)).groups(run)
            again.train([(run[name], int(name), epoch) for name in group])
            for name in group:
                run[name].step()
        ends.append(state(run if run is alone_on else run["1"]))

    expected = alone(1, 6, optimizer="adam")[1]
    for end in ends:
        assert_same(([], end), ([], expected))
