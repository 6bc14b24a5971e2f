"""The parts of a fit, made from their settings: dataset, method, network and state, and the
episodes that they are validated and tested on."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from metabench import registry
from metabench.cells import BatchNormMode, Cell, Fit, Part
from metabench.datasets.dataset import Dataset, Split
from metabench.errors import DataError
from metabench.experiment.predictions import EvaluationSet
from metabench.experiment.returned.datasets import (
    checked_privileged,
    checked_task,
    checked_training_task,
)
from metabench.experiment.returned.methods import (
    checked_at_steps,
    checked_method,
    checked_model,
    checked_network,
    checked_state,
)
from metabench.experiment.streams import EpisodeStream
from metabench.methods.method import Method, State
from metabench.metrics import Metric, named_metric
from metabench.models.ways import as_model, way_of
from metabench.tasks.episodes import EpisodeShape, Task
from metabench.tasks.random_streams import global_stream, torch_generator

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What a fit is made of.

    Attributes
    ----------
    dataset
        That of training and validation, loaded.
    state
        Changed by the training.
    data
        The data folder.
    """

    fit: Fit
    method: Method
    dataset: Dataset
    state: State
    device: torch.device
    data: Path

    @property
    def validation_metric(self) -> Metric:
        """What validation is scored by."""
        return named_metric(self.fit.validate.metric or self.dataset.metric)

    def validation_set(
        self, shape: EpisodeShape, batch_norm: BatchNormMode | None
    ) -> EvaluationSet:
        """Validation episodes of a shape."""
        fit, recipe = self.fit, self.fit.validate
        stream = episodes_of(fit, fit.dataset, self.dataset, "validation", shape)
        return EvaluationSet(stream, recipe.episodes, batch_norm, self.device, recipe.metric)

    def test_set(self, cell: Cell, dataset: Dataset) -> EvaluationSet:
        """The test episodes of a cell, of the dataset that it is tested on."""
        fit, at = self.fit, cell.evaluate
        stream = episodes_of(
            fit.at_seed(cell.streams["test"]),
            at.on or fit.dataset,
            dataset,
            "test",
            EpisodeShape.of(at),
            sampling=at.sampling,
            episodes=at.episodes,
        )
        return EvaluationSet(stream, at.episodes, at.batch_norm, self.device, at.metric)


def make_parts(fit: Fit, data: Path, device: torch.device, *, beside: Parts | None = None) -> Parts:
    """Make the parts of a fit, its state as it is before training; `beside` others, whose dataset
    is taken where it is the same."""
    method = make_method(fit.method)
    if beside is not None and _same_dataset(fit, method, beside):
        dataset = beside.dataset
    else:
        dataset = open_dataset(fit.dataset, data, is_privileged(method))
    return Parts(fit, method, dataset, initial_state(fit, method, dataset, device), device, data)


def _same_dataset(fit: Fit, method: Method, other: Parts) -> bool:
    same = fit.dataset.identity() == other.fit.dataset.identity()
    return same and is_privileged(method) == is_privileged(other.method)


def is_privileged(method: Method) -> bool:
    """Whether a method's inputs say what defines the task."""
    return "privileged" in method.wants


def open_dataset(part: Part, data: Path, privileged: bool = False) -> Dataset:
    """Return the dataset, loaded; `privileged` with inputs that say what defines the task."""
    with global_stream(0, "loading", dataset=part.identity()):
        dataset: Dataset = registry.make("datasets", part)
        if privileged:
            dataset = checked_privileged(dataset)
        dataset.load(data)
    return dataset


def open_test_datasets(
    cells: Sequence[Cell], parts: Parts
) -> tuple[list[tuple[Cell, Dataset]], DataError | None]:
    """Return the cells whose test data is there, each with its dataset, and what is wrong with that
    of the others."""
    opened: list[tuple[Cell, Dataset]] = []
    missing: DataError | None = None
    for cell in cells:
        dataset, on = parts.dataset, cell.evaluate.on
        try:
            if on is not None:
                dataset = open_dataset(on, parts.data, is_privileged(parts.method))
            opened.append((cell, dataset))
        except DataError as error:
            missing = error
    if not opened and missing is not None:
        raise missing
    return opened, missing


def make_method(part: Part) -> Method:
    """Return the method under its settings."""
    method: Method = registry.make("methods", part)
    return checked_method(method)


def method_at(method: Method, steps: int | None) -> Method:
    """Return the method as it is tested after exactly so many steps; None for as many as it says
    itself."""
    return method if steps is None else checked_at_steps(method, method.at_steps(steps))


def initial_state(fit: Fit, method: Method, dataset: Dataset, device: torch.device) -> State:
    """Return the state before training. The network's weights are the same for every method that
    meets this model and seed; one without a network has none."""
    task = (
        checked_training_task(dataset)
        if "examples" in method.wants
        else checked_task(dataset, fit.train.ways)
    )
    network: nn.Module = nn.Identity()
    if fit.model is not None:
        network = initial_network(fit, fit.model, method, task).to(device)
    seed = fit.seed if fit.init_seed is None else fit.init_seed
    key = {"seed": seed, "method": fit.method.identity()}
    with global_stream(fit.root_seed, "method", **key):
        state = method.init(network, task, torch_generator(fit.root_seed, "method", **key))
    if fit.init_seed is not None and state.generator is not None:
        # what it draws from here on, in training, goes with the data
        noise = torch_generator(fit.root_seed, "method", **{**key, "seed": fit.seed})
        state.generator.manual_seed(noise.initial_seed())
    return checked_state(method, state).to(device)


def initial_network(fit: Fit, part: Part, method: Method, task: Task) -> nn.Module:
    """Return the network that a method makes of the model, with its initial weights."""
    seed = fit.seed if fit.init_seed is None else fit.init_seed
    with global_stream(fit.root_seed, "initial weights", seed=seed, model=part.identity()):
        network = build_network(method, registry.make("models", part, task), task)
    if way_of(network).name != "packed":
        _log.warning("model '%s': %s", part.name, way_of(network))
    return network


def build_network(method: Method, module: nn.Module, task: Task) -> nn.Module:
    """Return the network that a method makes of a module, with initial weights drawn here."""
    model = checked_model(as_model(module, task), task)
    network = checked_network(method, method.network(model, task))
    model.initialise(network)
    return network


def episodes_of(
    fit: Fit,
    part: Part,
    dataset: Dataset,
    split: Split,
    shape: EpisodeShape,
    *,
    sampling: Literal["with_replacement", "disjoint"] = "with_replacement",
    episodes: int | None = None,
) -> EpisodeStream:
    """The episodes of a split that every fit of this seed meets, whatever its algorithm."""
    return EpisodeStream(
        dataset,
        part.identity(),
        split,
        shape,
        root_seed=fit.root_seed,
        seed=fit.seed,
        sampling=sampling,
        episodes=episodes,
    )
