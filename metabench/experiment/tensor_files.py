"""Files of tensors and facts: tensors by name, and in the metadata one JSON text with all the rest,
under a SHA-256 of the whole.

They are safetensors files, so nothing is unpickled; written whole or not at all, and read within
bounds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from metabench.io.files import IrregularFileError, make_folder, open_regular, write_bytes
from metabench.io.untrusted import parse_json
from metabench.text import one_line

_TEXT, _DIGEST = "metabench", "sha256"
"""Keys of a file's metadata."""

_HEADER = 2**24
"""Bytes of a file's header, in which the metadata lies."""

Warn = Callable[[str], None]
"""Takes what people should know of a file."""

log = logging.getLogger(__name__)


def write(path: Path, facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Write facts (what JSON can hold, and numbers that are not finite) and tensors by name, whole
    or not at all.

    Raises
    ------
    UnwritableError
        The disk is full, or the folder cannot be written.
    """
    kept = _contents(tensors)
    text = json.dumps(facts)
    make_folder(path.parent, parents=False)  # a run folder that was deleted does not come back
    write_bytes(path, safetensors.torch.save(kept, {_TEXT: text, _DIGEST: digest_of(kept, text)}))


def read(path: Path, warn: Warn = log.warning) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Facts and tensors of a file, on the CPU; None where there is none, or one that is damaged,
    which is left as it is.

    Raises
    ------
    OSError, MemoryError
        It cannot be read now, and may be good.
    """
    if not path.is_symlink() and not path.exists():
        return None
    try:
        _refuse_strange_sizes(path)
        with safetensors.safe_open(os.fspath(path), "pt") as file:
            metadata = file.metadata() or {}
            names: list[str] = file.keys()
            tensors = {name: file.get_tensor(name).clone() for name in names}
        if metadata[_DIGEST] != digest_of(tensors, metadata[_TEXT]):
            raise ValueError("its content is not what was written")
        return _facts(metadata[_TEXT]), tensors
    except IrregularFileError as error:
        warn_of_damage(path, error, warn)
        return None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a crafted file may fail in any way
        warn_of_damage(path, error, warn)
        return None


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a file alone, from its first bytes and unchecked; None where there are none."""
    try:
        _refuse_strange_sizes(path)
        with safetensors.safe_open(os.fspath(path), "np") as file:
            return _facts((file.metadata() or {})[_TEXT])
    except Exception:  # `read` says why, once the file is to be used
        return None


def warn_of_damage(path: Path, error: Exception, warn: Warn) -> None:
    """Say that a file is not used, and why."""
    why = one_line(str(error)[:300] or type(error).__name__)
    warn(f"{shown(path)}: is damaged and not used: {why}")


def shown(path: Path) -> str:
    """A file as messages name it: with its folder."""
    return f"{path.parent.name}/{path.name}"


def pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Return what JSON can hold of `value`; its tensors go to `tensors`, each under its place below
    `name`.

    Strides are kept: kernels that run over several tensors at once want them to lie alike.
    """
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name, "strides": torch.empty_like(value, device="meta").stride()}
    if isinstance(value, dict):  # as pairs: keys may be numbers
        return {
            "dict": [
                [key, pack(item, f"{name}/{key}" if name else str(key), tensors)]
                for key, item in value.items()
            ]
        }
    if isinstance(value, list | tuple):
        return {
            type(value).__name__: [
                pack(item, f"{name}/{place}", tensors) for place, item in enumerate(value)
            ]
        }
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{name}: a checkpoint cannot hold a {type(value).__name__}")


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Return what `pack` was given."""
    if not isinstance(packed, dict):
        return packed
    if "tensor" in packed:
        found = tensors[packed["tensor"]]
        laid_out = torch.empty_strided(
            found.shape, packed["strides"], dtype=found.dtype, device="meta"
        )
        if laid_out.untyped_storage().nbytes() > found.numel() * found.element_size():
            raise ValueError(f"{packed['tensor']}: strides that leave gaps")
        return torch.empty_strided(found.shape, packed["strides"], dtype=found.dtype).copy_(found)
    ((kind, items),) = packed.items()
    if kind == "dict":
        return {key: unpack(item, tensors) for key, item in items}
    values = [unpack(item, tensors) for item in items]
    return tuple(values) if kind == "tuple" else values


def shapes_of(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Shape and type of each tensor: what must agree for one state to take the place of another."""
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def digest_of(tensors: Mapping[str, Tensor], text: str = "") -> str:
    """SHA-256 of a text, and of tensors with their names, types and shapes."""
    total = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        content = tensor.detach().cpu().contiguous().reshape(-1)
        total.update(content.view(torch.uint8).numpy().data)
    return total.hexdigest()


def _contents(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, contiguous, no two of them in the same memory: that is how the format
    wants them."""
    kept: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, tensor in tensors.items():
        own = tensor.detach().cpu().contiguous()
        place = own.untyped_storage().data_ptr()
        kept[name] = own.clone() if place in places else own
        places.add(place)
    return kept


def _refuse_strange_sizes(path: Path) -> None:
    """See that a file is one, that it fits the memory, and that so does its header: whoever opens
    it reads all of that.

    Raises
    ------
    MemoryError
        It would fit another time.
    """
    with open_regular(path) as file:
        header, size = int.from_bytes(file.read(8), "little"), os.fstat(file.fileno()).st_size
    if header > _HEADER:
        raise ValueError(f"it says to have a header of {header:,} bytes")
    memory = psutil.virtual_memory()
    if size > memory.total:
        raise ValueError(f"its {size:,} bytes are more than there is memory")
    if size > memory.available:
        raise MemoryError(f"{path}: its {size:,} bytes are more than the memory that is free")


def _facts(text: str) -> dict[str, Any]:
    facts = parse_json(text, finite=False)
    if not isinstance(facts, dict):
        raise ValueError("its facts are none")
    return facts
