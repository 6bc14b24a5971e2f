"""What the base of MAML offers to methods that learn more than initial weights: Meta-SGD, with
losses after several steps and gradients that are constants up to a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from few_shot import (
    make_cell,
    make_network,
    random_episodes,
    relative_error,
    run,
)
from torch import Tensor

from metabench.methods.maml import MAML
from metabench.methods.meta_sgd import MetaSGD
from metabench.methods.method import Moment, State, task_losses
from metabench.methods.update_rules import GradientDescent, Rule

TASKS = 3


class Rated(MetaSGD):
    """Meta-SGD with losses after several steps, gradients that are constants up to a step, and the
    choice of an engine."""

    @dataclass(frozen=True)
    class Settings(MetaSGD.Settings):
        multi_step: bool = False
        second_order_from: int | None = 0
        engine: Literal["functional", "higher"] = "functional"

    settings: Settings

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        names = [name for name, _ in state.model.named_parameters()]
        rates = dict(zip(names, state.rates, strict=True))
        start = self.settings.second_order_from
        return GradientDescent(lambda step, name: rates[name], second_order_from=start)

    def loss_weights(self, moment: Moment) -> Mapping[int, float]:
        steps = self.settings.inner_steps
        return {1: 0.25, steps: 0.75} if self.settings.multi_step else {steps: 1.0}


def begin(name: str = "mlp", **settings: Any) -> tuple[Rated, State]:
    method = Rated(Rated.Settings(inner_lr=0.05, inner_steps=3, **settings))
    state = method.init(make_network(name), None, torch.Generator())
    with torch.no_grad():  # no two rates alike
        for number, rate in enumerate(state.rates):
            rate.mul_(torch.linspace(0.5, 1.5, rate.numel(), dtype=rate.dtype).view_as(rate))
            rate.mul_(1 + 0.1 * number)
    return method, state


def handed_to_adam(method: Rated, state: State, batch: Any) -> list[Tensor]:
    method.step(state, batch, Moment())
    return [state.optimizer.state[p]["exp_avg"] / 0.1 for p in state.parameters()]


@pytest.mark.parametrize("name", ["mlp", "conv4 max"])
@pytest.mark.parametrize("multi_step", [False, True], ids=["last step", "several steps"])
def test_the_gradient_of_rates_and_weights_is_the_slope_of_the_loss(
    name: str, multi_step: bool
) -> None:
    """Against central differences in float64, along a random direction through all that is
    learned."""
    batch, h = random_episodes(name, TASKS), 1e-6
    mode = None if name == "mlp" else "query"
    method, state = begin(name, multi_step=multi_step)
    shares = method.loss_weights(Moment())
    tester = Rated(Rated.Settings(curve=tuple(shares), test_steps=3))
    rng = torch.Generator().manual_seed(7)
    learned = [*state.parameters()]
    direction = [torch.randn(p.shape, generator=rng, dtype=p.dtype) for p in learned]
    # of rates and of weights alone too
    of_rates = len([*state.rates])
    for kept in (slice(None), slice(-of_rates, None), slice(None, -of_rates)):
        along = [torch.zeros_like(d) for d in direction]
        along[kept] = direction[kept]

        def loss_at(offset: float, along: list[Tensor] = along) -> float:
            _, there = begin(name, multi_step=multi_step)
            with torch.no_grad():
                for p, d in zip(there.parameters(), along, strict=True):
                    p.add_(d, alpha=offset)
            scores = tester.predict(there, batch.support_x, batch.support_y, batch.query_x, mode)
            losses = [
                share * task_losses(scores[:, point], batch.query_y).mean()
                for point, share in enumerate(shares.values())
            ]
            return float(sum(losses))

        difference = (loss_at(h) - loss_at(-h)) / (2 * h)
        gradient = handed_to_adam(*begin(name, multi_step=multi_step), batch)
        slope = float(sum((g * d).sum() for g, d in zip(gradient, along, strict=True)))
        size = float(torch.cat([g.flatten() for g in gradient]).norm())
        assert slope == pytest.approx(difference, rel=1e-6, abs=1e-6 * size)


def written_out(batch: Any, second_order_from: int | None) -> list[Tensor]:
    """Meta-SGD task by task, with gradients that are constants before a step."""
    _, state = begin()
    learned = [*state.parameters()]
    names = [name for name, _ in state.model.named_parameters()]
    total = torch.zeros((), dtype=torch.float64)
    for i in range(TASKS):
        fast = dict(state.model.named_parameters())
        for step in range(3):
            through = second_order_from is not None and step >= second_order_from
            out = torch.func.functional_call(state.model, fast, (batch.support_x[i],))
            loss = (out - batch.support_y[i]).square().mean()
            gradients = torch.autograd.grad(loss, tuple(fast.values()), create_graph=through)
            fast = {
                name: fast[name] - rate * g
                for name, rate, g in zip(names, state.rates, gradients, strict=True)
            }
        out = torch.func.functional_call(state.model, fast, (batch.query_x[i],))
        total = total + (out - batch.query_y[i]).square().mean() / TASKS
    return list(torch.autograd.grad(total, learned))


@pytest.mark.parametrize("start", [None, 0, 1, 2])
def test_gradients_are_differentiated_through_from_a_step_on(start: int | None) -> None:
    batch = random_episodes("mlp", TASKS)
    ours = handed_to_adam(*begin(second_order_from=start), batch)
    assert relative_error(ours, written_out(batch, start)) < 1e-12
    if start != 0:
        assert relative_error(ours, written_out(batch, 0)) > 1e-3


def test_with_one_rate_for_all_it_adapts_as_maml_does() -> None:
    batch = random_episodes("mlp", TASKS)
    settings = {"inner_lr": 0.05, "test_steps": 3}
    learner, maml = Rated(Rated.Settings(**settings)), MAML(MAML.Settings(**settings))
    scores = [
        method.predict(
            method.init(make_network("mlp"), None, None),
            batch.support_x,
            batch.support_y,
            batch.query_x,
            None,
        )
        for method in (learner, maml)
    ]
    torch.testing.assert_close(*scores)
    assert not scores[0].requires_grad


def test_running_statistics_move_once_a_task_however_many_losses_count() -> None:
    batch, moved = random_episodes("conv4 max", 2), []
    for multi_step in (False, True):
        method, state = begin("conv4 max", multi_step=multi_step)
        method.step(state, batch, Moment())
        moved.append(list(state.buffers()))
    assert relative_error(*moved) < 1e-12


@pytest.mark.slow
def test_a_fit_keeps_and_restores_its_rates(omniglot_folder: Path, tmp_path: Path) -> None:
    cell = make_cell("meta_sgd", train={"iterations": 40}, method={"outer_lr": 0.01})
    outcomes = [
        run(cell, data=omniglot_folder, keep_weights=tmp_path / "weights")[0] for _ in range(2)
    ]
    assert outcomes[1].provenance_extra["weights"] == "kept"
    assert outcomes[0].result == outcomes[1].result
    network = 8 * (1 + 1) + 8 + 1
    assert outcomes[0].result["weights"] == {"trained": 2 * network, "adapted": network}


def test_the_engine_of_higher_refuses_what_it_does_not_learn() -> None:
    method, state = begin(engine="higher")
    with pytest.raises(TypeError, match="learns initial weights alone"):
        method.step(state, random_episodes("mlp", 1), Moment())


def test_query_losses_of_a_chunk_do_not_meet_those_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from metabench.methods import outputs

    batch = random_episodes("conv4 max", 4)
    together = handed_to_adam(*begin("conv4 max", multi_step=True), batch)
    monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", 1)
    alone = handed_to_adam(*begin("conv4 max", multi_step=True), batch)
    assert relative_error(alone, together) < 1e-12
