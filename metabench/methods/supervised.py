"""The core of the methods that train outside of episodes: one network, one loss over a batch of
examples, as anybody trains a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from metabench.methods.method import (
    Method,
    Moment,
    Source,
    State,
    StepResult,
    adam,
    alike,
    batch_score,
    outer_step,
    task_losses,
)
from metabench.models.layers import normalising
from metabench.tasks.episodes import Examples, Task

if TYPE_CHECKING:
    from metabench.methods.graphs import Graphs


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

    @property
    def compiles(self) -> bool:
        return True

    def step(self, state: State, batch: Examples, moment: Moment) -> StepResult:
        if state.graphs is None:
            loss, score = _loss_and_score(state, batch.x, batch.y)
            loss.backward()
            result = StepResult(loss.detach(), score)
        else:
            result = _compiled_gradients(state, state.graphs, batch, moment)
        outer_step(state, self.settings.outer_lr * moment.rate)
        return result


def _loss_and_score(state: State, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    with normalising(state.model, "batch", track=True):
        scores = state.model(x)
    loss = task_losses(scores.unsqueeze(0), y.unsqueeze(0)).mean()
    return loss, batch_score(scores.detach(), y)


@dataclass(frozen=True)
class Gradients:
    """Of the `loss` of a batch with respect to the parameters that are trained, None where it does
    not depend on one; and the `score`."""

    of: Sequence[Tensor | None]
    loss: Tensor
    score: Tensor


def _compiled_gradients(
    state: State, graphs: Graphs, batch: Examples, moment: Moment
) -> StepResult:
    """Let the parameters hold their gradients, by one graph."""

    def trained() -> list[Tensor]:
        return [p for p in state.model.parameters() if p.requires_grad]

    def piece(moment: Moment, x: Tensor, y: Tensor) -> Gradients:
        loss, score = _loss_and_score(state, x, y)
        found = torch.autograd.grad(loss, trained(), allow_unused=True)
        pairs = zip(found, trained(), strict=True)
        gradients = [None if g is None else alike(g, p) for g, p in pairs]
        return Gradients(gradients, loss.detach(), score)

    found = graphs.run(piece, state, moment, lambda moment: None, (batch.x, batch.y))
    for parameter, gradient in zip(trained(), found.of, strict=True):
        parameter.grad = gradient
    return StepResult(found.loss, found.score)
