"""The interface of a method: `init`, `batches`, `step`, `predict`. Nothing here knows records,
runner or command line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metabench.cells import BatchNormMode
from metabench.figures import Array, Figure
from metabench.models.model import Model, Network
from metabench.tasks.episodes import Episodes, Examples, Task, Unlabelled, Want

if TYPE_CHECKING:
    from metabench.methods.graphs import Graphs


class State(nn.Module):
    """What training changes: the network, whatever else a method learns, and the optimiser that
    moves them.

    Everything that a finished fit must keep is a parameter or a buffer, so `state_dict` is the
    whole of it.

    Attributes
    ----------
    model
        The network.
    optimizer
        The outer optimiser, or None for a method that does not train.
    generator
        Of the noise of training, or None for a method without any.
    needed
        Role -> the finished fit that plays it, for a method that `needs` any. No part of what is
        kept, and gone once a training is over.
    graphs
        What compiles the steps of a training, for a method that `compiles`; None where nothing is
        to be compiled. No part of what is kept.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer = optimizer
        self.generator = generator
        self.needed: dict[str, Finished] = {}
        self.graphs: Graphs | None = None


@dataclass(frozen=True)
class Moment:
    """Where in its training an outer iteration stands: the schedule is not the method's business.

    Attributes
    ----------
    iteration
        Counted from 0.
    total
        Iterations of the whole training; None for a budget in seconds.
    spent
        Share of the budget that is behind it, 0 ... 1.
    rate
        Factor on the outer learning rate.
    """

    iteration: int = 0
    total: int | None = None
    spent: float = 0.0
    rate: float = 1.0


@dataclass(frozen=True)
class Finished:
    """A fit that is over, as one that needs it meets it: its method, and its state, frozen and in
    the mode of evaluation."""

    method: Method
    state: State


@dataclass(frozen=True)
class StepResult:
    """Loss and score of one outer iteration, as scalars on the device: reading them is the loop's
    business."""

    loss: Tensor
    score: Tensor


class Source(Protocol):
    """The training data of a dataset: endless sequences that do not depend on one another, each as
    the batch of an iteration.

    A batch of episodes holds `tasks_per_batch` of them; the others hold as many images (points) as
    those would. `views` above 1 gives so many augmented views of each image, ``[V, B, ...]``, in
    place of the image. An image without a label is one of the training split.
    """

    def episodes(self) -> Callable[[int], Episodes]: ...

    def examples(self, views: int = 1) -> Callable[[int], Examples]: ...

    def unlabelled(self, views: int = 1) -> Callable[[int], Unlabelled]: ...


class Method(ABC):
    """A meta-learning method under one setting.

    Attributes
    ----------
    kinds
        Task kinds served, of ``classification`` and ``regression``.
    trains
        Whether there is an outer loop at all.
    has_network
        Whether a model takes part; `init` of a method without one is given an identity.
    wants
        What it must have of a dataset: what it trains on (`batches`), of ``episodes``,
        ``examples`` and ``unlabelled``; ``views`` of images; ``privileged`` inputs, which say what
        defines the task, as an oracle's do, in training and in test.
    fixed_ways
        Whether the network has one output a class, so that training and test must agree in their
        ways.
    adapts
        Whether it takes steps on a support set, whose number a test can fix (`at_steps`).
    chooses_step
        Whether the number of adaptation steps is chosen on validation; otherwise it is
        `test_steps`.
    embeds_images_alone
        Whether its scores follow from embeddings of single images, wherever these do not depend on
        other images: then evaluation may embed each test image once (`embed`) and `compare`.
    needs
        Role -> what the method must be of a fit that this one needs, `Method` where any will do.
        The suite says which algorithm plays it.
    version
        Raised whenever the same settings come to mean other numbers.
    Settings
        Frozen dataclass; its fields are the keys of ``[algorithms.NAME]``. Has at least
        `test_batch_norm`.
    """

    kinds: ClassVar[frozenset[str]]
    trains: ClassVar[bool] = True
    has_network: ClassVar[bool] = True
    wants: ClassVar[frozenset[Want]] = frozenset({"episodes"})
    fixed_ways: ClassVar[bool] = True
    adapts: ClassVar[bool] = False
    chooses_step: ClassVar[bool] = False
    embeds_images_alone: ClassVar[bool] = False
    needs: ClassVar[Mapping[str, type[Any]]] = {}
    version: ClassVar[int] = 1
    Settings: ClassVar[type[Any]]

    def __init__(self, settings: Any) -> None:
        self.settings = settings

    @property
    def curve(self) -> tuple[int, ...]:
        """Numbers of adaptation steps after which `predict` scores the queries; ``(0,)`` for a
        method that does not adapt."""
        return (0,)

    @property
    def test_steps(self) -> int:
        """The entry of `curve` whose score counts, unless it is chosen on validation."""
        return self.curve[-1]

    @property
    def compiles(self) -> bool:
        """Whether `step` has its arithmetic done by the `graphs` of the state, where there are
        any."""
        return False

    @property
    def gradients_per_task(self) -> int:
        """Gradient evaluations (a Hessian-vector product counts as one) that one training task
        costs; one iteration, where there are no tasks."""
        return 1 if self.trains else 0

    def candidates(self) -> Sequence[Method]:
        """What validation episodes are to be spent on: the method under each setting to choose
        among, or itself alone."""
        return (self,)

    def at_steps(self, steps: int) -> Method:
        """Return the method as it is tested after exactly so many steps, whatever its settings say.
        Only where it `adapts`."""
        raise TypeError(f"{type(self).__name__} takes no steps in test")

    def figure(self) -> Figure | None:
        """Return a figure of its own that tests under it keep, beside that of the dataset (see
        `metabench.figures`)."""
        return None

    def network(self, model: Model, task: Task) -> nn.Module:
        """Return the network that is to be learned: by default `model` under a linear head of
        ``task.outputs``. New layers draw their initial weights here, whatever the method."""
        return Network(model, task)

    @abstractmethod
    def init(self, model: nn.Module, task: Task, generator: torch.Generator) -> State:
        """Return the state before training. `model` is what `network` gave, with its initial
        weights; `generator` serves the method's own noise.

        `task` is that of the training episodes, or, for a method that wants examples,
        `Dataset.training_task`.
        """

    def take(self, state: State, needed: Mapping[str, Finished]) -> None:
        """Take what the fits that it `needs` have come to, after `init` and before anything else.

        Unless said otherwise they are at hand as `state.needed`: a method that trains has them
        until its training is over, one that does not in its test. What the test of a method that
        trains wants of them must go to parameters or buffers that `init` has made.
        """
        state.needed = dict(needed)

    def batches(self, source: Source) -> Callable[[int], Any]:
        """Say what it trains on: the batch of each iteration, of what it `wants`."""
        return source.episodes()

    def step(self, state: State, batch: Any, moment: Moment) -> StepResult:
        """Do one outer iteration on a batch of training data, changing `state`."""
        raise TypeError(f"{type(self).__name__} does not train")

    @abstractmethod
    def predict(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        query_x: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> Tensor:
        """Score the queries of each episode after each number of steps in `curve`, leaving `state`
        as it was.

        Parameters
        ----------
        support_x, support_y, query_x
            As in `Episodes`.
        batch_norm
            Whose statistics normalise the queries; None for a model without.

        Returns
        -------
        Tensor
            ``[E, P, N*Q, C]``, P the length of `curve`.
        """

    def embed(self, state: State, x: Tensor) -> Tensor:
        """Embeddings ``[B, ...]`` of images ``[B, C, H, W]`` under running statistics. Only where
        it `embeds_images_alone`."""
        raise TypeError(f"{type(self).__name__} embeds no images alone")

    def compare(self, state: Any, support_z: Tensor, support_y: Tensor, query_z: Tensor) -> Tensor:
        """Scores ``[E, N*Q, N]`` of queries from embeddings ``[E, N*K, ...]`` with their labels,
        and ``[E, N*Q, ...]``. Only where it `embeds_images_alone`."""
        raise TypeError(f"{type(self).__name__} compares no embeddings")

    def inside(
        self,
        state: State,
        support_x: Tensor,
        support_y: Tensor,
        batch_norm: BatchNormMode | None,
    ) -> dict[str, Array]:
        """Return what a test keeps of the method itself, to be looked at: small arrays by the names
        ``FIGURE/PART`` (see `metabench.figures`), for the support sets of its first few episodes.
        Leaves `state` as it was."""
        return {}

    def adapted_weights(self, state: State, ways: int | None) -> int:
        """How many weights adapting to one episode changes; `ways` is None for regression."""
        return 0


def task_losses(scores: Tensor, y: Tensor) -> Tensor:
    """Mean loss of each task, ``[T]``: cross-entropy for ``[T, B, C]`` against ``[T, B]`` labels,
    squared error against ``[T, B, 1]`` values."""
    if y.is_floating_point():
        return (scores - y).square().mean((1, 2))
    return (
        F.cross_entropy(scores.flatten(0, 1), y.flatten(), reduction="none").view(y.shape).mean(1)
    )


def batch_score(scores: Tensor, y: Tensor) -> Tensor:
    """Score of a training batch in the unit of its metric: accuracy for labels, mean squared error
    for values."""
    if y.is_floating_point():
        return (scores - y).square().mean()
    return (scores.argmax(-1) == y).float().mean()


def adam(parameters: Any, lr: float) -> torch.optim.Adam:
    """Adam as every method here uses it: fused, which on these small networks is several times as
    fast as the plain loop."""
    return torch.optim.Adam(parameters, lr=lr, fused=True)


def outer_step(state: State, lr: float) -> None:
    """Let the outer optimiser move the weights by the gradients they hold, at this rate, and drop
    the gradients."""
    assert state.optimizer is not None, "the State has no optimizer, and a step is to be taken"
    for group in state.optimizer.param_groups:
        group["lr"] = lr
    state.optimizer.step()
    for group in state.optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def alike(gradient: Tensor, parameter: Tensor) -> Tensor:
    """A gradient that lies in memory as its parameter does: the fused Adam wants both alike."""
    return torch.empty_like(parameter).copy_(gradient)
