"""The inner loop of the gradient-based methods: one descent over T tasks at once.

All functions are stateless: weights come in as a dictionary whose tensors carry a leading axis of T
tasks, and go out as another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.methods.method import task_losses
from metabench.methods.outputs import Weights, as_leaves, chunks, query_scores, support_outputs
from metabench.methods.recomputation import recomputed
from metabench.methods.update_rules import Rule

Loss = Callable[[int, Weights], Tensor]
"""Loss of each task, ``[T]``, that a step (counted from 0) descends on, at these weights."""


@dataclass(frozen=True)
class Recomputation:
    """What steps are computed by a second time.

    Attributes
    ----------
    loss
        That of the first time, with no effect but its result.
    learned
        What it and the rule depend on besides the weights.
    """

    loss: Loss
    learned: Sequence[Tensor] = ()


def descend(
    weights: Weights,
    loss: Loss,
    rule: Rule,
    curve: Sequence[int],
    *,
    differentiate: bool = False,
    again: Recomputation | None = None,
) -> Iterator[Weights]:
    """Move T sets of weights down their losses by `rule`, and yield them after each number of steps
    in `curve`.

    Parameters
    ----------
    weights
        Leaves, or a differentiable function of some.
    curve
        Ascending numbers of steps.
    differentiate
        Whether gradients will be taken of what is yielded, through the steps that `rule` names.
        Otherwise what is yielded has no history; under a rule that moves in place it is good until
        the next one is asked for.
    again
        Steps that gradients go through are computed a second time for them, rather than kept.
    """
    if rule.in_place:
        weights = {name: w.detach().clone().requires_grad_() for name, w in weights.items()}
    done = 0
    for steps in curve:
        for step in range(done, steps):
            through = differentiate and rule.differentiates(step)
            if through and again is not None:
                first = partial(_after, step, loss, rule, through=False)
                second = partial(_after, step, again.loss, rule, through=True)
                weights = recomputed(first, second, weights, again.learned)
                continue
            after = _after(step, loss, rule, weights, through=through)
            weights = weights | (after if differentiate or rule.in_place else as_leaves(after))
        yield weights
        done = steps


def _after(step: int, loss: Loss, rule: Rule, weights: Weights, *, through: bool) -> Weights:
    """The weights that a step moves, after it; its gradient is differentiated `through`, or a
    constant."""
    moving = {name: w for name, w in weights.items() if rule.moves(name)}
    gradients = torch.autograd.grad(
        loss(step, weights).sum(),  # the sum keeps the tasks' gradients apart
        tuple(moving.values()),
        create_graph=through,
    )
    return rule.move(step, moving, dict(zip(moving, gradients, strict=True)))


def support_loss(model: nn.Module, x: Tensor, y: Tensor, batch_norm: BatchNormMode | None) -> Loss:
    """The loss of every step on the whole support sets, ``[T, N*K, ...]`` and ``[T, N*K]``: the
    mean over their examples (the MAML authors' code sums over classes)."""

    def loss(step: int, weights: Weights) -> Tensor:
        return task_losses(support_outputs(model, weights, x, batch_norm), y)

    return loss


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
