"""Any `torch.nn.Module` as a model: one that knows nothing of tasks runs T of them at once.

Three ways, the first that is right (`ways.choose` finds out):

- ``packed``: every layer is known and serves tasks packed into channels (see `packed`);
- ``vmap``: `torch.func.vmap` over the tasks;
- ``loop``: one task after another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.parameter import is_lazy

from metabench.models.layers import BatchNormalisation, Moments, batch_norms, pack_tasks
from metabench.models.model import Model
from metabench.models.packed import convert, prepare
from metabench.tasks.episodes import Task

Call = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Way:
    """How a network serves several tasks at once.

    Attributes
    ----------
    why
        Why it does in no faster way; empty for the fastest.
    channels_last
        Whether packed images lie so in memory: faster on a CPU, where the module allows it.
    """

    name: Literal["packed", "vmap", "loop"]
    why: str = ""
    channels_last: bool = True

    def __str__(self) -> str:
        how = {
            "packed": "packed into channels",
            "vmap": "mapped over by torch.func.vmap",
            "loop": "run one after another",
        }[self.name]
        return f"tasks are {how}{f': {self.why}' if self.why else ''}"


class Foreign(Model):
    """A module of anybody's as a model; its features are its output, made flat.

    Its layers are turned into their packed counterparts whatever the way: they obey `normalising`.

    Raises
    ------
    ValueError
        The module takes no inputs of the task's shape, gives no features of them, or has a batch
        normalisation whose statistics cannot be set.
    """

    def __init__(self, module: nn.Module, task: Task, way: Way) -> None:
        super().__init__()
        self.width = width_of(module, task)
        prepare(module)
        convert(module)
        self.module = module
        self.way = way
        self._axes = len(task.input_shape) + 1

    @property
    def stages(self) -> Mapping[str, nn.Module]:
        """What the module calls its stages; else its children."""
        return getattr(self.module, "stages", None) or dict(self.module.named_children())

    def features(self, x: Tensor) -> Tensor:
        return self._of_tasks(self.module, x).flatten(2 if self._has_tasks(x) else 1)

    def feature_maps(self, x: Tensor) -> Tensor:
        """What the module gives as its feature maps; else the last output of height and width
        among those of its stages with weights or statistics, and its own."""
        return self._of_tasks(getattr(self.module, "feature_maps", self._last_maps), x)

    def initialise(self, network: nn.Module) -> None:
        """As the module says, if it does."""
        if hook := getattr(self.module, "initialise", None):
            hook(network)

    def _has_tasks(self, x: Tensor) -> bool:
        return x.dim() > self._axes

    def _of_tasks(self, call: Call, x: Tensor) -> Tensor:
        """What `call`, on the module, gives for ``[B, ...]``, or for every task of
        ``[T, B, ...]``."""
        if not self._has_tasks(x):
            return call(x)
        if self.way.name == "packed":
            return self._packed(call, x)
        weights = dict(self.module.named_parameters())
        if self.way.name == "vmap":
            return self._mapped(call, weights, x)
        return torch.stack(
            [
                self._under({name: w[task] for name, w in weights.items()}, call, x[task])
                for task in range(len(x))
            ]
        )

    def _packed(self, call: Call, x: Tensor) -> Tensor:
        if self.way.channels_last and x.dim() == 5:
            packed = pack_tasks(x)
        else:
            packed = x.transpose(0, 1).flatten(1, 2).contiguous()
        y: Tensor = call(packed).unflatten(1, (len(x), -1)).transpose(0, 1)
        return y

    def _mapped(self, call: Call, weights: Mapping[str, Tensor], x: Tensor) -> Tensor:
        """The tasks by `vmap`. What its batch normalisation sees comes out as a result, for nothing
        may be kept of within."""
        norms = batch_norms(self.module)
        asked = [(norm.track, norm.record, norm.recorded) for norm in norms]

        def one(
            weights: dict[str, Tensor], x: Tensor, recorded: Sequence[Sequence[Moments]]
        ) -> tuple[Tensor, Sequence[Sequence[Moments]]]:
            for norm, moments in zip(norms, recorded, strict=True):
                norm.track, norm.record, norm.recorded = False, True, moments
            return self._under(weights, call, x), [norm.recorded for norm in norms]

        given = [
            [(mean.view(len(x), -1), variance.view(len(x), -1)) for mean, variance in recorded]
            if norm.statistics == "recorded"
            else []
            for norm, (_, _, recorded) in zip(norms, asked, strict=True)
        ]
        try:
            y, seen = vmap(one, randomness="different")(dict(weights), x, given)
        finally:
            for norm, before in zip(norms, asked, strict=True):
                norm.track, norm.record, norm.recorded = before
        for norm, moments in zip(norms, seen, strict=True):
            if norm.statistics == "recorded":
                norm.recorded = ()
            else:
                _note(norm, [(mean.flatten(), variance.flatten()) for mean, variance in moments])
        return y

    def _under(self, weights: dict[str, Tensor], call: Call, x: Tensor) -> Tensor:
        """What `call` gives with these weights in the module."""
        caller = _Caller(self.module, call)
        y: Tensor = functional_call(
            caller, {f"module.{name}": w for name, w in weights.items()}, (x,)
        )
        return y

    def _last_maps(self, x: Tensor) -> Tensor:
        seen: list[Any] = []
        stages = [stage for stage in self.stages.values() if stage.state_dict()]
        hooks = [
            stage.register_forward_hook(lambda _, __, output: seen.append(output))
            for stage in stages
        ]
        try:
            seen.append(self.module(x))
        finally:
            for hook in hooks:
                hook.remove()
        maps = [output for output in seen if isinstance(output, Tensor) and output.dim() == 4]
        if not maps:
            raise TypeError(f"{type(self.module).__name__} has no feature maps")
        return maps[-1]


class _Caller(nn.Module):
    """A module with another call than its forward, for `functional_call`."""

    def __init__(self, module: nn.Module, call: Call) -> None:
        super().__init__()
        self.module = module
        self.__dict__["call"] = call

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.__dict__["call"](x)
        return y


def _note(norm: BatchNormalisation, moments: Sequence[Moments]) -> None:
    """Let a layer keep and record, as it is asked to, the moments of several tasks."""
    for mean, variance in moments:
        if norm.track:
            norm.keep(mean, variance)
    if norm.record:
        norm.recorded = (*norm.recorded, *moments)


def width_of(module: nn.Module, task: Task) -> int:
    """How many features a module gives for an input of a task. Asking lets lazy layers find their
    sizes."""
    like = next((p for p in module.parameters() if not is_lazy(p)), torch.zeros(()))
    shape = "x".join(map(str, task.input_shape))
    modes = [(layer, layer.training) for layer in module.modules()]
    try:
        with torch.no_grad():
            features = module.eval()(like.new_zeros(2, *task.input_shape))
    except RuntimeError as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(
            f"{type(module).__name__} takes no inputs of shape {shape}: {reason}"
        ) from error
    finally:
        for layer, mode in modes:
            layer.training = mode
    if not (isinstance(features, Tensor) and features.dim() > 1 and len(features) == 2):
        given = (
            f"a tensor of shape {list(features.shape)}"
            if isinstance(features, Tensor)
            else f"an object of type {type(features).__name__}"
        )
        raise ValueError(
            f"{type(module).__name__} gives {given} for 2 inputs of shape {shape}; "
            "expected a row of features for each"
        )
    return features[0].numel()
