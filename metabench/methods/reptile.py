"""Reptile."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.func import functional_call

from metabench.cells import BatchNormMode
from metabench.methods.gradient_based import GradientBasedMethod, Steps, TrainingSteps
from metabench.methods.inner_loop import descend
from metabench.methods.method import Moment, State, StepResult, batch_score, task_losses
from metabench.methods.outputs import Weights, chunks, equal_chunks
from metabench.methods.update_rules import PlainSGD, Rule
from metabench.models.layers import Statistics, normalising
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Episodes, Task

BETA2, EPSILON = 0.999, 1e-8
"""Of the inner Adam."""

FLAT = "weights"
"""All weights of a network in one row: the inner loop is of many small steps."""

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


class LastingAdam(Rule):
    """Adam without momentum (beta1 = 0) whose second moments and count of steps go on from those of
    earlier tasks.

    Attributes
    ----------
    second_moment
        ``[T, W]``.
    steps
        How many it has taken, those on earlier training tasks among them.
    """

    in_place = True

    def __init__(self, lr: float, state: ReptileState) -> None:
        self._lr = lr
        self.second_moment = state.second_moment
        self.steps = state.inner_steps.clone()

    def move(self, step: int, weights: Weights, gradients: Weights) -> Weights:
        w, g = weights[FLAT], gradients[FLAT]
        if step == 0:  # T tasks begin with the same moments, and go on with their own
            self.second_moment = self.second_moment.expand(len(w), -1).clone()
        self.steps += 1
        self.second_moment.mul_(BETA2).addcmul_(g, g, value=1 - BETA2)
        unbiased = self.second_moment / (1 - BETA2 ** self.steps.double())
        with torch.no_grad():
            w.sub_(g / (unbiased.sqrt() + EPSILON), alpha=self._lr)
        return weights


class Reptile(GradientBasedMethod):
    """Reptile: train on a task, and move towards where that led (Nichol, Achiam & Schulman 2018,
    "On first-order meta-learning algorithms", https://arxiv.org/abs/1803.02999, algorithm 2).

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

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `reptile`. The paper tests with `query`
        ("transduction") and `support_plus_one`.

        Attributes
        ----------
        inner_optimizer, inner_lr
            For the mean loss over a mini-batch.
        inner_steps, test_steps
            Steps on a task, in training and in test.
        inner_batch, test_batch
            Images of a mini-batch, of all classes together, in training and in test (the whole
            support set when not said). The method lives by small ones: what it gains over joint
            training is that a step on some images helps with others (section 5.1).
        curve
            Step counts of the adaptation curve; 0, 1, 2, 5, 10, 20, 50, ... up to `test_steps` when
            not said.
        outer_lr
            The way gone towards the mean of the trained weights; 1 is all of it.
        """

        inner_optimizer: Literal["adam", "sgd"] = "adam"
        inner_lr: Rate = 1e-3
        inner_steps: TrainingSteps = 5
        inner_batch: BatchSize = 10
        test_steps: Steps = 50
        test_batch: BatchSize | None = None
        curve: tuple[Steps, ...] = ()
        outer_lr: Rate = 1.0
        test_batch_norm: BatchNormMode = "query"

    settings: Settings

    @property
    def usual_curve(self) -> Sequence[int]:
        round_numbers = (0, *(digit * 10**power for power in range(4) for digit in (1, 2, 5)))
        return [steps for steps in round_numbers if steps < self.test_steps]

    @property
    def compiles(self) -> bool:
        return True

    @property
    def gradients_per_task(self) -> int:
        return self.settings.inner_steps

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> ReptileState:
        return ReptileState(model, generator)

    def rule(self, state: State, moment: Moment | None = None) -> PlainSGD | LastingAdam:
        assert isinstance(state, ReptileState)
        lr = self.settings.inner_lr
        return PlainSGD(lr) if self.settings.inner_optimizer == "sgd" else LastingAdam(lr, state)

    def step(self, state: State, batch: Episodes, moment: Moment) -> StepResult:
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
        total, met = torch.zeros_like(start), []

        def piece(moment: Moment, *few: Tensor) -> TrainedTasks:
            return self._train_on(state, moment, *few)

        for few in self._together(x[:, : order.shape[2]], whole=state.graphs is not None):
            inputs = x[few], y[few], order[few]
            trained = (
                piece(moment, *inputs)
                if state.graphs is None
                else state.graphs.run(piece, state, moment, lambda moment: None, inputs)
            )
            total += trained.weights
            met.append((trained.losses, trained.scores, trained.targets))
        _set_weights(state.model, start.lerp(total / len(batch), at.outer_lr * moment.rate))
        losses, outputs, targets = map(torch.cat, zip(*met, strict=True))
        return StepResult(losses.mean(), batch_score(outputs, targets))

    def _train_on(
        self, state: ReptileState, moment: Moment, x: Tensor, y: Tensor, order: Tensor
    ) -> TrainedTasks:
        """Train on some tasks together, which moves the state's second moments and running
        statistics."""
        loss = MiniBatchLoss(state.model, x, y, order, None, track=True)
        rule = self.rule(state, moment)
        start = loss.start(_flattened(state.model))
        (trained,) = descend(start, loss, rule, (self.settings.inner_steps,))
        if isinstance(rule, LastingAdam):
            state.second_moment.copy_(rule.second_moment[0])
            state.inner_steps.copy_(rule.steps)
        return TrainedTasks(trained[FLAT].detach().sum(0), *loss.met)

    def adapt(
        self,
        state: State,
        network: nn.Module,
        x: Tensor,
        y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Iterator[Weights]:
        """As for any. Every episode is shuffled alike: which image of the support set stands where
        was drawn with the episode."""
        shuffling = torch.Generator().manual_seed(0)
        order = mini_batches(x.shape[1], self.settings.test_batch, self.curve[-1], shuffling)
        order = order.to(x.device).expand(len(x), -1, -1)
        loss = MiniBatchLoss(network, x, y, order, batch_norm)
        start = loss.start(_flattened(network))
        for weights in descend(start, loss, self.rule(state), self.curve):
            yield _unflattened(network, weights[FLAT])

    def _together(self, mini_batch: Tensor, *, whole: bool) -> Iterator[slice]:
        """Tasks to train on at once, of ``[T, b, ...]``: under Adam one alone, for it begins with
        the second moments that the one before it left. `whole` where one graph is for all."""
        if self.settings.inner_optimizer == "sgd":
            return equal_chunks(mini_batch) if whole else chunks(mini_batch)
        return (slice(task, task + 1) for task in range(len(mini_batch)))


@dataclass(frozen=True)
class TrainedTasks:
    """What comes of training on T tasks.

    Attributes
    ----------
    weights
        Theirs after the last step, summed, ``[W]``.
    losses, scores, targets
        Of the last step, ``[T]``, ``[T, b, C]`` and ``[T, b]``.
    """

    weights: Tensor
    losses: Tensor
    scores: Tensor
    targets: Tensor


class MiniBatchLoss:
    """Losses of T networks, ``[T]``, on a mini-batch of its own task each, another one each step.

    Parameters
    ----------
    x, y
        ``[T, n, ...]`` and ``[T, n]``.
    order
        Which samples a step sees, ``[T, steps, b]``.
    track
        Keep running statistics, in the last step.

    Attributes
    ----------
    met
        Losses ``[T]``, scores ``[T, b, C]`` and targets ``[T, b]`` of the latest step.
    """

    met: tuple[Tensor, Tensor, Tensor]

    def __init__(
        self,
        model: nn.Module,
        x: Tensor,
        y: Tensor,
        order: Tensor,
        batch_norm: BatchNormMode | None,
        *,
        track: bool = False,
    ) -> None:
        self._model, self._x, self._y, self._order = model, x, y, order
        self._statistics: Statistics = "running" if batch_norm == "running" else "batch"
        self._track = track
        self._tasks = torch.arange(len(x), device=x.device).unsqueeze(1)

    def start(self, weights: Tensor) -> Weights:
        """All tasks at the same `weights` ``[W]``, in one row each, which one operation moves."""
        return {FLAT: weights.expand(len(self._x), -1)}

    def __call__(self, step: int, weights: Weights) -> Tensor:
        chosen = self._tasks, self._order[:, step]
        last = step == self._order.shape[1] - 1
        with normalising(self._model, self._statistics, track=self._track and last):
            scores = functional_call(
                self._model, _unflattened(self._model, weights[FLAT]), (self._x[chosen],)
            )
        targets = self._y[chosen]
        loss = task_losses(scores, targets)
        self.met = loss.detach(), scores.detach(), targets
        return loss


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
