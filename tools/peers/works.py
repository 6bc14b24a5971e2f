"""What all have to do: an outer iteration of MAML, on tasks and from weights that are always the
same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from metabench.datasets.sinusoid import Sinusoid
from metabench.experiment.streams import EpisodeStream
from metabench.models.conv4 import Conv4
from metabench.models.mlp import MLP
from metabench.models.model import Model, Network
from metabench.models.ways import as_model
from metabench.tasks.episodes import Episodes, EpisodeShape, Task


@dataclass(frozen=True)
class Work:
    """An outer iteration.

    Attributes
    ----------
    module
        Makes the network of plain torch layers, always with the same weights.
    own
        Makes metabench's own network for the work, with those weights; its parameters are those of
        the module at `shared`.
    rounds
        In which all take their turns.
    """

    name: str
    module: Callable[[], nn.Module]
    own: Callable[[], nn.Module]
    shared: list[int]
    batch: Episodes
    lr: float
    steps: int
    rounds: int


def sinusoid() -> Work:
    """25 waves of ten points, one step: the iteration of the MAML paper."""
    dataset = Sinusoid(Sinusoid.Settings())
    stream = EpisodeStream(dataset, {}, "train", EpisodeShape(None, 10, 10), root_seed=0, seed=0)
    task = dataset.task(None)

    def own() -> Network:
        torch.manual_seed(0)
        return network_of(MLP(MLP.Settings(), task), task)

    def module() -> nn.Module:
        plain = nn.Sequential(
            nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
        )
        _copy(list(own().parameters()), list(plain.parameters()))
        return plain

    batch = stream.episodes(0, 25, torch.device("cpu"))
    return Work("Sinusoid, 25 tasks, 1 step", module, own, list(range(6)), batch, 0.01, 1, 60)


def conv4() -> Work:
    """Four tasks of five classes, one image each and 15 queries, five steps: conv4-64, 28x28."""
    task = Task("classification", (1, 28, 28), 5)

    def module() -> nn.Module:
        torch.manual_seed(0)
        layers: list[nn.Module] = []
        for block in range(4):
            layers += [
                nn.Conv2d(64 if block else 1, 64, 3, padding=1),
                nn.BatchNorm2d(64, track_running_stats=False),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 5))

    shared = [at for at in range(18) if at % 4 != 1 or at > 15]  # all but biases of convolutions

    def own() -> Network:
        network = network_of(Conv4(Conv4.Settings(), task), task)
        every = list(module().parameters())
        _copy([every[at] for at in shared], list(network.parameters()))
        return network

    make = torch.Generator().manual_seed(0)
    classes = torch.rand(4, 5, 1, 28, 28, generator=make)
    y = torch.arange(5).repeat(4, 1)
    query_y = y.repeat(1, 15)
    images = [
        torch.stack([seen[labels] for seen, labels in zip(classes, each, strict=True)])
        for each in (y, query_y)
    ]
    support_x, query_x = (x + 0.3 * torch.randn(x.shape, generator=make) for x in images)
    batch = Episodes(support_x, y, query_x, query_y)
    return Work(
        "Conv4-64, 28x28, 5-way 1-shot, 15 queries, 4 tasks, 5 steps",
        module,
        own,
        shared,
        batch,
        0.1,
        5,
        8,
    )


def network_of(model: Model, task: Task) -> Network:
    """A model under a linear head."""
    network = Network(model, task)
    model.initialise(network)
    return network


def in_place_of(work: Work) -> nn.Module:
    """The plain module as a model of metabench."""
    *body, head = work.module().children()
    kind = "classification" if work.batch.support_y.dtype == torch.int64 else "regression"
    task = Task(kind, tuple(work.batch.support_x.shape[2:]), head.out_features)
    network = Network(as_model(nn.Sequential(*body), task), task)
    _copy(list(head.parameters()), list(network.head.parameters()))
    return network


@torch.no_grad()
def _copy(source: list[Any], target: list[Any]) -> None:
    for one, other in zip(source, target, strict=True):
        other.copy_(one)
