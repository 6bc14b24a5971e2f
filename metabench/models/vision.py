"""The networks of torchvision, untrained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torchvision
from torch import Tensor, nn

from metabench.tasks.episodes import Task

Name = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "wide_resnet50_2",
    "resnext50_32x4d",
    "densenet121",
    "vgg11_bn",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "shufflenet_v2_x1_0",
    "convnext_tiny",
]


class Torchvision(nn.Module):
    """A network of torchvision without its weights and its last layer.

    They were made for images of 224x224 and shrink them 32 times: of 28x28 pixels a single one is
    left in the end, of 84x84 three by three. Where images do not have three channels, the first
    convolution is made anew for as many.
    """

    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"classification"})

    @dataclass(frozen=True)
    class Settings:
        """`name`: what `torchvision.models.get_model` calls the network."""

        name: Name = "resnet18"

    def __init__(self, settings: Settings, task: Task) -> None:
        super().__init__()
        network = torchvision.models.get_model(settings.name, weights=None)
        layers = list(network.named_modules())
        *_, last = (name for name, layer in layers if isinstance(layer, nn.Linear))
        network.set_submodule(last, nn.Identity())
        if (channels := task.input_shape[0]) != 3:
            name, first = next(item for item in layers if isinstance(item[1], nn.Conv2d))
            network.set_submodule(name, _with_channels(first, channels))
        self.network = network

    @property
    def stages(self) -> dict[str, nn.Module]:
        """The children of the network; of its `features`, where it has such."""
        features = getattr(self.network, "features", self.network)
        return dict(features.named_children())

    def forward(self, x: Tensor) -> Tensor:
        """``[B, C, H, W]`` -> ``[B, features]``."""
        features: Tensor = self.network(x)
        return features


def _with_channels(layer: nn.Conv2d, channels: int) -> nn.Conv2d:
    """The same convolution, of other inputs, with new weights."""
    return nn.Conv2d(
        channels,
        layer.out_channels,
        layer.kernel_size,  # type: ignore[arg-type]
        layer.stride,  # type: ignore[arg-type]
        layer.padding,  # type: ignore[arg-type]
        bias=layer.bias is not None,
    )
