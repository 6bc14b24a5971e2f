"""A model of one's own, in plain torch.nn: a small residual network."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Ge
from torch import Tensor, nn

from metabench.plugins import Task


class Block(nn.Module):
    """Two convolutions around which the input passes too (after He et al. 2016)."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.short = nn.Conv2d(channels_in, channels_out, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.short(x))


class SmallResidual(nn.Module):
    """Three residual blocks, then the mean over all pixels."""

    version = 1  # raise it whenever the same settings come to mean other numbers
    kinds = frozenset({"classification"})

    @dataclass(frozen=True)
    class Settings:
        """`width`: channels of the first block; each block has twice those of the one before."""

        width: Annotated[int, Ge(1)] = 16

    def __init__(self, settings: Settings, task: Task) -> None:
        super().__init__()
        channels, width = task.input_shape[0], settings.width
        self.block1 = Block(channels, width)
        self.block2 = Block(width, 2 * width)
        self.block3 = Block(2 * width, 4 * width)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Images ``[B, C, H, W]`` to features ``[B, F]``. The method puts a head on them."""
        return self.dropout(self.block3(self.block2(self.block1(x))).mean((2, 3)))
