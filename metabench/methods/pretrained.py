"""Fine-tuning of a network that was trained on all training tasks at once: the baseline that shows
what learning to adapt is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.methods.fine_tuning import FineTuningMethod
from metabench.methods.gradient_based import Adapted, Steps, part
from metabench.methods.method import Method, State
from metabench.methods.outputs import Weights
from metabench.methods.supervised import SupervisedMethod
from metabench.registry.settings import Rate


class Pretrained(FineTuningMethod, SupervisedMethod):
    """One network trained on all training tasks at once, then fine-tuned on each support set.

    Classification: trained to tell all training classes apart; each episode then begins with a head
    of zeros, one output a class, so that accuracy before adaptation is chance (the Baseline of Chen
    et al. 2019, "A closer look at few-shot classification", https://arxiv.org/abs/1904.04232, whose
    new head is random). Regression: trained on points of all tasks, and tuned from there with its
    head (Finn, Abbeel & Levine 2017, "Model-agnostic meta-learning for fast adaptation of deep
    networks", https://arxiv.org/abs/1703.03400, section 5.1). What is tuned, rate and number of
    steps are chosen on validation episodes.
    """

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `pretrained`.

        Attributes
        ----------
        outer_lr
            Rate of the Adam that trains the network.
        tune, rates, steps
            What is tuned (the `head` on fixed features, as Chen et al. 2019 do, or `all` weights),
            the rate of `optimizer`, and the number of steps are chosen from these, on validation
            episodes.
        test_batch_norm
            `running` is evaluation mode, as in Chen et al. 2019.
        """

        outer_lr: Rate = 1e-3
        tune: Annotated[tuple[Adapted, ...], MinLen(1)] = ("head", "all")
        rates: Annotated[tuple[Rate, ...], MinLen(1)] = (0.001, 0.01)
        steps: Annotated[tuple[Steps, ...], MinLen(1)] = (0, 1, 2, 5, 10, 20)
        optimizer: Literal["adam", "sgd"] = "adam"
        test_batch_norm: BatchNormMode = "running"

    settings: Settings

    @property
    def adapted(self) -> Adapted:
        """The most that may be tuned, where that is open."""
        return "all" if "all" in self.settings.tune else "head"

    def candidates(self) -> Sequence[Method]:
        choices = [(tune, rate) for tune in self.settings.tune for rate in self.settings.rates]
        return [
            type(self)(dataclasses.replace(self.settings, tune=(tune,), rates=(rate,)))
            for tune, rate in choices
        ]

    def start(self, state: State, network: nn.Module, y: Tensor) -> Weights:
        """The weights of training, but for a head of zeros where `y` holds labels."""
        weights = super().start(state, network, y)
        if not y.is_floating_point():
            head, ways = part(state, "head"), int(y.max()) + 1
            new = {id(p): p.new_zeros(len(y), ways, *p.shape[1:]) for p in head.parameters()}
            weights |= {name: new[id(p)] for name, p in network.named_parameters() if id(p) in new}
        return weights

    def adapted_weights(self, state: State, ways: int | None) -> int:
        """With a head of so many ways."""
        head, body = part(state, "head"), part(state, "body")
        outputs = sum(p.numel() if ways is None else ways * p[0].numel() for p in head.parameters())
        return outputs + (self.adapted == "all") * sum(p.numel() for p in body.parameters())
