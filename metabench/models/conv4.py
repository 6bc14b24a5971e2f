"""The four-block convolutional network that most of the few-shot literature shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le
from torch import Tensor, nn

from metabench.models.layers import BatchNorm2d, Conv2d, pack_tasks, unpack_tasks
from metabench.models.model import Model
from metabench.tasks.episodes import Task

BLOCKS = 4


class Conv4(Model):
    """Four blocks of 3x3 convolution, batch normalisation and ReLU (Vinyals et al. 2016; Finn et
    al. 2017)."""

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
        filters, pool = settings.filters, settings.pooling == "max"
        self.blocks = nn.Sequential()
        for i in range(BLOCKS):
            height, width = (
                (height // 2, width // 2) if pool else ((height + 1) // 2, (width + 1) // 2)
            )
            # no bias: the batch normalisation that follows would cancel it
            self.blocks.append(
                Conv2d(
                    filters if i else channels,
                    filters,
                    3,
                    stride=1 if pool else 2,
                    padding=1,
                    bias=False,
                )
            )
            self.blocks.append(BatchNorm2d(filters, pool))
        if min(height, width) < 1:
            raise ValueError(
                "conv4 with pooling = 'max' needs images of at least 16x16, not "
                f"{task.input_shape[1]}x{task.input_shape[2]}"
            )
        self.width = filters * height * width

    @classmethod
    def has_batch_norm(cls, settings: Settings) -> bool:
        """Whether any layer normalises by batch statistics."""
        return True

    @property
    def stages(self) -> Mapping[str, nn.Module]:
        return {f"block{i + 1}": self.blocks[2 * i + 1] for i in range(BLOCKS)}

    def features(self, x: Tensor) -> Tensor:
        return unpack_tasks(self.blocks(pack_tasks(x)), _tasks(x))

    def feature_maps(self, x: Tensor) -> Tensor:
        maps: Tensor = self.blocks(pack_tasks(x))
        tasks = _tasks(x)
        return maps if tasks is None else maps.unflatten(1, (tasks, -1)).transpose(0, 1)


def _tasks(x: Tensor) -> int | None:
    return x.shape[0] if x.dim() == 5 else None
