"""Training on the support set alone: the baseline that shows what meta-training is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from metabench.methods.inner_loop import Weights, per_task, scores_along, train_along
from metabench.methods.method import BatchNormMode, Method, State
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Task


class Scratch(Method):
    """No meta-training: a fresh network trained on the support set, its rate and number of steps
    chosen on validation episodes."""

    kinds = frozenset({"classification", "regression"})
    adapts = True
    trains = False
    chooses_step = True

    @dataclass(frozen=True)
    class Settings:
        """`rates` and `steps`: what the rate of `optimizer` and the number of steps are chosen
        from, on validation episodes."""

        rates: Annotated[tuple[Rate, ...], MinLen(1)] = (0.001, 0.003, 0.01, 0.03)
        steps: Annotated[tuple[Annotated[int, Ge(0), Le(10_000)], ...], MinLen(1)] = (
            0,
            1,
            2,
            5,
            10,
            20,
            50,
        )
        optimizer: Literal["adam", "sgd"] = "adam"
        test_batch_norm: BatchNormMode = "query"

    settings: Settings

    @property
    def curve(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.settings.steps)))

    def candidates(self) -> Sequence[Method]:
        return [
            type(self)(dataclasses.replace(self.settings, rates=(rate,)))
            for rate in self.settings.rates
        ]

    def at_steps(self, steps: int) -> Method:
        return type(self)(dataclasses.replace(self.settings, steps=(steps,)))

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
        (rate,) = self.settings.rates

        def trained(x: Tensor, y: Tensor) -> Iterator[Weights]:
            start = per_task(state.model, len(x))
            return train_along(
                state.model,
                start,
                x,
                y,
                curve=self.curve,
                optimizer=self.settings.optimizer,
                lr=rate,
                batch_norm=batch_norm,
            )

        return scores_along(state.model, support_x, support_y, query_x, trained, batch_norm)

    def adapted_weights(self, state: State, ways: int | None) -> int:
        return sum(p.numel() for p in state.model.parameters())
