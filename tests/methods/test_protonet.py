"""Prototypical networks against prototypes and distances written out."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from few_shot import (
    MODES,
    SHOTS,
    WAYS,
    length,
    make_method,
    make_network,
    random_direction,
    random_episodes,
    relative_error,
    slope,
    textbook_conv4,
)
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.methods.method import Moment
from metabench.tasks.episodes import Episodes

EPISODES = 3


def embedder() -> tuple[nn.Module, nn.Sequential]:
    """The network of the tests, and its body in plain layers."""
    network = make_network("conv4 max")
    return network.body, textbook_conv4(network, "max")[:-1]


def log_probabilities(support_z: Tensor, query_z: Tensor) -> Tensor:
    """Equations 1 and 2 of Snell et al. 2017, one query and class after another; the support set is
    class-major."""
    prototypes = [support_z[SHOTS * c : SHOTS * (c + 1)].mean(0) for c in range(WAYS)]
    distances = torch.stack(
        [torch.stack([((q - prototype) ** 2).sum() for prototype in prototypes]) for q in query_z]
    )
    return F.log_softmax(-distances, -1)


def embeddings(
    body: nn.Module, batch: Episodes, episode: int, mode: BatchNormMode
) -> tuple[Tensor, Tensor]:
    """Support and query features of one episode, by a plain network in training or evaluation
    mode."""
    support_x, query_x = batch.support_x[episode], batch.query_x[episode]
    if mode == "running":
        return body.eval()(support_x), body(query_x)
    if mode == "joint":
        return body.train()(torch.cat((support_x, query_x))).split((len(support_x), len(query_x)))
    return body.train()(support_x), body(query_x)


@pytest.mark.parametrize("mode", ["query", "joint", "running"])
def test_scores_are_those_written_out(mode: BatchNormMode) -> None:
    (network, body), batch = embedder(), random_episodes("conv4 max", EPISODES)
    method = make_method("protonet")
    scores = method.predict(
        method.init(network, None, None), batch.support_x, batch.support_y, batch.query_x, mode
    )[:, 0]
    by_hand = torch.stack(
        [log_probabilities(*embeddings(body, batch, i, mode)) for i in range(EPISODES)]
    )
    torch.testing.assert_close(scores.log_softmax(-1), by_hand, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("mode", ["query", "joint"])
def test_a_step_is_one_of_adam_along_the_gradient_written_out(mode: BatchNormMode) -> None:
    (network, body), batch = embedder(), random_episodes("conv4 max", EPISODES)
    losses = [
        F.nll_loss(log_probabilities(*embeddings(body, batch, i, mode)), batch.query_y[i])
        for i in range(EPISODES)
    ]
    loss = torch.stack(losses).mean()
    loss.backward()
    method = make_method("protonet", train_batch_norm=mode)
    state = method.init(network, None, None)
    result = method.step(state, batch, Moment())
    first_moments = [state.optimizer.state[p]["exp_avg"] / 0.1 for p in network.parameters()]
    assert result.loss == pytest.approx(loss.item(), rel=1e-12)
    assert relative_error(first_moments, [p.grad for p in body.parameters()]) < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "running"])
def test_the_gradient_is_the_slope_of_the_loss(mode: BatchNormMode) -> None:
    """In every mode, against central differences through `predict`."""
    network = make_network("conv4 max").body
    batch, h = random_episodes("conv4 max", EPISODES), 1e-6
    method = make_method("protonet", train_batch_norm=mode)
    weights, direction = (
        {name: p.detach().clone() for name, p in network.named_parameters()},
        random_direction(network),
    )

    def loss(offset: float) -> float:
        state = method.init(network, None, None)
        with torch.no_grad():
            for name, p in network.named_parameters():
                p.copy_(weights[name] + offset * direction[name])
        scores = method.predict(state, batch.support_x, batch.support_y, batch.query_x, mode)[:, 0]
        return float(F.cross_entropy(scores.flatten(0, 1), batch.query_y.flatten()))

    difference = (loss(h) - loss(-h)) / (2 * h)
    loss(0.0)
    state = method.init(network, None, None)
    method.step(state, batch, Moment())
    gradient = {
        name: state.optimizer.state[p]["exp_avg"] / 0.1 for name, p in network.named_parameters()
    }
    assert slope(gradient, direction) == pytest.approx(
        difference, rel=0, abs=1e-7 * length(gradient)
    )


def test_the_distance_is_squared_and_euclidean() -> None:
    """Prototypes 0 and 3 on a line, a query at 1: log-odds 2² - 1² = 3 (unsquared they would be
    1)."""
    support, labels, query = (
        torch.tensor([[[0.0], [3.0]]]),
        torch.tensor([[0, 1]]),
        torch.tensor([[[1.0]]]),
    )
    scores = make_method("protonet").compare(None, support, labels, query)[0, 0]
    assert scores[0] - scores[1] == 3.0


def test_prototypes_follow_the_labels_not_the_order() -> None:
    method, rng = make_method("protonet"), torch.Generator().manual_seed(0)
    support, query = torch.randn(1, 6, 5, generator=rng), torch.randn(1, 4, 5, generator=rng)
    labels, order = torch.tensor([[0, 0, 1, 1, 2, 2]]), [5, 0, 3, 1, 4, 2]
    torch.testing.assert_close(
        method.compare(None, support[:, order], labels[:, order], query),
        method.compare(None, support, labels, query),
    )


def test_the_head_is_left_out() -> None:
    model, method = make_network("conv4 max").body, make_method("protonet")
    state = method.init(method.network(model, None), None, None)
    assert {id(p) for p in state.parameters()} == {id(p) for p in model.parameters()}
