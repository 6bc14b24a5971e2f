"""What every method promises of `predict`: it changes nothing, meets each episode alone, and never
sees the labels of queries."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from few_shot import (
    MODES,
    QUERIES,
    WAYS,
    fingerprint,
    make_method,
    make_network,
    random_episodes,
    some_episodes,
)
from torch import Tensor

from metabench.cells import TRANSDUCTIVE, BatchNormMode
from metabench.methods import outputs
from metabench.methods.method import Method, Moment, State
from metabench.models.layers import BatchNorm2d
from metabench.tasks.episodes import Episodes

pytestmark = pytest.mark.slow

SETTINGS: dict[str, dict[str, Any]] = {
    "maml": {"inner_lr": 0.05, "test_steps": 3, "curve": (0, 1, 3)},
    "fomaml": {"inner_lr": 0.05, "test_steps": 2},
    "anil": {"inner_lr": 0.05, "test_steps": 3, "curve": (0, 1, 3)},
    "meta_sgd": {"test_steps": 3, "curve": (0, 1, 3)},
    "maml_pp": {"inner_steps": 2, "test_steps": 3, "curve": (0, 1, 3)},
    "protonet": {},
    "scratch": {"rates": (0.01,), "steps": (0, 1, 3)},
    "reptile": {"inner_lr": 0.01, "test_steps": 3, "test_batch": 4},
    "reptile with sgd": {
        "inner_optimizer": "sgd",
        "inner_lr": 0.05,
        "test_steps": 3,
        "curve": (0, 1),
    },
    "pretrained, its head tuned": {"tune": ("head",), "rates": (0.1,), "steps": (0, 1, 3)},
    "pretrained, all tuned": {"tune": ("all",), "rates": (0.01,), "steps": (0, 1, 3)},
}
CURVES = {
    **dict.fromkeys(SETTINGS, (0, 1, 3)),
    "fomaml": (0, 1, 2),
    "protonet": (0,),
    "reptile": (0, 1, 2, 3),
}

every_method = pytest.mark.parametrize("name", SETTINGS)
every_mode = pytest.mark.parametrize("mode", MODES)


def registered(name: str) -> str:
    """The first word of a name."""
    return name.replace(",", "").split()[0]


def prepared(name: str) -> tuple[Method, State]:
    """A method and its state on a small convolutional network."""
    method, network = make_method(registered(name), **SETTINGS[name]), make_network("conv4 max")
    if registered(name) == "protonet":
        network = network.body
    return method, method.init(network, None, torch.Generator())


def predict(method: Method, state: State, batch: Episodes, mode: BatchNormMode) -> Tensor:
    return method.predict(state, batch.support_x, batch.support_y, batch.query_x, mode)


@every_method
def test_query_labels_cannot_reach_it(name: str) -> None:
    taken = list(inspect.signature(type(make_method(registered(name))).predict).parameters)
    assert taken == ["self", "state", "support_x", "support_y", "query_x", "batch_norm"]


@every_method
@every_mode
def test_scores_each_query_for_each_class_along_the_curve(name: str, mode: BatchNormMode) -> None:
    method, state = prepared(name)
    scores = predict(method, state, random_episodes("conv4 max", 4), mode)
    assert method.curve == CURVES[name]
    assert scores.shape == (4, len(CURVES[name]), WAYS * QUERIES, WAYS)
    assert scores.isfinite().all()
    assert not scores.requires_grad


@pytest.mark.parametrize("name", ["maml", "fomaml", "scratch"])
def test_a_point_of_the_curve_is_what_so_many_steps_alone_give(name: str) -> None:
    method, state = prepared(name)
    batch = random_episodes("conv4 max", 2)
    together = predict(method, state, batch, "query")
    for point, steps in enumerate(method.curve):
        alone = (
            {"rates": (0.01,), "steps": (steps,)}
            if name == "scratch"
            else {"inner_lr": 0.05, "test_steps": steps, "curve": (steps,)}
        )
        torch.testing.assert_close(
            together[:, point],
            predict(make_method(name, **alone), state, batch, "query")[:, 0],
            rtol=1e-9,
            atol=1e-9,
        )


@every_method
@every_mode
def test_changes_nothing(name: str, mode: BatchNormMode) -> None:
    method, state = prepared(name)
    before = fingerprint(state)
    first = predict(method, state, random_episodes("conv4 max", 3), mode)
    assert fingerprint(state) == before
    assert torch.equal(predict(method, state, random_episodes("conv4 max", 3), mode), first)
    assert all(p.grad is None for p in state.parameters())
    norms = [layer for layer in state.modules() if isinstance(layer, BatchNorm2d)]
    assert {(norm.statistics, norm.track, norm.record) for norm in norms} == {
        ("batch", False, False)
    }


@every_method
@every_mode
@pytest.mark.parametrize("at_once", [1, 10**9])
def test_episodes_never_meet(
    name: str, mode: BatchNormMode, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does an episode see what is left of the one before it, however many run together."""
    method, state = prepared(name)
    batch, others = random_episodes("conv4 max", 4), random_episodes("conv4 max", 4, seed=1)
    alone = torch.cat([predict(method, state, some_episodes(batch, [i]), mode) for i in range(4)])
    monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", at_once)
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        torch.testing.assert_close(
            predict(method, state, some_episodes(batch, order), mode),
            alone[order],
            rtol=1e-9,
            atol=1e-9,
        )
    mixed = Episodes(
        *(
            torch.cat((getattr(others, part), getattr(batch, part)))
            for part in ("support_x", "support_y", "query_x", "query_y")
        )
    )
    torch.testing.assert_close(predict(method, state, mixed, mode)[4:], alone, rtol=1e-9, atol=1e-9)


@every_method
@every_mode
def test_queries_meet_in_transductive_modes_alone(name: str, mode: BatchNormMode) -> None:
    method, state = prepared(name)
    batch = random_episodes("conv4 max", 2)
    full = predict(method, state, batch, mode)
    fewer = predict(
        method,
        state,
        Episodes(batch.support_x, batch.support_y, batch.query_x[:, :3], batch.query_y[:, :3]),
        mode,
    )
    assert torch.allclose(fewer, full[:, :, :3], rtol=1e-9, atol=1e-9) == (mode not in TRANSDUCTIVE)


@every_method
@every_mode
def test_permuting_queries_permutes_predictions(name: str, mode: BatchNormMode) -> None:
    method, state = prepared(name)
    batch, order = random_episodes("conv4 max", 2), [4, 2, 0, 5, 1, 3]
    permuted = predict(
        method,
        state,
        Episodes(
            batch.support_x, batch.support_y, batch.query_x[:, order], batch.query_y[:, order]
        ),
        mode,
    )
    torch.testing.assert_close(
        permuted, predict(method, state, batch, mode)[:, :, order], rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil", "protonet"])
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "running"])
def test_each_training_task_moves_running_statistics_once(name: str, mode: BatchNormMode) -> None:
    """So 0.9 of what was there is left after each."""
    method = make_method(name, train_batch_norm=mode)
    state = method.init(make_network("conv4 max"), None, torch.Generator())
    means = [
        value.fill_(1e9) for key, value in state.named_buffers() if key.endswith("running_mean")
    ]
    assert len(means) == 4
    method.step(state, random_episodes("conv4 max", 3), Moment())
    for mean in means:
        assert mean.numpy() == pytest.approx(1e9 * 0.9**3, rel=1e-6)


@every_method
def test_running_statistics_are_used_in_their_own_mode(name: str) -> None:
    method, state = prepared(name)
    batch = random_episodes("conv4 max", 1)
    before = predict(method, state, batch, "running")
    for value in state.model.buffers():
        value.mul_(1.5)
    assert not torch.allclose(predict(method, state, batch, "running"), before)


@every_method
@pytest.mark.parametrize("mode", MODES[:-1])
def test_running_statistics_are_not_used_in_other_modes(name: str, mode: BatchNormMode) -> None:
    method, state = prepared(name)
    batch = random_episodes("conv4 max", 1)
    before = predict(method, state, batch, mode)
    for value in state.model.buffers():
        value.fill_(float("nan"))
    assert torch.equal(predict(method, state, batch, mode), before)


@pytest.mark.parametrize("name", ["protonet", "scratch"])
def test_what_does_not_train_or_adapt_says_so(name: str) -> None:
    method, state = prepared(name)
    weights = sum(p.numel() for p in state.parameters())
    assert (method.trains, method.adapted_weights(state, WAYS)) == (
        (True, 0) if name == "protonet" else (False, weights)
    )
    if not method.trains:
        with pytest.raises(TypeError, match="does not train"):
            method.step(state, random_episodes("conv4 max", 1), Moment())
