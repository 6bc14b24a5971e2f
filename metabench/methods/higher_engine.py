"""The same meta-gradient by the `higher` library (Grefenstette et al. 2019): the second engine, to
check the first one against and to time it by."""

from __future__ import annotations

from collections.abc import Callable

import higher
import torch
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.methods.meta_gradient import MetaGradient
from metabench.methods.method import batch_score, task_losses
from metabench.models.layers import normalising
from metabench.tasks.episodes import Episodes


def meta_gradient(
    model: nn.Module,
    batch: Episodes,
    *,
    steps: int,
    lr: float,
    second_order: bool,
    batch_norm: BatchNormMode | None,
    track: bool = False,
    moved: nn.Module | None = None,
) -> MetaGradient:
    """As `meta_gradient` of plain gradient descent, task by task; the inner loop moves
    the weights of `moved`, a part of the model (all of it when not said)."""
    parameters = dict(model.named_parameters())
    gradient = {name: torch.zeros_like(p) for name, p in parameters.items()}
    losses, scores = [], []
    for support_x, support_y, query_x, query_y in zip(
        batch.support_x, batch.support_y, batch.query_x, batch.query_y, strict=True
    ):
        optimizer = torch.optim.SGD((moved or model).parameters(), lr=lr)
        with higher.innerloop_ctx(
            model, optimizer, copy_initial_weights=False, track_higher_grads=second_order
        ) as (fast, inner):
            for _ in range(steps):
                with normalising(fast, "running" if batch_norm == "running" else "batch"):
                    inner.step(task_losses(fast(support_x)[None], support_y[None])[0])
            outputs = _query_outputs(fast, support_x, query_x, batch_norm, track=track)
            loss = task_losses(outputs[None], query_y[None])[0]
            wanted = parameters.values() if second_order else fast.parameters()
            for total, g in zip(
                gradient.values(), torch.autograd.grad(loss, tuple(wanted)), strict=True
            ):
                total += g / len(batch)
            if track:
                _keep_statistics(fast, model)
        losses.append(loss.detach())
        scores.append(outputs.detach())
    return MetaGradient(
        gradient, {}, torch.stack(losses).mean(), batch_score(torch.stack(scores), batch.query_y)
    )


def _query_outputs(
    fast: nn.Module,
    support_x: Tensor,
    query_x: Tensor,
    batch_norm: BatchNormMode | None,
    *,
    track: bool,
) -> Tensor:
    outputs: Callable[[Tensor], Tensor] = fast
    if batch_norm == "running":
        with normalising(fast, "running"):
            return outputs(query_x)
    if batch_norm == "support":
        with normalising(fast, "batch", track=track, record=True):
            outputs(support_x)
        with normalising(fast, "recorded"):
            return outputs(query_x)
    if batch_norm == "support_plus_one":
        if track:
            with torch.no_grad(), normalising(fast, "batch", track=True):
                outputs(support_x)
        with normalising(fast, "batch"):
            return torch.cat([outputs(torch.cat((support_x, q)))[-1:] for q in query_x.split(1)])
    with normalising(fast, "batch", track=track):
        if batch_norm == "joint":
            return outputs(torch.cat((support_x, query_x)))[len(support_x) :]
        return outputs(query_x)


def _keep_statistics(fast: nn.Module, model: nn.Module) -> None:
    """Carry running statistics over from higher's copy of the model."""
    for kept, buffer in zip(model.buffers(), fast.buffers(), strict=True):
        kept.copy_(buffer)
