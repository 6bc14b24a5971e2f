"""The pure core of the gradient-based methods: adapt weights to tasks, score queries, and pull
gradients back through the adaptation.

All functions are stateless: weights come in as a dictionary whose tensors carry a leading axis of T
tasks, and go out as another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.methods.method import BatchNormMode, adam, batch_score, task_losses
from metabench.models.layers import normalising
from metabench.tasks.episodes import Episodes

Weights = dict[str, Tensor]

NUMBERS_AT_ONCE = {"cpu": 2**16, "cuda": 2**24}
"""Tasks run together while their inputs hold at most so many numbers. More would fall out of a CPU
core's cache; a GPU wants as many as it gets."""


@dataclass(frozen=True)
class MetaGradient:
    """Gradient of the mean query loss with respect to the shared weights, and what was met on the
    way (scalars on the device)."""

    gradient: Weights
    loss: Tensor
    score: Tensor


def chunks(x: Tensor) -> Iterator[slice]:
    """Cut the task axis of ``[T, B, ...]`` into runs that are fast to compute together."""
    at_once = max(1, NUMBERS_AT_ONCE.get(x.device.type, 2**16) // max(1, x[0].numel()))
    for start in range(0, x.shape[0], at_once):
        yield slice(start, min(start + at_once, x.shape[0]))


def per_task(model: nn.Module, tasks: int) -> Weights:
    """The model's weights with a task axis: T views of the same numbers, each a leaf that gradients
    can be taken for."""
    return {
        name: p.detach().expand(tasks, *p.shape).requires_grad_()
        for name, p in model.named_parameters()
    }


def adapt(
    model: nn.Module,
    weights: Weights,
    x: Tensor,
    y: Tensor,
    *,
    steps: int,
    lr: float,
    second_order: bool,
    batch_norm: BatchNormMode | None,
) -> Weights:
    """Take `steps` of gradient descent on the support sets (Finn et al. 2017, equation 1).

    Parameters
    ----------
    weights
        T sets of weights that require gradients.
    x, y
        ``[T, N*K, ...]`` and ``[T, N*K]``.
    lr
        Inner rate, for the *mean* loss over a support set (the authors' code sums over classes).
    second_order
        Keep the graph, so that gradients with respect to `weights` can be taken of the result;
        otherwise the result is leaves.
    """
    for _ in range(steps):
        with normalising(model, "running" if batch_norm == "running" else "batch"):
            # the sum keeps the tasks' gradients apart
            loss = task_losses(functional_call(model, weights, (x,)), y).sum()
        gradients = torch.autograd.grad(loss, tuple(weights.values()), create_graph=second_order)
        weights = {
            name: w - lr * g for (name, w), g in zip(weights.items(), gradients, strict=True)
        }
        if not second_order:
            weights = as_leaves(weights)
    return weights


def as_leaves(weights: Weights) -> Weights:
    """The same numbers without their history, ready for gradients."""
    return {name: w.detach().requires_grad_() for name, w in weights.items()}


def query_outputs(
    model: nn.Module,
    weights: Weights,
    support_x: Tensor,
    query_x: Tensor,
    batch_norm: BatchNormMode | None,
    *,
    track: bool = False,
) -> Tensor:
    """Outputs ``[T, N*Q, ...]`` for the queries, normalised as `batch_norm` says. `track` keeps
    running statistics (training alone)."""

    def outputs(x: Tensor) -> Tensor:
        result: Tensor = functional_call(model, weights, (x,))
        return result

    if batch_norm == "running":
        with normalising(model, "running"):
            return outputs(query_x)
    if batch_norm == "joint":
        with normalising(model, "batch", track=track):
            return outputs(torch.cat((support_x, query_x), 1))[:, support_x.shape[1] :]
    if batch_norm == "support":
        with normalising(model, "batch", track=track, record=True):
            outputs(support_x)
        with normalising(model, "recorded"):
            return outputs(query_x)
    if batch_norm == "support_plus_one":
        if track:  # the running statistics move once a task, not once a query
            with torch.no_grad(), normalising(model, "batch", track=True):
                outputs(support_x)
        with normalising(model, "batch"):
            return torch.cat(
                [outputs(torch.cat((support_x, q), 1))[:, -1:] for q in query_x.split(1, dim=1)], 1
            )
    with normalising(model, "batch", track=track):
        return outputs(query_x)


def meta_gradient(
    model: nn.Module,
    batch: Episodes,
    *,
    steps: int,
    lr: float,
    second_order: bool,
    batch_norm: BatchNormMode | None,
    track: bool = False,
) -> MetaGradient:
    """Gradient of the mean query loss after adaptation, with respect to the weights before it (Finn
    et al. 2017, algorithm 2).

    First the gradient v with respect to each task's *adapted* weights; then v is pulled back
    through the inner loop, step by step, by Hessian-vector products. Leaving out the second part is
    the first-order approximation.
    """
    gradient = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    losses, scores = [], []
    for part in chunks(batch.support_x):
        support_x, support_y = batch.support_x[part], batch.support_y[part]
        weights = per_task(model, support_x.shape[0])
        adapted = adapt(
            model,
            weights,
            support_x,
            support_y,
            steps=steps,
            lr=lr,
            second_order=second_order,
            batch_norm=batch_norm,
        )
        pulled: list[tuple[Tensor, ...]] = []
        for inner in chunks(batch.query_x[part]):
            leaves = as_leaves({name: w[inner] for name, w in adapted.items()})
            outputs = query_outputs(
                model, leaves, support_x[inner], batch.query_x[part][inner], batch_norm, track=track
            )
            loss = task_losses(outputs, batch.query_y[part][inner])
            pulled.append(torch.autograd.grad(loss.sum(), tuple(leaves.values())))
            losses.append(loss.detach())
            scores.append(outputs.detach())
        v = tuple(torch.cat(vs) for vs in zip(*pulled, strict=True))
        if second_order:
            v = torch.autograd.grad(tuple(adapted.values()), tuple(weights.values()), v)
        for total, g in zip(gradient.values(), v, strict=True):
            total += g.sum(0)
    for total in gradient.values():
        total /= len(batch)
    return MetaGradient(
        gradient, torch.cat(losses).mean(), batch_score(torch.cat(scores), batch.query_y)
    )


def predict_along(
    model: nn.Module,
    support_x: Tensor,
    support_y: Tensor,
    query_x: Tensor,
    *,
    curve: tuple[int, ...],
    lr: float,
    batch_norm: BatchNormMode | None,
) -> Tensor:
    """Scores ``[E, P, N*Q, C]`` after each number of steps in `curve`, by plain gradient descent
    from the model's weights."""

    def descend(x: Tensor, y: Tensor) -> Iterator[Weights]:
        weights, done = per_task(model, x.shape[0]), 0
        for steps in curve:
            weights = adapt(
                model,
                weights,
                x,
                y,
                steps=steps - done,
                lr=lr,
                second_order=False,
                batch_norm=batch_norm,
            )
            yield weights
            done = steps

    return scores_along(model, support_x, support_y, query_x, descend, batch_norm)


def scores_along(
    model: nn.Module,
    support_x: Tensor,
    support_y: Tensor,
    query_x: Tensor,
    adaptation: Callable[[Tensor, Tensor], Iterator[Weights]],
    batch_norm: BatchNormMode | None,
) -> Tensor:
    """Scores ``[E, P, N*Q, C]`` by the weights that `adaptation` yields for a few support sets at a
    time, at each of P points of the curve."""
    episodes = []
    for part in chunks(support_x):
        x = support_x[part]
        points = [
            query_scores(model, weights, x, query_x[part], batch_norm)
            for weights in adaptation(x, support_y[part])
        ]
        episodes.append(torch.stack(points, 1))
    return torch.cat(episodes)


def train_along(
    model: nn.Module,
    weights: Weights,
    x: Tensor,
    y: Tensor,
    *,
    curve: tuple[int, ...],
    optimizer: Literal["adam", "sgd"],
    lr: float,
    batch_norm: BatchNormMode | None,
) -> Iterator[Weights]:
    """Train T networks on their support sets, each from its own of `weights`, and yield them after
    each number of steps in `curve`.

    Both optimisers act element by element, so tasks do not meet.
    """
    weights = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    moves = (
        adam(weights.values(), lr) if optimizer == "adam" else torch.optim.SGD(weights.values(), lr)
    )
    done = 0
    for steps in curve:
        for _ in range(steps - done):
            with normalising(model, "running" if batch_norm == "running" else "batch"):
                loss = task_losses(functional_call(model, weights, (x,)), y).sum()
            moves.zero_grad()
            loss.backward()
            moves.step()
        yield weights
        done = steps


@torch.no_grad()
def query_scores(
    model: nn.Module,
    weights: Weights,
    support_x: Tensor,
    query_x: Tensor,
    batch_norm: BatchNormMode | None,
) -> Tensor:
    """`query_outputs` without a graph, a few tasks at a time."""
    return torch.cat(
        [
            query_outputs(
                model,
                {n: w[part] for n, w in weights.items()},
                support_x[part],
                query_x[part],
                batch_norm,
            )
            for part in chunks(query_x)
        ]
    )
