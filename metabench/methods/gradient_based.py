"""What the gradient-based methods share: they adapt weights to each support set, step by step, and
score its queries by them."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from annotated_types import Ge, Le
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.figures import Array
from metabench.figures.way import way_of
from metabench.methods.inner_loop import descend, scores_along, support_loss
from metabench.methods.method import Method, Moment, State
from metabench.methods.outputs import Weights, chunks, per_task, query_scores
from metabench.methods.update_rules import Rule

Steps = Annotated[int, Ge(0), Le(10_000)]
TrainingSteps = Annotated[int, Ge(1), Le(10_000)]
"""Numbers of steps of adaptation: in test, and in training, which takes one at least."""

Adapted = Literal["head", "all"]
PartName = Literal["body", "head"]


class GradientBasedMethod(Method):
    """A method that adapts weights to each support set by steps of gradient descent. A subclass
    says how: by a `rule`, or by `adapt` as a whole.

    Its `Settings` have `test_steps` and `curve`, or it says otherwise what these are.
    """

    kinds = frozenset({"classification", "regression"})
    adapts = True

    @property
    def test_steps(self) -> int:
        steps: int = self.settings.test_steps
        return steps

    @property
    def curve(self) -> tuple[int, ...]:
        said = self.settings.curve or self.usual_curve
        return tuple(sorted({*said, self.test_steps}))

    @property
    def usual_curve(self) -> Sequence[int]:
        """Numbers of steps up to `test_steps` that are scored where the settings name none."""
        return range(self.test_steps + 1)

    @property
    def adapted(self) -> Adapted:
        """What is adapted: all weights, or the head alone, on features computed once."""
        return "all"

    def candidates(self) -> Sequence[Method]:
        """Nothing to choose; and validation needs one point of the curve alone."""
        return (type(self)(dataclasses.replace(self.settings, curve=(self.test_steps,))),)

    def at_steps(self, steps: int) -> Method:
        return type(self)(dataclasses.replace(self.settings, test_steps=steps))

    @abstractmethod
    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        """How a step of adaptation moves the weights, at a moment of training or (None) in test."""

    def start(self, state: State, network: nn.Module, y: Tensor) -> Weights:
        """The weights ``[T, ...]`` from which `network` (or its head) is adapted to T tasks with
        labels `y`."""
        return per_task(network, len(y))

    def adapt(
        self,
        state: State,
        network: nn.Module,
        x: Tensor,
        y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Iterator[Weights]:
        """Adapt `network` to T support sets in test; yield its weights at each point of `curve`."""
        loss = support_loss(network, x, y, batch_norm)
        return descend(self.start(state, network, y), loss, self.rule(state), self.curve)

    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        if self.adapted == "head":
            query_x = _features(state, support_x, query_x, batch_norm)
        network, support_x, batch_norm = self._adapting(state, support_x, batch_norm)

        def adaptation(x: Tensor, y: Tensor) -> Iterator[Weights]:
            return self.adapt(state, network, x, y, batch_norm)

        return scores_along(network, support_x, support_y, query_x, adaptation, batch_norm)

    def inside(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> dict[str, Array]:
        """The way of the weights."""
        norm = sum(float(p.detach().double().square().sum()) for p in state.model.parameters())
        network, x, batch_norm = self._adapting(state, support_x, batch_norm)
        ways = (
            (
                self.start(state, network, support_y[few]),
                self.adapt(state, network, x[few], support_y[few], batch_norm),
            )
            for few in chunks(x)
        )
        return way_of(ways, norm**0.5)

    def _adapting(
        self, state: State, support_x: Tensor, batch_norm: BatchNormMode | None
    ) -> tuple[nn.Module, Tensor, BatchNormMode | None]:
        """The network that is adapted, what it is adapted on, and by whose statistics it then
        normalises queries: what a head is adapted on stays as it is, so one pass through the body
        is enough."""
        if self.adapted == "all":
            return state.model, support_x, batch_norm
        # a support set is normalised by itself, unless running statistics are: as in any inner loop
        alone: BatchNormMode = "running" if batch_norm == "running" else "query"
        return part(state, "head"), _features(state, support_x, support_x, alone), None

    def adapted_weights(self, state: State, ways: int | None) -> int:
        moved = state.model if self.adapted == "all" else part(state, "head")
        return sum(p.numel() for p in moved.parameters())


def part(state: State, name: PartName) -> nn.Module:
    """The body or the head of the network."""
    found = getattr(state.model, name)
    assert isinstance(found, nn.Module)
    return found


def _features(
    state: State, support_x: Tensor, x: Tensor, batch_norm: BatchNormMode | None
) -> Tensor:
    """Features ``[E, n, F]`` of images ``[E, n, ...]``."""
    body = part(state, "body")
    return query_scores(body, per_task(body, len(support_x)), support_x, x, batch_norm)
