"""MAML++: each part against MAML, against `higher`, against finite differences, and all of them
against the algorithm written out on plain layers of torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from few_shot import (
    gradient_of_higher,
    make_network,
    plain_loss,
    plain_network,
    random_episodes,
    relative_error,
)
from torch import Tensor, nn
from torch.func import functional_call

from metabench.methods.fomaml import FOMAML
from metabench.methods.maml import MAML
from metabench.methods.maml_pp import MAMLPlusPlus, PerStepState, multi_step_weights
from metabench.methods.method import Method, Moment, State, task_losses
from metabench.models.layers import batch_norms
from metabench.tasks.episodes import Episodes, Task
from metabench.testing import check_method

LR = 0.05
STEPS = 3
TASKS = 3
ROUNDING = 1e-12
"""Relative, in float64."""
OFF: dict[str, Any] = {
    "multi_step_loss": 0.0,
    "derivative_order_annealing": 0.0,
    "per_step_rates": False,
    "per_step_statistics": False,
    "per_step_norms": False,
}
PARTS: dict[str, dict[str, Any]] = {
    "none": {},
    "multi-step loss": {"multi_step_loss": 0.5},
    "derivative-order annealing": {"derivative_order_annealing": 0.5},
    "per-step rates": {"per_step_rates": True},
    "per-step statistics": {"per_step_statistics": True},
    "per-step norms": {"per_step_norms": True},
}
PARTS["all"] = {key: value for part in PARTS.values() for key, value in part.items()}
MOMENTS = [0.0, 0.3, 0.7]

every_part = pytest.mark.parametrize("part", PARTS)
STRIDED = pytest.param("conv4 stride", marks=pytest.mark.slow)
every_network = pytest.mark.parametrize("name", ["mlp", "conv4 max", STRIDED])


def begin(name: str, part: str = "all", **settings: Any) -> tuple[MAMLPlusPlus, PerStepState]:
    """A method with one part, and a state in which no two steps are alike."""
    given = {"inner_lr": LR, "inner_steps": STEPS, **OFF, **PARTS[part], **settings}
    method = MAMLPlusPlus(MAMLPlusPlus.Settings(**given))
    state: Any = method.init(make_network(name), None, torch.Generator())
    rng = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in (*state.rates, *state.later_norms):
            p.mul_(0.5 + torch.rand(p.shape, generator=rng, dtype=p.dtype))
    for norm, kept in zip(batch_norms(state.model), state.statistics, strict=False):
        kept.mean.add_(torch.linspace(-1, 1, norm.running_mean.numel(), dtype=torch.float64))
        kept.var.mul_(1.3)
    return method, state


def handed_to_adam(method: Method, state: State, batch: Episodes, spent: float = 0.0) -> Any:
    method.step(state, batch, Moment(spent=spent))
    assert state.optimizer is not None
    return [state.optimizer.state[p]["exp_avg"] / 0.1 for p in state.parameters()]


class WrittenOut:
    """MAML++ task by task, on plain layers of torch in the modes of torch.

    `learned` are leaves like the parameters of a state, in their order; `kept` its running
    statistics by number of steps.
    """

    def __init__(self, method: MAMLPlusPlus, state: PerStepState, name: str) -> None:
        self.at, self.name = method.settings, name
        self.plain = plain_network(state.model, name)
        theirs = [n for n, _ in self.plain.named_parameters()]
        self.learned = [p.detach().clone().requires_grad_() for p in state.parameters()]
        self.weights = dict(zip(theirs, self.learned, strict=False))
        rest = self.learned[len(theirs) :]
        modules = dict(self.plain.named_modules())
        self.bns = [n for n, m in modules.items() if isinstance(m, nn.BatchNorm2d)]
        norms = [n for n in theirs if n.rpartition(".")[0] in self.bns]
        self.norms = norms if self.at.per_step_norms else []
        later = len(state.later_norms)
        assert later == len(self.norms)
        self.rows = {
            n: torch.cat((self.weights[n][None], w))
            for n, w in zip(self.norms, rest[:later], strict=True)
        }
        self.moving = [n for n in theirs if n not in self.norms]
        self.rates = dict(zip(self.moving, rest[later:], strict=False))
        self.kept = [
            (torch.cat((m.mean, own.running_mean[None])), torch.cat((m.var, own.running_var[None])))
            for m, own in zip(state.statistics, batch_norms(state.model), strict=False)
        ]

    def scores(self, weights: Mapping[str, Tensor], x: Tensor, step: int, taken: int) -> Tensor:
        """Under the norms of a step and the statistics of so many steps taken."""
        step, taken = min(step, STEPS - 1), min(taken, STEPS)
        buffers = {}
        for bn, (mean, var) in zip(self.bns, self.kept, strict=False):
            buffers |= {f"{bn}.running_mean": mean[taken], f"{bn}.running_var": var[taken]}
        rows = {n: row[step] for n, row in self.rows.items()}
        return functional_call(self.plain, {**weights, **rows, **buffers}, (x,))

    def stepped(
        self, fast: Mapping[str, Tensor], x: Tensor, y: Tensor, step: int, second_order: bool
    ) -> dict[str, Tensor]:
        moving = [fast[n] for n in self.moving]
        loss = plain_loss(self.scores(fast, x, step, step), y)
        gradients = torch.autograd.grad(loss, moving, create_graph=second_order)
        after = {
            n: fast[n] - (self.rates[n][min(step, STEPS - 1)] if self.rates else LR) * g
            for n, g in zip(self.moving, gradients, strict=True)
        }
        return {**fast, **after}

    def gradient(self, batch: Episodes, shares: Mapping[int, float], second_order: bool) -> Any:
        total = torch.zeros((), dtype=torch.float64)
        tasks = zip(batch.support_x, batch.support_y, batch.query_x, batch.query_y, strict=True)
        for x, y, query_x, query_y in tasks:
            fast: Any = self.weights
            for step in range(STEPS):
                fast = self.stepped(fast, x, y, step, second_order)
                if step + 1 in shares:
                    tracked = self._untracked() if step + 1 < STEPS else None
                    scores = self.scores(fast, query_x, step, step + 1)
                    self._restore(tracked)
                    total = total + shares[step + 1] * plain_loss(scores, query_y) / len(batch)
        return torch.autograd.grad(total, self.learned, allow_unused=True, materialize_grads=True)

    def _untracked(self) -> Any:
        """Statistics move once a task: not by the losses of earlier steps."""
        return [(mean.clone(), var.clone()) for mean, var in self.kept]

    def _restore(self, tracked: Any) -> None:
        self.kept = tracked or self.kept

    def predicted(self, batch: Episodes, curve: tuple[int, ...]) -> Tensor:
        """Scores in evaluation mode."""
        self.plain.eval()
        episodes = []
        for x, y, query_x in zip(batch.support_x, batch.support_y, batch.query_x, strict=True):
            fast: Any = self.weights
            points = []
            for taken in range(curve[-1] + 1):
                if taken in curve:
                    points.append(self.scores(fast, query_x, max(taken - 1, 0), taken))
                fast = self.stepped(fast, x, y, taken, False)
            episodes.append(torch.stack(points))
        return torch.stack(episodes).detach()


@every_network
@every_part
@pytest.mark.parametrize("spent", MOMENTS)
def test_equals_the_algorithm_written_out(name: str, part: str, spent: float) -> None:
    batch = random_episodes(name, TASKS)
    method, state = begin(name, part)
    theirs = WrittenOut(*begin(name, part), name)
    annealed = method.settings.multi_step_loss
    shares = multi_step_weights(STEPS, spent / annealed) if spent < annealed else {STEPS: 1.0}
    second_order = spent >= method.settings.derivative_order_annealing
    expected = theirs.gradient(batch, shares, second_order)
    assert relative_error(handed_to_adam(method, state, batch, spent), list(expected)) < ROUNDING
    for kept, (mean, var) in zip(state.statistics, theirs.kept, strict=True):
        assert relative_error([kept.mean, kept.var], [mean[:STEPS], var[:STEPS]]) < ROUNDING
    if method.settings.per_step_statistics:
        ours = [b for norm in batch_norms(state.model) for b in norm.buffers()]
        own = [last[STEPS] for moments in theirs.kept for last in moments]
        assert not own or relative_error(ours, own) < ROUNDING


@every_network
@pytest.mark.parametrize("spent", MOMENTS)
@pytest.mark.parametrize("annealing", [0.0, 0.5, 1.0])
def test_without_parts_it_is_maml_or_fomaml_to_the_bit(
    name: str, spent: float, annealing: float
) -> None:
    """After the switch of derivative-order annealing, and before it."""
    batch = random_episodes(name, TASKS)
    method, state = begin(name, "none", derivative_order_annealing=annealing)
    other = (FOMAML if spent < annealing else MAML)(
        MAML.Settings(inner_lr=LR, inner_steps=STEPS, outer_lr=method.settings.outer_lr)
    )
    theirs = other.init(make_network(name), None, torch.Generator())
    mode = None if name == "mlp" else "query"
    test = batch.support_x, batch.support_y, batch.query_x, mode
    assert torch.equal(method.predict(state, *test), other.predict(theirs, *test))
    for one, another in zip(
        handed_to_adam(method, state, batch, spent),
        handed_to_adam(other, theirs, batch, spent),
        strict=True,
    ):
        assert torch.equal(one, another)
    for name_of, value in theirs.state_dict().items():
        assert torch.equal(value, state.state_dict()[name_of])


@every_part
@pytest.mark.parametrize("name", ["mlp", pytest.param("conv4 max", marks=pytest.mark.slow)])
def test_the_gradient_is_the_slope_of_the_loss_that_a_test_would_see(name: str, part: str) -> None:
    """Against central differences in float64, along directions through rates, norms and initial
    weights, together and apart; once gradients are of second order."""
    batch, h, spent = random_episodes(name, TASKS), 1e-6, 0.3
    settings = {"derivative_order_annealing": 0.0}
    mode = None if name == "mlp" else "query"
    method, state = begin(name, part, **settings)
    shares = method.loss_weights(Moment(spent=spent))
    groups = [range(len(list(state.model.parameters())))]
    groups.append(range(groups[0].stop, groups[0].stop + len(state.later_norms)))
    groups.append(range(groups[1].stop, groups[1].stop + len(state.rates)))
    gradient = handed_to_adam(method, state, batch, spent)
    assert len(gradient) == groups[2].stop
    size = float(torch.cat([g.flatten() for g in gradient]).norm())
    rng = torch.Generator().manual_seed(7)
    direction = [torch.randn(g.shape, generator=rng, dtype=g.dtype) for g in gradient]

    def loss_at(offset: float, chosen: set[int]) -> float:
        tester, there = begin(name, part, curve=tuple(shares), test_steps=STEPS, **settings)
        with torch.no_grad():
            for i, (p, d) in enumerate(zip(there.parameters(), direction, strict=True)):
                p.add_(d, alpha=offset * (i in chosen))
        scores = tester.predict(there, batch.support_x, batch.support_y, batch.query_x, mode)
        losses = [
            share * task_losses(scores[:, point], batch.query_y).mean()
            for point, share in enumerate(shares.values())
        ]
        return float(sum(losses))

    for group in (*groups, range(len(gradient))):
        chosen = set(group)
        difference = (loss_at(h, chosen) - loss_at(-h, chosen)) / (2 * h)
        slope = sum(float((gradient[i] * direction[i]).sum()) for i in chosen)
        assert slope == pytest.approx(difference, rel=1e-6, abs=1e-6 * size)


@every_network
def test_rates_of_layers_and_steps_are_those_of_higher(name: str) -> None:
    batch = random_episodes(name, TASKS)
    method, state = begin(name, "per-step rates")
    plain = plain_network(state.model, name)
    rates = [rate.detach().clone().requires_grad_() for rate in state.rates]
    steps = [[rate[step] for rate in rates] for step in range(STEPS)]
    total = gradient_of_higher(plain, batch, rates, steps)
    assert relative_error(handed_to_adam(method, state, batch), total) < ROUNDING


def authors_weights(steps: int, epochs: int, epoch: int) -> list[float]:
    """`get_per_step_loss_importance_vector` of the authors' few_shot_learning_system.py, from
    which on the last alone counts after so many epochs."""
    if epoch >= epochs:
        return [0.0] * (steps - 1) + [1.0]
    decay, least = 1 / steps / epochs, 0.03 / steps
    earlier = max(1 / steps - epoch * decay, least)
    last = min(1 / steps + epoch * (steps - 1) * decay, 1 - (steps - 1) * least)
    return [earlier] * (steps - 1) + [last]


@pytest.mark.parametrize("steps", [1, 2, 5])
@pytest.mark.parametrize("epochs", [10, 15, 100])
def test_losses_weigh_as_in_the_authors_code(steps: int, epochs: int) -> None:
    """With 100 epochs as the budget; they sum to one, and come down to the last."""
    method = MAMLPlusPlus(MAMLPlusPlus.Settings(inner_steps=steps, multi_step_loss=epochs / 100))
    before = 0.0
    for epoch in range(100):
        weights = method.loss_weights(Moment(spent=epoch / 100))
        assert list(weights) == sorted(weights)
        assert sum(weights.values()) == pytest.approx(1, abs=1e-12)
        theirs = authors_weights(steps, epochs, epoch)
        assert [weights.get(k + 1, 0.0) for k in range(steps)] == pytest.approx(theirs, abs=1e-12)
        assert weights[steps] >= before
        before = weights[steps]
    if epochs < 100:
        assert weights == {steps: 1.0}


@every_network
def test_every_rate_of_every_step_gets_a_gradient(name: str) -> None:
    batch = random_episodes(name, TASKS)
    for spent in MOMENTS:
        method, state = begin(name)
        gradient = handed_to_adam(method, state, batch, spent)
        of_rates = gradient[-len(state.rates) :]
        assert len(of_rates) == len([n for n, _ in state.model.named_parameters()]) - len(
            state.norm_names
        )
        for g in of_rates:
            assert g.shape == (STEPS,)
            assert bool((g != 0).all())


@pytest.mark.parametrize(
    "name", ["conv4 max", pytest.param("conv4 stride", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("part", ["all", "per-step statistics", "per-step norms"])
def test_under_running_statistics_each_step_has_its_own(name: str, part: str) -> None:
    """As torch's evaluation mode with the statistics of that number of steps; beyond the steps of
    training too."""
    batch, curve = random_episodes(name, TASKS), (0, 1, 2, STEPS, STEPS + 2)
    method, state = begin(name, part, curve=curve, test_steps=curve[-1])
    ours = method.predict(state, batch.support_x, batch.support_y, batch.query_x, "running")
    theirs = WrittenOut(method, state, name).predicted(batch, curve)
    assert relative_error([ours], [theirs]) < ROUNDING


@every_network
def test_beyond_the_steps_of_training_a_test_goes_on_as_in_the_last(name: str) -> None:
    batch, mode = random_episodes(name, TASKS), None if name == "mlp" else "query"
    curve = tuple(range(STEPS + 4))
    method, state = begin(name, curve=curve, test_steps=curve[-1])
    test = batch.support_x, batch.support_y, batch.query_x, mode
    scores = method.predict(state, *test)
    # where the last of so many steps was trained to be like the one before it, nothing changes
    longer = MAMLPlusPlus(
        MAMLPlusPlus.Settings(
            **{**vars(method.settings), "inner_steps": STEPS + 4, "per_step_statistics": False}
        )
    )
    other: Any = longer.init(make_network(name), None, torch.Generator())
    with torch.no_grad():
        for short, long in zip(
            (*state.rates, *state.later_norms), (*other.rates, *other.later_norms), strict=True
        ):
            long.copy_(torch.cat((short, short[-1:].expand(4, *short.shape[1:]))))
    assert torch.equal(scores, longer.predict(other, *test))
    # and each of the steps still moves something
    assert all(not torch.equal(scores[:, k], scores[:, k + 1]) for k in range(STEPS + 3))


def test_per_step_statistics_reach_no_score_but_under_running_ones() -> None:
    batch = random_episodes("conv4 max", TASKS)
    for mode in ("query", "joint", "support", "support_plus_one", "running"):
        scores = [
            method.predict(state, batch.support_x, batch.support_y, batch.query_x, mode)
            for method, state in (begin("conv4 max", p) for p in ("none", "per-step statistics"))
        ]
        assert torch.equal(*scores) == (mode != "running")


def test_the_network_keeps_its_own_statistics_as_under_maml() -> None:
    batch = random_episodes("conv4 max", TASKS)
    networks = []
    for part in ("none", "per-step statistics"):
        method, state = begin("conv4 max", part)
        own = [norm.running_mean for norm in batch_norms(state.model)]
        method.step(state, batch, Moment())
        assert all(a is n.running_mean for a, n in zip(own, batch_norms(state.model), strict=True))
        networks.append(state.model.state_dict())
    assert all(torch.equal(networks[0][key], networks[1][key]) for key in networks[0])


def test_statistics_do_not_depend_on_how_many_tasks_run_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from metabench.methods import outputs

    batch, found = random_episodes("conv4 max", 4), []
    for at_once in (1, 10**9):
        monkeypatch.setitem(outputs.NUMBERS_AT_ONCE, "cpu", at_once)
        method, state = begin("conv4 max")
        gradient = handed_to_adam(method, state, batch)
        found.append([*gradient, *state.buffers()])
    assert relative_error(*found) < ROUNDING


def test_norms_that_are_learned_a_step_are_not_adapted() -> None:
    method, state = begin("conv4 max", "per-step norms")
    mamls = MAML(MAML.Settings()).adapted_weights(state, 3)
    norms = sum(w.numel() for n, w in state.model.named_parameters() if n in state.norm_names)
    assert norms == sum(2 * len(norm.running_mean) for norm in batch_norms(state.model))
    assert method.adapted_weights(state, 3) == mamls - norms
    assert begin("mlp")[1].norm_names == ()


@pytest.mark.parametrize(
    ("settings", "gradients"),
    [
        (OFF, 2 * 5 + 1),
        ({**OFF, "multi_step_loss": 1.0}, 2 * 5 + 5),
        ({**OFF, "recompute": True}, 3 * 5 + 1),
        ({**OFF, "derivative_order_annealing": 1.0}, 5 + 1),
        ({**OFF, "derivative_order_annealing": 0.4, "multi_step_loss": 0.5}, 5 + 3 + 3),
    ],
)
def test_counts_its_gradients(settings: dict[str, Any], gradients: int) -> None:
    assert MAMLPlusPlus(MAMLPlusPlus.Settings(**settings)).gradients_per_task == gradients


class Normalised(nn.Module):
    """Of torch's own layers, such as anybody writes; batch normalisation without weights too."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(task.input_shape), 16),
            nn.BatchNorm1d(16),
            nn.Tanh(),
            nn.Linear(16, 8),
            nn.BatchNorm1d(8, affine=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


@pytest.mark.slow
@every_part
@pytest.mark.parametrize("mode", ["query", "running", "support"])
def test_keeps_the_contract(part: str, mode: str) -> None:
    settings = {"inner_steps": 2, "test_steps": 3, "test_batch_norm": mode, **OFF, **PARTS[part]}
    check_method(MAMLPlusPlus, **settings)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["query", "running"])
def test_takes_any_module(mode: str) -> None:
    check_method(MAMLPlusPlus, Normalised, inner_steps=2, test_steps=3, test_batch_norm=mode)
