"""The core of the methods that train outside of episodes: one network, one loss over a batch of
examples, as anybody trains a network."""

from __future__ import annotations

import torch
from torch import nn

from metabench.methods.method import (
    Method,
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

    trains_on = "examples"
    fixed_ways = False

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model, adam(model.parameters(), self.settings.outer_lr))

    def step(self, state: State, batch: Examples) -> StepResult:
        with normalising(state.model, "batch", track=True):
            scores = state.model(batch.x)
        loss = task_losses(scores.unsqueeze(0), batch.y.unsqueeze(0)).mean()
        loss.backward()
        outer_step(state, self.settings.outer_lr)
        return StepResult(loss.detach(), batch_score(scores.detach(), batch.y))
