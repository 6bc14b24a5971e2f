"""Model-agnostic meta-learning."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor, nn

from metabench.cells import BatchNormMode, TrainBatchNormMode
from metabench.methods.gradient_based import GradientBasedMethod, Steps, TrainingSteps, part
from metabench.methods.inner_loop import Loss, Recomputation, descend, support_loss
from metabench.methods.meta_gradient import (
    BatchShare,
    MetaGradient,
    meta_gradient,
    share_of,
    summed,
    task_gradients,
)
from metabench.methods.method import Moment, State, StepResult, adam, outer_step
from metabench.methods.outputs import Weights, equal_chunks
from metabench.methods.update_rules import GradientDescent, Rule
from metabench.registry.settings import Rate
from metabench.tasks.episodes import Episodes, Task

if TYPE_CHECKING:
    from metabench.methods.graphs import Graphs


class MAML(GradientBasedMethod):
    """Model-agnostic meta-learning, second order (Finn, Abbeel & Levine 2017, "Model-agnostic
    meta-learning for fast adaptation of deep networks", https://arxiv.org/abs/1703.03400).

    Whatever parameters the state has besides the network's are learned with them: a subclass with a
    `rule` of learned rates gives its state those.
    """

    second_order: ClassVar[bool] = True

    @dataclass(frozen=True)
    class Settings:
        """Keys of an algorithm whose method is `maml`, `fomaml` or `anil`.

        Attributes
        ----------
        inner_lr
            Rate of adaptation, for the mean loss over a support set.
        inner_steps
            Steps of adaptation in training.
        test_steps
            Steps after which the test score is taken; `inner_steps` when not said.
        curve
            Step counts of the adaptation curve; every one up to `test_steps` when not said.
        outer_lr
            Rate of the outer Adam.
        clip
            Bound on each element of the meta-gradient.
        recompute
            Whether each step is computed a second time for the meta-gradient: the same numbers, in
            memory that hardly grows with the steps.
        engine
            ``higher`` is the slow second opinion.
        """

        inner_lr: Rate = 0.01
        inner_steps: TrainingSteps = 1
        test_steps: Steps | None = None
        curve: tuple[Steps, ...] = ()
        outer_lr: Rate = 1e-3
        clip: Rate | None = None
        recompute: bool = False
        train_batch_norm: TrainBatchNormMode = "query"
        test_batch_norm: BatchNormMode = "query"
        engine: Literal["functional", "higher"] = "functional"

        def __post_init__(self) -> None:
            if self.recompute and self.engine == "higher":
                raise ValueError(
                    "engine = 'higher' keeps every step: recompute = true is not for it"
                )

    settings: Settings

    @property
    def test_steps(self) -> int:
        said = self.settings.test_steps
        return self.settings.inner_steps if said is None else said

    @property
    def compiles(self) -> bool:
        """Not steps that are computed a second time: a graph of them all would hold them all."""
        return self.settings.engine == "functional" and not self.settings.recompute

    @property
    def gradients_per_task(self) -> int:
        return self.settings.inner_steps * (1 + self._second_order_evaluations) + 1

    @property
    def _second_order_evaluations(self) -> int:
        """Evaluations that differentiating through a step adds to its own gradient, which is
        computed a second time with `recompute`."""
        return (1 + self.settings.recompute) * self.second_order

    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        return State(model, adam(model.parameters(), self.settings.outer_lr))

    def rule(self, state: State, moment: Moment | None = None) -> Rule:
        return GradientDescent(
            self.settings.inner_lr, second_order_from=0 if self.second_order else None
        )

    def loss_weights(self, moment: Moment) -> Mapping[int, float]:
        """Weight of the query loss after each number of inner steps that it counts after, in
        ascending order."""
        return {self.settings.inner_steps: 1.0}

    def adapt_in_training(
        self, state: State, weights: Weights, x: Tensor, y: Tensor, moment: Moment
    ) -> Iterator[Weights]:
        """Adapt the `weights` of T tasks, differentiably; yield them at the steps of
        `loss_weights`."""
        loss = support_loss(state.model, x, y, self.settings.train_batch_norm)
        return self.descend_in_training(state, weights, loss, moment)

    def descend_in_training(
        self,
        state: State,
        weights: Weights,
        loss: Loss,
        moment: Moment,
        *,
        again: Loss | None = None,
        through: Sequence[Tensor] = (),
    ) -> Iterator[Weights]:
        """Move the `weights` down `loss`, differentiably; with `recompute`, `again` is the loss of
        the second time where it is another, and `through` is what it depends on besides weights and
        what is learned with them."""
        learned = (*_learned(state).values(), *through)
        return descend(
            weights,
            loss,
            self.rule(state, moment),
            tuple(self.loss_weights(moment)),
            differentiate=True,
            again=Recomputation(again or loss, learned) if self.settings.recompute else None,
        )

    def phase(self, moment: Moment) -> Hashable:
        """All of a moment that decides which operations a step is of, where steps are compiled.
        The loss weights themselves may be others at each moment; whatever else depends on one is to
        be said here."""
        return tuple(self.loss_weights(moment))

    def step(self, state: State, batch: Episodes, moment: Moment) -> StepResult:
        if state.graphs is None:
            meta = self._meta_gradient(state, batch, moment)
            trained = _trained(state)
            gradients = [*meta.gradient.values(), *meta.learned.values()]
            result = StepResult(meta.loss, meta.score)
        else:
            trained = state.graphs.once(_trained, state)
            found = self._compiled(state, state.graphs, batch, moment)
            gradients, result = found.gradients, StepResult(found.loss, found.score)
        clip = self.settings.clip
        for parameter, gradient in zip(trained, gradients, strict=True):
            parameter.grad = gradient if clip is None else gradient.clamp(-clip, clip)
        outer_step(state, self.settings.outer_lr * moment.rate)
        return result

    def _meta_gradient(self, state: State, batch: Episodes, moment: Moment) -> MetaGradient:
        at, learned = self.settings, _learned(state)
        if at.engine == "higher":
            if learned:
                raise TypeError("engine = 'higher' learns initial weights alone")
            # imported only where it is wanted: it is a second opinion, not a need
            from metabench.methods import higher_engine

            return higher_engine.meta_gradient(
                state.model,
                batch,
                steps=at.inner_steps,
                lr=at.inner_lr,
                second_order=self.second_order,
                batch_norm=at.train_batch_norm,
                track=True,
                moved=state.model if self.adapted == "all" else part(state, "head"),
            )
        return meta_gradient(
            state.model,
            batch,
            lambda weights, x, y: self.adapt_in_training(state, weights, x, y, moment),
            batch_norm=at.train_batch_norm,
            track=True,
            learned=learned,
            loss_weights=tuple(self.loss_weights(moment).values()),
        )

    def _compiled(
        self, state: State, graphs: Graphs, batch: Episodes, moment: Moment
    ) -> BatchShare:
        """The same of as many tasks at a time as one graph is for, all together."""

        def piece(moment: Moment, weights: Tensor, *tasks: Tensor) -> BatchShare:
            learned, episodes = _learned(state), Episodes(*tasks)
            found = task_gradients(
                state.model,
                episodes,
                lambda weights, x, y: self.adapt_in_training(state, weights, x, y, moment),
                batch_norm=self.settings.train_batch_norm,
                track=True,
                learned=learned,
                loss_weights=weights.unbind(),
            )
            return share_of(found, _trained(state), episodes.query_y, len(batch))

        numbers = tuple(self.loss_weights(moment).values())
        weights = graphs.constant(numbers, batch.query_x)
        shares = []
        for few in equal_chunks(batch.query_x):
            tasks = batch[few]
            inputs = weights, tasks.support_x, tasks.support_y, tasks.query_x, tasks.query_y
            shares.append(
                graphs.run(
                    piece, state, moment, lambda moment: (self.phase(moment), len(batch)), inputs
                )
            )
        return shares[0] if len(shares) == 1 else summed(shares)


def _learned(state: State) -> Weights:
    """Parameters of a state that are not its network's, by their names in it."""
    return {n: p for n, p in state.named_parameters() if not n.startswith("model.")}


def _trained(state: State) -> list[Tensor]:
    """All that is learned: the network's weights, then the rest."""
    return [*state.model.parameters(), *_learned(state).values()]
