"""Whole networks: against plain layers of torch, with and without a task axis, and what they say of
themselves."""

from __future__ import annotations

import pytest
import torch
from few_shot import (
    NETWORKS,
    make_network,
    random_episodes,
    relative_error,
    textbook_conv4,
    with_head,
)
from torch import nn
from torch.func import functional_call

from metabench.models.conv4 import Conv4
from metabench.models.layers import normalising
from metabench.models.mlp import MLP
from metabench.tasks.episodes import Task


@pytest.mark.parametrize("pooling", ["max", "stride"])
@pytest.mark.parametrize("size", [16, 20, 28])
def test_conv4_is_the_textbook_network(pooling: str, size: int) -> None:
    ours = make_network(f"conv4 {pooling}", size=size)
    plain, x = textbook_conv4(ours, pooling), random_episodes("conv4", 1, size=size).query_x[0]
    with normalising(ours, "running"):
        torch.testing.assert_close(ours(x), plain.eval()(x))
    torch.testing.assert_close(ours(x), plain.train()(x))
    gradients = [
        torch.autograd.grad(network(x).square().sum(), tuple(network.parameters()))
        for network in (ours, plain)
    ]
    assert relative_error(*map(list, gradients)) < 1e-9


@pytest.mark.parametrize("name", NETWORKS)
def test_the_task_axis_equals_a_loop_over_tasks(name: str) -> None:
    network, x = make_network(name), random_episodes(name, 3).support_x
    rng = torch.Generator().manual_seed(2)
    weights = {
        key: p.detach() + 0.1 * torch.randn(3, *p.shape, generator=rng, dtype=p.dtype)
        for key, p in network.named_parameters()
    }
    together = functional_call(network, weights, (x,))
    for task in range(3):
        alone = functional_call(network, {key: w[task] for key, w in weights.items()}, (x[task],))
        torch.testing.assert_close(together[task], alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "image", "features"),
    [
        ({}, (1, 28, 28), 64),
        ({"pooling": "stride"}, (1, 28, 28), 256),
        ({"filters": 32}, (3, 84, 84), 800),
        ({}, (3, 32, 32), 256),
    ],
    ids=str,
)
def test_conv4_has_the_features_and_weights_of_the_papers(
    settings: dict[str, object], image: tuple[int, int, int], features: int
) -> None:
    """Omniglot: 64 features (Vinyals, Snell) or 64 x 2 x 2 (Finn); mini-ImageNet with 32 filters:
    32 x 5 x 5."""
    task = Task("classification", image, 5)
    network = with_head(Conv4(Conv4.Settings(**settings), task), task)
    filters = settings.get("filters", 64)
    assert network.head.in_features == features
    assert network.body(torch.zeros(2, *image)).shape == (2, features)
    by_hand = 9 * filters * (image[0] + 3 * filters) + 4 * 2 * filters + 5 * (features + 1)
    assert sum(p.numel() for p in network.parameters()) == by_hand


def test_conv4_refuses_images_that_pooling_would_use_up() -> None:
    with pytest.raises(ValueError, match="at least 16x16, not 28x15"):
        Conv4(Conv4.Settings(), Task("classification", (1, 28, 15), 5))


def test_the_sinusoid_network_has_the_size_of_the_paper() -> None:
    """1-40-40-1: 1,761 weights."""
    task = Task("regression", (1,), 1)
    network = with_head(MLP(MLP.Settings(), task), task)
    assert sum(p.numel() for p in network.parameters()) == 1761


def test_truncated_normal_weights_are_within_two_deviations_and_biases_zero() -> None:
    task = Task("regression", (1,), 1)
    network = with_head(MLP(MLP.Settings(hidden=(200, 200)), task), task)
    biases = [p for name, p in network.named_parameters() if name.endswith("bias")]
    assert len(biases) == 3
    assert all((bias == 0).all() for bias in biases)
    weight = network.body.layers.linear1.weight
    assert weight.abs().max() <= 0.02
    # of a normal cut at two deviations: 0.880 of the full one
    assert weight.std().item() == pytest.approx(0.0088, rel=0.02)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_split_into_body_and_head_and_say_what_they_are(name: str) -> None:
    network, x = make_network(name), random_episodes(name, 1).query_x[0]
    assert torch.equal(network.head(network.body(x)), network(x))
    model = type(network.body)
    assert model.has_batch_norm(model.Settings()) == any(
        "running_mean" in key for key, _ in network.named_buffers()
    )
    assert model.kinds == {"regression" if name == "mlp" else "classification"}
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
