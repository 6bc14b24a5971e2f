"""Test and validation episodes to scores: every number that says how good a method is passes
through here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from metabench.cells import BatchNormMode
from metabench.datasets.images import ImageDataset
from metabench.experiment.returned import (
    checked_arrays,
    checked_candidates,
    checked_figure,
    checked_metric,
    checked_scores,
)
from metabench.experiment.scoring import Scores, Scoring
from metabench.experiment.sources import EpisodeStream
from metabench.methods.method import Method, State, task_losses
from metabench.metrics import named_metric
from metabench.registry.promises import broken
from metabench.tasks.episodes import Draw, Episodes

EPISODES_AT_ONCE = 32
EMBEDDED_EPISODES_AT_ONCE = 512
IMAGES_AT_ONCE = 64


@dataclass(frozen=True)
class Evaluation:
    """What a method made of E episodes.

    Attributes
    ----------
    scores, losses
        ``[E, P]`` float64, after each number of steps in the method's curve.
    truth, prediction
        ``[E, N*Q]`` labels (``[E, Q]`` values) at the step that counts.
    confidence
        ``[E, N*Q]`` float32, probability of the predicted class; None for regression.
    draw
        The episodes as drawn.
    figures
        What is kept for figures and to read the numbers by, by name.
    seconds
        Per episode, data included; without what `scoring` took.
    scoring
        Every metric at the step that counts, where it was asked for.
    """

    scores: NDArray[np.float64]
    losses: NDArray[np.float64]
    truth: NDArray[np.generic]
    prediction: NDArray[np.generic]
    confidence: NDArray[np.float32] | None
    draw: Draw
    seconds: float
    figures: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    scoring: Scoring = field(default_factory=Scoring)

    def finite(self, point: int) -> NDArray[np.bool_]:
        """Which episodes, ``[E]``, have a score and a loss that are numbers at this point of the
        curve."""
        return np.isfinite(self.scores[:, point]) & np.isfinite(self.losses[:, point])


@dataclass(frozen=True)
class Choice:
    """What validation settled: the method under the setting that did best, and the index in its
    curve of the step that counts.

    `score` and `loss` are the mean validation score and loss there.
    """

    method: Method
    point: int
    score: float
    loss: float


def evaluate(
    method: Method,
    state: State,
    stream: EpisodeStream,
    episodes: int,
    batch_norm: BatchNormMode | None,
    device: torch.device,
    *,
    point: int,
    metric: str | None = None,
    every_metric: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Score `method` on the first `episodes` of `stream`.

    Parameters
    ----------
    point
        Index in the method's curve of the step that counts, whose predictions are kept.
    metric
        Name of what `scores` are, after each number of steps; None for the dataset's own.
    every_metric
        Whether to score those by every metric for the kind of task.
    """
    started, scoring = time.perf_counter(), 0.0
    primary = named_metric(metric or stream.dataset.metric)
    further = Scores(stream.dataset.kind) if every_metric else None
    scores, losses, truths, predictions, confidences = [], [], [], [], []
    done = 0
    for predicted, query_y in _predictions(method, state, stream, episodes, batch_norm, device):
        per_episode = primary.per_episode(predicted, query_y)
        scores.append(checked_metric(stream.dataset, per_episode, predicted.shape[:2]).cpu())
        losses.append(
            torch.stack(
                [task_losses(predicted[:, p], query_y) for p in range(predicted.shape[1])], 1
            )
            .double()
            .cpu()
        )
        at_point = predicted[:, point]
        if query_y.is_floating_point():
            predictions.append(at_point.flatten(1).cpu())
            truths.append(query_y.flatten(1).cpu())
        else:
            label = at_point.argmax(-1, keepdim=True)
            predictions.append(label.squeeze(-1).to(torch.int32).cpu())
            confidences.append(at_point.softmax(-1).gather(-1, label).squeeze(-1).cpu())
            truths.append(query_y.to(torch.int32).cpu())
        if further is not None:
            before = time.perf_counter()
            further.add(at_point, query_y)
            scoring += time.perf_counter() - before
        done += len(query_y)
        progress(done)
    return Evaluation(
        scores=torch.cat(scores).numpy(),
        losses=torch.cat(losses).numpy(),
        truth=torch.cat(truths).numpy(),
        prediction=torch.cat(predictions).numpy(),
        confidence=torch.cat(confidences).numpy() if confidences else None,
        draw=stream.draw(0, episodes),
        seconds=(time.perf_counter() - started - scoring) / episodes,
        scoring=further.all() if further is not None else Scoring(),
    )


def figures_of(
    method: Method,
    state: State,
    stream: EpisodeStream,
    episodes: int,
    batch_norm: BatchNormMode | None,
    device: torch.device,
) -> dict[str, NDArray[np.generic]]:
    """Return what is kept of the test for the figures that the dataset and the method name, as
    ``FIGURE/PART``: predictions for a few of the episodes, after each number of steps."""
    kept: dict[str, NDArray[np.generic]] = {}
    for owner in (stream.dataset, method):
        figure = checked_figure(owner, owner.figure())
        if figure is None:
            continue
        wanted = checked_arrays(owner, "figure", figure.select(stream.draw(0, episodes)))
        shown = _shown(stream, wanted, device)
        outputs = stream.shape.ways or shown.query_y.shape[-1]
        expected = (len(shown), len(method.curve), shown.query_y.shape[1], outputs)
        predicted = method.predict(
            state, shown.support_x, shown.support_y, shown.query_x, batch_norm
        )
        checked_scores(method, "predict", predicted, expected, shown.query_y.device)
        arrays = checked_arrays(owner, "figure", figure.keep(shown, predicted))
        kept |= {f"{figure.name}/{part}": array for part, array in arrays.items()}
    return kept


def _shown(stream: EpisodeStream, draw: Draw, device: torch.device) -> Episodes:
    """The episodes of a figure; they may have more queries than those of the stream."""
    shown = stream.dataset.gather(draw, device)
    if not isinstance(shown, Episodes):
        raise broken(
            stream.dataset,
            "gather",
            f"gave an object of type {type(shown).__name__}; expected Episodes",
        )
    return shown


def choose(
    method: Method,
    state: State,
    stream: EpisodeStream,
    episodes: int,
    batch_norm: BatchNormMode | None,
    device: torch.device,
    metric: str | None = None,
) -> Choice:
    """Settle on validation episodes what a method leaves open: its setting among `candidates`, and
    the number of steps, by the metric of this name (None: the dataset's own). Ties go to the
    first."""
    sign = 1.0 if named_metric(metric or stream.dataset.metric).higher_is_better else -1.0
    best, best_value = None, -np.inf
    for candidate in checked_candidates(method):
        fixed = candidate.curve.index(candidate.test_steps)
        result = evaluate(
            candidate, state, stream, episodes, batch_norm, device, point=fixed, metric=metric
        )
        scores, losses = result.scores.mean(0), result.losses.mean(0)
        usable = np.where(np.isfinite(scores) & np.isfinite(losses), sign * scores, -np.inf)
        point = int(usable.argmax()) if candidate.chooses_step else fixed
        if best is None or usable[point] > best_value:
            best_value = usable[point]
            best = Choice(candidate, point, float(scores[point]), float(losses[point]))
    assert best is not None
    return best


def _predictions(
    method: Method,
    state: State,
    stream: EpisodeStream,
    episodes: int,
    batch_norm: BatchNormMode | None,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Scores ``[e, P, N*Q, C]`` and truths of a few episodes at a time."""
    if (
        method.embeds_images_alone
        and isinstance(stream.dataset, ImageDataset)
        and batch_norm in ("running", None)
    ):
        yield from _compare_embedded(method, state, stream, stream.dataset, episodes, device)
        return
    for start in range(0, episodes, EPISODES_AT_ONCE):
        batch = stream.episodes(start, min(EPISODES_AT_ONCE, episodes - start), device)
        predicted = method.predict(
            state, batch.support_x, batch.support_y, batch.query_x, batch_norm
        )
        wanted = (
            len(batch),
            len(method.curve),
            batch.query_y.shape[1],
            stream.shape.ways or batch.query_y.shape[-1],
        )
        yield (
            checked_scores(method, "predict", predicted, wanted, batch.query_y.device),
            batch.query_y,
        )


@torch.no_grad()
def _compare_embedded(
    method: Method,
    state: State,
    stream: EpisodeStream,
    dataset: ImageDataset,
    episodes: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The same for embeddings that depend on the image alone: each image that is met is embedded
    once."""
    draws = [
        stream.draw(start, min(EMBEDDED_EPISODES_AT_ONCE, episodes - start))
        for start in range(0, episodes, EMBEDDED_EPISODES_AT_ONCE)
    ]
    met = np.unique(
        np.concatenate([draw[part].ravel() for draw in draws for part in ("support", "query")])
    )
    embedded = torch.cat(
        [
            _embed(method, state, dataset.images(part, device))
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
        scores = method.compare(state, embedded[support], support_y, embedded[query])
        query_y = torch.from_numpy(draw["query_y"]).to(device)
        yield (
            checked_scores(
                method, "compare", scores, (*query_y.shape, ways), query_y.device
            ).unsqueeze(1),
            query_y,
        )


def _embed(method: Method, state: State, images: Tensor) -> Tensor:
    embedded = method.embed(state, images)
    if not isinstance(embedded, Tensor) or embedded.dim() < 2 or len(embedded) != len(images):
        given = (
            f"a tensor of shape {list(embedded.shape)}"
            if isinstance(embedded, Tensor)
            else f"an object of type {type(embedded).__name__}"
        )
        raise broken(
            method,
            "embed",
            f"gave {given} for {len(images)} images; expected a row of features for each",
        )
    return embedded


def _portions(indices: NDArray[np.int64], size: int) -> Sequence[NDArray[np.int64]]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]
