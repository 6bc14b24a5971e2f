"""Meta-SGD: in closed form, against `higher`, and against MAML; its slopes are in
`test_learned_rates`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from few_shot import (
    gradient_of_higher,
    make_network,
    plain_network,
    random_episodes,
    relative_error,
)
from torch import Tensor, nn

from metabench.methods.maml import MAML
from metabench.methods.meta_sgd import FIRST_RATES, MetaSGD
from metabench.methods.method import Method, Moment, State
from metabench.models.layers import Linear
from metabench.tasks.episodes import Episodes
from metabench.testing import check_method

TASKS = 3
ROUNDING = 1e-12
"""Relative, in float64."""


def begin(network: nn.Module, **settings: Any) -> tuple[MetaSGD, Any]:
    """A method, and a state with no two rates alike."""
    method = MetaSGD(MetaSGD.Settings(**{"inner_lr": 0.05, **settings}))
    state: Any = method.init(network, None, torch.Generator())
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for rate in state.rates:
            rate.mul_(0.5 + torch.rand(rate.shape, generator=rng, dtype=rate.dtype))
    return method, state


def handed_to_adam(method: Method, state: State, batch: Episodes) -> list[Tensor]:
    method.step(state, batch, Moment())
    assert state.optimizer is not None
    return [state.optimizer.state[p]["exp_avg"] / 0.1 for p in state.parameters()]


def test_of_a_linear_model_it_is_the_closed_form() -> None:
    """With loss (1/n) |X w - y|^2, gradient g(w) = H w - b and Hessian H = (2/n) X'X: after
    w' = w - a o g_S(w), the slope in w is (I - H_S diag(a)) g_Q(w'), and that in a is
    -g_S(w) o g_Q(w')."""
    torch.manual_seed(0)
    x, query_x = torch.randn(2, TASKS, 6, 4, dtype=torch.float64)
    y, query_y = torch.randn(2, TASKS, 6, 1, dtype=torch.float64)
    network = Linear(4, 1, bias=False).double()
    w = network.weight.detach().clone().squeeze(0)
    method, state = begin(network)
    rates = state.rates[0].detach().clone().squeeze(0)
    of_weights, of_rates = torch.zeros(2, 4, dtype=torch.float64)
    for xs, ys, xq, yq in zip(x, y[..., 0], query_x, query_y[..., 0], strict=True):
        hessian = 2 / 6 * xs.T @ xs
        g = 2 / 6 * xs.T @ (xs @ w - ys)
        g_query = 2 / 6 * xq.T @ (xq @ (w - rates * g) - yq)
        of_weights += (torch.eye(4, dtype=torch.float64) - hessian * rates) @ g_query / TASKS
        of_rates -= g * g_query / TASKS
    ours = handed_to_adam(method, state, Episodes(x, y, query_x, query_y))
    assert relative_error(ours, [of_weights, of_rates]) < ROUNDING
    # the transpose of the Hessian times the rates is another matrix
    assert relative_error([hessian * rates], [(hessian * rates).T]) > 1e-3


@pytest.mark.parametrize("name", ["mlp", "conv4 max"])
@pytest.mark.parametrize("steps", [1, 3])
def test_equals_that_of_higher(name: str, steps: int) -> None:
    batch = random_episodes(name, TASKS)
    method, state = begin(make_network(name), inner_steps=steps)
    plain = plain_network(state.model, name)
    rates = [rate.detach().clone().requires_grad_() for rate in state.rates]
    total = gradient_of_higher(plain, batch, rates, [rates] * steps)
    assert relative_error(handed_to_adam(method, state, batch), total) < ROUNDING


@pytest.mark.parametrize("name", ["mlp", "conv4 max"])
def test_with_one_rate_for_all_initial_weights_get_the_gradient_of_maml(name: str) -> None:
    batch, given = random_episodes(name, TASKS), {"inner_lr": 0.05, "inner_steps": 2}
    maml = MAML(MAML.Settings(**given))
    theirs = handed_to_adam(maml, maml.init(make_network(name), None, None), batch)
    method = MetaSGD(MetaSGD.Settings(**given))
    ours = handed_to_adam(method, method.init(make_network(name), None, None), batch)
    assert len(ours) == 2 * len(theirs)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=False))


def test_rates_begin_where_the_settings_say_or_all_at_one_that_is_drawn() -> None:
    def first_rates(seed: int = 0, **settings: Any) -> Tensor:
        method = MetaSGD(MetaSGD.Settings(**settings))
        state: Any = method.init(make_network("mlp"), None, torch.Generator().manual_seed(seed))
        return torch.cat([rate.flatten() for rate in state.rates]).detach()

    assert first_rates(inner_lr=0.3).unique().tolist() == [0.3]
    drawn = [first_rates(seed).unique() for seed in (*range(20), 0)]
    assert all(len(rate) == 1 for rate in drawn)
    low, high = FIRST_RATES
    assert all(low <= float(rate) <= high for rate in drawn)
    assert max(drawn) - min(drawn) > (high - low) / 2
    assert drawn[0] == drawn[-1]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["query", "running"])
def test_keeps_the_contract(mode: str) -> None:
    check_method(MetaSGD, inner_steps=2, test_steps=3, test_batch_norm=mode)
