"""Training on the support set alone: the baseline that shows what meta-training is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, MinLen
from torch import Tensor, nn
from torch.func import functional_call

from metabench.algorithms.inner_loop import Weights, chunks, per_task, query_scores
from metabench.algorithms.method import BatchNormMode, Method, State, task_losses
from metabench.models.layers import normalising
from metabench.tasks.episodes import Task


class Scratch(Method):
    """No meta-training: a fresh network trained on the support set, its rate and number of steps chosen on validation episodes."""

    kinds = frozenset({"classification", "regression"})
    trains = False
    chooses_step = True

    @dataclass(frozen=True)
    class Settings:
        """`rates` and `steps`: what the rate of `optimizer` and the number of steps are chosen from, on validation episodes."""

        rates: Annotated[tuple[Annotated[float, Gt(0)], ...], MinLen(1)] = (0.001, 0.003, 0.01, 0.03)
        steps: Annotated[tuple[Annotated[int, Ge(0)], ...], MinLen(1)] = (0, 1, 2, 5, 10, 20, 50)
        optimizer: Literal["adam", "sgd"] = "adam"
        test_batch_norm: BatchNormMode = "query"

    settings: Settings

    @property
    def curve(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.settings.steps)))

    def candidates(self) -> Sequence[Method]:
        return [type(self)(dataclasses.replace(self.settings, rates=(rate,))) for rate in self.settings.rates]

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model)

    def predict(self, state: State, support_x: Tensor, support_y: Tensor, query_x: Tensor, batch_norm: BatchNormMode | None) -> Tensor:
        (rate,) = self.settings.rates
        episodes = []
        for part in chunks(support_x):
            x, y = support_x[part], support_y[part]
            weights = {name: w.detach().clone().requires_grad_() for name, w in per_task(state.model, x.shape[0]).items()}
            optimizer = (torch.optim.Adam if self.settings.optimizer == "adam" else torch.optim.SGD)(weights.values(), lr=rate)
            points, done = [], 0
            for steps in self.curve:
                self._train(state.model, weights, x, y, optimizer, steps - done, batch_norm)
                points.append(query_scores(state.model, weights, x, query_x[part], batch_norm))
                done = steps
            episodes.append(torch.stack(points, 1))
        return torch.cat(episodes)

    @staticmethod
    def _train(
        model: nn.Module, weights: Weights, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer, steps: int, batch_norm: BatchNormMode | None
    ) -> None:
        """Train T networks at once: both optimisers act element by element, so tasks do not meet."""
        for _ in range(steps):
            with normalising(model, "running" if batch_norm == "running" else "batch"):
                loss = task_losses(functional_call(model, weights, (x,)), y).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def adapted_weights(self, state: State) -> int:
        return sum(p.numel() for p in state.model.parameters())
