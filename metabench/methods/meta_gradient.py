"""The gradient of what an inner loop leads to, with respect to what it began with.

All functions are stateless, as those of `inner_loop`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.methods.method import alike, batch_score, task_losses
from metabench.methods.outputs import Weights, as_leaves, chunks, per_task, query_outputs
from metabench.tasks.episodes import Episodes

Adaptation = Callable[[Weights, Tensor, Tensor], Iterator[Weights]]
"""From initial weights, support inputs ``[T, N*K, ...]`` and their labels to the weights after each
number of steps that is asked for."""


@dataclass(frozen=True)
class MetaGradient:
    """Gradient of the mean query loss, and what was met on the way (scalars on the device).

    Attributes
    ----------
    gradient
        With respect to the shared initial weights, by their names in the model.
    learned
        With respect to whatever else is learned, by the names given.
    loss, score
        The loss that was differentiated, and the score after the last step.
    """

    gradient: Weights
    learned: Weights
    loss: Tensor
    score: Tensor


@dataclass(frozen=True)
class TaskGradients:
    """What some tasks give for a meta-gradient.

    Attributes
    ----------
    sums
        Their gradients, summed: with respect to the shared initial weights, then to whatever else
        is learned.
    losses, scores
        Of each, ``[T]`` and ``[T, N*Q, C]``.
    """

    sums: list[Tensor]
    losses: Tensor
    scores: Tensor


@dataclass(frozen=True)
class BatchShare:
    """The share of some tasks in the meta-gradient of a batch, with respect to all that is trained,
    in its loss and in its score; the shares of all tasks sum to these."""

    gradients: list[Tensor]
    loss: Tensor
    score: Tensor


def meta_gradient(
    model: nn.Module,
    batch: Episodes,
    adapt: Adaptation,
    *,
    batch_norm: BatchNormMode | None,
    track: bool = False,
    learned: Mapping[str, Tensor] | None = None,
    loss_weights: Sequence[float] = (1.0,),
) -> MetaGradient:
    """Gradient of the mean query loss after adaptation, with respect to the weights before it (Finn
    et al. 2017, algorithm 2) and to all else that adaptation learns. Tasks go in chunks, so that
    memory does not grow with their number.

    Parameters
    ----------
    adapt
        The inner loop, differentiable.
    learned
        Tensors that `adapt` depends on besides the weights: rates, norms of a step.
    loss_weights
        Weight of the query loss at each point that `adapt` yields.
    """
    shared, learned = dict(model.named_parameters()), learned or {}
    gradients = [torch.zeros_like(p) for p in (*shared.values(), *learned.values())]
    losses, scores = [], []
    for part in chunks(batch.support_x):
        found = task_gradients(
            model,
            batch[part],
            adapt,
            batch_norm=batch_norm,
            track=track,
            learned=learned,
            loss_weights=loss_weights,
        )
        for total, g in zip(gradients, found.sums, strict=True):
            total += g
        losses.append(found.losses)
        scores.append(found.scores)
    means = [total.div_(len(batch)) for total in gradients]
    return MetaGradient(
        dict(zip(shared, means, strict=False)),
        dict(zip(learned, means[len(shared) :], strict=True)),
        torch.cat(losses).mean(),
        batch_score(torch.cat(scores), batch.query_y),
    )


def task_gradients(
    model: nn.Module,
    episodes: Episodes,
    adapt: Adaptation,
    *,
    batch_norm: BatchNormMode | None,
    track: bool,
    learned: Mapping[str, Tensor],
    loss_weights: Sequence[float | Tensor],
) -> TaskGradients:
    """What some tasks, together, give for `meta_gradient`.

    First the gradient v with respect to each task's *adapted* weights; then v is pulled back
    through the inner loop by vector-Jacobian products.
    """
    weights = per_task(model, len(episodes))
    ends: list[Tensor] = []
    slopes: list[Tensor] = []
    at_points: list[Tensor] = []
    points = adapt(weights, episodes.support_x, episodes.support_y)
    for share, adapted in zip(loss_weights, points, strict=True):
        last = len(at_points) == len(loss_weights) - 1
        v, loss, outputs = _query_gradient(
            model, adapted, episodes, batch_norm, share=share, track=track and last
        )
        ends += adapted.values()
        slopes += v
        at_points.append(loss)
    pulled = torch.autograd.grad(
        ends,
        (*weights.values(), *learned.values()),
        slopes,
        allow_unused=True,
        materialize_grads=True,
    )
    sums = [g.sum(0) if place < len(weights) else g for place, g in enumerate(pulled)]
    return TaskGradients(sums, torch.stack(at_points).sum(0), outputs)


def share_of(
    found: TaskGradients, trained: Sequence[Tensor], query_y: Tensor, batch: int
) -> BatchShare:
    """The share of tasks with these query labels in a batch of so many tasks."""
    return BatchShare(
        [alike(g / batch, p) for g, p in zip(found.sums, trained, strict=True)],
        found.losses.sum() / batch,
        batch_score(found.scores, query_y) * (len(query_y) / batch),
    )


def summed(shares: Sequence[BatchShare]) -> BatchShare:
    """The shares of all tasks, together."""
    first, *others = shares
    gradients, loss, score = [g.clone() for g in first.gradients], first.loss, first.score
    for share in others:
        torch._foreach_add_(gradients, share.gradients)
        loss, score = loss + share.loss, score + share.score
    return BatchShare(gradients, loss, score)


def _query_gradient(
    model: nn.Module,
    weights: Weights,
    episodes: Episodes,
    batch_norm: BatchNormMode | None,
    *,
    share: float | Tensor,
    track: bool,
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Of `share` times the query loss: its gradient with respect to the weights of each task, the
    loss itself, ``[T]``, and the scores that it is of."""
    gradients, losses, scores = [], [], []
    for few in chunks(episodes.query_x):
        leaves, some = as_leaves({name: w[few] for name, w in weights.items()}), episodes[few]
        outputs = query_outputs(
            model, leaves, some.support_x, some.query_x, batch_norm, track=track
        )
        loss = share * task_losses(outputs, some.query_y)
        gradients.append(torch.autograd.grad(loss.sum(), tuple(leaves.values())))
        losses.append(loss.detach())
        scores.append(outputs.detach())
    together = [torch.cat(slopes) for slopes in zip(*gradients, strict=True)]
    return together, torch.cat(losses), torch.cat(scores)
