"""What an episode is: the one shape of data that passes between datasets and methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from torch import Tensor

Want = Literal["episodes", "examples", "unlabelled", "views", "privileged"]
"""What a method may want of a dataset, and a dataset offer: episodes; single labelled examples, or
images without labels; augmented views of these; inputs that say what defines the task."""

Draw = dict[str, np.ndarray]
"""Episodes drawn but not gathered: named arrays whose first axis is the episode (image indices, or
amplitudes and phases)."""


@dataclass(frozen=True)
class EpisodeShape:
    """How large an episode is. `ways` is None for regression, where `shots` and `query_shots` count
    points."""

    ways: int | None
    shots: int
    query_shots: int


@dataclass(frozen=True)
class Task:
    """What a network and a method must know of a dataset before they see any of it.

    Attributes
    ----------
    kind
        ``"classification"`` or ``"regression"``.
    input_shape
        Shape of one input without the batch axis: ``(channels, height, width)`` or ``(features,)``.
    outputs
        Number of scores per query: the ways of an episode, or the dimensions of the regressed
        value.
    """

    kind: str
    input_shape: tuple[int, ...]
    outputs: int


@dataclass(frozen=True)
class Episodes:
    """A batch of E episodes of one shape, on one device.

    Attributes
    ----------
    support_x
        ``[E, N*K, ...]`` float32. Classification: class-major order (all shots of class 0, then of
        class 1, ...).
    support_y
        ``[E, N*K]`` int64 labels 0 ... N-1, or ``[E, K, 1]`` float32 for regression.
    query_x
        ``[E, N*Q, ...]`` float32, in an order that carries no information about the class.
    query_y
        As `support_y`.

    Which class is called 0 is drawn anew for each episode: before adaptation accuracy is chance.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor

    def __len__(self) -> int:
        return self.support_x.shape[0]

    def __getitem__(self, part: slice) -> Episodes:
        """Some of them."""
        return Episodes(
            self.support_x[part], self.support_y[part], self.query_x[part], self.query_y[part]
        )


@dataclass(frozen=True)
class Examples:
    """A batch of B training examples of no episode in particular, for methods that train as anybody
    trains a network.

    Attributes
    ----------
    x
        ``[B, ...]`` float32; ``[V, B, ...]`` where V views of each were asked for.
    y
        ``[B]`` int64 numbers of classes of the training split, or ``[B, 1]`` float32 values.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return self.y.shape[0]


@dataclass(frozen=True)
class Unlabelled:
    """A batch of B training images of which nothing is known.

    Attributes
    ----------
    x
        ``[B, ...]`` float32; ``[V, B, ...]`` where V views of each were asked for.
    views
        V.
    """

    x: Tensor
    views: int = 1

    def __len__(self) -> int:
        return self.x.shape[0 if self.views == 1 else 1]
