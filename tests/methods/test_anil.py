"""ANIL against `higher`, finite differences, and itself with the body run again at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from few_shot import (
    NETWORK_MODES,
    length,
    make_cell,
    make_method,
    make_network,
    random_direction,
    random_episodes,
    relative_error,
    reproducible,
    run,
    slope,
)
from torch import Tensor

from metabench.cells import BatchNormMode
from metabench.methods import outputs
from metabench.methods.inner_loop import descend, support_loss
from metabench.methods.method import Moment, State, task_losses
from metabench.methods.outputs import per_task
from metabench.methods.update_rules import GradientDescent

LR, TASKS = 0.05, 3

every_network_and_mode = pytest.mark.parametrize(("name", "mode"), NETWORK_MODES)
every_training_mode = pytest.mark.parametrize(
    ("name", "mode"), [(name, mode) for name, mode in NETWORK_MODES if mode != "running"]
)
one_and_several_steps = pytest.mark.parametrize("steps", [1, 3])


def begin(name: str, mode: BatchNormMode | None, **settings: Any) -> tuple[Any, State]:
    if mode is not None:
        settings["train_batch_norm"] = mode
    method = make_method("anil", inner_lr=LR, **settings)
    return method, method.init(make_network(name), None, torch.Generator())


def gradient_of_step(method: Any, state: State, batch: Any) -> dict[str, Tensor]:
    """The gradient that a step hands to Adam, out of its first moment."""
    method.step(state, batch, Moment())
    return {
        name: state.optimizer.state[p]["exp_avg"] / 0.1
        for name, p in state.model.named_parameters()
    }


@every_training_mode
@one_and_several_steps
def test_the_gradient_is_that_of_higher(name: str, mode: Any, steps: int) -> None:
    batch = random_episodes(name, TASKS)
    ours, theirs = (
        gradient_of_step(*begin(name, mode, inner_steps=steps, engine=engine), batch)
        for engine in ("functional", "higher")
    )
    assert relative_error(ours, theirs) < 1e-11


@every_training_mode
@one_and_several_steps
def test_the_gradient_is_the_slope_of_the_loss_that_a_test_would_see(
    name: str, mode: Any, steps: int
) -> None:
    batch, h = random_episodes(name, TASKS), 1e-6
    method, state = begin(name, mode, inner_steps=steps)
    direction = random_direction(state.model)

    def loss_from(offset: float) -> Tensor:
        _, there = begin(name, mode)
        with torch.no_grad():
            for key, p in there.model.named_parameters():
                p.add_(direction[key], alpha=offset)
        scores = method.predict(there, batch.support_x, batch.support_y, batch.query_x, mode)
        return task_losses(scores[:, -1], batch.query_y).mean()

    difference = (loss_from(h) - loss_from(-h)) / (2 * h)
    gradient = gradient_of_step(method, state, batch)
    assert slope(gradient, direction) == pytest.approx(
        float(difference), rel=0, abs=1e-7 * length(gradient)
    )


@every_network_and_mode
def test_predictions_are_those_of_a_head_adapted_alone(name: str, mode: Any) -> None:
    """With the whole network run at each step, and a rule that moves the head alone."""
    method, state = begin(name, None, test_steps=3)
    batch = random_episodes(name, TASKS)

    class OfTheHead(GradientDescent):
        def moves(self, name: str) -> bool:
            return name.startswith("head.")

    loss = support_loss(state.model, batch.support_x, batch.support_y, mode)
    start = per_task(state.model, TASKS)
    points = descend(start, loss, OfTheHead(LR, second_order_from=None), range(4))
    scores = method.predict(state, batch.support_x, batch.support_y, batch.query_x, mode)
    for point, weights in enumerate(points):
        assert all(weights[key] is start[key] for key in start if key.startswith("body."))
        if point:
            assert not torch.equal(weights["head.bias"], start["head.bias"])
        theirs = outputs.query_scores(state.model, weights, batch.support_x, batch.query_x, mode)
        torch.testing.assert_close(scores[:, point], theirs, rtol=1e-9, atol=1e-9)


def test_all_weights_are_trained_and_the_head_alone_is_adapted() -> None:
    method, state = begin("conv4 max", "query")
    before = {name: p.detach().clone() for name, p in state.model.named_parameters()}
    method.step(state, random_episodes("conv4 max", 2), Moment())
    assert all(not torch.equal(p, before[name]) for name, p in state.model.named_parameters())
    head = sum(p.numel() for p in state.model.head.parameters())
    assert method.adapted_weights(state, 3) == head


def test_the_gradient_is_not_that_of_maml() -> None:
    batch = random_episodes("conv4 max", TASKS)
    of_anil = gradient_of_step(*begin("conv4 max", "query"), batch)
    maml = make_method("maml", inner_lr=LR)
    state = maml.init(make_network("conv4 max"), None, torch.Generator())
    assert relative_error(of_anil, gradient_of_step(maml, state, batch)) > 0.01


@pytest.mark.parametrize("source", ["sinusoid", "omniglot"])
def test_a_fit_comes_again_to_the_bit(source: str, omniglot_folder: Path) -> None:
    cell = make_cell("anil", source, method={"inner_lr": 0.1})
    (first,), (second,) = (run(cell, data=omniglot_folder) for _ in range(2))
    assert first.result["outcome"] == "completed"
    assert reproducible(first) == reproducible(second)


@pytest.mark.slow
def test_it_learns_made_up_characters(omniglot_folder: Path) -> None:
    """Far above the third that guessing gives."""
    cell = make_cell(
        "anil",
        "omniglot",
        method={"inner_lr": 0.5, "inner_steps": 3, "outer_lr": 0.003},
        train={"iterations": 60, "tasks_per_batch": 5},
        validate={"every": 30, "episodes": 20},
        evaluate={"episodes": 200},
    )
    (outcome,) = run(cell, data=omniglot_folder)
    low, _ = outcome.result["interval"]
    assert low > 1 / 3 + 0.1
