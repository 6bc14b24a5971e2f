"""Which way a module of somebody else's serves several tasks at once: the fastest that gives, on a
small random input, the values and gradients of the untouched module, task by task.

Checked in float64, so that a way is right or wrong, not nearly right.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.errors import PluginError, message_of
from metabench.models.foreign import Foreign, Way, width_of
from metabench.models.layers import normalising
from metabench.models.model import Model
from metabench.models.packed import convert, draws_as_if_alone, unknown_layer
from metabench.tasks.episodes import Task
from metabench.tasks.random_streams import global_stream

TASKS, BATCH = 2, 3
"""Of the random input."""
TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-2}
"""Of the largest number of a tensor: what another order of summation leaves, many times over, and
far less than any mistake makes. float32 is for modules that cannot do with anything else."""


def as_model(module: nn.Module, task: Task) -> Model:
    """Return a module as a model that serves a task axis: itself, where it promises to.

    Raises
    ------
    ValueError
        As `Foreign`.
    PluginError
        What a batch norm mode says could not hold for it.
    """
    if isinstance(module, Model):
        return module
    width_of(module, task)  # lazy layers find their sizes
    return Foreign(module, task, choose(module, task))


def untried(module: nn.Module, task: Task) -> Model:
    """The same without the choice of a way, which takes weights with values."""
    return module if isinstance(module, Model) else Foreign(module, task, Way("loop"))


def way_of(network: nn.Module) -> Way:
    """Return how a network with a model in it serves several tasks at once; models that serve a
    task axis by themselves have them packed."""
    ways = (part.way for part in network.modules() if isinstance(part, Foreign))
    return next(ways, Way("packed"))


def choose(module: nn.Module, task: Task) -> Way:
    """Find the fastest way that is right for a module, which is left as it is."""
    with global_stream(0, "network trial"):
        trial = _Trial(module, task)
        trial.refuse_dependence()
        trial.refuse_moving_buffers()
        why = trial.why_unpacked()
        if not why:
            for channels_last in (True, False):
                why = trial.difference(way := Way("packed", channels_last=channels_last))
                if not why:
                    return way
            why = f"packed into channels, {why}"
        if not (unmapped := trial.difference(Way("vmap"))):
            return Way("vmap", why)
        return Way("loop", f"{why}; by vmap, {unmapped}")


class _Trial:
    """A module on the CPU, in float64 where it can be, with an input and weights for each of a few
    tasks."""

    def __init__(self, module: nn.Module, task: Task) -> None:
        self._task, self._module, self._name = task, module, type(module).__name__
        self._dtype = self._precision()
        self._plain = self._copy()
        rng = torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=rng, dtype=self._dtype)

        self._x = random(TASKS, BATCH, *task.input_shape)
        self._weights = {
            name: (p + _tenth(p) * random(TASKS, *p.shape)).detach().requires_grad_()
            for name, p in self._plain.named_parameters()
        }

    def refuse_dependence(self) -> None:
        """See that no output depends on the other inputs of its batch, but through the batch
        normalisation of torch.

        Raises
        ------
        PluginError
            One does; it names the layer.
        """
        plain = self._plain.eval()
        all_, few = _outputs(plain, self._x[0]), _outputs(plain, self._x[0][: BATCH - 1])
        for (layer, whole), (_, part) in zip(all_, few, strict=False):
            if len(whole) == BATCH and not self._close(whole[: BATCH - 1], part):
                raise PluginError(
                    f"{self._name}: what {layer} gives for an input depends on the others of its "
                    "batch, in evaluation mode; only batch normalisation of torch's own may"
                )

    def refuse_moving_buffers(self) -> None:
        """See that nothing is learned on the way but weights and running statistics.

        Raises
        ------
        PluginError
            A buffer moves whenever the module is called; it names it.
        """
        converted = self._converted().train()
        before = {name: b.clone() for name, b in converted.named_buffers()}
        with torch.no_grad(), normalising(converted, "batch"):
            converted(self._x[0])
        for name, buffer in converted.named_buffers():
            if name not in before or not torch.equal(buffer, before[name]):
                raise PluginError(
                    f"{self._name}: calling it changes its buffer '{name}', in which tasks would "
                    "meet; only batch normalisation of torch's own may keep statistics"
                )

    def why_unpacked(self) -> str:
        """Say why tasks need not even be tried packed into channels, or nothing."""
        if why := unknown_layer(self._converted()):
            return why
        return "what it draws at random would be shared by tasks" if self._draws else ""

    def difference(self, way: Way) -> str:
        """Say in what a way is not right, or nothing."""
        try:
            model = Foreign(self._copy(), self._task, way).to(self._dtype)
            model.train()(self._x[0])
            for mode in ("evaluation", "training"):
                # what is drawn differs from way to way
                if mode == "training" and self._draws:
                    functional_call(model, _inside(self._weights), (self._x,))
                elif not self._agrees(model, mode):
                    return f"values or gradients would be others in {mode} mode"
        except Exception as error:
            said = message_of(error).strip().partition("\n")[0]
            return f"it raises {type(error).__name__}: {said}"
        return ""

    def _agrees(self, model: Foreign, mode: str) -> bool:
        _set_mode(model, mode)
        with normalising(model, "batch" if mode == "training" else "running"):
            y = functional_call(model, _inside(self._weights), (self._x,))
        return all(map(self._close, (y.detach(), *self._gradients(y)), self._reference(mode)))

    @cache  # noqa: B019 - a trial does not outlive its choice
    def _reference(self, mode: str) -> list[Tensor]:
        """Values and gradients of the untouched module, one task after another."""
        plain = self._copy()
        _set_mode(plain, mode)
        y = torch.stack(
            [
                functional_call(
                    plain, {name: w[task] for name, w in self._weights.items()}, (x,)
                ).flatten(1)
                for task, x in enumerate(self._x)
            ]
        )
        return [y.detach(), *self._gradients(y)]

    def _gradients(self, y: Tensor) -> list[Tensor]:
        weights = list(self._weights.values())
        if not weights:
            return []
        upstream = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
        found = torch.autograd.grad(y, weights, upstream, allow_unused=True)
        return [
            torch.zeros_like(w) if g is None else g for w, g in zip(weights, found, strict=True)
        ]

    def _precision(self) -> torch.dtype:
        try:
            with torch.no_grad():
                copy.deepcopy(self._module).double().eval()(
                    torch.zeros(1, *self._task.input_shape, dtype=torch.float64)
                )
        except RuntimeError:
            return torch.float32
        return torch.float64

    @cached_property
    def _draws(self) -> bool:
        """Whether the module draws at random in training mode, other than in dropout that is
        known."""
        plain = self._copy()
        _set_mode(plain, "training")
        with torch.no_grad():
            return not self._close(*(plain(self._x[0]) for _ in range(2)))

    def _copy(self) -> nn.Module:
        return copy.deepcopy(self._module).to(self._dtype)

    def _converted(self) -> nn.Module:
        converted = self._copy()
        convert(converted)
        return converted

    def _close(self, ours: Tensor, theirs: Tensor) -> bool:
        atol = TOLERANCE[self._dtype] * max(1.0, float(theirs.abs().max()))
        return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0, atol=atol)


def _tenth(p: Tensor) -> Tensor:
    """A tenth of the spread of a weight, or of 1 where it has none."""
    spread = p.detach().std() if p.numel() > 1 else torch.zeros((), dtype=p.dtype)
    return 0.1 * torch.where(spread > 0, spread, torch.ones_like(spread))


def _inside(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a module under the names that they have within `Foreign`."""
    return {f"module.{name}": w for name, w in weights.items()}


def _set_mode(module: nn.Module, mode: str) -> None:
    """Let a module be in training mode, but for dropout that is known, or in evaluation mode."""
    module.train(mode == "training")
    for layer in module.modules():
        if draws_as_if_alone(layer):
            layer.eval()


@torch.no_grad()
def _outputs(module: nn.Module, x: Tensor) -> list[tuple[str, Tensor]]:
    """What each layer of a module gives on its way, in words and in numbers; a layer comes before
    those that it is part of."""
    seen: list[tuple[str, Tensor]] = []

    def note(name: str, layer: nn.Module) -> Any:
        words = f"layer '{name}' ({type(layer).__name__})" if name else "it"

        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() > 0:
                seen.append((words, output))

        return layer.register_forward_hook(hook)

    hooks = [note(name, layer) for name, layer in module.named_modules()]
    try:
        module(x)
    finally:
        for hook in hooks:
            hook.remove()
    return seen
