"""Fine-tuning of a network that was trained on all training tasks at once: the baseline that shows
what learning to adapt is worth."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from metabench.methods.inner_loop import Weights, per_task, query_scores, scores_along, train_along
from metabench.methods.method import BatchNormMode, Method, State
from metabench.methods.supervised import SupervisedMethod
from metabench.registry.settings import Rate

Tune = Literal["head", "all"]


class Pretrained(SupervisedMethod):
    """One network trained on all training tasks at once, then fine-tuned on each support set.

    Classification: trained to tell all training classes apart; each episode then begins with a head
    of zeros, one output a class, so that accuracy before adaptation is chance (the Baseline of Chen
    et al. 2019, "A closer look at few-shot classification", whose new head is random). Regression:
    trained on points of all tasks, and tuned from there with its head (Finn, Abbeel & Levine 2017,
    section 5.1). What is tuned, rate and number of steps are chosen on validation episodes.
    """

    kinds = frozenset({"classification", "regression"})
    adapts = True
    chooses_step = True

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `pretrained`.

        outer_lr : rate of the Adam that trains the network. tune, rates, steps : what is tuned (the
        `head` on fixed features, as Chen et al. 2019 do, or `all` weights), the rate of
        `optimizer`, and the number of steps are chosen from these, on validation episodes.
        test_batch_norm : `running` is evaluation mode, as in Chen et al. 2019.
        """

        outer_lr: Rate = 1e-3
        tune: Annotated[tuple[Tune, ...], MinLen(1)] = ("head", "all")
        rates: Annotated[tuple[Rate, ...], MinLen(1)] = (0.001, 0.01)
        steps: Annotated[tuple[Annotated[int, Ge(0), Le(10_000)], ...], MinLen(1)] = (
            0,
            1,
            2,
            5,
            10,
            20,
        )
        optimizer: Literal["adam", "sgd"] = "adam"
        test_batch_norm: BatchNormMode = "running"

    settings: Settings

    @property
    def curve(self) -> tuple[int, ...]:
        return tuple(sorted(set(self.settings.steps)))

    def candidates(self) -> Sequence[Method]:
        choices = [(tune, rate) for tune in self.settings.tune for rate in self.settings.rates]
        return [
            type(self)(dataclasses.replace(self.settings, tune=(tune,), rates=(rate,)))
            for tune, rate in choices
        ]

    def at_steps(self, steps: int) -> Method:
        return type(self)(dataclasses.replace(self.settings, steps=(steps,)))

    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        (tune,), (rate,) = self.settings.tune, self.settings.rates
        network, head = state.model, _part(state, "head")
        # what it is trained on stays as it is: one pass through the body is enough
        if tune == "head":
            support_x, query_x = _features(_part(state, "body"), support_x, query_x, batch_norm)
            network, batch_norm = head, None

        def tuned(x: Tensor, y: Tensor) -> Iterator[Weights]:
            start = _start(network, head, y)
            return train_along(
                network,
                start,
                x,
                y,
                curve=self.curve,
                optimizer=self.settings.optimizer,
                lr=rate,
                batch_norm=batch_norm,
            )

        return scores_along(network, support_x, support_y, query_x, tuned, batch_norm)

    def adapted_weights(self, state: State, ways: int | None) -> int:
        """With a head of so many ways; of the most that may be tuned, where that is open."""
        head = sum(
            p.numel() if ways is None else ways * p[0].numel()
            for p in _part(state, "head").parameters()
        )
        return head + ("all" in self.settings.tune) * sum(
            p.numel() for p in _part(state, "body").parameters()
        )


def _part(state: State, name: Literal["body", "head"]) -> nn.Module:
    part = getattr(state.model, name)
    assert isinstance(part, nn.Module)
    return part


def _start(network: nn.Module, head: nn.Module, y: Tensor) -> Weights:
    """The weights from which `network` is tuned to T tasks: those of training, but for a head of
    zeros where `y` holds labels."""
    weights = per_task(network, len(y))
    if not y.is_floating_point():
        ways = int(y.max()) + 1
        new = {id(p): p.new_zeros(len(y), ways, *p.shape[1:]) for p in head.parameters()}
        weights |= {name: new[id(p)] for name, p in network.named_parameters() if id(p) in new}
    return weights


def _features(
    body: nn.Module, support_x: Tensor, query_x: Tensor, batch_norm: BatchNormMode | None
) -> tuple[Tensor, Tensor]:
    """Features ``[E, N*K, F]`` and ``[E, N*Q, F]``. A support set is normalised by itself, unless
    running statistics are: as in any inner loop."""
    alone: BatchNormMode = "running" if batch_norm == "running" else "query"
    weights = per_task(body, len(support_x))
    return query_scores(body, weights, support_x, support_x, alone), query_scores(
        body, weights, support_x, query_x, batch_norm
    )
