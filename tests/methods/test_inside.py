"""What a test keeps of a method itself: the way of its weights, and the rates that it learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from few_shot import (
    fingerprint,
    make_cell,
    make_method,
    make_network,
    random_episodes,
    reproducible,
    run,
)

from metabench import registry
from metabench.figures import rates, way
from metabench.methods.method import State, task_losses

SETTINGS: dict[str, dict[str, Any]] = {
    "maml": {"test_steps": 4},
    "fomaml": {"test_steps": 4},
    "anil": {"test_steps": 4},
    "meta_sgd": {"inner_lr": 0.05, "test_steps": 4},
    "maml_pp": {"inner_steps": 3, "test_steps": 4},
    "reptile": {"inner_optimizer": "sgd", "test_steps": 4, "test_batch": 4},
    "pretrained": {"tune": ("head",), "rates": (0.01,), "steps": (0, 1, 4)},
    "scratch": {"rates": (0.01,), "steps": (0, 1, 4)},
}


def begin(name: str, network: str, **more: Any) -> tuple[Any, State]:
    torch.manual_seed(0)
    method = make_method(name, **SETTINGS[name] | more)
    return method, method.init(make_network(network), None, torch.Generator().manual_seed(0))


def inside(name: str, network: str, tasks: int = 5, **more: Any) -> dict[str, np.ndarray]:
    method, state = begin(name, network, **more)
    episodes = random_episodes(network, tasks)
    norm = "query" if network == "conv4 max" else None
    before = fingerprint(state)
    kept = method.inside(state, episodes.support_x, episodes.support_y, norm)
    assert fingerprint(state) == before
    return kept


@pytest.mark.parametrize("network", ["mlp", "conv4 max"])
@pytest.mark.parametrize("name", SETTINGS)
def test_paths_begin_where_adaptation_does_and_are_as_long_as_their_distances(
    name: str, network: str
) -> None:
    kept = inside(name, network)
    distance, plane, held = (kept[f"way/{part}"] for part in ("distance", "plane", "held"))
    points = len(make_method(name, **SETTINGS[name]).curve)
    assert distance.shape == (5, points)
    assert plane.shape == (way.PATHS, points, 2)
    assert (distance[:, 0] == 0).all()
    assert (distance[:, 1:] > 0).all()
    assert np.abs(plane[:, 0]).max() < 1e-6 * distance.max()
    flat = np.linalg.norm(plane, axis=-1)
    assert (flat <= distance[: way.PATHS] * (1 + 1e-6) + 1e-12).all()
    share = np.square(flat).sum() / np.square(distance[: way.PATHS]).sum()
    assert share == pytest.approx(float(held[0]), rel=1e-5)


def test_one_step_of_maml_goes_its_rate_times_the_gradient() -> None:
    method, state = begin("maml", "mlp", inner_lr=0.03, test_steps=1)
    episodes = random_episodes("mlp", 3)
    kept = method.inside(state, episodes.support_x, episodes.support_y, None)
    for task in range(3):
        loss = task_losses(
            state.model(episodes.support_x[task])[None], episodes.support_y[task][None]
        )
        gradient = torch.autograd.grad(loss.sum(), list(state.model.parameters()))
        length = float(torch.cat([part.flatten() for part in gradient]).norm())
        assert kept["way/distance"][task, 1] == pytest.approx(0.03 * length, rel=1e-5)
    weights = torch.cat([p.detach().flatten() for p in state.model.parameters()])
    assert kept["way/norm"][0] == pytest.approx(float(weights.norm()), rel=1e-6)


def test_the_plane_of_tasks_that_go_two_ways_holds_all_of_them() -> None:
    """Three tasks within a plane of a space of 7: distances and angles are those of the space."""
    axes = torch.linalg.qr(torch.randn(7, 2, dtype=torch.float64)).Q.T
    ends = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-1.0, -2.0]], dtype=torch.float64)
    start = {"w": torch.zeros(3, 7, dtype=torch.float64)}
    points = [{"w": share * ends @ axes} for share in (0.0, 0.5, 1.0)]
    kept = way.way_of([(start, points)], 1.0)
    assert kept["way/held"][0] == pytest.approx(1)
    plane = torch.from_numpy(kept["way/plane"])
    for at, share in enumerate((0.0, 0.5, 1.0)):
        inner = share**2 * ends @ ends.T
        torch.testing.assert_close(plane[:, at] @ plane[:, at].T, inner, atol=1e-9, rtol=0)


def test_episodes_a_few_at_a_time_give_what_they_give_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = inside("maml", "conv4 max")
    monkeypatch.setattr("metabench.methods.outputs.NUMBERS_AT_ONCE", {"cpu": 1})
    parts = inside("maml", "conv4 max")
    for name, values in whole.items():
        np.testing.assert_allclose(parts[name], values, rtol=1e-4, atol=1e-6)


def test_a_large_network_keeps_distances_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "NUMBERS", 10)
    kept = inside("maml", "mlp")
    assert kept["way/plane"].size == 0
    assert kept["way/distance"].shape == (5, 5)


@pytest.mark.parametrize("far", [float("nan"), float("inf"), 1e200])
def test_weights_that_went_beyond_all_numbers_break_nothing(far: float) -> None:
    start = {"w": torch.zeros(2, 3, dtype=torch.float64)}
    points = [start, {"w": torch.full((2, 3), far, dtype=torch.float64)}]
    kept = way.way_of([(start, points)], 1.0)
    assert kept["way/distance"].shape == (2, 2)
    assert kept["way/plane"].size == 0


def test_weights_that_an_adaptation_leaves_out_have_stayed() -> None:
    start = {name: torch.ones(2, 3, dtype=torch.float64) for name in ("held", "moved")}
    kept = way.way_of([(start, [{}, {"moved": 2 * start["moved"]}])], 1.0)
    np.testing.assert_allclose(kept["way/distance"], [[0, 3**0.5]] * 2)


def test_rates_are_kept_tensor_by_tensor() -> None:
    method, state = begin("meta_sgd", "mlp")
    with torch.no_grad():
        for number, rate in enumerate(state.rates):
            rate.copy_(torch.linspace(0, number, rate.numel()).view_as(rate))
    episodes = random_episodes("mlp", 2)
    kept = method.inside(state, episodes.support_x, episodes.support_y, None)
    names = [name for name, _ in state.model.named_parameters()]
    assert kept["rates/tensors"].tolist() == names
    assert kept["rates/outer"].shape == (2, 1, len(names))
    for number in range(len(names)):
        if state.rates[number].numel() > 1:
            assert kept["rates/mean"][0, number] == pytest.approx(number / 2)
            low, high = kept["rates/outer"][:, 0, number]
            assert (low, high) == (pytest.approx(0.1 * number), pytest.approx(0.9 * number))


def test_maml_pp_keeps_a_rate_for_each_step_where_it_learns_them() -> None:
    kept = inside("maml_pp", "conv4 max")
    assert kept["rates/mean"].shape == (3, len(kept["rates/tensors"]))
    np.testing.assert_array_equal(*kept["rates/outer"])
    assert not any(
        name.startswith("rates/") for name in inside("maml_pp", "conv4 max", per_step_rates=False)
    )
    assert not any(name.startswith(rates.NAME) for name in inside("maml", "conv4 max"))


@pytest.mark.slow
def test_a_record_keeps_it_and_it_moves_no_number(tmp_path: Path) -> None:
    cell = make_cell("meta_sgd", method={"inner_lr": 0.01, "test_steps": 2})
    (one,), (again,) = run(cell, data=tmp_path), run(cell, data=tmp_path)
    kept = {name for name in one.arrays if name.startswith(("figures/way/", "figures/rates/"))}
    assert len(kept) == 7
    for name in kept:
        np.testing.assert_array_equal(one.arrays[name], again.arrays[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry.get("methods", "meta_sgd"), "inside", lambda *given: {})
        (without,) = run(cell, data=tmp_path)
    assert reproducible(without) == reproducible(one)
