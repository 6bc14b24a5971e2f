"""A method of one's own: prototypes compared by cosine similarity, in place of Euclidean
distance."""

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from annotated_types import Gt
from torch import Tensor

from metabench.plugins import MetricMethod, MetricState


class CosinePrototypes(MetricMethod):
    """Class means compared by cosine similarity (after Gidaris & Komodakis 2018)."""

    version = 1  # raise it whenever the same settings come to mean other numbers

    @dataclass(frozen=True)
    class Settings(MetricMethod.Settings):
        """`scale`: what similarities, at most 1, are multiplied by before the softmax."""

        scale: Annotated[float, Gt(0)] = 10.0

    settings: Settings

    def compare(
        self, state: MetricState, support_z: Tensor, support_y: Tensor, query_z: Tensor
    ) -> Tensor:
        """Scores ``[E, N*Q, N]`` from embeddings ``[E, N*K, F]`` with labels ``[E, N*K]``, and
        ``[E, N*Q, F]``."""
        member = F.one_hot(support_y).to(support_z.dtype)
        prototypes = member.mT @ support_z  # the sum points where the mean points
        return (
            self.settings.scale * F.normalize(query_z, dim=-1) @ F.normalize(prototypes, dim=-1).mT
        )
