"""How a fault of what was given back is worded, and what any class may give."""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from reprlib import repr as shortened
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from metabench.datasets.dataset import Dataset
from metabench.errors import PluginError
from metabench.figures import Figure
from metabench.methods.method import Method
from metabench.registry import registered
from metabench.registry.blame import place

SCORE_TYPES = (torch.float32, torch.float64, torch.float16)
"""Of predictions: real numbers that NumPy has too."""


def broken(giver: Any, hook: str, what: str) -> PluginError:
    """The error that says what is wrong with something that `hook` of the object `giver` gave back,
    and where the hook stands."""
    owner = type(giver)
    why = f"{owner.__name__}.{hook} {what}{_place(owner, hook)}"
    known = registered(owner)
    return (
        PluginError(f"{known[0][:-1]} '{known[1]}': {why}", *known) if known else PluginError(why)
    )


def checked_figure(owner: Dataset | Method, figure: Any) -> Figure | None:
    """A figure that a dataset or a method names, or none."""
    if not isinstance(figure, Figure | None):
        raise broken(owner, "figure", f"gave {seen(figure)}; expected a Figure or None")
    return figure


def checked_arrays(owner: Dataset | Method, hook: str, arrays: Any) -> dict[str, np.ndarray]:
    """Arrays by name that a file can hold, as many as there may be."""
    if not are_arrays(arrays):
        raise broken(owner, hook, f"gave {seen(arrays)}; expected arrays by name")
    return arrays


def seen(value: Any) -> str:
    """What was given, in a few words."""
    if isinstance(value, Tensor):
        return f"a tensor of {dtype_name(value.dtype)} of shape {list(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {list(value.shape)}"
    if isinstance(value, dict) and value:
        return (
            "{"
            + ", ".join(f"{shortened(key)}: {seen(item)}" for key, item in list(value.items())[:3])
            + "}"
        )
    if value is None or isinstance(value, bool | int | float | str | tuple | list | dict):
        return shortened(value)
    return f"an object of type {type(value).__name__}"


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a type of numbers: `float32`."""
    return str(dtype).removeprefix("torch.")


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether a value is a whole number, and at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def are_arrays(arrays: Any) -> TypeGuard[dict[str, np.ndarray]]:
    """Whether these are arrays by name that a file can hold."""
    return isinstance(arrays, dict) and all(
        isinstance(name, str) and isinstance(values, np.ndarray) and not values.dtype.hasobject
        for name, values in arrays.items()
    )


def _place(owner: type, hook: str) -> str:
    """` (file, line N)` of a hook of a class, or of the class; nothing where there is no source."""
    found = inspect.getattr_static(owner, hook, None)
    function = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    code = getattr(inspect.unwrap(function), "__code__", None) if function else None
    if code is not None:
        return f" ({place(Path(code.co_filename), code.co_firstlineno)})"
    with suppress(TypeError, OSError):
        return f" ({place(Path(inspect.getfile(owner)), inspect.getsourcelines(owner)[1])})"
    return ""
