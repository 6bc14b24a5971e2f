"""What a method is handed as a model, and the network that it makes of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn

from metabench.models.layers import Linear
from metabench.tasks.episodes import Task


class Model(nn.Module):
    """Inputs to features, of one network or of T at once.

    A class that derives from this one promises to serve a task axis by itself: wherever inputs are
    ``[T, B, ...]``, every weight carries a leading axis of T. A module that promises nothing is
    made to serve one by `foreign.as_model`.

    Attributes
    ----------
    width
        Number of features.
    """

    width: int

    @abstractmethod
    def features(self, x: Tensor) -> Tensor:
        """Flat features ``[B, F]`` of inputs ``[B, ...]``; ``[T, B, F]`` of ``[T, B, ...]``."""

    def feature_maps(self, x: Tensor) -> Tensor:
        """The last maps before features are flat, ``[B, C, H, W]``, or ``[T, B, C, H, W]``.

        Raises
        ------
        TypeError
            There are none.
        """
        raise TypeError(f"{type(self).__name__} has no feature maps")

    @property
    def stages(self) -> Mapping[str, nn.Module]:
        """The parts that inputs pass through, in their order: what is frozen, tuned or looked at
        by itself."""
        return dict(self.named_children())

    def initialise(self, network: nn.Module) -> None:
        """Draw the initial weights of a whole network with this model in it, where they are not to
        be those that its layers drew. Called last, once the network has its head."""

    def forward(self, x: Tensor) -> Tensor:
        """The features."""
        return self.features(x)


class Network(nn.Module):
    """A model, the `body`, and a `head` that makes scores of its features: by default one linear
    layer with one output a class, or a dimension of the value."""

    def __init__(self, body: Model, task: Task, head: nn.Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.head = Linear(body.width, task.outputs) if head is None else head

    def forward(self, x: Tensor) -> Tensor:
        """``[B, ...]`` -> ``[B, outputs]``; with a task axis ``[T, B, ...]`` -> ``[T, B,
        outputs]``."""
        scores: Tensor = self.head(self.body(x))
        return scores


class FeatureMaps(nn.Module):
    """A model, the `body`, of which the last maps are wanted and not the flat features."""

    def __init__(self, body: Model) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Tensor:
        """``[B, ...]`` -> ``[B, C, H, W]``; with a task axis ``[T, B, ...]`` -> ``[T, B, C, H,
        W]``."""
        return self.body.feature_maps(x)
