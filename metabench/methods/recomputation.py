"""Steps of an inner loop whose graph is made only when the meta-gradient comes by, one at a time:
memory for one step, however many there are, for the price of computing each a second time.

Chen et al. 2016, "Training deep nets with sublinear memory cost", https://arxiv.org/abs/1604.06174,
with a step of adaptation as the unit. `torch.utils.checkpoint` cannot take a step apart that takes
a gradient itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from metabench.methods.outputs import Weights, as_leaves

Step = Callable[[Weights], Weights]
"""From weights ``[T, ...]`` to those that one step moves, after it."""


def recomputed(step: Step, again: Step, weights: Weights, learned: Sequence[Tensor]) -> Weights:
    """Take a step that keeps nothing but its weights.

    Parameters
    ----------
    step
        The step, without a graph.
    again
        The same for the meta-gradient: differentiable, and with no effect but its result.
    learned
        What `again` depends on besides the weights: learned rates, norms of a step.
    """
    names = tuple(weights)
    moved = _RecomputedStep.apply(step, again, names, *weights.values(), *learned)
    return dict(zip(names, moved, strict=True))


class _RecomputedStep(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, step: Step, again: Step, names: tuple[str, ...], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.again, ctx.names, ctx.learned = again, names, tensors[len(names) :]
        ctx.device = tensors[0].device
        # what a network draws at random in this step, it draws again
        ctx.noise = torch.get_rng_state()
        if ctx.device.type == "cuda":
            ctx.device_noise = torch.cuda.get_rng_state(ctx.device)
        weights = tensors[: len(names)]
        ctx.save_for_backward(*weights)
        with torch.enable_grad():
            before = as_leaves(dict(zip(names, weights, strict=True)))
            after = before | step(before)
        return tuple(after[name].detach() for name in names)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        weights = as_leaves(dict(zip(ctx.names, ctx.saved_tensors, strict=True)))
        devices = [ctx.device] if ctx.device.type == "cuda" else []
        with torch.enable_grad(), torch.random.fork_rng(devices):
            torch.set_rng_state(ctx.noise)
            if devices:
                torch.cuda.set_rng_state(ctx.device_noise, ctx.device)
            after = weights | ctx.again(weights)
            pulled = torch.autograd.grad(
                tuple(after[name] for name in ctx.names),
                (*weights.values(), *ctx.learned),
                slopes,
                allow_unused=True,
                materialize_grads=True,
            )
        return (None, None, None, *pulled)
