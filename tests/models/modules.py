"""Modules as people write them, in plain torch, for the tests of foreign models. Not collected."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metabench.tasks.episodes import Task

IMAGES = Task("classification", (2, 9, 9), 3)
VECTORS = Task("classification", (6,), 3)


class Residual(nn.Module):
    """A strided block with a 1x1 shortcut, as in residual networks."""

    def __init__(self, cin: int, cout: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, padding=1, groups=2)
        self.bn2 = nn.BatchNorm2d(cout)
        self.short = nn.Conv2d(cin, cout, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.short(x))


class Flat(nn.Module):
    """Ends in a view, which minds how numbers lie in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding="same", dilation=2, padding_mode="reflect")
        self.norm = nn.BatchNorm2d(4, affine=False, eps=1e-3)
        self.out = nn.Linear(36, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.norm(self.conv(x)), 3)
        return self.out(torch.tanh(x.view(x.size(0), -1)))


class Tied(nn.Module):
    """One block, met three times, and its batch normalisation with it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 1)
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.again = self.block

    def forward(self, x: Tensor) -> Tensor:
        return self.again(self.block(self.block(self.first(x)))).mean((2, 3))


class Scaled(nn.Module):
    """A weight of its own, beside layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))
        self.scale = nn.Parameter(torch.ones(4, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x) * self.scale).flatten(1)


class Dense(nn.Module):
    """Puts channels side by side, so that those of a task part."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(5)
        self.two = nn.Conv2d(5, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(F.relu(self.norm(torch.cat((x, self.one(x)), 1))))


class Reader(nn.Module):
    """Reads a row of numbers one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(1, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), 4)
        for i in range(x.shape[1]):
            h, c = self.cell(x[:, i : i + 1], (h, c))
        return h if float(h.detach().sum()) < 1e9 else c  # which vmap cannot decide


class Shuffled(nn.Module):
    """Functional dropout, of which nobody knows from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.linear(x), 0.5, self.training)


def layer_normed() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2), nn.LayerNorm((4, 4, 4)), nn.GELU(), nn.Flatten(),
        nn.Linear(64, 6, bias=False), nn.LayerNorm(6, bias=False),
    )  # fmt: skip


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4), nn.Tanh()
    )


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4), nn.ELU(), nn.Dropout2d(0.3),
        nn.Conv2d(4, 6, 1, stride=(2, 1), padding=1), nn.GroupNorm(3, 6, affine=False),
        nn.AvgPool2d(2), nn.Conv2d(6, 4, 2, groups=2, bias=False), nn.AdaptiveAvgPool2d(1),
    )  # fmt: skip


Case = tuple[Callable[[], nn.Module], Task, str]
CASES: dict[str, Case] = {
    "residual": (lambda: nn.Sequential(Residual(2, 4), Residual(4, 4)), IMAGES, "packed"),
    "flat": (Flat, IMAGES, "packed"),
    "tied": (Tied, IMAGES, "loop"),
    "layer normed": (layer_normed, IMAGES, "packed"),
    "grouped": (grouped, IMAGES, "packed"),
    "perceptron": (perceptron, VECTORS, "packed"),
    "scaled": (Scaled, IMAGES, "vmap"),
    "dense": (Dense, IMAGES, "vmap"),
    "shuffled": (Shuffled, VECTORS, "vmap"),
    "reader": (Reader, VECTORS, "loop"),
}
"""Name -> how it is made, for which task, and the way that it must take."""
WAYS = [
    (name, way)
    for name, (_, _, best) in CASES.items()
    for way in ("packed", "vmap", "loop")[("packed", "vmap", "loop").index(best) :]
]
"""Every case with every way that is right for it."""
NORMALISED = [(name, way) for name, way in WAYS if name in ("residual", "flat", "tied", "scaled")]
