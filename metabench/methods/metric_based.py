"""The pure core of the metric-based methods: embed support and queries, compare."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.cells import BatchNormMode, TrainBatchNormMode
from metabench.methods.method import (
    Method,
    Moment,
    State,
    StepResult,
    adam,
    batch_score,
    outer_step,
    task_losses,
)
from metabench.methods.outputs import query_outputs, support_outputs
from metabench.models.layers import normalising
from metabench.models.model import Model
from metabench.registry.promises import broken, seen
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Episodes, Task


class MetricState(State):
    """As any, with what is learned of comparing: a network of relations, of contexts, or nothing.

    Attributes
    ----------
    model
        Embeds an image as whatever the comparison takes: a vector, or feature maps.
    comparison
        The learned part of `compare`.
    """

    def __init__(self, model: nn.Module, comparison: nn.Module, lr: float) -> None:
        super().__init__(model)
        self.comparison = comparison
        self.optimizer = adam(self.parameters(), lr)


class MetricMethod(Method):
    """A method that scores a query by comparing its embedding with those of the support set. A
    subclass says how: `compare`; where that learns too, `comparison` and `losses`.

    Under running statistics an embedding depends on nothing but its image, so evaluation embeds
    each test image once (`embed`). A subclass of which that is not true says
    `embeds_images_alone = False`.
    """

    kinds = frozenset({"classification"})
    fixed_ways = False
    embeds_images_alone = True

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is metric-based. The published networks train with
        support and queries normalised together and test in evaluation mode.

        Attributes
        ----------
        outer_lr
            Rate of Adam.
        """

        outer_lr: Rate = 1e-3
        train_batch_norm: TrainBatchNormMode = "joint"
        test_batch_norm: BatchNormMode = "running"

    settings: Settings

    @abstractmethod
    def compare(
        self, state: MetricState, support_z: Tensor, support_y: Tensor, query_z: Tensor
    ) -> Tensor:
        """Scores ``[E, N*Q, N]`` from embeddings ``[E, N*K, F]`` with labels ``[E, N*K]``, and
        ``[E, N*Q, F]``; in place of F, whatever the network gives."""

    def network(self, model: Model, task: Task) -> nn.Module:
        """The model as it is: embeddings are its features."""
        return model

    def comparison(self, body: nn.Module, task: Task) -> nn.Module:
        """Return what `compare` learns, with its initial weights; nothing by default. See
        `embedding_shape`."""
        return nn.Identity()

    def losses(self, scores: Tensor, y: Tensor) -> Tensor:
        """Losses ``[E]`` of training, from scores ``[E, N*Q, N]`` and labels ``[E, N*Q]``:
        cross-entropy by default."""
        return task_losses(scores, y)

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> MetricState:
        return MetricState(model, self.comparison(model, task), self.settings.outer_lr)

    def step(self, state: State, batch: Episodes, moment: Moment) -> StepResult:
        assert isinstance(state, MetricState), "init gave another State than a MetricState"
        losses, scores = [], []
        for i in range(len(batch)):  # each episode is normalised by itself
            episode = batch[i : i + 1]
            support_z, query_z = _embed_episode(
                state.model,
                episode.support_x,
                episode.query_x,
                self.settings.train_batch_norm,
                track=True,
            )
            outputs = self.compare(state, support_z, episode.support_y, query_z)
            if moment.iteration == 0:  # once is enough: on a GPU, looking at labels means waiting
                _refuse_other(self, outputs, episode)
            loss = self.losses(outputs, episode.query_y).mean()
            (loss / len(batch)).backward()
            losses.append(loss.detach())
            scores.append(outputs.detach())
        outer_step(state, self.settings.outer_lr * moment.rate)
        return StepResult(torch.stack(losses).mean(), batch_score(torch.cat(scores), batch.query_y))

    @torch.no_grad()
    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        assert isinstance(state, MetricState), "init gave another State than a MetricState"
        scores = []
        for s, y, q in zip(support_x.split(1), support_y.split(1), query_x.split(1), strict=True):
            support_z, query_z = _embed_episode(state.model, s, q, batch_norm, track=False)
            scores.append(self.compare(state, support_z, y, query_z))
        return torch.cat(scores).unsqueeze(1)

    @torch.no_grad()
    def embed(self, state: State, x: Tensor) -> Tensor:
        """Embeddings ``[B, F]`` of images ``[B, C, H, W]`` under running statistics."""
        with normalising(state.model, "running"):
            features: Tensor = state.model(x)
        return features


@torch.no_grad()
def embedding_shape(body: nn.Module, task: Task) -> torch.Size:
    """Shape of the embedding of one image: ``(features,)``, or ``(channels, height, width)``."""
    like = next(body.parameters(), torch.zeros(()))
    with normalising(body, "running"):
        embedding: Tensor = body(like.new_zeros(1, *task.input_shape))
    return embedding.shape[1:]


def _refuse_other(method: MetricMethod, scores: Tensor, episode: Episodes) -> None:
    """Refuse what is not a score for each query and class: torch would blame nobody, or take it."""
    wanted = (*episode.query_y.shape, int(episode.support_y.max()) + 1)
    if not isinstance(scores, Tensor) or scores.shape != wanted or not scores.is_floating_point():
        why = f"gave {seen(scores)}; expected real numbers of shape {list(wanted)}"
        raise broken(method, "compare", why)


def _embed_episode(
    body: nn.Module,
    support_x: Tensor,
    query_x: Tensor,
    batch_norm: BatchNormMode | None,
    *,
    track: bool,
) -> tuple[Tensor, Tensor]:
    """Embed one episode (a task axis of 1). Except under ``joint`` and ``running``, the support set
    is normalised by its own statistics."""
    weights = {name: p.unsqueeze(0) for name, p in body.named_parameters()}
    if batch_norm == "joint":
        with normalising(body, "batch", track=track):
            both = functional_call(body, weights, (torch.cat((support_x, query_x), 1),))
        return both[:, : support_x.shape[1]], both[:, support_x.shape[1] :]
    support_z = support_outputs(body, weights, support_x, batch_norm)
    return support_z, query_outputs(body, weights, support_x, query_x, batch_norm, track=track)
