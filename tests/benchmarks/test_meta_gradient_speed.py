"""One MAML iteration, episodes drawn included, by our engine and by `higher`."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
import torch
from torch import nn

from metabench.datasets.dataset import Dataset
from metabench.datasets.images import ImageDataset, ImagePool
from metabench.datasets.sinusoid import Sinusoid
from metabench.experiment.streams import EpisodeStream
from metabench.methods.maml import MAML
from metabench.methods.method import Moment
from metabench.models.conv4 import Conv4
from metabench.models.mlp import MLP
from metabench.models.model import Model, Network
from metabench.tasks.episodes import EpisodeShape, Task
from tests.benchmarks.conftest import Compare

CPU = torch.device("cpu")


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
    engine: str,
    model: nn.Module,
    dataset: Dataset,
    shape: EpisodeShape,
    tasks: int,
    steps: int,
    lr: float,
):
    method = MAML(MAML.Settings(inner_lr=lr, inner_steps=steps, engine=engine))
    state = method.init(model, dataset.task(shape.ways), torch.Generator())
    stream, numbers = EpisodeStream(dataset, {}, "train", shape, root_seed=0, seed=0), count()
    return lambda: method.step(state, stream.episodes(tasks * next(numbers), tasks, CPU), Moment())


def test_sinusoid_maml(against: Compare, threads: int) -> None:
    dataset, shape = Sinusoid(Sinusoid.Settings()), EpisodeShape(None, 10, 10)
    ours, theirs = (
        iteration(
            e,
            network_of(MLP(MLP.Settings(), dataset.task(None)), dataset.task(None)),
            dataset,
            shape,
            25,
            1,
            0.01,
        )
        for e in ("functional", "higher")
    )
    against(
        "sinusoid MAML iteration, 25 tasks, against higher",
        ours,
        theirs,
        rounds=60,
        goal="at most 1/8",
    )


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


@pytest.mark.parametrize("threads", [1, 2], indirect=True, ids=lambda n: f"{n} threads")
@pytest.mark.parametrize("reference", ["the same network", "the textbook network"])
def test_conv4_maml(against: Compare, threads: int, reference: str) -> None:
    dataset, shape = Characters(None), EpisodeShape(5, 1, 15)
    dataset.load()
    ours = iteration("functional", conv4(dataset), dataset, shape, 4, 5, 0.1)
    other = conv4(dataset) if reference == "the same network" else Textbook(64, 5)
    theirs = iteration("higher", other, dataset, shape, 4, 5, 0.1)
    name = (
        f"conv4-64 MAML iteration, 4 tasks, 5 steps, {threads} threads, against higher "
        f"on {reference}"
    )
    against(name, ours, theirs, rounds=8, goal="at most 0.65")
