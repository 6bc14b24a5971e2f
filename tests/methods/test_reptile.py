"""Reptile against the authors' loop written out with one live network and one live optimiser of
torch."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from few_shot import (
    fingerprint,
    length,
    make_cell,
    make_method,
    make_network,
    part,
    random_episodes,
    relative_error,
    reproducible,
    run,
    some_episodes,
    textbook_conv4,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from metabench.methods import outputs
from metabench.methods.method import Moment, StepResult
from metabench.methods.reptile import Reptile, ReptileState, mini_batches
from metabench.models.layers import BatchNorm2d
from metabench.tasks.episodes import Episodes

ROUNDING = 1e-9
"""Relative, in float64. Adam without momentum divides by the gradient's own size, and so magnifies
rounding."""
LR = {"adam": 0.003, "sgd": 0.05}
TASKS = 3

every_network = pytest.mark.parametrize("name", ["mlp", "conv4 max", "conv4 stride"])
both_optimizers = pytest.mark.parametrize("optimizer", ["adam", "sgd"])


def begin(name: str, optimizer: str = "adam", **settings: Any) -> tuple[Reptile, ReptileState]:
    """Reptile on a small network, the shuffling of its mini-batches seeded with 5."""
    method: Any = make_method(
        "reptile",
        **{"inner_optimizer": optimizer, "inner_lr": LR[optimizer], "inner_steps": 3, **settings},
    )
    return method, method.init(make_network(name), None, torch.Generator().manual_seed(5))


def loss_of(scores: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)


class Authors:
    """supervised_reptile/reptile.py: variables that are set back for each task, and an optimiser
    that never is."""

    def __init__(self, name: str, optimizer: str) -> None:
        network = make_network(name)
        self.network = network if name == "mlp" else textbook_conv4(network, name.split()[1])
        with_moments = {"lr": LR["adam"], "betas": (0.0, 0.999), "eps": 1e-8}
        weights = self.network.parameters()
        self.optimizer = (
            torch.optim.Adam(weights, **with_moments)
            if optimizer == "adam"
            else torch.optim.SGD(weights, lr=LR["sgd"])
        )

    def variables(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.network.parameters()]

    def set_variables(self, values: list[Tensor]) -> None:
        with torch.no_grad():
            for p, value in zip(self.network.parameters(), values, strict=True):
                p.copy_(value)

    def batches(
        self, x: Tensor, y: Tensor, size: int | None, rng: torch.Generator
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """`_mini_batches`: fill a batch from one shuffling after another."""
        if size is None:
            while True:
                yield x, y
        batch: list[int] = []
        while True:
            for sample in torch.randperm(len(x), generator=rng).tolist():
                batch.append(sample)
                if len(batch) == size:
                    yield x[batch], y[batch]
                    batch = []

    def minimise(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.network(x)
        loss = loss_of(scores, y)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.detach(), scores.detach()

    def train_step(
        self, batch: Episodes, steps: int, size: int, epsilon: float, rng: torch.Generator
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Algorithm 2; returns what was met at the last inner step of each task."""
        old, new, last = self.variables(), [], []
        for i in range(len(batch)):
            x, y = (
                torch.cat((batch.support_x[i], batch.query_x[i])),
                torch.cat((batch.support_y[i], batch.query_y[i])),
            )
            batches = self.batches(x, y, size, rng)
            for _ in range(steps):
                x_seen, y_seen = next(batches)
                loss, scores = self.minimise(x_seen, y_seen)
            last.append((loss, scores, y_seen))
            new.append(self.variables())
            self.set_variables(old)
        self.set_variables(
            [o + epsilon * (sum(n) / len(n) - o) for o, *n in zip(old, *new, strict=True)]
        )
        return last


def second_moments(authors: Authors) -> Tensor:
    return torch.cat(
        [authors.optimizer.state[p]["exp_avg_sq"].flatten() for p in authors.network.parameters()]
    )


def trained_with(
    authors: Authors, method: Reptile, state: ReptileState, name: str, epsilon: float = 0.6
) -> list[tuple[StepResult, list[Any]]]:
    """Two outer iterations of either."""
    rng, results = torch.Generator().manual_seed(5), []
    for seed in (0, 1):
        batch = random_episodes(name, TASKS, seed=seed)
        ours = method.step(state, batch, Moment(rate=epsilon / method.settings.outer_lr))
        results.append(
            (
                ours,
                authors.train_step(
                    batch, method.settings.inner_steps, method.settings.inner_batch, epsilon, rng
                ),
            )
        )
    return results


@pytest.mark.slow
@every_network
@both_optimizers
@pytest.mark.parametrize("size", [4, 20], ids=["mini-batches", "more than there are"])
def test_trains_as_the_authors_do(name: str, optimizer: str, size: int) -> None:
    method, state = begin(name, optimizer, inner_batch=size, outer_lr=0.8)
    authors = Authors(name, optimizer)
    before = [p.detach().clone() for p in state.model.parameters()]
    results = trained_with(authors, method, state, name)
    ours, theirs = list(state.model.parameters()), authors.variables()
    assert (
        relative_error(
            [a - b for a, b in zip(ours, before, strict=True)],
            [a - b for a, b in zip(theirs, before, strict=True)],
        )
        < ROUNDING
    )
    for result, last in results:
        losses, scores, y = zip(*last, strict=True)
        assert result.loss == pytest.approx(float(sum(losses) / TASKS), rel=ROUNDING)
        right = [
            F.mse_loss(s, t) if t.is_floating_point() else (s.argmax(-1) == t).double().mean()
            for s, t in zip(scores, y, strict=True)
        ]
        assert result.score == pytest.approx(float(sum(right) / TASKS), rel=1e-6)
    if optimizer == "adam":
        assert relative_error([state.second_moment], [second_moments(authors)]) < ROUNDING
        assert state.inner_steps == 2 * TASKS * 3


@pytest.mark.slow
@every_network
@both_optimizers
@pytest.mark.parametrize("size", [None, 4], ids=["whole", "mini-batches"])
def test_tests_as_the_authors_do(name: str, optimizer: str, size: int | None) -> None:
    """Each episode from the kept weights and moments, and as if none had been before it."""
    curve = (0, 1, 4)
    method, state = begin(name, optimizer, test_steps=4, curve=curve, test_batch=size)
    authors = Authors(name, optimizer)
    trained_with(authors, method, state, name)
    batch = random_episodes(name, TASKS, seed=2)
    scores = method.predict(
        state, batch.support_x, batch.support_y, batch.query_x, None if name == "mlp" else "query"
    )
    for i in range(TASKS):
        theirs = copy.deepcopy(authors)
        batches = theirs.batches(
            batch.support_x[i], batch.support_y[i], size, torch.Generator().manual_seed(0)
        )
        for steps in range(max(curve) + 1):
            if steps in curve:
                torch.testing.assert_close(
                    scores[i, curve.index(steps)],
                    theirs.network(batch.query_x[i]).detach(),
                    rtol=1e-7,
                    atol=1e-7,
                )
            theirs.minimise(*next(batches))


@every_network
@both_optimizers
def test_a_test_episode_leaves_the_state_as_it_was(name: str, optimizer: str) -> None:
    method, state = begin(name, optimizer, test_steps=3)
    method.step(state, random_episodes(name, 2), Moment())
    before, drawn = fingerprint(state), state.generator.get_state()
    batch = random_episodes(name, 2, seed=1)
    method.predict(
        state, batch.support_x, batch.support_y, batch.query_x, None if name == "mlp" else "query"
    )
    assert fingerprint(state) == before
    assert torch.equal(state.generator.get_state(), drawn)


def test_second_moments_go_on_into_test_episodes() -> None:
    method, state = begin("mlp", test_steps=3)
    method.step(state, random_episodes("mlp", 2), Moment())
    batch = random_episodes("mlp", 2, seed=1)
    kept = method.predict(state, batch.support_x, batch.support_y, batch.query_x, None)
    for buffer in state.buffers():
        buffer.zero_()
    fresh = method.predict(state, batch.support_x, batch.support_y, batch.query_x, None)
    assert torch.equal(kept[:, 0], fresh[:, 0])
    assert not torch.allclose(kept[:, 1], fresh[:, 1], rtol=1e-3)


def moved(
    name: str, optimizer: str, batch: Episodes, epsilon: float, **settings: Any
) -> list[Tensor]:
    """Where one outer iteration leads from the initial weights."""
    method, state = begin(name, optimizer, **settings)
    method.step(state, batch, Moment(rate=epsilon))
    return [p.detach().clone() for p in state.model.parameters()]


@pytest.mark.slow
@settings(max_examples=25)
@given(epsilon=st.floats(0, 1), tasks=st.integers(1, 3), optimizer=st.sampled_from(["adam", "sgd"]))
def test_the_outer_rate_is_the_way_gone_towards_the_mean(
    epsilon: float, tasks: int, optimizer: str
) -> None:
    batch, start = random_episodes("mlp", tasks), list(make_network("mlp").parameters())
    nowhere, there, all_the_way = (
        moved("mlp", optimizer, batch, rate) for rate in (0.0, epsilon, 1.0)
    )
    assert all(torch.equal(a, b) for a, b in zip(nowhere, start, strict=True))
    for a, b, c in zip(start, there, all_the_way, strict=True):
        torch.testing.assert_close(b, a + epsilon * (c - a), rtol=1e-12, atol=1e-12)


@both_optimizers
def test_the_loss_on_the_task_falls(optimizer: str) -> None:
    """The sign is right."""
    method, state = begin("mlp", optimizer)
    batch = random_episodes("mlp", 1)
    losses = [float(method.step(state, batch, Moment()).loss) for _ in range(4)]
    assert losses == sorted(losses, reverse=True)


@every_network
def test_one_step_of_sgd_is_joint_training(name: str) -> None:
    """With a single inner step the outer one is gradient descent on the mean loss, at inner times
    outer rate (Nichol et al. 2018)."""
    batch, network = random_episodes(name, TASKS), make_network(name)
    plain = network if name == "mlp" else textbook_conv4(network, name.split()[1])
    x, y = (
        torch.cat((batch.support_x, batch.query_x), 1),
        torch.cat((batch.support_y, batch.query_y), 1),
    )
    loss = torch.stack([loss_of(plain(x[i]), y[i]) for i in range(TASKS)]).mean()
    gradient = torch.autograd.grad(loss, tuple(plain.parameters()))
    there = moved(name, "sgd", batch, 0.5, inner_steps=1, inner_batch=x.shape[1])
    steps = [
        (a.detach() - b) / (0.5 * LR["sgd"])
        for a, b in zip(network.parameters(), there, strict=True)
    ]
    assert relative_error(steps, list(gradient)) < 1e-12


def test_under_adam_the_order_of_tasks_matters_and_under_sgd_it_does_not() -> None:
    batch = random_episodes("mlp", TASKS)
    turned = some_episodes(batch, [2, 1, 0])
    for optimizer in ("adam", "sgd"):
        one, other = (moved("mlp", optimizer, episodes, 1.0) for episodes in (batch, turned))
        way = length(
            dict(
                enumerate(
                    a - b for a, b in zip(one, moved("mlp", optimizer, batch, 0.0), strict=True)
                )
            )
        )
        apart = length(dict(enumerate(a - b for a, b in zip(one, other, strict=True)))) / way
        assert apart > 1e-3 if optimizer == "adam" else apart < 1e-12


@every_network
@both_optimizers
@pytest.mark.parametrize("at_once", [1, 10**9])
def test_how_many_tasks_run_together_changes_nothing(
    name: str, optimizer: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = random_episodes(name, 4)
    usual = moved(name, optimizer, batch, 1.0, inner_batch=4)
    monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", at_once)
    assert relative_error(moved(name, optimizer, batch, 1.0, inner_batch=4), usual) < ROUNDING


@both_optimizers
def test_running_statistics_move_once_a_task_in_its_last_step(optimizer: str) -> None:
    method, state = begin("conv4 max", optimizer)
    norms = [layer for layer in state.model.modules() if isinstance(layer, BatchNorm2d)]
    for norm in norms:
        norm.running_mean.fill_(1e9)
    method.step(state, random_episodes("conv4 max", TASKS), Moment())
    for norm in norms:
        assert norm.running_mean.numpy() == pytest.approx(1e9 * 0.9**TASKS, rel=1e-6)


@given(
    samples=st.integers(1, 12),
    size=st.integers(1, 15),
    steps=st.integers(0, 12),
    fewer=st.integers(0, 12),
)
def test_mini_batches_go_through_all_samples_again_and_again(
    samples: int, size: int, steps: int, fewer: int
) -> None:
    order = mini_batches(samples, size, steps, torch.Generator().manual_seed(3))
    assert order.shape == (steps, size)
    rounds = order.flatten().split(samples)
    for one in rounds:
        assert len(one.unique()) == len(one)
    assert all(len(one) == samples for one in rounds[:-1])
    assert order.numel() == 0 or (order.min() >= 0 and order.max() < samples)
    fewer = min(fewer, steps)
    assert torch.equal(
        mini_batches(samples, size, fewer, torch.Generator().manual_seed(3)), order[:fewer]
    )


def test_without_a_size_every_step_sees_all_samples_and_nothing_is_drawn() -> None:
    rng = torch.Generator().manual_seed(3)
    before = rng.get_state()
    assert mini_batches(4, None, 2, rng).tolist() == [[0, 1, 2, 3]] * 2
    assert torch.equal(rng.get_state(), before)


@pytest.mark.parametrize(
    ("settings", "curve"),
    [
        ({}, (0, 1, 2, 5, 10, 20, 50)),
        ({"test_steps": 32}, (0, 1, 2, 5, 10, 20, 32)),
        ({"test_steps": 0}, (0,)),
        ({"test_steps": 8, "curve": (3, 0, 16)}, (0, 3, 8, 16)),
    ],
)
def test_the_curve(settings: dict[str, Any], curve: tuple[int, ...]) -> None:
    method = make_method("reptile", **settings)
    assert method.curve == curve
    assert method.test_steps == settings.get("test_steps", 50)
    (candidate,) = method.candidates()
    assert (candidate.curve, candidate.test_steps) == ((method.test_steps,), method.test_steps)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["sinusoid", "omniglot"])
def test_a_fit_comes_again_to_the_bit_and_says_what_it_took(
    source: str, omniglot_folder: Path
) -> None:
    method = {"inner_batch": 4, "test_steps": 2, "test_batch": 2, "inner_steps": 3}
    cell = make_cell("reptile", source, method=method)
    (first,), (second,) = (run(cell, data=omniglot_folder) for _ in range(2))
    assert reproducible(first) == reproducible(second)
    assert first.result["outcome"] == "completed"
    tasks, images = {"sinusoid": (12, 10), "omniglot": (8, 9)}[source]
    assert first.result["spent"] == {
        "tasks": tasks,
        "images": tasks * images,
        "gradient_evaluations": tasks * 3,
    }
    assert first.result["weights"]["trained"] == first.result["weights"]["adapted"] > 0


def test_kept_weights_hold_all_that_training_and_test_go_on_from() -> None:
    (method, state), (_, loaded) = (begin("conv4 max", test_steps=2) for _ in range(2))
    batch = random_episodes("conv4 max", 2)
    method.step(state, batch, Moment())
    loaded.load_state_dict(state.state_dict())
    scores = [
        method.predict(at, batch.support_x, batch.support_y, batch.query_x, "running")
        for at in (state, loaded)
    ]
    assert torch.equal(*scores)
    loaded.generator.set_state(state.generator.get_state())
    for at in (state, loaded):
        method.step(at, batch, Moment())
    assert fingerprint(state) == fingerprint(loaded)


def test_a_rate_without_reason_diverges(omniglot_folder: Path) -> None:
    (outcome,) = run(
        make_cell("reptile", method={"inner_optimizer": "sgd", "inner_lr": 1e38}),
        data=omniglot_folder,
    )
    assert (outcome.result["outcome"], outcome.result["score"]) == ("diverged", None)


@pytest.mark.slow
def test_it_learns_to_fit_waves(omniglot_folder: Path) -> None:
    shape = {"shots": 10, "query_shots": 10}
    cell = make_cell(
        "reptile",
        method={
            "inner_optimizer": "sgd",
            "inner_lr": 0.02,
            "inner_steps": 10,
            "test_steps": 10,
            "curve": (0, 10),
        },
        model={"hidden": (40, 40), "init": "default"},
        train={**shape, "iterations": 300, "tasks_per_batch": 10, "schedule": "linear"},
        validate={**shape, "every": 150, "episodes": 20},
        evaluate={**shape, "episodes": 200},
    )
    (outcome,) = run(cell, data=omniglot_folder)
    before, after = outcome.result["adaptation"]["score"]
    assert after < 0.5 * before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("inner_steps", 0),
        ("inner_steps", 10_001),
        ("test_steps", 10_001),
        ("inner_batch", 0),
        ("inner_lr", 0.0),
        ("outer_lr", 0.0),
        ("inner_lr", math.inf),
    ],
)
def test_nonsense_is_refused(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        part("methods", "reptile", **{key: value})


def test_settings_at_their_defaults_stay_out_of_the_identity() -> None:
    assert part("methods", "reptile", inner_batch=10, test_steps=50).said == {}
    assert part("methods", "reptile", inner_optimizer="sgd", test_batch=5).said == {
        "inner_optimizer": "sgd",
        "test_batch": 5,
    }


def test_everything_kept_is_no_weight() -> None:
    """Moments are carried along, not trained: the number of weights is the network's."""
    _, state = begin("conv4 max")
    assert (
        sum(p.numel() for p in state.parameters())
        == sum(p.numel() for p in state.model.parameters())
        == state.second_moment.numel()
    )
