"""Layers with a task axis, and batch normalisation, against torch's own."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from few_shot import relative_error
from torch import Tensor, nn
from torch.func import functional_call

from metabench.models.layers import (
    BatchNorm2d,
    ChannelMoments,
    Conv2d,
    Linear,
    normalising,
    pack_tasks,
    unpack_tasks,
)

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def images(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) + 0.5


def norm_layer(
    channels: int, *, pool: bool, dtype: torch.dtype = torch.float64, lowest: float = 0.5
) -> BatchNorm2d:
    """A layer with a scale from `lowest` up, and a shift."""
    torch.manual_seed(1)
    layer = BatchNorm2d(channels, pool).to(dtype)
    nn.init.uniform_(layer.weight, lowest, 1.5)
    nn.init.normal_(layer.bias)
    return layer


def torchs_own(layer: BatchNorm2d) -> nn.Sequential:
    """Batch norm, ReLU and pooling as torch has them, in the usual order, with the weights of
    `layer`."""
    norm = nn.BatchNorm2d(layer.weight.numel()).to(layer.weight.dtype)
    norm.load_state_dict(layer.state_dict(), strict=False)
    return nn.Sequential(norm, nn.ReLU(), *([nn.MaxPool2d(2)] if layer.pool else []))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
def test_channel_moments_are_those_of_var_mean(
    layout: torch.memory_format, dtype: torch.dtype, tolerance: float
) -> None:
    x = images(6, 5, 7, 9, dtype=dtype).to(memory_format=layout)
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
    ours = ChannelMoments.apply(x)
    torch.testing.assert_close(ours, (mean, variance), rtol=10 * tolerance, atol=tolerance)


def test_channel_moments_have_right_derivatives_of_two_orders() -> None:
    x = images(3, 2, 2, 3).requires_grad_()
    assert torch.autograd.gradcheck(ChannelMoments.apply, x)
    assert torch.autograd.gradgradcheck(ChannelMoments.apply, x)


@pytest.mark.parametrize("pool", [True, False], ids=["pooled", "plain"])
@pytest.mark.parametrize("lowest", [0.5, -1.5], ids=["positive scale", "some negative"])
def test_batch_norm_equals_torchs_own(pool: bool, lowest: float) -> None:
    layer = norm_layer(4, pool=pool, lowest=lowest)
    plain, x = torchs_own(layer), images(5, 4, 7, 6)
    ours, theirs = (x.clone().requires_grad_() for _ in range(2))
    with normalising(layer, "batch", track=True):
        outputs = layer(ours)
    expected = plain(theirs)
    torch.testing.assert_close(outputs, expected, rtol=1e-10, atol=1e-10)
    upstream = images(*outputs.shape, seed=3)
    gradients = torch.autograd.grad(outputs, (ours, layer.weight, layer.bias), upstream)
    assert (
        relative_error(
            list(gradients),
            list(torch.autograd.grad(expected, (theirs, *plain.parameters()), upstream)),
        )
        < 1e-11
    )
    torch.testing.assert_close(layer.running_mean, plain[0].running_mean)
    torch.testing.assert_close(layer.running_var, plain[0].running_var)
    with normalising(layer, "running"):
        torch.testing.assert_close(layer(x), plain.eval()(x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [28, 14, 7, 3])
def test_pooling_first_gives_the_bits_of_pooling_last(
    dtype: torch.dtype, layout: torch.memory_format, size: int
) -> None:
    layer, x = (
        norm_layer(8, pool=True, dtype=dtype, lowest=0.0),
        images(6, 8, size, size, dtype=dtype).to(memory_format=layout),
    )
    layer.weight.data[0] = 0.0
    first = layer(x)
    layer.pool = False
    assert torch.equal(first, F.max_pool2d(layer(x), 2))


def test_batch_norm_of_packed_tasks_equals_a_loop_over_tasks() -> None:
    tasks, channels = 3, 4
    layer, x = norm_layer(channels, pool=True), images(tasks, 5, channels, 6, 6)
    # scales of both signs
    weights = {"weight": images(tasks, channels, seed=4), "bias": images(tasks, channels, seed=5)}
    together = unpack_tasks(functional_call(layer, weights, (pack_tasks(x),)), tasks)
    for task in range(tasks):
        alone = functional_call(layer, {name: w[task] for name, w in weights.items()}, (x[task],))
        torch.testing.assert_close(together[task], alone.flatten(1), rtol=1e-12, atol=1e-12)


def test_running_statistics_of_packed_tasks_equal_a_loop_over_tasks() -> None:
    together, loop, x = norm_layer(4, pool=False), norm_layer(4, pool=False), images(3, 5, 4, 6, 6)
    weights = {name: torch.stack([p.detach()] * 3) for name, p in together.named_parameters()}
    with normalising(together, "batch", track=True), normalising(loop, "batch", track=True):
        functional_call(together, weights, (pack_tasks(x),))
        for task in x:
            loop(task)
    assert relative_error(list(together.buffers()), list(loop.buffers())) < 1e-12


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_of_packed_tasks_equals_a_loop_over_tasks(stride: int) -> None:
    tasks = 3
    layer, x, weight = (
        Conv2d(2, 5, 3, stride, padding=1, bias=False).double(),
        images(tasks, 4, 2, 7, 7),
        images(tasks, 5, 2, 3, 3, seed=1),
    )
    together = unpack_tasks(functional_call(layer, {"weight": weight}, (pack_tasks(x),)), tasks)
    for task in range(tasks):
        alone = F.conv2d(x[task], weight[task], stride=stride, padding=1)
        torch.testing.assert_close(together[task], alone.flatten(1), rtol=1e-12, atol=1e-12)


def test_linear_with_a_task_axis_equals_a_loop_over_tasks() -> None:
    layer, x = Linear(4, 3).double(), images(2, 5, 4)
    weights = {"weight": images(2, 3, 4, seed=1), "bias": images(2, 3, seed=2)}
    together = functional_call(layer, weights, (x,))
    torch.testing.assert_close(
        together,
        torch.stack([F.linear(x[t], weights["weight"][t], weights["bias"][t]) for t in range(2)]),
    )


def test_packing_is_undone_by_unpacking() -> None:
    x = images(3, 4, 2, 5, 5)
    assert torch.equal(unpack_tasks(pack_tasks(x), 3), x.flatten(2))
    assert torch.equal(unpack_tasks(pack_tasks(x[0]), None), x[0].flatten(1))


@pytest.mark.parametrize("statistics", ["batch", "running", "recorded"])
def test_running_statistics_move_only_when_told_to(statistics: str) -> None:
    layer = norm_layer(4, pool=True)
    with normalising(layer, "batch", record=True):
        layer(images(5, 4, 6, 6))
    with normalising(layer, statistics):
        layer(images(5, 4, 6, 6, seed=2))
    assert torch.equal(layer.running_mean, torch.zeros(4))
    assert torch.equal(layer.running_var, torch.ones(4))


def test_recorded_statistics_are_those_of_the_recorded_batch_alone() -> None:
    layer = norm_layer(4, pool=False)
    with normalising(layer, "batch", record=True):
        layer(images(5, 4, 6, 6, seed=9))  # an episode before
    with normalising(layer, "batch", record=True):
        expected = layer(images(5, 4, 6, 6))
    layer(images(5, 4, 6, 6, seed=2))  # not recorded
    with normalising(layer, "recorded"):
        torch.testing.assert_close(layer(images(5, 4, 6, 6)[:2]), expected[:2])


def test_recorded_statistics_are_forgotten_after_use() -> None:
    """So nothing of an episode, nor of its graph, is left on the network."""
    layer = norm_layer(4, pool=False)
    with normalising(layer, "batch", record=True):
        layer(images(5, 4, 6, 6))
    with normalising(layer, "recorded"):
        layer(images(5, 4, 6, 6, seed=2))
    assert not layer.recorded
    with (
        normalising(layer, "recorded"),
        pytest.raises(RuntimeError, match="before any were recorded"),
    ):
        layer(images(5, 4, 6, 6))


def test_normalising_ends_with_its_block_whatever_happens_in_it() -> None:
    layer = norm_layer(4, pool=False)
    with pytest.raises(ZeroDivisionError), normalising(layer, "running", track=True, record=True):
        raise ZeroDivisionError
    assert (layer.statistics, layer.track, layer.record) == ("batch", False, False)


def test_train_and_eval_mode_decide_nothing() -> None:
    layer, x = norm_layer(4, pool=False), images(5, 4, 6, 6)
    assert torch.equal(layer.train()(x), layer.eval()(x))
