"""Model-agnostic meta-learning."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from metabench.methods import inner_loop
from metabench.methods.method import (
    BatchNormMode,
    Method,
    State,
    StepResult,
    TrainBatchNormMode,
    adam,
    outer_step,
)
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Episodes, Task


class MAML(Method):
    """Model-agnostic meta-learning, second order (Finn, Abbeel & Levine 2017)."""

    kinds = frozenset({"classification", "regression"})
    adapts = True
    second_order: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `maml` or `fomaml`.

        inner_lr : rate of adaptation, for the mean loss over a support set. inner_steps : steps of
        adaptation in training. test_steps : steps after which the test score is taken;
        `inner_steps` when not said. curve : step counts of the adaptation curve; every one up to
        `test_steps` when not said. outer_lr : rate of the outer Adam. clip : bound on each element
        of the meta-gradient. engine : ``higher`` is the slow second opinion.
        """

        inner_lr: Rate = 0.01
        inner_steps: Annotated[int, Ge(1), Le(10_000)] = 1
        test_steps: Annotated[int, Ge(0), Le(10_000)] | None = None
        curve: tuple[Annotated[int, Ge(0), Le(10_000)], ...] = ()
        outer_lr: Rate = 1e-3
        clip: Rate | None = None
        train_batch_norm: TrainBatchNormMode = "query"
        test_batch_norm: BatchNormMode = "query"
        engine: Literal["functional", "higher"] = "functional"

    settings: Settings

    @property
    def test_steps(self) -> int:
        return (
            self.settings.inner_steps
            if self.settings.test_steps is None
            else self.settings.test_steps
        )

    @property
    def curve(self) -> tuple[int, ...]:
        return tuple(
            sorted({*(self.settings.curve or range(self.test_steps + 1)), self.test_steps})
        )

    @property
    def gradients_per_task(self) -> int:
        return self.settings.inner_steps * (2 if self.second_order else 1) + 1

    def candidates(self) -> Sequence[Method]:
        """Nothing to choose; and validation needs one point of the curve alone."""
        return (type(self)(dataclasses.replace(self.settings, curve=(self.test_steps,))),)

    def at_steps(self, steps: int) -> Method:
        return type(self)(dataclasses.replace(self.settings, test_steps=steps))

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model, adam(model.parameters(), self.settings.outer_lr))

    def step(self, state: State, batch: Episodes) -> StepResult:
        meta_gradient = inner_loop.meta_gradient
        # imported only where it is wanted: it is a second opinion, not a need
        if self.settings.engine == "higher":
            from metabench.methods.higher_engine import meta_gradient
        meta = meta_gradient(
            state.model,
            batch,
            steps=self.settings.inner_steps,
            lr=self.settings.inner_lr,
            second_order=self.second_order,
            batch_norm=self.settings.train_batch_norm,
            track=True,
        )
        clip = self.settings.clip
        for name, parameter in state.model.named_parameters():
            gradient = meta.gradient[name]
            parameter.grad = gradient if clip is None else gradient.clamp(-clip, clip)
        outer_step(state, self.settings.outer_lr)
        return StepResult(meta.loss, meta.score)

    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        return inner_loop.predict_along(
            state.model,
            support_x,
            support_y,
            query_x,
            curve=self.curve,
            lr=self.settings.inner_lr,
            batch_norm=batch_norm,
        )

    def adapted_weights(self, state: State, ways: int | None) -> int:
        return sum(p.numel() for p in state.model.parameters())
