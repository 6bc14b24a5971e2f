"""The gradient through the inner loop: against `higher`, against finite differences, and against
the algorithm written out as in the paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from few_shot import (
    MODES,
    NETWORK_MODES,
    NETWORKS,
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
from torch.func import functional_call

from metabench.cells import BatchNormMode
from metabench.methods import higher_engine, outputs
from metabench.methods.inner_loop import descend, scores_along, support_loss
from metabench.methods.meta_gradient import MetaGradient
from metabench.methods.meta_gradient import meta_gradient as batched_meta_gradient
from metabench.methods.method import Moment, task_losses
from metabench.methods.outputs import Weights, per_task, query_outputs
from metabench.methods.update_rules import GradientDescent
from metabench.tasks.episodes import Episodes

LR = 0.05
TASKS = 3
ROUNDING = 1e-12
"""Relative, in float64."""

every_network_and_mode = pytest.mark.parametrize(("name", "mode"), NETWORK_MODES)
both_orders = pytest.mark.parametrize("second_order", [True, False], ids=["maml", "fomaml"])


def adapted(
    network: nn.Module,
    weights: Weights,
    x: Tensor,
    y: Tensor,
    *,
    steps: int,
    lr: float,
    second_order: bool,
    batch_norm: BatchNormMode | None,
    differentiate: bool = False,
) -> Weights:
    """The weights after plain gradient descent on each support set."""
    rule = GradientDescent(lr, second_order_from=0 if second_order else None)
    loss = support_loss(network, x, y, batch_norm)
    (after,) = descend(weights, loss, rule, (steps,), differentiate=differentiate)
    return after


def meta_gradient(
    network: nn.Module, batch: Episodes, *, track: bool = False, **options: Any
) -> MetaGradient:
    """The gradient of MAML or FOMAML."""

    def adapt(weights: Weights, x: Tensor, y: Tensor) -> Iterator[Weights]:
        yield adapted(network, weights, x, y, **options, differentiate=True)

    return batched_meta_gradient(
        network, batch, adapt, batch_norm=options["batch_norm"], track=track
    )


one_and_several_steps = pytest.mark.parametrize("steps", [1, 3])


@every_network_and_mode
@both_orders
@one_and_several_steps
def test_equals_that_of_higher(
    name: str, mode: BatchNormMode | None, second_order: bool, steps: int
) -> None:
    network, batch = make_network(name), random_episodes(name, TASKS)
    options = {"steps": steps, "lr": LR, "second_order": second_order, "batch_norm": mode}
    ours, theirs = (
        meta_gradient(network, batch, **options),
        higher_engine.meta_gradient(network, batch, **options),
    )
    assert relative_error(ours.gradient, theirs.gradient) < ROUNDING
    assert ours.loss == pytest.approx(float(theirs.loss), rel=ROUNDING)
    assert ours.score == pytest.approx(float(theirs.score), rel=ROUNDING)


@every_network_and_mode
@one_and_several_steps
def test_of_maml_is_the_slope_of_the_loss_that_a_test_would_see(
    name: str, mode: BatchNormMode | None, steps: int
) -> None:
    network, batch, h = make_network(name), random_episodes(name, TASKS), 1e-6
    direction = random_direction(network)

    def loss_after_adapting_from(offset: float) -> Tensor:
        with torch.no_grad():
            for parameter_name, p in network.named_parameters():
                p.add_(direction[parameter_name], alpha=offset)

        def adaptation(x: Tensor, y: Tensor) -> Iterator[Weights]:
            start, options = per_task(network, len(x)), {"second_order": False, "batch_norm": mode}
            yield adapted(network, start, x, y, steps=steps, lr=LR, **options)

        scores = scores_along(
            network, batch.support_x, batch.support_y, batch.query_x, adaptation, mode
        )
        return task_losses(scores[:, 0], batch.query_y).mean()

    gradient = meta_gradient(
        network, batch, steps=steps, lr=LR, second_order=True, batch_norm=mode
    ).gradient
    difference = (loss_after_adapting_from(h) - loss_after_adapting_from(-2 * h)) / (2 * h)
    assert slope(gradient, direction) == pytest.approx(
        float(difference), rel=0, abs=1e-7 * length(gradient)
    )


@every_network_and_mode
@one_and_several_steps
def test_of_fomaml_is_the_slope_of_the_loss_at_the_adapted_weights(
    name: str, mode: BatchNormMode | None, steps: int
) -> None:
    network, batch, h = make_network(name), random_episodes(name, TASKS), 1e-6
    direction, options = (
        random_direction(network),
        {"steps": steps, "lr": LR, "second_order": False, "batch_norm": mode},
    )
    start = per_task(network, TASKS)
    after = adapted(network, start, batch.support_x, batch.support_y, **options)

    def loss_beside_the_adapted(offset: float) -> Tensor:
        weights = {key: w + offset * direction[key] for key, w in after.items()}
        return task_losses(
            query_outputs(network, weights, batch.support_x, batch.query_x, mode), batch.query_y
        ).mean()

    gradient = meta_gradient(network, batch, **options).gradient
    difference = (loss_beside_the_adapted(h) - loss_beside_the_adapted(-h)).detach() / (2 * h)
    assert slope(gradient, direction) == pytest.approx(
        float(difference), rel=0, abs=1e-7 * length(gradient)
    )


def written_out(
    network: nn.Module, batch: Episodes, *, steps: int, second_order: bool
) -> list[Tensor]:
    """Algorithm 2 of Finn et al. 2017, task by task, for a plain network in training mode."""
    outer_loss = torch.zeros((), dtype=torch.float64)
    loss_of = F.mse_loss if batch.query_y.is_floating_point() else F.cross_entropy
    for support_x, support_y, query_x, query_y in zip(
        batch.support_x, batch.support_y, batch.query_x, batch.query_y, strict=True
    ):
        fast = dict(network.named_parameters())
        for _ in range(steps):
            loss = loss_of(functional_call(network, fast, (support_x,)), support_y)
            gradients = torch.autograd.grad(loss, tuple(fast.values()), create_graph=second_order)
            fast = {name: w - LR * g for (name, w), g in zip(fast.items(), gradients, strict=True)}
        outer_loss = outer_loss + loss_of(
            functional_call(network, fast, (query_x,)), query_y
        ) / len(batch)
    return list(torch.autograd.grad(outer_loss, tuple(network.parameters())))


@pytest.mark.parametrize("name", NETWORKS)
@both_orders
@one_and_several_steps
def test_equals_the_algorithm_written_out(name: str, second_order: bool, steps: int) -> None:
    network, batch = make_network(name), random_episodes(name, TASKS)
    plain = network if name == "mlp" else textbook_conv4(network, name.split()[1])
    ours = meta_gradient(
        network,
        batch,
        steps=steps,
        lr=LR,
        second_order=second_order,
        batch_norm=None if name == "mlp" else "query",
    )
    assert (
        relative_error(
            list(ours.gradient.values()),
            written_out(plain, batch, steps=steps, second_order=second_order),
        )
        < ROUNDING
    )


@every_network_and_mode
def test_second_order_is_worth_something_here(name: str, mode: BatchNormMode | None) -> None:
    """Or else the tests above could not tell `maml` from `fomaml`."""
    network, batch = make_network(name), random_episodes(name, TASKS)
    second, first = (
        meta_gradient(network, batch, steps=3, lr=LR, second_order=order, batch_norm=mode).gradient
        for order in (True, False)
    )
    assert relative_error(first, second) > 0.01


@every_network_and_mode
@pytest.mark.parametrize("at_once", [1, 2, 10**9])
def test_does_not_depend_on_how_many_tasks_run_together(
    name: str, mode: BatchNormMode | None, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, batch = make_network(name), random_episodes(name, 5)
    options = {"steps": 2, "lr": LR, "second_order": True, "batch_norm": mode}
    usual = meta_gradient(network, batch, **options)
    monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", at_once * batch.support_x[0].numel())
    changed = meta_gradient(network, batch, **options)
    assert relative_error(changed.gradient, usual.gradient) < ROUNDING
    assert changed.loss == pytest.approx(float(usual.loss), rel=ROUNDING)


@every_network_and_mode
def test_of_several_tasks_is_the_mean_of_the_gradients_of_each(
    name: str, mode: BatchNormMode | None
) -> None:
    network, batch = make_network(name), random_episodes(name, TASKS)
    options = {"steps": 2, "lr": LR, "second_order": True, "batch_norm": mode}
    singles = [
        meta_gradient(
            network,
            Episodes(
                *(
                    t[i : i + 1]
                    for t in (batch.support_x, batch.support_y, batch.query_x, batch.query_y)
                )
            ),
            **options,
        )
        for i in range(TASKS)
    ]
    mean = {
        key: sum(single.gradient[key] for single in singles) / TASKS for key in singles[0].gradient
    }
    assert relative_error(meta_gradient(network, batch, **options).gradient, mean) < ROUNDING


@pytest.mark.parametrize("engine", ["functional", "higher"])
@pytest.mark.parametrize("name", ["maml", "fomaml"])
def test_a_step_is_one_of_adam_along_the_gradient_written_out(name: str, engine: str) -> None:
    network, reference = make_network("mlp"), make_network("mlp")
    method = make_method(name, inner_lr=LR, inner_steps=2, outer_lr=0.01, engine=engine)
    state, adam = method.init(network, None, None), torch.optim.Adam(reference.parameters())
    for i, rate in enumerate([1.0, 0.5, 0.25]):
        batch = random_episodes("mlp", TASKS, seed=i)
        method.step(state, batch, Moment(rate=rate))
        for p, g in zip(
            reference.parameters(),
            written_out(reference, batch, steps=2, second_order=name == "maml"),
            strict=True,
        ):
            p.grad = g
        adam.param_groups[0]["lr"] = 0.01 * rate
        adam.step()
    assert relative_error(list(network.parameters()), list(reference.parameters())) < ROUNDING


def test_clip_bounds_every_element_of_the_gradient() -> None:
    network, batch = make_network("mlp"), random_episodes("mlp", TASKS)
    gradient = meta_gradient(
        network, batch, steps=1, lr=LR, second_order=True, batch_norm=None
    ).gradient
    bound = float(torch.cat([g.flatten().abs() for g in gradient.values()]).median())
    state = make_method("maml", inner_lr=LR, clip=bound).init(network, None, None)
    make_method("maml", inner_lr=LR, clip=bound).step(state, batch, Moment())
    # Adam's first moment after one step
    seen = {
        name: state.optimizer.state[p]["exp_avg"] / 0.1 for name, p in network.named_parameters()
    }
    assert (
        relative_error(seen, {name: g.clamp(-bound, bound) for name, g in gradient.items()}) < 1e-9
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("at_once", [1, 10**9])
def test_running_statistics_do_not_depend_on_how_many_tasks_run_together(
    mode: BatchNormMode, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task moves them in its turn, as under `higher`."""
    ours, theirs, batch = (
        make_network("conv4 max"),
        make_network("conv4 max"),
        random_episodes("conv4 max", TASKS),
    )
    options = {"steps": 1, "lr": LR, "second_order": True, "batch_norm": mode, "track": True}
    monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", at_once)
    meta_gradient(ours, batch, **options)
    higher_engine.meta_gradient(theirs, batch, **options)
    assert relative_error(list(ours.buffers()), list(theirs.buffers())) < ROUNDING
