"""How each library does an outer iteration of MAML, written as its own examples write it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from works import Work

from metabench.experiment.compiling import inductor
from metabench.methods.graphs import Graphs
from metabench.methods.maml import MAML
from metabench.methods.method import Moment, adam
from metabench.tasks.episodes import Episodes

Step = Callable[[], object]
Way = Callable[[bool], tuple[Step, Callable[[], list[Tensor]]]]
"""Makes an outer iteration, by Adam or (true) by plain descent at rate 1, and what gives the
weights that it moves."""


def ours(work: Work, network: Callable[[], nn.Module], **how: Any) -> Any:
    """metabench: `compiled`, or by an `engine`."""

    def make(plain: bool) -> tuple[Step, Callable[[], list[Tensor]]]:
        compiled = how.get("compiled", False)
        settings = MAML.Settings(
            inner_lr=work.lr,
            inner_steps=work.steps,
            outer_lr=1.0 if plain else 1e-3,
            engine=how.get("engine", "functional"),
        )
        method = MAML(settings)
        state = method.init(network(), None, torch.Generator())
        if plain:
            state.optimizer = torch.optim.SGD(state.parameters(), 1.0)
        if compiled:
            state.graphs = Graphs(inductor(compiled, torch.get_num_threads()), sys.exit)
        return (
            lambda: method.step(state, work.batch, Moment()),
            lambda: [p.detach() for p in state.model.parameters()],
        )

    return make


def outer(parameters: Any, plain: bool) -> torch.optim.Optimizer:
    """The outer optimiser of the other torch libraries."""
    return torch.optim.SGD(parameters, 1.0) if plain else adam(parameters, 1e-3)


def loss_of(scores: Tensor, y: Tensor) -> Tensor:
    """Of one task."""
    return F.mse_loss(scores, y) if y.is_floating_point() else F.cross_entropy(scores, y)


def tasks_of(batch: Episodes) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Support set and queries, task by task."""
    yield from zip(batch.support_x, batch.support_y, batch.query_x, batch.query_y, strict=True)


def torchopt_way(work: Work) -> Any:
    """TorchOpt, as in its MAML example: a differentiable optimiser, and the state taken back after
    each task."""
    import torchopt

    def make(plain: bool) -> tuple[Step, Callable[[], list[Tensor]]]:
        module = work.module()
        inner, optimizer = torchopt.MetaSGD(module, lr=work.lr), outer(module.parameters(), plain)

        def step() -> None:
            optimizer.zero_grad()
            begin = torchopt.extract_state_dict(module, by="reference", detach_buffers=True)
            first = torchopt.extract_state_dict(inner)
            total = torch.zeros(())
            for x, y, query_x, query_y in tasks_of(work.batch):
                for _ in range(work.steps):
                    inner.step(loss_of(module(x), y))
                total = total + loss_of(module(query_x), query_y)
                torchopt.recover_state_dict(module, begin)
                torchopt.recover_state_dict(inner, first)
            (total / len(work.batch)).backward()
            optimizer.step()

        return step, lambda: [p.detach() for p in module.parameters()]

    return make


def learn2learn_way(work: Work, checkout: Path) -> Any:
    """learn2learn's MAML: a clone for each task. Its package no longer installs; of a checkout the
    algorithm alone is imported, without the rest of its package."""
    for name in ("learn2learn", "learn2learn.algorithms"):
        package = types.ModuleType(name)
        package.__path__ = [str(checkout / name.replace(".", "/"))]
        sys.modules[name] = package
    from learn2learn.algorithms.maml import MAML as Theirs  # noqa: N811

    def make(plain: bool) -> tuple[Step, Callable[[], list[Tensor]]]:
        module = Theirs(work.module(), lr=work.lr)
        optimizer = outer(module.parameters(), plain)

        def step() -> None:
            optimizer.zero_grad()
            total = torch.zeros(())
            for x, y, query_x, query_y in tasks_of(work.batch):
                learner = module.clone()
                for _ in range(work.steps):
                    learner.adapt(loss_of(learner(x), y))
                total = total + loss_of(learner(query_x), query_y)
            (total / len(work.batch)).backward()
            optimizer.step()

        return step, lambda: [p.detach() for p in module.parameters()]

    return make


def jax_way(work: Work) -> Any:
    """JAX: `jit` of the whole iteration, tasks by `vmap`, gradients of gradients by `grad`."""
    import jax
    import jax.numpy as jnp

    module = work.module()
    kinds = [type(layer) for layer in module.modules() if not list(layer.children())]
    initial = [jnp.asarray(p.detach().numpy()) for p in module.parameters()]
    batch = tuple(
        jnp.asarray(part.numpy())
        for part in (
            work.batch.support_x,
            work.batch.support_y,
            work.batch.query_x,
            work.batch.query_y,
        )
    )

    def forward(weights: list[Any], x: Any) -> Any:
        left = iter(weights)
        for kind in kinds:
            if kind is nn.Linear:
                w, b = next(left), next(left)
                x = x @ w.T + b
            elif kind is nn.Conv2d:
                w, b = next(left), next(left)
                x = jax.lax.conv_general_dilated(
                    x, w, (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW")
                )
                x = x + b[:, None, None]
            elif kind is nn.BatchNorm2d:
                w, b = next(left), next(left)
                mean, var = x.mean((0, 2, 3), keepdims=True), x.var((0, 2, 3), keepdims=True)
                x = (x - mean) / jnp.sqrt(var + 1e-5) * w[:, None, None] + b[:, None, None]
            elif kind is nn.MaxPool2d:
                window = (1, 1, 2, 2)
                x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
            elif kind is nn.Flatten:
                x = x.reshape(len(x), -1)
            else:
                x = jax.nn.relu(x)
        return x

    def loss(weights: list[Any], x: Any, y: Any) -> Any:
        scores = forward(weights, x)
        if jnp.issubdtype(y.dtype, jnp.floating):
            return ((scores - y) ** 2).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), y[:, None], 1).mean()

    def of_task(weights: list[Any], x: Any, y: Any, query_x: Any, query_y: Any) -> Any:
        for _ in range(work.steps):
            gradients = jax.grad(loss)(weights, x, y)
            weights = [w - work.lr * g for w, g in zip(weights, gradients, strict=True)]
        return loss(weights, query_x, query_y)

    def of_batch(weights: list[Any]) -> Any:
        return jax.vmap(of_task, (None, 0, 0, 0, 0))(weights, *batch).mean()

    @jax.jit
    def descend(weights: list[Any]) -> Any:
        return [w - g for w, g in zip(weights, jax.grad(of_batch)(weights), strict=True)]

    @jax.jit
    def by_adam(at: tuple[Any, ...]) -> tuple[Any, ...]:
        weights, means, squares, steps = at
        gradients = jax.grad(of_batch)(weights)
        steps = steps + 1
        means = [0.9 * m + 0.1 * g for m, g in zip(means, gradients, strict=True)]
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, gradients, strict=True)]
        moved = [
            w - 1e-3 * (m / (1 - 0.9**steps)) / (jnp.sqrt(s / (1 - 0.999**steps)) + 1e-8)
            for w, m, s in zip(weights, means, squares, strict=True)
        ]
        return moved, means, squares, steps

    def make(plain: bool) -> tuple[Step, Callable[[], list[Tensor]]]:
        nothing = [jnp.zeros_like(w) for w in initial]
        held = {"at": (initial, nothing, nothing, jnp.zeros(()))}

        def step() -> None:
            at = held["at"]
            held["at"] = (descend(at[0]), *at[1:]) if plain else by_adam(at)
            jax.block_until_ready(held["at"])

        import numpy as np

        return step, lambda: [torch.from_numpy(np.array(w)) for w in held["at"][0]]

    return make
