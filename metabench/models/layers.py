"""Layers whose weights may carry a leading task axis, and batch normalisation whose statistics are
always said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        if _write_down and 1 in self.weight.shape[1:]:
            return self._product(x)
        if self.bias is None:
            return torch.bmm(x, self.weight.mT)
        return torch.baddbmm(self.bias.unsqueeze(1), x, self.weight.mT)

    def _product(self, x: Tensor) -> Tensor:
        """The same where there is one input or output, without a product of matrices: a compiler
        makes one loop of it and its neighbours."""
        wide = self.weight.shape[2] > 1
        y = (x * self.weight).sum(2, keepdim=True) if wide else x * self.weight.mT
        return y if self.bias is None else y + self.bias.unsqueeze(1)


class Conv2d(nn.Conv2d):
    """A convolution over packed tasks: ``[B, T*in, H, W]`` -> ``[B, T*out, H', W']`` when the
    weights are ``[T, out, in, k, k]``.

    Packing tasks into channels makes T convolutions one grouped convolution, and batch statistics
    per task come for free: they are per channel.
    """

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, groups = self.weight, self.bias, self.groups
        if weight.dim() == 5:
            groups *= weight.shape[0]
            weight, bias = weight.flatten(0, 1), None if bias is None else bias.flatten()
        stride, padding = self.stride, self.padding
        thinning = self.kernel_size == (1, 1) and max(stride) > 1
        if thinning or self.padding_mode != "zeros":
            mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
            x, padding = F.pad(x, self._reversed_padding_repeated_twice, mode), (0, 0)
        if thinning:
            # the same numbers by way of fewer pixels: on a CPU, torch 2.15's own backward of a
            # strided 1x1 convolution writes beyond its memory where channels come last
            x, stride = x[..., :: stride[0], :: stride[1]], (1, 1)
        return F.conv2d(x, weight, bias, stride, padding, self.dilation, groups)


_write_down = False


@contextmanager
def written_down() -> Iterator[None]:
    """Let layers, within the block, do what holds for inputs of any value, and what a compiler can
    take apart: what they do is written down to be done again with others."""
    global _write_down
    before, _write_down = _write_down, True
    try:
        yield
    finally:
        _write_down = before


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
        if x.device.type != "cpu" or _write_down:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            return mean, variance
        mean, variance = torch.batch_norm_update_stats(x, None, None, 0.0)
        return mean, variance

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int], x: Tensor
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        """Under `torch.func.vmap`: the tasks that it maps over, packed into channels."""
        packed = x.movedim(in_dims[0], 0).transpose(0, 1).flatten(1, 2)
        mean, variance = ChannelMoments.apply(packed)
        return (mean.view(info.batch_size, -1), variance.view(info.batch_size, -1)), (0, 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Moments) -> None:
        ctx.save_for_backward(inputs[0], output[0])

    @staticmethod
    def backward(ctx: Any, grad_mean: Tensor, grad_variance: Tensor) -> Tensor:
        # d mean / dx = 1/n and d variance / dx = 2 (x - mean) / n, gathered into one pass over x
        x, mean = ctx.saved_tensors
        n = x.numel() // x.shape[1]
        slope = grad_variance * (2 / n)
        return torch.addcmul(channelwise(grad_mean / n - slope * mean), x, channelwise(slope))


def channelwise(v: Tensor) -> Tensor:
    """Numbers a channel ``[C]``, to stand beside ``[B, C, H, W]``."""
    return v.view(1, -1, 1, 1)


class BatchNormalisation(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) whose statistics are set from outside with
    `normalising`, never by train/eval mode.

    They are those of this very batch (``batch``), those kept from training (``running``), or those
    that the calls under the last block with `record` saw, in their order (``recorded``). Tasks
    packed into channels have statistics of their own. A subclass says what becomes of its input.
    """

    eps: float = 1e-5
    momentum: float = 0.1
    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor
    running_var: Tensor
    statistics: Statistics = "batch"
    track: bool = False
    record: bool = False
    recorded: Sequence[Moments] = ()
    count: int = 0
    """Numbers a channel that the last moments were taken of."""

    def scale_and_shift(self, x: Tensor) -> Moments:
        """The factor and the summand of each channel of ``[B, C, H, W]`` that normalise it."""
        mean, variance = self._moments(x)
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = self.weight.flatten() * scale
        shift = mean * scale
        return scale, -shift if self.bias is None else self.bias.flatten() - shift

    def _moments(self, x: Tensor) -> Moments:
        if self.statistics == "batch":
            mean, variance = ChannelMoments.apply(x)
            self.count = x.numel() // x.shape[1]
            if self.track:
                self.keep(mean, variance)
            if self.record:
                self.recorded = (*self.recorded, (mean, variance))
            return mean, variance
        if self.statistics == "recorded":
            if not self.recorded:
                raise RuntimeError(
                    "batch normalisation by recorded statistics before any were recorded"
                )
            first, *self.recorded = self.recorded
            return first
        tasks = x.shape[1] // self.running_mean.shape[0]
        return self.running_mean.repeat(tasks), self.running_var.repeat(tasks)

    @torch.no_grad()
    def keep(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics by one step a task, in their order, however many tasks are
        packed together."""
        n = self.count
        mean, variance = (
            v.view(-1, self.running_mean.shape[0]) for v in (mean, variance * (n / max(n - 1, 1)))
        )
        for task in range(len(mean)):
            self.running_mean.lerp_(mean[task], self.momentum)
            self.running_var.lerp_(variance[task], self.momentum)


class BatchNorm2d(BatchNormalisation):
    """Batch normalisation, then max-pooling where asked, then ReLU.

    Normalising is monotone where the scale is not negative, so pooling may come first: the same
    bits, with three quarters of the arithmetic saved.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, channels: int, pool: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        scale, shift = self.scale_and_shift(x)
        # on CUDA, asking would wait for the device
        pool_first = (
            self.pool
            and x.device.type == "cpu"
            and not _write_down
            and bool((self.weight >= 0).all())
        )
        if pool_first:
            x = F.max_pool2d(x, 2)
        x = torch.addcmul(channelwise(shift), x, channelwise(scale))
        if self.pool and not pool_first:
            x = F.max_pool2d(x, 2)
        return F.relu(x)


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
    layers = batch_norms(model)
    before = [(layer.statistics, layer.track, layer.record) for layer in layers]
    for layer in layers:
        layer.statistics, layer.track, layer.record = statistics, track, record
        if record:
            layer.recorded = ()
    try:
        yield
    finally:
        for layer, (old, was_tracking, was_recording) in zip(layers, before, strict=True):
            layer.statistics, layer.track, layer.record = old, was_tracking, was_recording
            if statistics == "recorded":
                layer.recorded = ()


def batch_norms(model: nn.Module) -> list[BatchNormalisation]:
    """Every layer of `model` that `normalising` steers."""
    return [layer for layer in model.modules() if isinstance(layer, BatchNormalisation)]
