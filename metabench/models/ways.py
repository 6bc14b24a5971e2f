"""Which way a module of somebody else's serves several tasks at once: the fastest that gives, on a
small random input, the values and gradients of the untouched module, task by task."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from metabench.errors import PluginError, message_of
from metabench.models.foreign import Foreign, Way, width_of
from metabench.models.layers import batch_norms, normalising
from metabench.models.model import Model
from metabench.models.packed import draws_as_if_alone, prepare, unknown_layer
from metabench.tasks.episodes import Task
from metabench.tasks.random_streams import global_stream

TASKS, BATCH = 2, 3
"""Of the random input."""
TOLERANCE = 1e-2
"""Of the largest number of a tensor: far more than another order of summation leaves in float32,
and far less than a mistake makes, for every task has weights of its own."""


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
    prepare(module)
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
        if again := trial.normalised_again():
            return Way("loop", f"{again} normalises several times in one call")
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
    """A module, untouched and as a model, with an input and weights for each of a few tasks."""

    def __init__(self, module: nn.Module, task: Task) -> None:
        self._module, self._name = module, type(module).__name__
        self._plain = copy.deepcopy(module)
        self._model = Foreign(copy.deepcopy(module), task, Way("loop"))
        self._x = torch.randn(TASKS, BATCH, *task.input_shape)
        self._weights = {
            name: (p + _tenth(p) * torch.randn(TASKS, *p.shape)).detach().requires_grad_()
            for name, p in module.named_parameters()
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
            if len(whole) == BATCH and not _close(whole[: BATCH - 1], part):
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
        module = self._model.module.train()
        before = {name: b.clone() for name, b in module.named_buffers()}
        with torch.no_grad(), normalising(module, "batch"):
            module(self._x[0])
        for name, buffer in module.named_buffers():
            if name not in before or not torch.equal(buffer, before[name]):
                raise PluginError(
                    f"{self._name}: calling it changes its buffer '{name}', in which tasks would "
                    "meet; only batch normalisation of torch's own may keep statistics"
                )

    def normalised_again(self) -> str:
        """Name a batch normalisation that one call meets several times, whose running statistics
        move task by task in a loop alone; nothing where there is none."""
        module = self._model.module
        with torch.no_grad(), normalising(module, "batch", record=True):
            module(self._x[0])
        again = [norm for norm in batch_norms(module) if len(norm.recorded) > 1]
        return next((f"layer '{n}'" for n, layer in module.named_modules() if layer in again), "")

    def why_unpacked(self) -> str:
        """Say why tasks need not even be tried packed into channels, or nothing."""
        if why := unknown_layer(self._model.module):
            return why
        return "what it draws at random would be shared by tasks" if self._draws else ""

    def difference(self, way: Way) -> str:
        """Say in what a way is not right, or nothing. Gradients are looked at in evaluation mode:
        in training, batch normalisation of a few numbers would blur them."""
        model, self._model.way = self._model, way
        try:
            _set_mode(model, "evaluation")
            with normalising(model, "running"):
                y = functional_call(model, self._inside, (self._x,))
            found = y, *_gradients(y, self._weights)
            if not all(map(_close, found, self._in_evaluation)):
                return "values or gradients would be others"
            _set_mode(model, "training")
            with torch.no_grad(), normalising(model, "batch"):
                y = functional_call(model, self._inside, (self._x,))
            # what is drawn differs from way to way
            if not self._draws and not _close(y, self._in_training):
                return "values would be others in training mode"
        except Exception as error:
            said = message_of(error).strip().partition("\n")[0]
            return f"it raises {type(error).__name__}: {said}"
        return ""

    @property
    def _inside(self) -> dict[str, Tensor]:
        """The weights under the names that they have within `Foreign`."""
        return {f"module.{name}": w for name, w in self._weights.items()}

    @cached_property
    def _in_evaluation(self) -> list[Tensor]:
        """Values and gradients of the untouched module, one task after another."""
        plain = copy.deepcopy(self._module)  # its running statistics are to stay
        _set_mode(plain, "evaluation")
        y = _task_by_task(plain, self._weights, self._x)
        return [y, *_gradients(y, self._weights)]

    @cached_property
    def _in_training(self) -> Tensor:
        """Values of the untouched module in training mode."""
        _set_mode(self._plain, "training")
        with torch.no_grad():
            return _task_by_task(self._plain, self._weights, self._x)

    @cached_property
    def _draws(self) -> bool:
        """Whether the module draws at random in training mode, other than in dropout that is
        known."""
        _set_mode(self._plain, "training")
        with torch.no_grad():
            return not _close(*(self._plain(self._x[0]) for _ in range(2)))


def _task_by_task(module: nn.Module, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """Flat features ``[T, B, F]`` of a module that knows nothing of tasks."""
    return torch.stack(
        [
            functional_call(module, {name: w[task] for name, w in weights.items()}, (x[task],))
            for task in range(len(x))
        ]
    ).flatten(2)


def _gradients(y: Tensor, weights: Mapping[str, Tensor]) -> list[Tensor]:
    """Of a sum of `y` in which every number has a weight of its own."""
    if not weights:
        return []
    upstream = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view(y.shape)
    found = torch.autograd.grad(y, tuple(weights.values()), upstream, allow_unused=True)
    return [
        torch.zeros_like(w) if g is None else g
        for w, g in zip(weights.values(), found, strict=True)
    ]


@torch.no_grad()
def _close(ours: Tensor, theirs: Tensor) -> bool:
    scale = max(1e-6, float(theirs.abs().max()))
    return ours.shape == theirs.shape and float((ours - theirs).abs().max()) <= TOLERANCE * scale


def _tenth(p: Tensor) -> Tensor:
    """A tenth of the spread of a weight, or of 1 where it has none."""
    spread = p.detach().std() if p.numel() > 1 else torch.zeros((), dtype=p.dtype)
    return 0.1 * torch.where(spread > 0, spread, torch.ones_like(spread))


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
