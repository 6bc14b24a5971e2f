"""The nearest neighbour in pixels, against distances taken one by one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from few_shot import (
    WAYS,
    make_cell,
    make_method,
    make_network,
    part,
    random_episodes,
    reproducible,
    run,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metabench.tasks.episodes import Episodes


def predict(batch: Episodes) -> Tensor:
    method = make_method("nearest")
    state = method.init(make_network("conv4 max"), None, torch.Generator())
    return method.predict(state, batch.support_x, batch.support_y, batch.query_x, "running")


def test_scores_are_negative_squared_distances_to_the_closest_image_of_each_class() -> None:
    batch = random_episodes("conv4 max", 3)
    scores = predict(batch)
    assert scores.shape == (3, 1, batch.query_x.shape[1], WAYS)
    for e in range(3):
        for q, query in enumerate(batch.query_x[e]):
            for c in range(WAYS):
                members = batch.support_x[e][batch.support_y[e] == c]
                assert scores[e, 0, q, c] == pytest.approx(
                    -min(float(((query - image) ** 2).sum()) for image in members), rel=1e-9
                )


@settings(max_examples=20)
@given(order=st.permutations(range(6)), seed=st.integers(0, 50))
def test_the_order_of_the_support_set_says_nothing(order: list[int], seed: int) -> None:
    batch = random_episodes("conv4 max", 2, seed=seed)
    turned = Episodes(
        batch.support_x[:, order], batch.support_y[:, order], batch.query_x, batch.query_y
    )
    assert torch.equal(predict(turned), predict(batch))


def test_an_image_is_its_own_neighbour_even_in_single_precision() -> None:
    """At distance 0: not a difference of large numbers."""
    batch = random_episodes("conv4 max", 2)
    support = batch.support_x.float() + 100
    scores = predict(Episodes(support, batch.support_y, support, batch.support_y))
    assert torch.equal(scores[:, 0].argmax(-1), batch.support_y)
    assert torch.equal(scores[:, 0].amax(-1), torch.zeros(2, 6))


def test_a_cell_needs_no_training_and_no_weights(omniglot_folder: Path) -> None:
    cell = make_cell("nearest", "omniglot", evaluate={"batch_norm": "running", "episodes": 200})
    (first,), (second,) = (run(cell, data=omniglot_folder) for _ in range(2))
    assert reproducible(first) == reproducible(second)
    result = first.result
    assert result["weights"] == {"trained": 0, "adapted": 0}
    assert result["spent"] == {"tasks": 0, "images": 0, "gradient_evaluations": 0}
    assert (result["stopped"], result["transductive"], result["choice"]) == (
        "untrained",
        False,
        None,
    )
    low, _ = result["interval"]
    assert low > 1 / 3


def test_it_serves_images_alone_and_takes_no_other_normalisation() -> None:
    assert make_method("nearest").kinds == {"classification"}
    assert part("methods", "nearest").said == {}
    with pytest.raises(ValueError, match='expected "running"'):
        part("methods", "nearest", test_batch_norm="query")
