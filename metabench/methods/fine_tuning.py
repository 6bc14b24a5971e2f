"""What the baselines share that train on the support set as anybody trains a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from metabench.methods.gradient_based import GradientBasedMethod
from metabench.methods.method import Method, Moment, State
from metabench.methods.update_rules import PlainAdam, PlainSGD, Rule


class FineTuningMethod(GradientBasedMethod):
    """A method that adapts by an ordinary optimiser, its rate and number of steps chosen on
    validation episodes.

    Its `Settings` have `rates` and `steps` to choose from, and the `optimizer`.
    """

    chooses_step = True

    @property
    def curve(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.settings.steps)))

    @property
    def test_steps(self) -> int:
        return self.curve[-1]

    def candidates(self) -> Sequence[Method]:
        return [
            type(self)(dataclasses.replace(self.settings, rates=(rate,)))
            for rate in self.settings.rates
        ]

    def at_steps(self, steps: int) -> Method:
        return type(self)(dataclasses.replace(self.settings, steps=(steps,)))

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        (rate,) = self.settings.rates
        return PlainAdam(rate) if self.settings.optimizer == "adam" else PlainSGD(rate)
