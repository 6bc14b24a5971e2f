"""A multilayer perceptron, the network of Finn et al. (2017) for sinusoid regression."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from torch import Tensor, nn

from metabench.models.layers import Linear
from metabench.models.model import Model
from metabench.tasks.episodes import Task


class MLP(Model):
    """Fully connected network with ReLU and no normalisation, after Finn et al. 2017
    (1-40-40-1)."""

    version: ClassVar[int] = 1
    kinds: ClassVar[frozenset[str]] = frozenset({"regression"})

    @dataclass(frozen=True)
    class Settings:
        """`init`: ``truncated_normal`` (standard deviation 0.01, zero biases; the authors' code) or
        ``default`` (PyTorch's)."""

        hidden: Annotated[tuple[Annotated[int, Ge(1), Le(65_536)], ...], MinLen(1), MaxLen(100)] = (
            40,
            40,
        )
        init: Literal["truncated_normal", "default"] = "truncated_normal"

    def __init__(self, settings: Settings, task: Task) -> None:
        super().__init__()
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        width = task.input_shape[0]
        for i, hidden in enumerate(settings.hidden):
            layers[f"linear{i}"] = Linear(width, hidden)
            layers[f"relu{i}"] = nn.ReLU()
            width = hidden
        self.layers = nn.Sequential(layers)
        self.width = width
        self._init = settings.init

    @classmethod
    def has_batch_norm(cls, settings: Settings) -> bool:
        """Whether any layer normalises by batch statistics."""
        return False

    @property
    def stages(self) -> Mapping[str, nn.Module]:
        return dict(self.layers.named_children())

    def features(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x)
        return features

    def initialise(self, network: nn.Module) -> None:
        if self._init == "truncated_normal":
            for name, parameter in network.named_parameters():
                if name.endswith("weight"):
                    nn.init.trunc_normal_(parameter, std=0.01, a=-0.02, b=0.02)
                else:
                    nn.init.zeros_(parameter)
