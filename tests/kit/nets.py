"""Networks of all kinds, and trials of them in float64."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from trainables import Batches, Loop, TorchTrainable
from trainables.fused.stacks import Stacks
from trainables.seeds import sow
from trainables.torch_model import TorchTraining

ROWS = torch.randn(150, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
CLASSES = (ROWS.sum(1) > 0).long()
IMAGES = torch.randn(150, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
SERIES = torch.randn(150, 5, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
WORDS = torch.randint(0, 10, (150, 4), generator=torch.Generator().manual_seed(3))


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 16), nn.Linear(16, 16), nn.Linear(16, 2)

    def forward(self, rows):
        hidden = functional.relu(self.a(rows))
        return self.c(hidden + torch.tanh(self.b(hidden)) * 0.5)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(12, 16), nn.Linear(16, 2)

    def forward(self, rows):
        return self.b(functional.dropout(functional.relu(self.a(rows)), 0.3, self.training))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 2)
        self.b.weight = self.a.weight

    def forward(self, rows):
        return self.c(self.b(self.a(rows).relu()).relu())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.norm = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.b, self.c = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.Linear(4, 2)

    def forward(self, images):
        hidden = functional.relu(self.norm(self.a(images)))
        hidden = functional.relu(hidden + self.b(hidden))
        return self.c(functional.adaptive_avg_pool2d(hidden, 1).flatten(1))


class Attentive(nn.Module):
    def __init__(self, dropout):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout, batch_first=True)
        self.encoder, self.last = nn.TransformerEncoder(layer, 1), nn.Linear(8, 2)

    def forward(self, series):
        return self.last(self.encoder(series).mean(1))


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.last = nn.Parameter(torch.ones(12)), nn.Linear(12, 2)
        self.register_buffer("shift", torch.arange(12.0))

    def forward(self, rows):
        return self.last(rows * self.scale + self.shift / 12)


def perceptron(p=0.0):
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(inplace=True), nn.Dropout(p), nn.Linear(16, 2))


NETS = {
    "perceptron": (perceptron, ROWS),
    "batch norm, dropout": (
        lambda p: nn.Sequential(
            nn.BatchNorm1d(12, affine=False), nn.Linear(12, 16, bias=False), nn.BatchNorm1d(16), nn.GELU(),
            nn.Dropout(p), nn.Linear(16, 16, bias=False), nn.LayerNorm(16), nn.PReLU(), nn.Dropout(p / 2),
            nn.Linear(16, 2),
        ),
        ROWS,
    ),
    "layer norm": (
        lambda p: nn.Sequential(nn.Linear(12, 16), nn.LayerNorm(16), nn.SiLU(), nn.Dropout(p), nn.Linear(16, 2)), ROWS
    ),
    "batch norm by hand": (
        lambda p: nn.Sequential(
            nn.Linear(12, 16, bias=False), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(p), nn.Linear(16, 2)
        ),
        ROWS,
    ),
    "convolutions": (
        lambda p: nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout2d(p), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(16, 2),
        ),
        IMAGES,
    ),
    "groups and instances": (
        lambda p: nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.ELU(), nn.Conv2d(4, 4, 1, bias=False),
            nn.InstanceNorm2d(4, affine=True), nn.Dropout(p), nn.Flatten(), nn.Linear(64, 2),
        ),
        IMAGES,
    ),
    "in one dimension": (
        lambda p: nn.Sequential(
            nn.Conv1d(5, 6, 3, stride=2), nn.ReLU(), nn.Dropout1d(p), nn.Flatten(), nn.Linear(18, 2)
        ),
        SERIES,
    ),
    "residual": (lambda p: Residual(), IMAGES),
    "skipping": (lambda p: Skipping(), ROWS),
    "functional dropout": (lambda p: Functional(), ROWS),
    "tied": (lambda p: Tied(), ROWS),
    "own parameter": (lambda p: Scaled(), ROWS),
    "attention": (Attentive, SERIES),
    "embedding": (
        lambda p: nn.Sequential(nn.Embedding(10, 6), nn.Flatten(), nn.Dropout(p), nn.Linear(24, 2)), WORDS
    ),
    "frozen": (lambda p: _frozen(perceptron(p)), ROWS),
}  # fmt: skip

OPTIMIZERS = {
    "sgd": lambda its, at: torch.optim.SGD(its, lr=at["lr"]),
    "momentum": lambda its, at: torch.optim.SGD(
        its, lr=at["lr"], momentum=at["momentum"], dampening=at["momentum"] / 3, weight_decay=at["decay"]
    ),
    "nesterov": lambda its, at: torch.optim.SGD(its, lr=at["lr"], momentum=0.1 + at["momentum"], nesterov=True),
    "adam": lambda its, at: torch.optim.Adam(
        its, lr=at["lr"] / 10, betas=(at["momentum"], 0.99 + at["lr"] / 100), weight_decay=at["decay"]
    ),
    "amsgrad": lambda its, at: torch.optim.Adam(its, lr=at["lr"] / 10, amsgrad=True, eps=at["decay"] + 1e-8),
    "adamw": lambda its, at: torch.optim.AdamW(its, lr=at["lr"] / 10, weight_decay=at["decay"], maximize=False),
    "rmsprop": lambda its, at: torch.optim.RMSprop(its, lr=at["lr"] / 30, alpha=0.9 + at["lr"] / 10),
    "centered rmsprop": lambda its, at: torch.optim.RMSprop(
        its, lr=at["lr"] / 30, momentum=at["momentum"], centered=True, weight_decay=at["decay"]
    ),
    "two groups": lambda its, at: _in_groups(list(its), at),
}


class Net(TorchTrainable):
    loss = "cross_entropy"
    metrics = ("accuracy",)

    def loop(self, params):
        return Loop(batch_size=16, **params.get("loop", {}))

    def model(self, params):
        return NETS[params["net"]][0](params["dropout"]).double()

    def optimizer(self, params, parameters):
        return OPTIMIZERS[params["optimizer"]]((one for one in parameters if one.requires_grad), params)

    def data(self, params):
        rows = NETS[params["net"]][1]
        train = Batches(rows[:120], CLASSES[:120], params.get("rows", 11), shuffle=params.get("shuffle", True))
        return train, Batches(rows[120:], CLASSES[120:], 16)


PARAMS = {"net": "perceptron", "optimizer": "momentum", "lr": 0.05, "momentum": 0.5, "decay": 0.01, "dropout": 0.2}
UNLIKE = [  # members
    {},
    {"lr": 0.1, "momentum": 0.8, "decay": 0.0, "dropout": 0.4},
    {"lr": 0.01, "momentum": 0.0, "dropout": 0.0},
    {"lr": 0.2, "momentum": 0.3, "decay": 0.05, "dropout": 0.1},
]


def trial(number, task=Net, **changes):
    """A trial under way; its seed is its number."""
    sow(number, 0)
    return TorchTraining(task(), {**PARAMS, **UNLIKE[number % len(UNLIKE)], **changes})


def state(run):
    """All numbers that a trial has learned."""
    run.come_home()
    found = dict(run.learner.model.state_dict())
    for place, moments in enumerate(run.learner.optimizer.state.values()):
        found |= {f"{name} {place}": value for name, value in moments.items() if value is not None}
    return found


def of(**members):
    """A `Net` with other members."""
    return type("Variant", (Net,), members)


def texts(stacks):
    """What a process tells a study's reader."""
    return [text for _, text in stacks.notes()]


def epoch_of(stacks, runs, epochs):
    """One epoch of those that are stacked, and of the others alone: their reports, and who was stacked.

    Args:
        stacks: of the process.
        runs: trials by their numbers, as texts.
        epochs: the one that is next, of all or of each.
    """
    epochs = epochs if isinstance(epochs, dict) else dict.fromkeys(runs, epochs)
    for group in stacks.groups(runs):
        assert stacks.train([(runs[name], int(name), epochs[name]) for name in group]), texts(stacks)
    stacked = {name for name, run in runs.items() if run.share is not None}
    rows = {}
    for name, run in runs.items():
        if name not in stacked:
            sow(int(name), epochs[name])
        rows[name] = run.step()
    return rows, stacked


def assert_as_alone(task, members, *, stacked, measures=False, epochs=6):
    """That trials learn what each learns alone, and that all of them are stacked to the end, or not all.

    Args:
        task: of all.
        members: changes of params by the trials' numbers, as texts.
        stacked: what is expected.
        measures: as `fuse="auto"` does.
        epochs: to train.

    Returns:
        What the process tells a study's reader.
    """
    runs = {name: trial(int(name), task, **changes) for name, changes in members.items()}
    stacks, rows, who = Stacks(measures), [], set()
    for epoch in range(1, epochs + 1):
        row, who = epoch_of(stacks, runs, epoch)
        rows.append(row)
    said = texts(stacks)
    assert (who == runs.keys()) == stacked, said
    for name, changes in members.items():
        expected, learned = alone(int(name), epochs, task, **changes)
        for row, other in zip(rows, expected, strict=True):
            assert row[name] == pytest.approx(other, abs=1e-10)
        for key, value in learned.items():
            assert torch.allclose(state(runs[name])[key].double(), value.double(), atol=1e-9), key
    return said


def alone(number, epochs, task=Net, **changes):
    """A trial's reports when it trains by itself, and what it has learned."""
    run, rows = trial(number, task, **changes), []
    for epoch in range(1, epochs + 1):
        sow(number, epoch)
        rows.append(run.step())
    return rows, state(run)


def _frozen(model):
    model[0].weight.requires_grad_(False)
    return model


def _in_groups(parameters, at):
    matrices = [parameter for parameter in parameters if parameter.ndim > 1]
    others = [parameter for parameter in parameters if parameter.ndim <= 1]
    groups = [{"params": others, "weight_decay": 0.0}, {"params": matrices, "weight_decay": at["decay"]}]
    return torch.optim.AdamW(groups, lr=at["lr"] / 10)
