"""MAML++: six changes to MAML, each on its own switch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.func import functional_call

from metabench.cells import BatchNormMode
from metabench.figures import Array
from metabench.figures.rates import rates_of
from metabench.methods.gradient_based import TrainingSteps
from metabench.methods.inner_loop import Loss, descend
from metabench.methods.maml import MAML
from metabench.methods.method import Moment, State, adam, task_losses
from metabench.methods.outputs import Weights
from metabench.methods.update_rules import GradientDescent, Rate, Rule
from metabench.models.layers import BatchNormalisation, Statistics, batch_norms, normalising
from metabench.tasks.episodes import Task

Share = Annotated[float, Ge(0), Le(1)]
"""Of the training budget, from its beginning; 0 is none of it."""

LEAST = 0.03
"""Times 1/S: what the loss after an earlier step weighs at least, while it counts at all."""


class PerStepState(State):
    """As any, with what there is of each of the S inner steps.

    Attributes
    ----------
    rates
        One for each step and weight tensor that moves, ``[S]`` each, in the network's order; empty
        where they are not learned.
    later_norms
        Weights and biases of batch normalisation in the steps after the first, ``[S - 1, C]`` each,
        in the order of `norm_names`; those of the first are the network's own.
    statistics
        Running statistics of each batch normalisation, before and between the steps; those after
        the last are the network's own.
    norm_names
        Weights and biases that have one value a step, and that the inner loop leaves alone.
    """

    def __init__(self, model: nn.Module, settings: MAMLPlusPlus.Settings) -> None:
        super().__init__(model)
        self.steps = settings.inner_steps
        weights = dict(model.named_parameters())
        self.norm_names = _norm_names(model) if settings.per_step_norms else ()
        self.later_norms = nn.ParameterList(
            weights[name].detach().repeat(self.steps - 1, 1)
            for name in self.norm_names
            if self.steps > 1
        )
        self._moving = [name for name in weights if name not in self.norm_names]
        self.rates = nn.ParameterList(
            weights[name].new_full((self.steps,), settings.inner_lr)
            for name in self._moving
            if settings.per_step_rates
        )
        self.statistics = nn.ModuleList(
            RunningStatistics(norm, self.steps)
            for norm in batch_norms(model)
            if settings.per_step_statistics
        )
        self.optimizer = adam(self.parameters(), settings.outer_lr)

    @property
    def rates_by_name(self) -> dict[str, Tensor]:
        """The learned rates of each weight tensor that moves, ``[S]``; none where none is
        learned."""
        return dict(zip(self._moving, self.rates, strict=True)) if len(self.rates) else {}

    @property
    def learned_rate(self) -> Callable[[int, str], Rate]:
        """The rate of a step and a weight by name. Steps beyond the last that was trained take the
        rates of that."""
        rates = self.rates_by_name
        return lambda step, name: rates[name][min(step, self.steps - 1)]

    def norms(self, step: int, tasks: int) -> Weights:
        """Weights and biases ``[T, C]`` of batch normalisation in a step, those of its support set
        and of the queries after it; beyond the last that was trained, those of that."""
        later = min(step, self.steps - 1) - 1
        if later < 0:
            return {}
        return {
            name: w[later].expand(tasks, -1)
            for name, w in zip(self.norm_names, self.later_norms, strict=True)
        }

    @contextmanager
    def statistics_after(self, steps: int) -> Iterator[None]:
        """Let the network keep and use the running statistics of weights that have taken so many
        steps; beyond the last that was trained, those after that."""
        layers = batch_norms(self.model) if self.statistics and steps < self.steps else []
        own = [(layer.running_mean, layer.running_var) for layer in layers]
        try:
            for layer, kept in zip(layers, self.statistics, strict=False):
                assert isinstance(kept, RunningStatistics)
                layer.running_mean, layer.running_var = kept.mean[steps], kept.var[steps]
            yield
        finally:
            for layer, (mean, var) in zip(layers, own, strict=True):
                layer.running_mean, layer.running_var = mean, var


class RunningStatistics(nn.Module):
    """Running ``mean`` and ``var`` of a batch normalisation for each of S numbers of steps,
    ``[S, C]``, from its own."""

    mean: Tensor
    var: Tensor

    def __init__(self, norm: BatchNormalisation, steps: int) -> None:
        super().__init__()
        self.register_buffer("mean", norm.running_mean.repeat(steps, 1))
        self.register_buffer("var", norm.running_var.repeat(steps, 1))


class PerStepDescent(GradientDescent):
    """Gradient descent that leaves the weights `held` as they are."""

    def __init__(
        self,
        rate: Rate | Callable[[int, str], Rate],
        held: Sequence[str],
        *,
        second_order_from: int | None,
    ) -> None:
        super().__init__(rate, second_order_from=second_order_from)
        self._held = frozenset(held)

    def moves(self, name: str) -> bool:
        return name not in self._held


class MAMLPlusPlus(MAML):
    """MAML++ (Antoniou, Edwards & Storkey 2019, "How to train your MAML",
    https://arxiv.org/abs/1810.09502), with the names of its section 4; without any of its parts it
    is `maml`.

    - Where the paper and the authors' code part, this is the code
      (github.com/AntreasAntoniou/HowToTrainYourMAMLPytorch): its parts are on by default, and
      derivative-order annealing, which its configurations leave off, is not.
    - Multi-step loss and annealing go by the share of the budget that is spent, so by iteration,
      where the code goes by epoch: its 10 of 100 epochs are 0.1.
    - Beyond the steps of training, which the code cannot take, a test goes on as in the last one.
    - The code normalises by the batch's own statistics always, in test too: its per-step running
      statistics reach no score. Here they do, where `test_batch_norm` is ``running``: a support set
      and queries are normalised by the statistics that support sets of training had under weights
      that had taken as many steps, and by those of `maml` after the last.
    - The cosine schedule of the outer rate is the recipe's: ``schedule = "cosine"`` in [train],
      with ``schedule_floor = 0.01``, for the authors' 1e-3 ... 1e-5.
    - Their test scores are of an ensemble of the five best checkpoints; these are of the best.
    """

    @dataclass(frozen=True)
    class Settings(MAML.Settings):
        """Keys of an algorithm whose method is `maml_pp`: those of `maml`, but for `engine`, and
        its parts.

        Attributes
        ----------
        inner_lr
            Rate of adaptation; where rates are learned, what they begin with.
        multi_step_loss
            MSL: the share of the budget over which the query loss after every step counts, the
            earlier ones less and less; then the last alone. 0.15 on miniImageNet.
        derivative_order_annealing
            DA: the share of the budget before which gradients are of first order. The paper has
            0.5; the authors' configurations 0.
        per_step_rates
            LSLR: a rate is learned for every weight tensor and step.
        per_step_statistics
            BNRS: running statistics of batch normalisation are kept for every step.
        per_step_norms
            BNWB: weights and biases of batch normalisation are learned for every step, and no
            longer adapted, as in the authors' code.
        """

        inner_steps: TrainingSteps = 5
        multi_step_loss: Share = 0.1
        derivative_order_annealing: Share = 0.0
        per_step_rates: bool = True
        per_step_statistics: bool = True
        per_step_norms: bool = True
        engine: ClassVar[Literal["functional"]] = "functional"  # type: ignore[misc]

    settings: Settings

    @property
    def gradients_per_task(self) -> int:
        """The mean over the budget, to the nearest whole."""
        at = self.settings
        second_order = at.inner_steps * (1 - at.derivative_order_annealing)
        second_order *= self._second_order_evaluations
        return round(at.inner_steps + second_order + 1 + (at.inner_steps - 1) * at.multi_step_loss)

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return PerStepState(model, self.settings)

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        assert isinstance(state, PerStepState)
        at = self.settings
        first_order = moment is not None and self._is_first_order(moment)
        return PerStepDescent(
            state.learned_rate if at.per_step_rates else at.inner_lr,
            state.norm_names,
            second_order_from=None if first_order else 0,
        )

    def phase(self, moment: Moment) -> Hashable:
        return super().phase(moment), self._is_first_order(moment)

    def _is_first_order(self, moment: Moment) -> bool:
        return moment.spent < self.settings.derivative_order_annealing

    def loss_weights(self, moment: Moment) -> Mapping[int, float]:
        steps, share = self.settings.inner_steps, self.settings.multi_step_loss
        if moment.spent >= share:
            return {steps: 1.0}
        return multi_step_weights(steps, moment.spent / share)

    def adapt_in_training(
        self, state: State, weights: Weights, x: Tensor, y: Tensor, moment: Moment
    ) -> Iterator[Weights]:
        assert isinstance(state, PerStepState)
        mode = self.settings.train_batch_norm
        loss = support_loss(state, x, y, mode, track=self.settings.per_step_statistics)
        again = support_loss(state, x, y, mode)
        points = self.descend_in_training(state, weights, loss, moment, again=again)
        return as_after(state, tuple(self.loss_weights(moment)), points, len(y))

    def adapt(
        self,
        state: State,
        network: nn.Module,
        x: Tensor,
        y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Iterator[Weights]:
        assert isinstance(state, PerStepState)
        loss = support_loss(state, x, y, batch_norm)
        points = descend(self.start(state, network, y), loss, self.rule(state), self.curve)
        return as_after(state, self.curve, points, len(y))

    def inside(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> dict[str, Array]:
        """The way of the weights, and the rates that were learned."""
        assert isinstance(state, PerStepState)
        kept = super().inside(state, support_x, support_y, batch_norm)
        return kept | (rates_of(state.rates_by_name) if state.rates_by_name else {})

    def adapted_weights(self, state: State, ways: int | None) -> int:
        assert isinstance(state, PerStepState)
        weights = state.model.named_parameters()
        return sum(w.numel() for name, w in weights if name not in state.norm_names)


def multi_step_weights(steps: int, annealed: float) -> dict[int, float]:
    """Weights of the query losses after each of S steps (section 4), a share of the annealing
    done: 1/S each at first, and nearly all on the last in the end. They sum to 1."""
    earlier = max(1 - annealed, LEAST) / steps
    return {**dict.fromkeys(range(1, steps), earlier), steps: 1 - (steps - 1) * earlier}


def support_loss(
    state: PerStepState, x: Tensor, y: Tensor, batch_norm: BatchNormMode | None, track: bool = False
) -> Loss:
    """As that of the inner loop, under the batch normalisation of each step; `track` keeps its
    running statistics."""
    whose: Statistics = "running" if batch_norm == "running" else "batch"

    def loss(step: int, weights: Weights) -> Tensor:
        with state.statistics_after(step), normalising(state.model, whose, track=track):
            scores = functional_call(state.model, weights | state.norms(step, len(y)), (x,))
        return task_losses(scores, y)

    return loss


def as_after(
    state: PerStepState, curve: Sequence[int], points: Iterator[Weights], tasks: int
) -> Iterator[Weights]:
    """Adapted weights as the queries meet them: with the batch normalisation of the step that led
    to them (of the first, where there was none yet), until the next ones are asked for."""
    for steps, weights in zip(curve, points, strict=True):
        with state.statistics_after(steps):
            yield weights | state.norms(max(steps - 1, 0), tasks)


def _norm_names(model: nn.Module) -> tuple[str, ...]:
    """Weights and biases of every batch normalisation."""
    return tuple(
        f"{name}.{own}"
        for name, layer in model.named_modules()
        if isinstance(layer, BatchNormalisation)
        for own, _ in layer.named_parameters(recurse=False)
    )
