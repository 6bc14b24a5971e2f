"""One outer iteration, episodes drawn included: ours against `higher`, and one method of ours
against another."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from metabench.datasets.dataset import Dataset
from metabench.datasets.images import ImageDataset, ImagePool
from metabench.datasets.sinusoid import Sinusoid
from metabench.experiment.compiling import inductor
from metabench.experiment.streams import EpisodeStream
from metabench.methods.fomaml import FOMAML
from metabench.methods.graphs import Graphs
from metabench.methods.maml import MAML
from metabench.methods.method import Method, Moment, StepResult
from metabench.methods.reptile import Reptile
from metabench.models.conv4 import Conv4
from metabench.models.mlp import MLP
from metabench.models.model import Model, Network
from metabench.models.ways import as_model
from metabench.provenance.compiler import cpp_compiler
from metabench.tasks.episodes import EpisodeShape, Task
from tests.benchmarks.conftest import Compare

CPU = torch.device("cpu")
COMPILED = {False: "", True: "compiled: "}


def network_of(model: Model, task: Task) -> Network:
    """A model under a linear head."""
    network = Network(model, task)
    model.initialise(network)
    return network


def conv4(dataset: Dataset) -> Network:
    return network_of(Conv4(Conv4.Settings(), dataset.task(5)), dataset.task(5))


class Textbook(nn.Module):
    """The four-block network as the literature writes it, of torch's own layers: convolution, batch
    norm, ReLU, pooling."""

    def __init__(self, filters: int, outputs: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for i in range(4):
            blocks += [
                nn.Conv2d(filters if i else 1, filters, 3, padding=1),
                nn.BatchNorm2d(filters, track_running_stats=False),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.body = nn.Sequential(*blocks, nn.Flatten())
        self.head = nn.Linear(filters, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def iteration(
    model: nn.Module,
    dataset: Dataset,
    shape: EpisodeShape,
    tasks: int,
    method: Method,
    *,
    compiled: bool = False,
) -> Callable[[], StepResult]:
    """One outer iteration, episodes drawn included; of a compiled one the first has been done."""
    state = method.init(model, dataset.task(shape.ways), torch.Generator())
    stream, numbers = EpisodeStream(dataset, {}, "train", shape, root_seed=0, seed=0), count()

    def step() -> StepResult:
        return method.step(state, stream.episodes(tasks * next(numbers), tasks, CPU), Moment())

    if compiled:
        compiler = cpp_compiler()
        if compiler is None:
            pytest.skip("there is no C++ compiler here")
        state.graphs = Graphs(inductor(compiler, torch.get_num_threads()), pytest.fail)
        step()
    return step


def maml(kind: type[MAML] = MAML, **settings: Any) -> MAML:
    return kind(kind.Settings(**settings))


def mlp(dataset: Dataset) -> Network:
    return network_of(MLP(MLP.Settings(), dataset.task(None)), dataset.task(None))


@pytest.mark.parametrize(
    ("compiled", "goal"), [(False, "at most 1/8"), (True, "at most 1/110")], ids=["eager", "whole"]
)
def test_sinusoid_maml(against: Compare, threads: int, compiled: bool, goal: str) -> None:
    dataset, shape = Sinusoid(Sinusoid.Settings()), EpisodeShape(None, 10, 10)
    ours = iteration(mlp(dataset), dataset, shape, 25, maml(), compiled=compiled)
    theirs = iteration(mlp(dataset), dataset, shape, 25, maml(engine="higher"))
    name = f"{COMPILED[compiled]}sinusoid MAML iteration, 25 tasks, against higher"
    against(name, ours, theirs, rounds=60, goal=goal)


class Characters(ImageDataset):
    """Random images in the shape of a small Omniglot."""

    licence = source = "none"

    def task(self, ways: int | None) -> Task:
        return Task("classification", (1, 28, 28), ways or 0)

    def load(self, root: object = None) -> None:
        classes = np.arange(60)
        pixels = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (1200, 28, 28, 1), dtype=np.uint8)
        )
        self.pool = ImagePool(
            pixels,
            classes.repeat(20),
            [str(c) for c in classes],
            [],
            {"train": classes, "test": classes},
            "",
        )


@pytest.fixture(scope="module")
def characters() -> Characters:
    dataset = Characters(None)
    dataset.load()
    return dataset


SHAPE, TASKS = EpisodeShape(5, 1, 15), 4
FIVE_STEPS: dict[str, Any] = {"inner_lr": 0.1, "inner_steps": 5}


@pytest.mark.parametrize("threads", [1, 2], indirect=True, ids=lambda n: f"{n} threads")
@pytest.mark.parametrize("reference", ["the same network", "the textbook network"])
@pytest.mark.parametrize(
    ("compiled", "goal"), [(False, "at most 0.65"), (True, "at most 0.40")], ids=["eager", "whole"]
)
def test_conv4_maml(
    against: Compare,
    characters: Characters,
    threads: int,
    reference: str,
    compiled: bool,
    goal: str,
) -> None:
    at = characters, SHAPE, TASKS
    ours = iteration(conv4(characters), *at, maml(**FIVE_STEPS), compiled=compiled)
    other = conv4(characters) if reference == "the same network" else Textbook(64, 5)
    theirs = iteration(other, *at, maml(**FIVE_STEPS, engine="higher"))
    name = (
        f"{COMPILED[compiled]}conv4-64 MAML iteration, 4 tasks, 5 steps, {threads} threads, "
        f"against higher on {reference}"
    )
    against(name, ours, theirs, rounds=8, goal=goal)


def test_any_module_in_maml(against: Compare, characters: Characters, threads: int) -> None:
    task, at = characters.task(5), (characters, SHAPE, TASKS)
    body = as_model(Textbook(64, 5).body, task)
    ours = iteration(network_of(body, task), *at, maml(**FIVE_STEPS))
    theirs = iteration(Textbook(64, 5), *at, maml(**FIVE_STEPS, engine="higher"))
    name = "textbook network in our MAML, 4 tasks, 5 steps, against higher on the same"
    against(name, ours, theirs, rounds=8, goal="at most 1")


def test_first_order_against_second(against: Compare, characters: Characters, threads: int) -> None:
    first, second = (
        iteration(conv4(characters), characters, SHAPE, TASKS, maml(kind, **FIVE_STEPS))
        for kind in (FOMAML, MAML)
    )
    name = "conv4-64 FOMAML iteration, 4 tasks, 5 steps, against our MAML"
    against(name, first, second, rounds=8, goal="at most 0.55")


def test_reptile_against_maml(against: Compare, characters: Characters, threads: int) -> None:
    """As many steps on as many images a task; MAML's queries and second order come on top."""
    reptile = Reptile(Reptile.Settings(inner_steps=5, inner_batch=5))
    ours, theirs = (
        iteration(conv4(characters), characters, SHAPE, TASKS, method)
        for method in (reptile, maml(**FIVE_STEPS))
    )
    name = "conv4-64 Reptile iteration, 4 tasks, 5 steps, against our MAML"
    against(name, ours, theirs, rounds=8, goal="at most 0.3")
