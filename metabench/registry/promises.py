"""What a class gave back and had not promised, told as its fault, with the file and line."""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path
from reprlib import repr as shortened
from typing import Any

import numpy as np
import torch
from torch import Tensor

from metabench.errors import PluginError
from metabench.registry import registered
from metabench.registry.blame import place


def broken(giver: Any, hook: str, what: str) -> PluginError:
    """The error that says what is wrong with something that `hook` of the object `giver` gave back,
    and where the hook stands."""
    owner = type(giver)
    why = f"{owner.__name__}.{hook} {what}{_place(owner, hook)}"
    known = registered(owner)
    return (
        PluginError(f"{known[0][:-1]} '{known[1]}': {why}", *known) if known else PluginError(why)
    )


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
    """`float32`."""
    return str(dtype).removeprefix("torch.")


def _place(owner: type, hook: str) -> str:
    """` (file, line N)` of a hook of a class, or of the class where it inherits the hook; nothing
    where there is no source."""
    found = vars(owner).get(hook)
    function = getattr(found, "fget", None) or getattr(found, "__func__", None) or found
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    if code is not None:
        return f" ({place(Path(code.co_filename), code.co_firstlineno)})"
    with suppress(TypeError, OSError):
        return f" ({place(Path(inspect.getfile(owner)), inspect.getsourcelines(owner)[1])})"
    return ""
