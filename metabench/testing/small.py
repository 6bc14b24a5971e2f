"""Small data and networks to try a class on, and a method at work on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from metabench.cells import BatchNormMode, Fit, Part, Train, Validate
from metabench.datasets.dataset import Dataset, Split
from metabench.datasets.glyphs import Glyphs, GlyphsSettings
from metabench.datasets.sinusoid import Sinusoid, SinusoidSettings
from metabench.experiment.parts import build_network
from metabench.experiment.returned.both import checked_arrays
from metabench.experiment.returned.methods import checked_candidates, checked_method, checked_state
from metabench.experiment.streams import EpisodeStream
from metabench.experiment.training_data import TrainingData
from metabench.methods.method import Method, Moment, State, StepResult
from metabench.models.conv4 import Conv4
from metabench.models.layers import batch_norms
from metabench.models.mlp import MLP
from metabench.tasks.episodes import Episodes, EpisodeShape, Task
from metabench.tasks.random_streams import global_stream, torch_generator

CPU = torch.device("cpu")
WAYS, SHOTS, QUERIES = 5, 2, 3
ITERATIONS = 4
ANY = Part("small", 1, {}, {})

GLYPHS = GlyphsSettings(
    split="alphabet", alphabets=5, characters=(8,), drawers=6, image_size=16, glyph_seed=1
)


def small_dataset(kind: str) -> Dataset:
    """Return made-up characters of 16 x 16 pixels, or sinusoids, ready to draw."""
    if kind == "regression":
        return Sinusoid(SinusoidSettings())
    glyphs = Glyphs(GLYPHS)
    glyphs.load(Path())
    return glyphs


def small_network(task: Task) -> nn.Module:
    """Return a network of a few thousand weights for a task."""
    if task.kind == "regression":
        return MLP(MLP.Settings(hidden=(16,), init="default"), task)
    return Conv4(Conv4.Settings(filters=8, pooling="stride"), task)


def shape_of(kind: str) -> EpisodeShape:
    """The shape of the small episodes of a kind of task."""
    return EpisodeShape(WAYS if kind == "classification" else None, SHOTS, QUERIES)


def made(found: type[Any], settings: Mapping[str, Any]) -> Any:
    """Return an instance of a method's or dataset's class under these settings."""
    return found(found.Settings(**settings))


def made_for(found: type[Any], settings: Mapping[str, Any], task: Task) -> Any:
    """Return an instance of a model's class under these settings, for a task."""
    return found(found.Settings(**settings), task)


class Trial:
    """A method at work on small data: every time from the same weights, on the same episodes.

    Parameters
    ----------
    model
        Makes the network of a task, in place of `small_network`.
    """

    def __init__(self, method: Method, kind: str, model: Any = None) -> None:
        self.method = checked_method(method)
        self.dataset = small_dataset(kind)
        if "privileged" in method.wants:
            self.dataset = self.dataset.privileged()
        self.shape = shape_of(kind)
        self._make = small_network if model is None else model
        ways = self.shape.ways
        train = Train(iterations=ITERATIONS, ways=ways, shots=SHOTS, query_shots=QUERIES)
        self._fit = Fit("small", ANY, ANY, ANY, train, Validate(), seed=0, root_seed=0)

    @property
    def tested(self) -> Method:
        """The method as it is tested: under the first of the settings that it leaves open."""
        return checked_candidates(self.method)[0]

    def state(self) -> State:
        """Return the state before training."""
        supervised = "examples" in self.method.wants
        task = self.dataset.training_task() if supervised else self.dataset.task(self.shape.ways)
        network: nn.Module = nn.Identity()
        if self.method.has_network:
            with global_stream(0, "initial weights"):
                network = build_network(self.method, self._make(task), task)
        with global_stream(0, "method"):
            state = self.method.init(network, task, torch_generator(0, "method"))
        return checked_state(self.method, state)

    def train(self, state: State, first: int = 0, last: int = ITERATIONS) -> Iterator[StepResult]:
        """Train a state from one iteration to another."""
        if not self.method.trains:
            return
        batches = self.method.batches(TrainingData(self._fit, self.method, self.dataset, CPU))
        state.train()
        for i in range(first, last):
            with global_stream(0, "training", iteration=i):
                moment = Moment(i, ITERATIONS, i / ITERATIONS, 1.0)
                yield self.method.step(state, batches(i), moment)

    def trained(self) -> State:
        """Return the state after training."""
        state = self.state()
        for _ in self.train(state):
            pass
        return state

    def episodes(self, count: int, split: Split = "test") -> Episodes:
        """Return the first episodes of a split."""
        stream = EpisodeStream(self.dataset, ANY.identity(), split, self.shape, root_seed=0, seed=0)
        return stream.episodes(0, count, CPU)

    def predict(self, method: Method, state: State, episodes: Episodes) -> Tensor:
        """Scores ``[E, P, N*Q, C]``, under the batch norm mode that the method is tested with."""
        mode = _mode(method, state)
        state.eval()
        with global_stream(0, "test"):
            predicted = method.predict(
                state, episodes.support_x, episodes.support_y, episodes.query_x, mode
            )
        return predicted.detach()

    def inside(self, method: Method, state: State, episodes: Episodes) -> dict[str, np.ndarray]:
        """What a test keeps of the method itself."""
        state.eval()
        with global_stream(0, "test"):
            kept = method.inside(
                state, episodes.support_x, episodes.support_y, _mode(method, state)
            )
        return checked_arrays(method, "inside", kept)


def _mode(method: Method, state: State) -> BatchNormMode | None:
    """Whose statistics normalise the queries of a test."""
    mode: BatchNormMode | None = method.settings.test_batch_norm if batch_norms(state) else None
    return mode
