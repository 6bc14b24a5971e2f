"""Outputs of T networks at once: weights with a task axis, and queries normalised as is said."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.cells import BatchNormMode
from metabench.models.layers import normalising

Weights = dict[str, Tensor]

NUMBERS_AT_ONCE = {"cpu": 2**16, "cuda": 2**24}
"""Tasks run together while their inputs hold at most so many numbers. More would fall out of a CPU
core's cache; a GPU wants as many as it gets."""


def chunks(x: Tensor) -> Iterator[slice]:
    """Cut the task axis of ``[T, B, ...]`` into runs that are fast to compute together."""
    at_once = max(1, NUMBERS_AT_ONCE.get(x.device.type, 2**16) // max(1, math.prod(x.shape[1:])))
    for start in range(0, x.shape[0], at_once):
        yield slice(start, min(start + at_once, x.shape[0]))


def equal_chunks(x: Tensor) -> Iterator[slice]:
    """The same in runs of one length, each no longer than those: what is compiled for one serves
    all."""
    first = next(chunks(x))
    length = next(n for n in range(first.stop, 0, -1) if x.shape[0] % n == 0)
    for start in range(0, x.shape[0], length):
        yield slice(start, start + length)


def per_task(model: nn.Module, tasks: int) -> Weights:
    """The model's weights with a task axis: T views of the same numbers, each a leaf that gradients
    can be taken for."""
    return {
        name: p.detach().expand(tasks, *p.shape).requires_grad_()
        for name, p in model.named_parameters()
    }


def as_leaves(weights: Weights) -> Weights:
    """The same numbers without their history, ready for gradients."""
    return {name: w.detach().requires_grad_() for name, w in weights.items()}


def support_outputs(
    model: nn.Module, weights: Weights, x: Tensor, batch_norm: BatchNormMode | None
) -> Tensor:
    """Outputs ``[T, B, ...]`` for what is learned from: normalised by its own statistics, unless
    running ones are used."""
    with normalising(model, "running" if batch_norm == "running" else "batch"):
        result: Tensor = functional_call(model, weights, (x,))
    return result


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
