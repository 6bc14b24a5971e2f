"""What tests of methods, training and the experiment share: small networks, random episodes,
textbook versions, and cells."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import higher
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metabench import registry
from metabench.cells import Cell, Evaluate, Fit, Part, Train, Validate
from metabench.experiment.fit import CellOutcome, run_fit
from metabench.experiment.weights import Keeping
from metabench.methods.method import Method
from metabench.models.conv4 import Conv4
from metabench.models.layers import BatchNorm2d
from metabench.models.mlp import MLP
from metabench.models.model import Model, Network
from metabench.registry.settings import make_part
from metabench.tasks.episodes import Episodes, Task

CPU = torch.device("cpu")
WAYS, SHOTS, QUERIES = 3, 2, 2
"""Of the random episodes below."""
MODES = ("query", "joint", "support", "support_plus_one", "running")
NETWORKS = ("mlp", "conv4 max", "conv4 stride")
NETWORK_MODES = [("mlp", None), *((network, mode) for network in NETWORKS[1:] for mode in MODES)]
"""Every network with every batch norm mode that it can have."""
HERE = {"commit": "abc", "conditions": {"torch": "1", "conditions_digest": "a" * 64}}
ELSEWHERE = {"commit": "def", "conditions": {"torch": "2", "conditions_digest": "b" * 64}}
"""Provenance of what is kept of a fit."""


def with_head(model: Model, task: Task) -> Network:
    """Return a model under a linear head, as most methods want it."""
    network = Network(model, task)
    model.initialise(network)
    return network


def make_network(name: str, *, filters: int = 4, size: int = 16) -> Network:
    """Return a float64 network whose batch norm has a scale, shift and running statistics of its
    own, or an `mlp`."""
    torch.manual_seed(0)
    if name == "mlp":
        task = Task("regression", (1,), 1)
        return with_head(MLP(MLP.Settings(hidden=(8, 8), init="default"), task), task).double()
    pooling: Any = name.split()[1]
    task = Task("classification", (1, size, size), WAYS)
    settings = Conv4.Settings(filters=filters, pooling=pooling)
    network = with_head(Conv4(settings, task), task).double()
    for layer in network.modules():
        if isinstance(layer, BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
            layer.running_mean.normal_(std=0.3)
            layer.running_var.uniform_(0.5, 1.5)
    return network


def random_episodes(name: str, tasks: int, *, size: int = 16, seed: int = 0) -> Episodes:
    """Return float64 episodes for a network of `make_network`: noise images that lean towards a
    mean of their class, or sinusoids."""
    rng = torch.Generator().manual_seed(seed)
    if name == "mlp":
        amplitude, phase = torch.rand(2, tasks, 1, 1, generator=rng, dtype=torch.float64)
        x, q = (10 * torch.rand(2, tasks, 5, 1, generator=rng, dtype=torch.float64) - 5).unbind()
        return Episodes(
            x, 3 * amplitude * torch.sin(x - phase), q, 3 * amplitude * torch.sin(q - phase)
        )
    centres = torch.randn(tasks, WAYS, 1, size, size, generator=rng, dtype=torch.float64)
    support_y = torch.arange(WAYS).repeat_interleave(SHOTS).repeat(tasks, 1)
    query_y = torch.stack(
        [
            torch.arange(WAYS).repeat(QUERIES)[torch.randperm(WAYS * QUERIES, generator=rng)]
            for _ in range(tasks)
        ]
    )

    def images(y: Tensor) -> Tensor:
        noise = torch.randn(*y.shape, 1, size, size, generator=rng, dtype=torch.float64)
        return (
            torch.stack([centre[labels] for centre, labels in zip(centres, y, strict=True)]) + noise
        )

    return Episodes(images(support_y), support_y, images(query_y), query_y)


def some_episodes(batch: Episodes, which: slice | list[int]) -> Episodes:
    """Return part of a batch."""
    return Episodes(
        batch.support_x[which], batch.support_y[which], batch.query_x[which], batch.query_y[which]
    )


def textbook_conv4(ours: Network, pooling: str) -> nn.Sequential:
    """Return the same network in plain layers of torch, as the papers draw it (pooling last), with
    the same weights."""
    layers: list[nn.Module] = []
    for weight in (p for name, p in ours.named_parameters() if p.dim() == 4):
        out, channels = weight.shape[:2]
        layers += [
            nn.Conv2d(channels, out, 3, stride=1 if pooling == "max" else 2, padding=1, bias=False),
            nn.BatchNorm2d(out),
            nn.ReLU(),
        ]
        layers += [nn.MaxPool2d(2)] if pooling == "max" else []
    network = nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(ours.head.in_features, ours.head.out_features)
    ).double()
    with torch.no_grad():
        for theirs, mine in zip(network.parameters(), ours.parameters(), strict=True):
            theirs.copy_(mine)
        norms = [layer for layer in network if isinstance(layer, nn.BatchNorm2d)]
        for theirs, mine in zip(
            norms,
            (layer for layer in ours.modules() if isinstance(layer, BatchNorm2d)),
            strict=True,
        ):
            theirs.running_mean.copy_(mine.running_mean)
            theirs.running_var.copy_(mine.running_var)
    return network


def plain_network(ours: Network, name: str) -> nn.Sequential:
    """Return a network of `make_network` in plain layers of torch, its head the last of them."""
    if name == "mlp":
        return copy.deepcopy(nn.Sequential(*ours.body.layers, ours.head))
    return textbook_conv4(ours, name.split()[1])


def plain_loss(scores: Tensor, y: Tensor) -> Tensor:
    return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)


def scores_while_tuned(
    plain: nn.Module, optimizer: torch.optim.Optimizer, batch: Episodes, episode: int, steps: int
) -> list[Tensor]:
    """Train a plain network on the support set of one episode, as anybody trains a network; return
    the scores of its queries before, and after each step."""
    x, y, query_x = batch.support_x[episode], batch.support_y[episode], batch.query_x[episode]
    scores = [plain(query_x).detach()]
    for _ in range(steps):
        optimizer.zero_grad()
        plain_loss(plain(x), y).backward()
        optimizer.step()
        scores.append(plain(query_x).detach())
    return scores


def gradient_of_higher(
    plain: nn.Module,
    batch: Episodes,
    rates: Sequence[Tensor],
    steps: Sequence[Sequence[Tensor]],
) -> list[Tensor]:
    """Return the gradient of the mean query loss, after steps at these rates for each parameter, as
    `higher` has it: with respect to the parameters of `plain`, then to `rates`, on which the steps
    depend."""
    learned = [*plain.parameters(), *rates]
    total = [torch.zeros_like(p) for p in learned]
    for x, y, query_x, query_y in zip(
        batch.support_x, batch.support_y, batch.query_x, batch.query_y, strict=True
    ):
        optimizer = torch.optim.SGD([{"params": [p]} for p in plain.parameters()], lr=1.0)
        with higher.innerloop_ctx(plain, optimizer, copy_initial_weights=False) as (fast, inner):
            for step in steps:
                inner.step(plain_loss(fast(x), y), override={"lr": list(step)})
            loss = plain_loss(fast(query_x), query_y) / len(batch)
            for sum_, g in zip(total, torch.autograd.grad(loss, learned), strict=True):
                sum_ += g
    return total


def fingerprint(module: nn.Module) -> str:
    """Return a hash of everything that a module keeps."""
    content = hashlib.sha256()
    for name, value in module.state_dict().items():
        content.update(name.encode() + value.contiguous().numpy().tobytes())
    return content.hexdigest()


def relative_error(
    ours: Mapping[str, Tensor] | list[Tensor], theirs: Mapping[str, Tensor] | list[Tensor]
) -> float:
    """Return ‖ours - theirs‖ / ‖theirs‖ over all tensors together."""
    one, other = (
        torch.cat([t.detach().flatten() for t in (ts.values() if isinstance(ts, Mapping) else ts)])
        for ts in (ours, theirs)
    )
    return float((one - other).norm() / other.norm())


def length(gradient: Mapping[str, Tensor]) -> float:
    """Return the norm over all tensors together."""
    return float(torch.cat([g.flatten() for g in gradient.values()]).norm())


def random_direction(network: nn.Module) -> dict[str, Tensor]:
    """Return a unit vector in the space of weights."""
    rng = torch.Generator().manual_seed(7)
    direction = {
        name: torch.randn(p.shape, generator=rng, dtype=p.dtype)
        for name, p in network.named_parameters()
    }
    return {name: d / length(direction) for name, d in direction.items()}


def slope(gradient: Mapping[str, Tensor], direction: Mapping[str, Tensor]) -> float:
    """Return the directional derivative."""
    return float(sum((gradient[name] * direction[name]).sum() for name in direction))


def part(group: registry.Group, name: str, **settings: Any) -> Part:
    """Return a registered method, dataset or model under `settings`."""
    return make_part(name, registry.get(group, name), settings)


def make_method(name: str, **settings: Any) -> Method:
    """Return a registered method under `settings`."""
    registered = registry.get("methods", name)
    return registered(registered.Settings(**settings))


SMALL: dict[str, dict[str, Any]] = {
    "sinusoid": {
        "dataset": {},
        "model": {"hidden": (8,), "init": "default"},
        "train": {"iterations": 6, "tasks_per_batch": 2, "shots": 5, "query_shots": 5},
        "validate": {"every": 3, "episodes": 4, "shots": 5, "query_shots": 5},
        "evaluate": {
            "ways": None,
            "shots": 5,
            "query_shots": 5,
            "episodes": 40,
            "batch_norm": None,
        },
    },
    "omniglot": {
        "dataset": {"split": "alphabet", "image_size": 16},
        "model": {"filters": 4},
        "train": {"iterations": 4, "tasks_per_batch": 2, "ways": 3, "shots": 1, "query_shots": 2},
        "validate": {"every": 2, "episodes": 4, "ways": 3, "shots": 1, "query_shots": 2},
        "evaluate": {
            "ways": 3,
            "shots": 1,
            "query_shots": 2,
            "episodes": 40,
            "batch_norm": "query",
        },
    },
}


def make_cell(
    algorithm: str,
    source: str = "sinusoid",
    *,
    method: Mapping[str, Any] | None = None,
    seed: int = 0,
    **changes: Any,
) -> Cell:
    """Return a small cell over `source`. `changes` are to the tables `dataset`, `model`, `train`,
    `validate`, `evaluate` of `SMALL`."""
    at = {table: {**said, **changes.get(table, {})} for table, said in SMALL[source].items()}
    fit = Fit(
        algorithm=algorithm,
        method=part("methods", algorithm, **(method or {})),
        model=part("models", "mlp" if source == "sinusoid" else "conv4", **at["model"]),
        dataset=part("datasets", source, **at["dataset"]),
        train=Train(**at["train"]),
        validate=Validate(**at["validate"]),
        seed=seed,
        root_seed=0,
    )
    return Cell(fit, Evaluate(**at["evaluate"]), {"algorithm": algorithm, "dataset": source})


def run(*cells: Cell, data: Path, keep_weights: Path | None = None) -> list[CellOutcome]:
    """Run the fit that `cells` share, on one thread of the CPU; from the weights in a folder, if
    there are any."""
    settings = {"device": "cpu", "threads": 1, "workers": 1, "progress": lambda _: None}
    return list(
        run_fit(
            cells, data=data, keeping=Keeping(weights=keep_weights, provenance=HERE), **settings
        )
    )


def reproducible(outcome: CellOutcome) -> str:
    """Return everything that a re-run must give again, to the bit."""
    arrays = {
        name: hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()
        for name, a in outcome.arrays.items()
        if name.startswith("result/")
    }
    return json.dumps([outcome.result, arrays], sort_keys=True)
