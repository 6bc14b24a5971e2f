"""The nearest neighbour in pixels: what can be told apart without learning anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.methods.method import Method, State
from metabench.tasks.episodes import Task


class NearestNeighbour(Method):
    """The class of the closest support image, by squared Euclidean distance between pixels. No
    network takes part."""

    kinds = frozenset({"classification"})
    trains = False
    has_network = False
    fixed_ways = False

    @dataclass(frozen=True)
    class Settings:
        """Nothing is normalised: `running` says that no query sees another."""

        test_batch_norm: Literal["running"] = "running"

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model)

    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        """Negative squared distances to the closest support image of each class, ``[E, 1, N*Q,
        N]``."""
        # the sum of squared differences, so that an image is at distance 0 of itself
        exact = "donot_use_mm_for_euclid_dist"
        distances = torch.cdist(
            query_x.flatten(2), support_x.flatten(2), compute_mode=exact
        ).square()
        stranger = F.one_hot(support_y).logical_not().unsqueeze(1)
        return -distances.unsqueeze(-1).masked_fill(stranger, torch.inf).amin(2).unsqueeze(1)
