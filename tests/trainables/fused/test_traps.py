"""What a stack could get wrong in silence: each is either exact, or refused with its name."""

import types

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.kit.nets import Net, alone, assert_as_alone, epoch_of, of, perceptron, state, texts, trial
from trainables import Batches
from trainables.fused import stacks as stacks_module
from trainables.fused.pace import Pace
from trainables.fused.stacks import Stacks
from trainables.seeds import sow


def model(make):
    return of(model=lambda self, params: make(params).double())


class Conditional(nn.Module):
    """Looks at the rate of its dropout."""

    def __init__(self, rate):
        super().__init__()
        self.layer, self.drop = nn.Linear(12, 2), nn.Dropout(rate)

    def forward(self, rows):
        return self.layer(self.drop(rows) if self.drop.p > 0 else rows)


class Reading(nn.Module):
    """Uses it by hand."""

    def __init__(self, rate):
        super().__init__()
        self.layer, self.drop = nn.Linear(12, 2), nn.Dropout(rate)

    def forward(self, rows):
        return self.layer(functional.dropout(rows, self.drop.p, self.training))


class Slope:
    def __init__(self, value):
        self.value = value

    def go(self, rows):
        return rows * self.value


class Acting(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.layer, self.act = nn.Linear(12, 2), act

    def forward(self, rows):
        return self.act(self.layer(rows))


class Hidden(nn.Module):
    """Keeps a dropout where modules are not found."""

    def __init__(self, rate):
        super().__init__()
        self.layer, self.more = nn.Linear(12, 2), [nn.Dropout(rate)]

    def forward(self, rows):
        self.more[0].train(self.training)
        return self.layer(self.more[0](rows))


class Selfish(nn.Module):
    """Calls itself by a function that it keeps."""

    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Linear(12, 2), 2.0
        self.act = lambda rows: rows * self.scale

    def forward(self, rows):
        return self.act(self.layer(rows))


class Ageing(nn.Module):
    """Counts its batches in a buffer that no checkpoint has."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(12, 2)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, rows):
        if self.training:
            self.seen = self.seen + 1
        return self.layer(rows) * torch.where(self.seen > 20, 0.5, 1.0)


def masking_gradients(params):
    made = perceptron()
    made[0].weight.register_hook(lambda gradient: gradient * 0.1)
    return made


RATES = [
    {"0": {"dropout": 0.0}, "4": {"dropout": 0.0}, "8": {"dropout": 0.5}},
    {"0": {"dropout": 0.2}, "4": {"dropout": 0.5}},
]


@pytest.mark.parametrize("measures", [False, True])
@pytest.mark.parametrize("members", RATES)
@pytest.mark.parametrize("kind", [Conditional, Reading, Hidden])
def test_a_rate_that_a_model_looks_at(monkeypatch, kind, members, measures):
    monkeypatch.setattr(stacks_module, "measured", lambda training, forward: Pace({2: 2.0}))
    # What a model does where its rate is 0 is not known of one whose rate is not, nor the other way round.
    stacked = kind is Conditional and members["0"]["dropout"] > 0
    task = model(lambda params: kind(params["dropout"]))
    assert_as_alone(task, members, stacked=stacked, measures=measures)


def test_a_method_of_an_object_that_differs():
    task = model(lambda params: Acting(Slope(params["lr"]).go))

    assert_as_alone(task, {"0": {"lr": 0.1}, "4": {"lr": 0.2}}, stacked=False)


def test_a_function_that_knows_its_own_model():
    assert_as_alone(model(lambda params: Selfish()), {"0": {}, "4": {"lr": 0.1}}, stacked=True)


@pytest.mark.parametrize("make", [masking_gradients, lambda params: Ageing()])
def test_what_a_model_hides(make):
    assert_as_alone(model(make), {"0": {}, "4": {"lr": 0.1}}, stacked=False)


def test_hooks_of_an_optimizer():
    def optimizer(self, params, parameters):
        made = torch.optim.SGD(list(parameters), lr=params["lr"])
        made.register_step_post_hook(lambda one, *_: [p.data.clamp_(0) for p in one.param_groups[0]["params"]])
        return made

    said = assert_as_alone(of(optimizer=optimizer), {"0": {}, "4": {"lr": 0.1}}, stacked=False)

    assert "its SGD has hooks" in said[0]


def test_a_step_of_ones_own():
    def optimizer(self, params, parameters):
        made = torch.optim.SGD(list(parameters), lr=params["lr"])
        plain = made.step
        made.step = lambda closure=None: (plain(), plain())
        return made

    said = assert_as_alone(of(optimizer=optimizer), {"0": {}, "4": {"lr": 0.1}}, stacked=False)

    assert "a step of its own" in said[0]


def test_a_trainable_that_keeps_its_model():
    def make(self, params):
        torch.manual_seed(0)
        self.net = nn.Linear(12, 2).double()
        return self.net

    def loss(self, output, target):
        return functional.cross_entropy(output, target) + 0.1 * sum(p.square().sum() for p in self.net.parameters())

    said = assert_as_alone(of(model=make, loss=loss), {"0": {}, "4": {"lr": 0.1}}, stacked=False)

    assert "the trainable's net holds a part of the model" in said[0]


def test_draws_of_a_users_metrics():
    def metrics(self, output, target):
        return {"noise": torch.rand(()) + float(len(target))}

    assert_as_alone(of(metrics=metrics), {"0": {"dropout": 0.3}, "4": {"lr": 0.1}}, stacked=True)


def test_attention_with_padding_only_where_it_validates():
    class Padded(nn.Module):
        def __init__(self):
            super().__init__()
            layer = nn.TransformerEncoderLayer(4, 2, 8, 0.1, batch_first=True)
            self.encoder, self.last = nn.TransformerEncoder(layer, 1), nn.Linear(4, 2)

        def forward(self, rows):
            series = rows.view(-1, 3, 4)
            mask = (series == 0).all(2)
            mask[:, 0] = False
            return self.last(self.encoder(series, src_key_padding_mask=mask).mean(1))

    def data(self, params):
        train, validation = Net.data(self, params)
        inputs = validation.inputs.clone()
        inputs[20:, 4:] = 0
        return train, Batches(inputs, validation.targets, 30)

    task = of(model=lambda self, params: Padded().double(), data=data)

    assert_as_alone(task, {"0": {}, "4": {"lr": 0.1}}, stacked=True)


def test_a_momentum_that_a_schedule_begins():
    class Begins:
        """Sets the momentum after two epochs."""

        def __init__(self, optimizer):
            self.optimizer, self.epochs = optimizer, 0

        def step(self):
            self.epochs += 1
            if self.epochs == 2:
                self.optimizer.param_groups[0]["momentum"] = 0.9

        def state_dict(self):
            return {"epochs": self.epochs}

    task = of(schedule=lambda self, params, optimizer: Begins(optimizer))

    members = {"0": {"momentum": 0.0}, "4": {"momentum": 0.5}, "8": {"momentum": 0.0, "lr": 0.1}}
    assert_as_alone(task, members, stacked=True)


@pytest.mark.parametrize(
    "schedule",
    [
        lambda self, params, made: torch.optim.lr_scheduler.OneCycleLR(made, params["lr"], total_steps=20),
        lambda self, params, made: torch.optim.lr_scheduler.CyclicLR(made, params["lr"] / 9, params["lr"], 3),
    ],
)
def test_schedules_that_keep_their_own_numbers_in_the_optimizer(schedule):
    assert assert_as_alone(of(schedule=schedule), {"0": {"lr": 0.2}, "4": {"lr": 0.1}}, stacked=True) == []


def test_a_class_that_is_none_is_told_as_it_is_alone():
    def data(self, params):
        train, validation = Net.data(self, params)
        targets = train.targets.clone()
        targets[50] = -1
        return Batches(train.inputs, targets, 16), validation

    runs, stacks = {str(number): trial(number, of(data=data)) for number in (0,)}, Stacks(measures=False)
    runs["4"] = trial(4, type(runs["0"].task))
    [group] = stacks.groups(runs) or [[]]

    assert not group or not stacks.train([(runs[name], int(name), 1) for name in group])
    with pytest.raises(IndexError, match="Target -1 is out of bounds"):
        runs["0"].step()


def test_one_that_trained_alone_for_an_epoch_comes_back_as_it_is():
    runs, stacks, epochs = {"0": trial(0), "1": trial(1)}, Stacks(measures=False), {"0": 0, "1": 0, "3": 0}
    late = {"0": runs["0"], "3": trial(3)}
    rows = []
    for here in (runs, runs, {"0": runs["0"]}, late, late):
        for name in here:
            epochs[name] += 1
        rows.append(epoch_of(stacks, here, epochs)[0]["0"])

    expected, learned = alone(0, 5)
    assert rows == [pytest.approx(row, abs=1e-10) for row in expected]
    assert all(
        torch.allclose(state(runs["0"])[key].double(), value.double(), atol=1e-10) for key, value in learned.items()
    )


def test_weights_that_have_not_been_reported_are_in_no_checkpoint(tmp_path):
    runs, stacks = {"0": trial(0), "1": trial(1)}, Stacks(measures=False)
    stacks.groups(runs)
    stacks.train([(runs[name], int(name), 1) for name in runs])

    with pytest.raises(RuntimeError, match="an epoch ahead of what it has reported"):
        runs["0"].save(tmp_path)
    runs["0"].step()
    runs["0"].save(tmp_path)
    assert (tmp_path / "state.pt").exists()


def test_a_neighbours_patience_is_its_own():
    one, other = trial(0, loop={"patience": 5}), trial(1, loop={"patience": 5})
    sow(0, 1)
    one.step()
    one.give(other)

    other._patience.state["without"] = 4

    assert one._patience.state["without"] == 0


def test_looking_at_a_kind_changes_no_buffer():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(12, 2)
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, rows):
            self.seen.add_(1)
            return self.layer(rows)

    assert_as_alone(model(lambda params: Counts()), {"0": {}, "4": {"lr": 0.1}}, stacked=True)


def test_a_stack_that_cannot_grow_leaves_its_members_as_they_are(monkeypatch):
    runs, stacks = {str(number): trial(number) for number in (0, 1, 2)}, Stacks(measures=False)
    two = {name: runs[name] for name in ("0", "1")}
    for epoch in (1, 2):
        epoch_of(stacks, two, epoch)
    from trainables.fused.stack import Stack

    def failing(self, learners):
        raise MemoryError("no room")

    monkeypatch.setattr(Stack, "add", failing)
    [group] = stacks.groups(runs)
    assert not stacks.train([(runs[name], int(name), 3) for name in group])
    monkeypatch.undo()

    for name in two:
        assert all(
            torch.allclose(state(runs[name])[key].double(), value.double(), atol=1e-10)
            for key, value in alone(int(name), 2)[1].items()
        )


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision(kind):
    task = of(model=lambda self, params: nn.Linear(12, 2).to(kind))
    stacks = Stacks(measures=False)

    assert stacks.groups({str(number): trial(number, task) for number in (0, 1)}) == []
    assert "and not all float32" in texts(stacks)[0]


def test_what_cannot_be_looked_at_trains_alone():
    def optimizer(self, params, parameters):
        return torch.optim.SGD([{"params": list(parameters), "names": ["a", "b"]}], lr=params["lr"])

    odd = of(model=lambda self, params: Acting(types.SimpleNamespace(__call__=None)).double())
    stacks = Stacks(measures=True)

    assert stacks.groups({str(number): trial(number, odd) for number in (0, 1)}) == []
    assert "trained one by one" in texts(stacks)[0]
    assert_as_alone(of(optimizer=optimizer), {"0": {}, "4": {"lr": 0.1}}, stacked=True)


def test_metrics_that_raise_end_their_own_trial():
    def metrics(self, output, target):
        if self.bad:
            raise ZeroDivisionError("no positives")
        return {"accuracy": 1.0}

    def make(self, params):
        self.bad = False
        return perceptron().double()

    task = of(metrics=metrics, model=make)
    runs, stacks = {str(number): trial(number, task) for number in (0, 1, 2)}, Stacks(measures=False)
    [group] = stacks.groups(runs)
    runs["1"].task.bad = True

    assert stacks.train([(runs[name], int(name), 1) for name in group])

    assert runs["0"].step()["accuracy"] == 1.0
    with pytest.raises(ZeroDivisionError, match="no positives"):
        runs["1"].step()
    assert stacks.groups({name: runs[name] for name in ("0", "2")}) == [["0", "2"]]


def test_other_kinds_are_looked_at_only_when_there_are_two():
    stacks = Stacks(measures=True)
    stacks.groups({"0": trial(0)})
    known = len(stacks._kinds)

    stacks.groups({"0": trial(0), "1": trial(1, rows=12)})
    assert len(stacks._kinds) == known == 1
    stacks.groups({"1": trial(1, rows=12), "2": trial(2, rows=12)})
    assert len(stacks._kinds) == 2


class Idle(nn.Module):
    """Has a layer that it never uses."""

    def __init__(self):
        super().__init__()
        self.layer, self.idle = nn.Linear(12, 2), nn.Linear(3, 3)

    def forward(self, rows):
        return self.layer(rows)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum"])
def test_a_layer_that_is_never_used_is_named(optimizer):
    """Alone it has no gradient, and so no decay, which a stack would not know."""
    members = {"0": {"optimizer": optimizer}, "1": {"optimizer": optimizer}}

    said = assert_as_alone(model(lambda params: Idle()), members, stacked=False)

    assert said == ["trials of Variant are trained one by one: idle.weight gets no gradient"]
