"""The core of the methods that train outside of episodes: one network, one loss over a batch of
examples, as anybody trains a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from metabench.methods.method import (
    Method,
    Moment,
    Source,
    State,
    StepResult,
    adam,
    batch_score,
    outer_step,
    task_losses,
)
from metabench.models.layers import normalising
from metabench.tasks.episodes import Examples, Task


class SupervisedMethod(Method):
    """A method that trains one network on examples of all training tasks together, with Adam at
    `outer_lr`. A subclass says what comes of it in test.

    Batches are normalised by their own statistics, and running ones are kept. One gradient is taken
    an iteration, however many tasks' worth of examples it is made of. The training score is that
    over all training classes.
    """

    wants = frozenset({"examples"})
    fixed_ways = False

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model, adam(model.parameters(), self.settings.outer_lr))

    def batches(self, source: Source) -> Callable[[int], Examples]:
        return source.examples()

    def step(self, state: State, batch: Examples, moment: Moment) -> StepResult:
        with normalising(state.model, "batch", track=True):
            scores = state.model(batch.x)
        loss = task_losses(scores.unsqueeze(0), batch.y.unsqueeze(0)).mean()
        loss.backward()
        outer_step(state, self.settings.outer_lr * moment.rate)
        return StepResult(loss.detach(), batch_score(scores.detach(), batch.y))
