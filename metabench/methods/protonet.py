"""Prototypical networks."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from metabench.methods.metric_based import MetricMethod, MetricState


class PrototypicalNetworks(MetricMethod):
    """The nearest class mean by squared Euclidean distance (Snell, Swersky & Zemel 2017,
    "Prototypical networks for few-shot learning", https://arxiv.org/abs/1703.05175)."""

    def compare(
        self, state: MetricState, support_z: Tensor, support_y: Tensor, query_z: Tensor
    ) -> Tensor:
        """Negative squared distances to the prototypes (equations 1 and 2), up to a term that is
        the same for every class."""
        member = F.one_hot(support_y).to(support_z.dtype)
        prototypes = member.mT @ support_z / member.sum(1).unsqueeze(-1)
        return 2 * query_z @ prototypes.mT - prototypes.square().sum(-1).unsqueeze(1)
