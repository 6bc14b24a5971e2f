"""Training on the support set alone, against plain networks trained one by one."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from few_shot import make_method, make_network, random_episodes, textbook_conv4

OPTIMIZERS = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}


@pytest.mark.parametrize("name", ["mlp", "conv4 max", "conv4 stride"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_is_a_plain_network_trained_on_each_support_set(name: str, optimizer: str) -> None:
    network, batch, curve = make_network(name), random_episodes(name, 3), (0, 1, 4)
    method = make_method("scratch", rates=(0.01,), steps=curve, optimizer=optimizer)
    mode = None if name == "mlp" else "query"
    scores = method.predict(
        method.init(network, None, None), batch.support_x, batch.support_y, batch.query_x, mode
    )
    fresh = network if name == "mlp" else textbook_conv4(network, name.split()[1])
    loss_of = F.mse_loss if name == "mlp" else F.cross_entropy
    for i in range(3):
        plain = copy.deepcopy(fresh)
        optimiser = OPTIMIZERS[optimizer](plain.parameters(), lr=0.01)
        for step in range(max(curve) + 1):
            if step in curve:
                torch.testing.assert_close(
                    scores[i, curve.index(step)],
                    plain(batch.query_x[i]).detach(),
                    rtol=1e-7,
                    atol=1e-7,
                )
            optimiser.zero_grad()
            loss_of(plain(batch.support_x[i]), batch.support_y[i]).backward()
            optimiser.step()


def test_there_is_one_candidate_a_rate_with_the_same_curve() -> None:
    method = make_method("scratch", rates=(0.1, 0.01), steps=(5, 0, 1, 5))
    assert [(candidate.settings.rates, candidate.curve) for candidate in method.candidates()] == [
        ((0.1,), (0, 1, 5)),
        ((0.01,), (0, 1, 5)),
    ]
