"""The networks of `fused.py`, as a user of plain PyTorch and as one of a440 writes them."""

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainables import Batches, TorchTrainable
from trainables.seeds import sow
from trainables.torch_model import TorchTraining


def perceptron(*widths: int, normalized: bool = False, dropout: float = 0.0) -> nn.Module:
    """Linear layers with ReLU between them; batch normalizations before each, dropouts after each, where wanted."""
    layers: list[nn.Module] = [nn.BatchNorm1d(widths[0])] if normalized else []
    for inputs, outputs in pairwise(widths[:-1]):
        layers += [nn.Linear(inputs, outputs), *([nn.BatchNorm1d(outputs)] if normalized else []), nn.ReLU()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*layers, nn.Linear(*widths[-2:]))


class Reshaping(nn.Module):
    """A network whose forward is not known layer by layer, and so runs by `torch.func.vmap`."""

    def __init__(self, parts: nn.Module):
        super().__init__()
        self.parts = parts

    def forward(self, rows: Tensor) -> Tensor:
        return self.parts(rows.view(len(rows), -1))


class Convolutions(nn.Module):
    """Two convolutions on 8x8 images."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Sequential(
            nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10),
        )  # fmt: skip

    def forward(self, rows: Tensor) -> Tensor:
        return self.parts(rows)


class Encoder(nn.Module):
    """A transformer encoder over the rows of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 32), nn.Linear(32, 10)
        self.encoder = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True)

    def forward(self, rows: Tensor) -> Tensor:
        return self.last(self.encoder(self.first(rows.view(-1, 8, 8))).mean(1))


class Block(nn.Module):
    """Two convolutions with a way round them, as in a ResNet."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)])
        self.round = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        hidden = torch.relu(self.norms[0](self.first(images)))
        return torch.relu(self.norms[1](self.second(hidden)) + self.round(images))


def residual() -> nn.Module:
    """A small ResNet on 32x32 images."""
    head = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    body = [Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)]
    return nn.Sequential(*head, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


SMALL = ("64-16-16-10", "64-32-16-10")
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "64-16-16-10": lambda: perceptron(64, 16, 16, 10),
    "64-32-16-10": lambda: perceptron(64, 32, 16, 10),
    "64-128-64-10": lambda: perceptron(64, 128, 64, 10),
    "64-512-256-10": lambda: perceptron(64, 512, 256, 10),
    "64-32-16-10, dropouts": lambda: perceptron(64, 32, 16, 10, dropout=0.2),
    "64-32-16-10, by vmap": lambda: Reshaping(perceptron(64, 32, 16, 10)),
    "tabular, BatchNorm": lambda: perceptron(64, 64, 32, 10, normalized=True),
    "small CNN": Convolutions,
    "transformer encoder": Encoder,
    "ResNet on 32x32": residual,
}
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "SGD": lambda parameters, lr: torch.optim.SGD(parameters, lr=lr, momentum=0.9),
    "AdamW": lambda parameters, lr: torch.optim.AdamW(parameters, lr=lr / 10),
}


def digits() -> tuple[Tensor, Tensor]:
    """`[1797, 64]` images of digits, and which they are; from a file, for scikit-learn takes a second to be loaded."""
    kept = Path(tempfile.gettempdir()) / "a440-digits.pt"
    if not kept.exists():
        from sklearn.datasets import load_digits

        data = load_digits()
        torch.save((torch.tensor(data.data, dtype=torch.float32) / 16, torch.tensor(data.target)), kept)
    inputs, targets = torch.load(kept)
    return inputs, targets


def rows_of(network: str) -> tuple[Tensor, Tensor]:
    """What a network is trained on: digits, or 2,048 images of noise."""
    if network.startswith("ResNet"):
        noise = torch.Generator().manual_seed(0)
        return torch.randn(2048, 3, 32, 32, generator=noise), torch.randint(0, 10, (2048,), generator=noise)
    return digits()


class Task(TorchTrainable):
    """One of them; the params say which."""

    loss = "cross_entropy"

    def model(self, params: dict[str, Any]) -> nn.Module:
        return NETWORKS[params["network"]]()

    def optimizer(self, params: dict[str, Any], parameters: Any) -> torch.optim.Optimizer:
        return OPTIMIZERS[params["optimizer"]](parameters, params["lr"])

    def data(self, params: dict[str, Any]) -> tuple[Batches, Batches]:
        inputs, targets = rows_of(params["network"])
        cut = len(inputs) * 4 // 5
        train = Batches(inputs[:cut], targets[:cut], params["batch"], shuffle=True)
        return train, Batches(inputs[cut:], targets[cut:], 4096)


def training(number: int, **params: Any) -> TorchTraining:
    """A trial under way, with a learning rate of its own."""
    sow(number, 0)
    return TorchTraining(Task(), {"lr": 0.02 * 1.02**number, **params})
