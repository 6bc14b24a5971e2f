"""Meta-SGD: MAML that learns its rates too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.figures import Array
from metabench.figures.rates import rates_of
from metabench.methods.maml import MAML
from metabench.methods.method import Moment, State, adam
from metabench.methods.update_rules import GradientDescent, Rule
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Task

FIRST_RATES = 0.005, 0.1
"""Between which the paper draws the rate that all weights begin with (section 4.1; unverified)."""


class MetaSGDState(State):
    """As any, with the ``rates`` alpha: one a weight, a tensor like each of the network's, in their
    order."""

    rates: nn.ParameterList

    def __init__(self, model: nn.Module, rate: float, outer_lr: float) -> None:
        super().__init__(model)
        self.rates = nn.ParameterList(torch.full_like(p, rate) for p in model.parameters())
        self.optimizer = adam(self.parameters(), outer_lr)

    @property
    def rates_by_name(self) -> dict[str, Tensor]:
        """By the names of the weights."""
        names = (name for name, _ in self.model.named_parameters())
        return dict(zip(names, self.rates, strict=True))


class MetaSGD(MAML):
    """Meta-SGD: the rate of every weight is learned with its initial value, so that both direction
    and length of a step are (Li, Zhou, Chen & Li 2017, "Meta-SGD: learning to learn quickly for
    few-shot learning", https://arxiv.org/abs/1707.09835, algorithm 1).

    The paper takes one step, in training and in test; where there are several, each has the same
    rates. Nothing keeps them above zero.
    """

    @dataclass(frozen=True)
    class Settings(MAML.Settings):
        """Keys of an algorithm whose method is `meta_sgd`: those of `maml`, but for `engine`.

        Attributes
        ----------
        inner_lr
            What all rates begin with; drawn uniformly from 0.005 ... 0.1 when not said, anew for
            each seed, as in the paper.
        """

        inner_lr: Rate | None = None  # type: ignore[assignment]
        engine: ClassVar[Literal["functional"]] = "functional"  # type: ignore[misc]

    settings: Settings

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        rate = self.settings.inner_lr
        if rate is None:
            low, high = FIRST_RATES
            rate = low + (high - low) * float(torch.rand((), generator=generator))
        return MetaSGDState(model, rate, self.settings.outer_lr)

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        """Equation 2: theta' = theta - alpha o grad L(theta)."""
        assert isinstance(state, MetaSGDState)
        rates = state.rates_by_name
        return GradientDescent(lambda step, name: rates[name], second_order_from=0)

    def inside(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> dict[str, Array]:
        """The way of the weights, and the rates that were learned."""
        assert isinstance(state, MetaSGDState)
        rates = {name: rate.unsqueeze(0) for name, rate in state.rates_by_name.items()}
        return super().inside(state, support_x, support_y, batch_norm) | rates_of(rates)
