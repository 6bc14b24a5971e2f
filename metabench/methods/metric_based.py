"""The pure core of the metric-based methods: embed support and queries, compare."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.methods.inner_loop import query_outputs
from metabench.methods.method import (
    BatchNormMode,
    Method,
    State,
    StepResult,
    TrainBatchNormMode,
    adam,
    batch_score,
    outer_step,
    task_losses,
)
from metabench.models.layers import normalising
from metabench.models.model import Model
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Episodes, Task


class MetricMethod(Method):
    """A method that scores a query by comparing its embedding with those of the support set. A
    subclass says how: `compare`.

    Under running statistics an embedding depends on nothing but its image, so evaluation embeds
    each test image once (`embed`).
    """

    kinds = frozenset({"classification"})
    fixed_ways = False

    @dataclass(frozen=True)
    class Settings:
        """`outer_lr`: rate of Adam. The published networks train with support and queries
        normalised together and test in evaluation mode."""

        outer_lr: Rate = 1e-3
        train_batch_norm: TrainBatchNormMode = "joint"
        test_batch_norm: BatchNormMode = "running"

    settings: Settings

    @abstractmethod
    def compare(self, support_z: Tensor, support_y: Tensor, query_z: Tensor) -> Tensor:
        """Scores ``[E, N*Q, N]`` from embeddings ``[E, N*K, F]`` with labels ``[E, N*K]``, and
        ``[E, N*Q, F]``."""

    def network(self, model: Model, task: Task) -> nn.Module:
        """The model as it is: embeddings are its features."""
        return model

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model, adam(model.parameters(), self.settings.outer_lr))

    def step(self, state: State, batch: Episodes) -> StepResult:
        losses, scores = [], []
        for i in range(len(batch)):  # each episode is normalised by itself
            support_x, support_y, query_x, query_y = (
                t[i : i + 1]
                for t in (batch.support_x, batch.support_y, batch.query_x, batch.query_y)
            )
            support_z, query_z = _embed_episode(
                state, support_x, query_x, self.settings.train_batch_norm, track=True
            )
            outputs = self.compare(support_z, support_y, query_z)
            loss = task_losses(outputs, query_y).mean()
            (loss / len(batch)).backward()
            losses.append(loss.detach())
            scores.append(outputs.detach())
        outer_step(state, self.settings.outer_lr)
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
        scores = []
        for s, y, q in zip(support_x.split(1), support_y.split(1), query_x.split(1), strict=True):
            support_z, query_z = _embed_episode(state, s, q, batch_norm, track=False)
            scores.append(self.compare(support_z, y, query_z))
        return torch.cat(scores).unsqueeze(1)

    @torch.no_grad()
    def embed(self, state: State, x: Tensor) -> Tensor:
        """Features ``[B, F]`` of images ``[B, C, H, W]`` under running statistics."""
        with normalising(state.model, "running"):
            features: Tensor = state.model(x)
        return features


def _embed_episode(
    state: State,
    support_x: Tensor,
    query_x: Tensor,
    batch_norm: BatchNormMode | None,
    *,
    track: bool,
) -> tuple[Tensor, Tensor]:
    """Embed one episode (a task axis of 1). Except under ``joint`` and ``running``, the support set
    is normalised by its own statistics."""
    weights = {name: p.unsqueeze(0) for name, p in state.model.named_parameters()}
    if batch_norm == "joint":
        with normalising(state.model, "batch", track=track):
            both = functional_call(state.model, weights, (torch.cat((support_x, query_x), 1),))
        return both[:, : support_x.shape[1]], both[:, support_x.shape[1] :]
    with normalising(state.model, "running" if batch_norm == "running" else "batch"):
        support_z = functional_call(state.model, weights, (support_x,))
    return support_z, query_outputs(
        state.model, weights, support_x, query_x, batch_norm, track=track
    )
