"""What every model must do, whatever its layers."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.models.model import Model, Network
from metabench.models.ways import as_model
from metabench.registry import names
from metabench.registry.contract import broken_contract
from metabench.tasks.episodes import Task
from metabench.tasks.random_streams import global_stream
from metabench.testing.small import made_for

TASKS, BATCH = 3, 4


def check_model(found: type[nn.Module], task: Task | None = None, **settings: Any) -> None:
    """Try a model on a task: that it serves many at once as it serves one.

    Parameters
    ----------
    found
        The class.
    task
        What it is made for; by default images of 28 x 28 pixels and five classes, or one number of
        one number, as its `kinds` say.
    settings
        Those of its `Settings` that are not to be the defaults.

    Raises
    ------
    AssertionError
        Says what is wrong.
    ValueError
        The model cannot be made for the task.
    """
    if broken := broken_contract("models", found, names("models")):
        raise AssertionError(f"{found.__name__} {broken}")
    kinds: frozenset[str] = getattr(found, "kinds", frozenset())
    kind = "classification" if "classification" in kinds else "regression"
    small = Task(kind, (1, 28, 28), 5) if kind == "classification" else Task(kind, (1,), 1)
    task = task or small
    first, second = (_network(found, settings, task) for _ in range(2))
    for name, value in first.state_dict().items():
        same = torch.equal(value, second.state_dict()[name])
        assert same, f"{found.__name__}: made twice from one stream, {name} has two values"
    serves_tasks_at_once(first, task, found.__name__)


def serves_tasks_at_once(network: Network, task: Task, name: str) -> None:
    """Scores and gradients of T networks at once are those of one after another."""
    network = copy.deepcopy(network).double().eval()
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(TASKS, BATCH, *task.input_shape, generator=rng, dtype=torch.float64)
    weights = {
        key: p.detach() * (1 + 0.1 * torch.randn(TASKS, *p.shape, generator=rng, dtype=p.dtype))
        for key, p in network.named_parameters()
    }
    together, gradients = _scored(network, {k: w.requires_grad_() for k, w in weights.items()}, x)
    assert together.shape == (TASKS, BATCH, task.outputs), (
        f"{name}: scores of {TASKS} tasks have the shape {list(together.shape)}; "
        f"expected {[TASKS, BATCH, task.outputs]}"
    )
    for at in range(TASKS):
        own = {key: w[at].detach().requires_grad_() for key, w in weights.items()}
        alone, slopes = _scored(network, own, x[at])
        assert torch.allclose(together[at], alone, rtol=1e-7, atol=1e-9), (
            f"{name}: with {TASKS} tasks at once, the scores of one are not what they are alone"
        )
        for key, slope in slopes.items():
            assert torch.allclose(gradients[key][at], slope, rtol=1e-6, atol=1e-8), (
                f"{name}: with {TASKS} tasks at once, the gradient of {key} is not what it is alone"
            )


def _scored(
    network: nn.Module, weights: dict[str, Tensor], x: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    scores: Tensor = functional_call(network, weights, (x,))
    slopes = torch.autograd.grad(scores.square().sum(), tuple(weights.values()))
    return scores.detach(), dict(zip(weights, slopes, strict=True))


def _network(found: type[nn.Module], settings: dict[str, Any], task: Task) -> Network:
    with global_stream(0, "initial weights"):
        model: Model = as_model(made_for(found, settings, task), task)
        network = Network(model, task)
        model.initialise(network)
    return network
