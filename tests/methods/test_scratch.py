"""Training on the support set alone, against plain networks trained one by one."""

from __future__ import annotations

import pytest
import torch
from few_shot import (
    make_method,
    make_network,
    plain_network,
    random_episodes,
    scores_while_tuned,
)

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
    for i in range(3):
        plain = plain_network(network, name)
        optimiser = OPTIMIZERS[optimizer](plain.parameters(), lr=0.01)
        theirs = scores_while_tuned(plain, optimiser, batch, i, max(curve))
        for place, step in enumerate(curve):
            torch.testing.assert_close(scores[i, place], theirs[step], rtol=1e-7, atol=1e-7)


def test_there_is_one_candidate_a_rate_with_the_same_curve() -> None:
    method = make_method("scratch", rates=(0.1, 0.01), steps=(5, 0, 1, 5))
    assert [(candidate.settings.rates, candidate.curve) for candidate in method.candidates()] == [
        ((0.1,), (0, 1, 5)),
        ((0.01,), (0, 1, 5)),
    ]
