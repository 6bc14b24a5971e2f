"""The four-block convolutional network that most of the few-shot literature shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le
from torch import Tensor, nn

from metabench.models.layers import BatchNorm2d, Conv2d, Linear, pack_tasks, unpack_tasks
from metabench.tasks.episodes import Task

BLOCKS = 4


class Conv4(nn.Module):
    """Four blocks of 3x3 convolution, batch normalisation and ReLU, then a linear head (Vinyals et
    al. 2016; Finn et al. 2017)."""

    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"classification"})

    @dataclass(frozen=True)
    class Settings:
        """`pooling`: each block halves the image by ``max`` pooling (Vinyals, Snell) or by
        convolving with ``stride`` 2 (Finn's Omniglot network)."""

        filters: Annotated[int, Ge(1), Le(4_096)] = 64
        pooling: Literal["max", "stride"] = "max"

    def __init__(self, settings: Settings, task: Task) -> None:
        super().__init__()
        channels, height, width = task.input_shape
        self.body = Body(channels, settings.filters, settings.pooling)
        for _ in range(BLOCKS):
            height, width = (
                (height // 2, width // 2)
                if settings.pooling == "max"
                else ((height + 1) // 2, (width + 1) // 2)
            )
        if min(height, width) < 1:
            raise ValueError(
                "conv4 with pooling = 'max' needs images of at least 16x16, not "
                f"{task.input_shape[1]}x{task.input_shape[2]}"
            )
        self.head = Linear(settings.filters * height * width, task.outputs)

    @classmethod
    def has_batch_norm(cls, settings: Settings) -> bool:
        """Whether any layer normalises by batch statistics."""
        return True

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, outputs]``; with a task axis ``[T, B, C, H, W]`` -> ``[T, B,
        outputs]``."""
        scores: Tensor = self.head(self.body(x))
        return scores


class Body(nn.Module):
    """The convolutional part: images to flat features."""

    def __init__(self, channels: int, filters: int, pooling: Literal["max", "stride"]) -> None:
        super().__init__()
        stride, pool = (1, True) if pooling == "max" else (2, False)
        self.blocks = nn.Sequential()
        for i in range(BLOCKS):
            self.blocks.append(Conv2d(channels if i == 0 else filters, filters, stride))
            self.blocks.append(BatchNorm2d(filters, pool))

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, features]``; with a task axis ``[T, B, C, H, W]`` -> ``[T, B,
        features]``."""
        tasks = x.shape[0] if x.dim() == 5 else None
        return unpack_tasks(self.blocks(pack_tasks(x)), tasks)
