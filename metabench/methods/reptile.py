"""Reptile."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.func import functional_call

from metabench.methods.inner_loop import Weights, chunks, scores_along
from metabench.methods.method import (
    BatchNormMode,
    Method,
    State,
    StepResult,
    batch_score,
    task_losses,
)
from metabench.models.layers import normalising
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Episodes, Task

BETA2, EPSILON = 0.999, 1e-8
"""Of the inner Adam."""

Steps = Annotated[int, Ge(0), Le(10_000)]
BatchSize = Annotated[int, Ge(1), Le(1_000_000)]


class ReptileState(State):
    """As any, with what the inner Adam has learned so far: ``second_moment`` ``[W]``, of W weights,
    and how many ``inner_steps`` it has taken."""

    second_moment: Tensor
    inner_steps: Tensor

    def __init__(self, model: nn.Module, generator: torch.Generator) -> None:
        super().__init__(model, generator=generator)
        self.register_buffer("second_moment", torch.zeros_like(_flattened(model)))
        self.register_buffer("inner_steps", torch.zeros((), dtype=torch.int64))


@dataclass
class Learners:
    """T networks on their way from the shared weights, and their inner optimisers.

    Attributes
    ----------
    weights, second_moment
        ``[T, W]``.
    steps
        How many the optimisers have taken, those on earlier training tasks among them.
    """

    weights: Tensor
    second_moment: Tensor
    steps: Tensor

    @classmethod
    def begin(cls, state: ReptileState, tasks: int) -> Learners:
        """All T where training stands: the same weights, and the same second moments."""
        weights, second_moment = (
            flat.expand(tasks, -1).clone()
            for flat in (_flattened(state.model), state.second_moment)
        )
        return cls(weights, second_moment, state.inner_steps.clone())


class Reptile(Method):
    """Reptile: train on a task, and move towards where that led (Nichol, Achiam & Schulman 2018,
    algorithm 2).

    - All images of a training episode are trained on, queries like support set: the authors'
      `train_shots` are shots + query_shots here.
    - The inner Adam has no momentum (beta1 = 0), and its second moments and count of steps go on
      from task to task and into test episodes, as in the authors' code; state made anew for each
      task would be another method. So tasks are trained one after another under Adam, together
      under SGD.
    - The outer rate falls linearly to 0 in the paper: a suite says `schedule = "linear"` in
      [train].
    - Mini-batches are normalised by their own statistics in training. Running statistics move once
      a task, in its last step.
    """

    kinds = frozenset({"classification", "regression"})
    adapts = True

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `reptile`. The paper tests with `query`
        ("transduction") and `support_plus_one`.

        inner_optimizer, inner_lr : for the mean loss over a mini-batch. inner_steps, test_steps :
        steps on a task, in training and in test. inner_batch, test_batch : images of a mini-batch,
        of all classes together, in training and in test (the whole support set when not said). The
        method lives by small ones: what it gains over joint training is that a step on some images
        helps with others (section 5.1). curve : step counts of the adaptation curve; 0, 1, 2, 5,
        10, 20, 50, ... up to `test_steps` when not said. outer_lr : the way gone towards the mean
        of the trained weights; 1 is all of it.
        """

        inner_optimizer: Literal["adam", "sgd"] = "adam"
        inner_lr: Rate = 1e-3
        inner_steps: Annotated[int, Ge(1), Le(10_000)] = 5
        inner_batch: BatchSize = 10
        test_steps: Steps = 50
        test_batch: BatchSize | None = None
        curve: tuple[Steps, ...] = ()
        outer_lr: Rate = 1.0
        test_batch_norm: BatchNormMode = "query"

    settings: Settings

    @property
    def test_steps(self) -> int:
        return self.settings.test_steps

    @property
    def curve(self) -> tuple[int, ...]:
        round_numbers = (0, *(digit * 10**power for power in range(4) for digit in (1, 2, 5)))
        return tuple(
            sorted(
                {
                    *(
                        self.settings.curve
                        or (steps for steps in round_numbers if steps < self.test_steps)
                    ),
                    self.test_steps,
                }
            )
        )

    @property
    def gradients_per_task(self) -> int:
        return self.settings.inner_steps

    def candidates(self) -> Sequence[Method]:
        """Nothing to choose; and validation needs one point of the curve alone."""
        return (type(self)(dataclasses.replace(self.settings, curve=(self.test_steps,))),)

    def at_steps(self, steps: int) -> Method:
        return type(self)(dataclasses.replace(self.settings, test_steps=steps))

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> ReptileState:
        return ReptileState(model, generator)

    def step(self, state: State, batch: Episodes) -> StepResult:
        assert isinstance(state, ReptileState)
        assert state.generator is not None
        at, start = self.settings, _flattened(state.model)
        x, y = (
            torch.cat((batch.support_x, batch.query_x), 1),
            torch.cat((batch.support_y, batch.query_y), 1),
        )
        order = torch.stack(
            [
                mini_batches(x.shape[1], at.inner_batch, at.inner_steps, state.generator)
                for _ in range(len(batch))
            ]
        ).to(x.device)
        total, losses, outputs, targets = torch.zeros_like(start), [], [], []
        for part in self._together(x[:, : order.shape[2]]):
            learners = Learners.begin(state, len(x[part]))
            for step, chosen in enumerate(order[part].unbind(1), start=1):
                x_seen, y_seen = _chosen(x[part], y[part], chosen)
                loss, scores = self._inner_step(
                    state.model, learners, x_seen, y_seen, None, track=step == at.inner_steps
                )
            total += learners.weights.sum(0)
            losses.append(loss)
            outputs.append(scores)
            targets.append(y_seen)
            if at.inner_optimizer == "adam":
                state.second_moment.copy_(learners.second_moment[0])
                state.inner_steps.copy_(learners.steps)
        _set_weights(state.model, start.lerp(total / len(batch), at.outer_lr * state.rate))
        return StepResult(
            torch.cat(losses).mean(), batch_score(torch.cat(outputs), torch.cat(targets))
        )

    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        """As `Method.predict`. Every episode is shuffled alike: which image of the support set
        stands where was drawn with the episode."""
        assert isinstance(state, ReptileState)
        order = mini_batches(
            support_x.shape[1],
            self.settings.test_batch,
            self.curve[-1],
            torch.Generator().manual_seed(0),
        ).to(support_x.device)

        def adapted(x: Tensor, y: Tensor) -> Iterator[Weights]:
            learners, done = Learners.begin(state, len(x)), 0
            for steps in self.curve:
                for chosen in order[done:steps]:
                    self._inner_step(
                        state.model, learners, *_chosen(x, y, chosen.expand(len(x), -1)), batch_norm
                    )
                yield _unflattened(state.model, learners.weights)
                done = steps

        return scores_along(state.model, support_x, support_y, query_x, adapted, batch_norm)

    def _together(self, mini_batch: Tensor) -> Iterator[slice]:
        """Tasks to train on at once, of ``[T, b, ...]``: under Adam one alone, for it begins with
        the second moments that the one before it left."""
        return (
            chunks(mini_batch)
            if self.settings.inner_optimizer == "sgd"
            else (slice(task, task + 1) for task in range(len(mini_batch)))
        )

    def _inner_step(
        self,
        model: nn.Module,
        learners: Learners,
        x: Tensor,
        y: Tensor,
        batch_norm: BatchNormMode | None,
        *,
        track: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Let T learners take one step on a mini-batch each, ``[T, b, ...]``; return losses ``[T]``
        and scores ``[T, b, C]`` before it."""
        weights = learners.weights.requires_grad_()
        with normalising(model, "running" if batch_norm == "running" else "batch", track=track):
            scores = functional_call(model, _unflattened(model, weights), (x,))
        loss = task_losses(scores, y)
        # the sum keeps the tasks' gradients apart
        (gradient,) = torch.autograd.grad(loss.sum(), weights)
        learners.weights = weights.detach()
        if self.settings.inner_optimizer == "adam":
            learners.steps += 1
            learners.second_moment.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
            unbiased = learners.second_moment / (1 - BETA2 ** learners.steps.double())
            gradient = gradient / (unbiased.sqrt() + EPSILON)
        learners.weights.sub_(gradient, alpha=self.settings.inner_lr)
        return loss.detach(), scores.detach()

    def adapted_weights(self, state: State, ways: int | None) -> int:
        return sum(p.numel() for p in state.model.parameters())


def mini_batches(samples: int, size: int | None, steps: int, generator: torch.Generator) -> Tensor:
    """Which samples each of `steps` gradient steps sees, ``[steps, size]``.

    As in the authors' code: `size` at a time, from an endless row in which all samples come again
    and again, shuffled anew each time. Without a `size`: all of them in each step.
    """
    if size is None:
        return torch.arange(samples).expand(steps, -1)
    rounds = max(1, math.ceil(steps * size / samples))
    row = torch.cat([torch.randperm(samples, generator=generator) for _ in range(rounds)])
    return row[: steps * size].view(steps, size)


def _chosen(x: Tensor, y: Tensor, samples: Tensor) -> tuple[Tensor, Tensor]:
    """The samples ``[T, b]`` of each task out of ``[T, n, ...]``."""
    tasks = torch.arange(len(x), device=x.device).unsqueeze(1)
    return x[tasks, samples], y[tasks, samples]


def _flattened(model: nn.Module) -> Tensor:
    """All weights of a network in one row ``[W]``, which one operation moves."""
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def _unflattened(model: nn.Module, flat: Tensor) -> Weights:
    """The weights of T networks by name, as views into ``[T, W]``."""
    parameters = dict(model.named_parameters())
    parts = flat.split([p.numel() for p in parameters.values()], dim=1)
    return {
        name: part.view(len(flat), *p.shape)
        for (name, p), part in zip(parameters.items(), parts, strict=True)
    }


@torch.no_grad()
def _set_weights(model: nn.Module, flat: Tensor) -> None:
    for parameter, value in zip(
        model.parameters(), _unflattened(model, flat.unsqueeze(0)).values(), strict=True
    ):
        parameter.copy_(value[0])
