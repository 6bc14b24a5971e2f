"""What a method predicts for episodes of test or validation, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.cells import BatchNormMode
from metabench.datasets.images import ImageDataset
from metabench.experiment.returned.methods import checked_embeddings, checked_scores
from metabench.experiment.streams import EpisodeStream
from metabench.methods.method import Method, State
from metabench.metrics import Metric, named_metric

EPISODES_AT_ONCE = 32
EMBEDDED_EPISODES_AT_ONCE = 512
IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class EvaluationSet:
    """Episodes that a method is scored on, and how.

    Attributes
    ----------
    stream, episodes
        The first so many of a stream.
    batch_norm
        Whose statistics normalise the queries; None for a model without.
    metric
        Name of what they are scored by; None for the dataset's own.
    """

    stream: EpisodeStream
    episodes: int
    batch_norm: BatchNormMode | None
    device: torch.device
    metric: str | None = None

    @property
    def scored_by(self) -> Metric:
        """The metric itself."""
        return named_metric(self.metric or self.stream.dataset.metric)


def predict_episodes(
    method: Method, state: State, on: EvaluationSet
) -> Iterator[tuple[Tensor, Tensor]]:
    """Scores ``[e, P, N*Q, C]`` and truths of a few episodes at a time."""
    stream, device = on.stream, on.device
    if (
        method.embeds_images_alone
        and isinstance(stream.dataset, ImageDataset)
        and on.batch_norm in ("running", None)
    ):
        yield from _compare_embedded(method, state, on, stream.dataset)
        return
    for start in range(0, on.episodes, EPISODES_AT_ONCE):
        batch = stream.episodes(start, min(EPISODES_AT_ONCE, on.episodes - start), device)
        predicted = method.predict(
            state, batch.support_x, batch.support_y, batch.query_x, on.batch_norm
        )
        outputs = stream.shape.ways or batch.query_y.shape[-1]
        wanted = (len(batch), len(method.curve), batch.query_y.shape[1], outputs)
        scores = checked_scores(method, "predict", predicted, wanted, batch.query_y.device)
        yield scores, batch.query_y


@torch.no_grad()
def _compare_embedded(
    method: Method, state: State, on: EvaluationSet, dataset: ImageDataset
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same for embeddings that depend on the image alone: each image that is met is embedded
    once."""
    device = on.device
    draws = [
        on.stream.draw(start, min(EMBEDDED_EPISODES_AT_ONCE, on.episodes - start))
        for start in range(0, on.episodes, EMBEDDED_EPISODES_AT_ONCE)
    ]
    met = np.unique(
        np.concatenate([draw[part].ravel() for draw in draws for part in ("support", "query")])
    )
    embedded = torch.cat(
        [
            checked_embeddings(method, method.embed(state, dataset.images(part, device)), len(part))
            for part in _portions(met, IMAGES_AT_ONCE)
        ]
    )
    for draw in draws:
        support, query = (
            torch.from_numpy(np.searchsorted(met, draw[part])).to(device)
            for part in ("support", "query")
        )
        ways = draw["classes"].shape[1]
        support_y = (
            torch.arange(ways, device=device)
            .repeat_interleave(support.shape[1] // ways)
            .repeat(len(support), 1)
        )
        query_y = torch.from_numpy(draw["query_y"]).to(device)
        scores = method.compare(state, embedded[support], support_y, embedded[query])
        wanted = (*query_y.shape, ways)
        scores = checked_scores(method, "compare", scores, wanted, query_y.device)
        yield scores.unsqueeze(1), query_y


def _portions(indices: NDArray[np.int64], size: int) -> Sequence[NDArray[np.int64]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]
