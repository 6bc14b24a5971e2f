"""Layers whose weights may carry a leading task axis, and batch normalisation whose statistics are
always said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Statistics = Literal["batch", "running", "recorded"]
Moments = tuple[Tensor, Tensor]


class Linear(nn.Linear):
    """``[B, in]`` -> ``[B, out]``, or ``[T, B, in]`` -> ``[T, B, out]`` when the weights are ``[T,
    out, in]``."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dim() == 2:
            return F.linear(x, self.weight, self.bias)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)


class Conv2d(nn.Conv2d):
    """A convolution over packed tasks: ``[B, T*in, H, W]`` -> ``[B, T*out, H', W']`` when the
    weights are ``[T, out, in, k, k]``.

    Packing tasks into channels makes T convolutions one grouped convolution, and batch statistics
    per task come for free: they are per channel. There is no bias: the batch normalisation that
    follows would cancel it.
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(
            channels_in, channels_out, kernel_size=3, stride=stride, padding=1, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dim() == 4:
            return F.conv2d(x, self.weight, stride=self.stride, padding=self.padding)
        return F.conv2d(
            x,
            self.weight.flatten(0, 1),
            stride=self.stride,
            padding=self.padding,
            groups=self.weight.shape[0],
        )


def pack_tasks(x: Tensor) -> Tensor:
    """``[T, B, C, H, W]`` -> ``[B, T*C, H, W]``; without a task axis as it is.

    Channels last in memory: on a CPU, pooling and statistics are several times as fast.
    """
    if x.dim() == 5:
        x = x.transpose(0, 1).flatten(1, 2)
    x = x.contiguous(memory_format=torch.channels_last)
    # a single channel lies both ways at once, and torch would take it for channels first
    if x.shape[1] == 1:
        x = x.as_strided(x.shape, (x.stride(0), 1, x.stride(2), 1))
    return x


def unpack_tasks(x: Tensor, tasks: int | None) -> Tensor:
    """Flatten ``[B, T*C, H, W]`` into features ``[T, B, C*H*W]``, or ``[B, C, H, W]`` into ``[B,
    C*H*W]`` when `tasks` is None."""
    if tasks is None:
        return x.flatten(1)
    return x.reshape(x.shape[0], tasks, -1).transpose(0, 1)


class ChannelMoments(torch.autograd.Function):
    """Mean and biased variance of each channel of ``[B, C, H, W]``, differentiable to any order.

    `torch.var_mean` over these axes takes twenty times as long on a CPU as the kernel behind batch
    normalisation, which has no gradient of its own.
    """

    @staticmethod
    def forward(x: Tensor) -> Moments:
        if x.is_cuda:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            return mean, variance
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
        return mean, variance

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Moments) -> None:
        ctx.save_for_backward(inputs[0], output[0])

    @staticmethod
    def backward(ctx: Any, grad_mean: Tensor, grad_variance: Tensor) -> Tensor:
        # d mean / dx = 1/n and d variance / dx = 2 (x - mean) / n, gathered into one pass over x
        x, mean = ctx.saved_tensors
        n = x.numel() // x.shape[1]
        slope = grad_variance * (2 / n)
        return torch.addcmul(_channel(grad_mean / n - slope * mean), x, _channel(slope))


def _channel(v: Tensor) -> Tensor:
    return v.view(1, -1, 1, 1)


class BatchNorm2d(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015), then max-pooling where asked, then ReLU.

    Which statistics normalise is set from outside with `normalising`, never by train/eval mode:
    those of this very batch (``batch``), those kept from training (``running``), or those that the
    last recorded call saw (``recorded``). Tasks packed into channels have statistics of their own.

    Normalising is monotone where the scale is not negative, so pooling may come first: the same
    bits, with three quarters of the arithmetic saved.
    """

    eps = 1e-5
    momentum = 0.1
    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, pool: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.pool = pool
        self.statistics: Statistics = "batch"
        self.track = False
        self.record = False
        self.recorded: Moments | None = None

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = self._moments(x)
        scale = self.weight.flatten() * (variance + self.eps).rsqrt()
        shift = self.bias.flatten() - mean * scale
        # on CUDA, asking would wait for the device
        pool_first = self.pool and not x.is_cuda and bool((self.weight >= 0).all())
        if pool_first:
            x = F.max_pool2d(x, 2)
        x = torch.addcmul(_channel(shift), x, _channel(scale))
        if self.pool and not pool_first:
            x = F.max_pool2d(x, 2)
        return F.relu(x)

    def _moments(self, x: Tensor) -> Moments:
        if self.statistics == "batch":
            mean, variance = ChannelMoments.apply(x)
            if self.track:
                self._keep(mean.detach(), variance.detach(), x.numel() // x.shape[1])
            if self.record:
                self.recorded = mean, variance
            return mean, variance
        if self.statistics == "recorded":
            if self.recorded is None:
                raise RuntimeError(
                    "batch normalisation by recorded statistics before any were recorded"
                )
            return self.recorded
        tasks = x.shape[1] // self.running_mean.shape[0]
        return self.running_mean.repeat(tasks), self.running_var.repeat(tasks)

    def _keep(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """Move the running statistics by one step a task, in their order, however many tasks are
        packed together."""
        mean, variance = (
            v.view(-1, self.running_mean.shape[0]) for v in (mean, variance * (n / max(n - 1, 1)))
        )
        for task in range(len(mean)):
            self.running_mean.lerp_(mean[task], self.momentum)
            self.running_var.lerp_(variance[task], self.momentum)


@contextmanager
def normalising(
    model: nn.Module, statistics: Statistics, *, track: bool = False, record: bool = False
) -> Iterator[None]:
    """Let every batch normalisation of `model` use `statistics` within the block.

    Parameters
    ----------
    track
        Keep running statistics (in training alone).
    record
        Remember this batch's moments for the next block under ``recorded``, at whose end they are
        forgotten.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, BatchNorm2d)]
    before = [(layer.statistics, layer.track, layer.record) for layer in layers]
    for layer in layers:
        layer.statistics, layer.track, layer.record = statistics, track, record
    try:
        yield
    finally:
        for layer, (old, was_tracking, was_recording) in zip(layers, before, strict=True):
            layer.statistics, layer.track, layer.record = old, was_tracking, was_recording
            if statistics == "recorded":
                layer.recorded = None
