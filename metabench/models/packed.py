"""Layers of torch, turned where they stand into ones that serve T tasks packed into channels, and
batch normalisation into one that obeys `normalising`.

A layer keeps its weights, their names and its place; only its class becomes another, which without
a task axis does what the old one did. A packed activation is ``[B, T*C, ...]`` in place of
``[B, C, ...]``: whatever acts channel by channel, or element by element, need not know.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase

from metabench.models.layers import BatchNorm2d, BatchNormalisation, Conv2d, channelwise


class PackedLinear(nn.Linear):
    """``[B, ..., T*in]`` -> ``[B, ..., T*out]`` when the weights are ``[T, out, in]``."""

    def forward(self, x: Tensor) -> Tensor:
        if self.weight.dim() == 2:
            return F.linear(x, self.weight, self.bias)
        tasks, _, width = self.weight.shape
        rows = x.reshape(-1, tasks, width).transpose(0, 1)
        y = torch.bmm(rows, self.weight.mT)
        if self.bias is not None:
            y = y + self.bias.unsqueeze(1)
        return y.transpose(0, 1).reshape(*x.shape[:-1], -1)


class PackedGroupNorm(nn.GroupNorm):
    """Groups of channels within each task (Wu & He 2018)."""

    def forward(self, x: Tensor) -> Tensor:
        tasks = x.shape[1] // self.num_channels
        weight, bias = (None if w is None else w.flatten() for w in (self.weight, self.bias))
        return F.group_norm(x, tasks * self.num_groups, weight, bias, self.eps)


class PackedLayerNorm(nn.LayerNorm):
    """The last axes of each task (Ba et al. 2016), the first of which holds all tasks."""

    def forward(self, x: Tensor) -> Tensor:
        shape = self.normalized_shape
        y = F.layer_norm(x.unflatten(-len(shape), (-1, shape[0])), shape, None, None, self.eps)
        if self.weight is not None:
            y = y * self._beside_tasks(self.weight)
        if self.bias is not None:
            y = y + self._beside_tasks(self.bias)
        return y.flatten(-len(shape) - 1, -len(shape))

    def _beside_tasks(self, weight: Tensor) -> Tensor:
        return weight.view(-1, *self.normalized_shape)


class BatchNorm(BatchNormalisation):
    """torch's batch normalisation, whose statistics `normalising` sets."""

    def forward(self, x: Tensor) -> Tensor:
        maps = x if x.dim() == 4 else x.reshape(*x.shape[:2], -1, 1)
        scale, shift = self.scale_and_shift(maps)
        return torch.addcmul(channelwise(shift), maps, channelwise(scale)).view_as(x)


PACKED: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv2d: Conv2d,
    nn.Linear: PackedLinear,
    nn.GroupNorm: PackedGroupNorm,
    nn.LayerNorm: PackedLayerNorm,
    nn.BatchNorm1d: BatchNorm,
    nn.BatchNorm2d: BatchNorm,
    nn.BatchNorm3d: BatchNorm,
}
KNOWN = (*PACKED.values(), BatchNorm2d)


class Again(nn.Module):
    """A module that already stands elsewhere in its network. Weights that `functional_call` lends
    it there are lent here; were they lent twice, torch would not give the module's own back."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.__dict__["_elsewhere"] = (module,)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self._elsewhere[0](*inputs, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_elsewhere"][0], name)


def prepare(module: nn.Module) -> None:
    """Let every module stand in one place alone, and every batch normalisation keep running
    statistics; `module` does what it did before.

    Raises
    ------
    ValueError
        A layer keeps statistics that nobody could set from outside; it is named.
    """
    for name, layer in module.named_modules():
        if isinstance(layer, _NormBase):
            refuse_unsteerable(name, layer)
            if isinstance(layer, _BatchNorm) and layer.running_mean is None:
                like = torch.zeros(()) if layer.weight is None else layer.weight.detach()
                layer.running_mean = like.new_zeros(layer.num_features)
                layer.running_var = like.new_ones(layer.num_features)
                layer.track_running_stats = True
    met: set[nn.Module] = set()
    for parent in list(module.modules()):
        for name, child in parent._modules.items():
            if child in met and not isinstance(child, Again):
                parent._modules[name] = Again(child)
            elif child is not None:
                met.add(child)


def convert(module: nn.Module) -> None:
    """Turn every layer of a prepared `module` that is known into its packed counterpart, in
    place."""
    for layer in module.modules():
        if type(layer) in PACKED:
            layer.__class__ = PACKED[type(layer)]


def refuse_unsteerable(name: str, layer: _NormBase) -> None:
    """Raise a ValueError where the statistics of a normalisation cannot be set from outside."""
    known, what = type(layer) in PACKED, f"layer '{name}' ({type(layer).__name__})"
    if not known and (isinstance(layer, _BatchNorm) or layer.track_running_stats):
        raise ValueError(
            f"{what} keeps statistics that cannot be set from outside; "
            "torch.nn.BatchNorm1d, 2d and 3d can, and so can GroupNorm, which keeps none"
        )
    if known and layer.momentum is None:
        raise ValueError(
            f"{what} has momentum = None, a plain average over all that was ever seen; "
            "give it a number, such as 0.1"
        )


def unknown_layer(module: nn.Module) -> str:
    """Name the first layer of a converted module that has weights or buffers, and that tasks
    cannot be packed for; nothing where there is none."""
    for name, layer in module.named_modules():
        own = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
        if own and type(layer) not in KNOWN:
            where = f"layer '{name}'" if name else "the module itself"
            return f"{where} ({type(layer).__name__}) has weights or buffers of its own"
    return ""


def draws_as_if_alone(layer: nn.Module) -> bool:
    """Whether what a layer draws at random in training mode is drawn apart for tasks packed into
    channels, and can be told to stop."""
    return type(layer) in (nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.FeatureAlphaDropout)
