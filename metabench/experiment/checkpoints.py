"""What a fit can go on from: the checkpoint of a training that was interrupted, and the weights of
one that is over.

Both are safetensors files, so nothing is unpickled: tensors by name, and in the metadata one JSON
text with all the rest, under a SHA-256 of the whole. They are written whole or not at all, and say
what they follow from: under other conditions, or on other data, the same fit has other bits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from metabench.io.files import IrregularFileError, make_folder, open_regular, write_bytes
from metabench.io.shapes import NUMBER, absent, misshapen
from metabench.io.untrusted import impossible, parse_json
from metabench.text import one_line

_TEXT, _DIGEST = "metabench", "sha256"
"""Keys of a file's metadata."""

_HEADER = 2**24
"""Bytes of a file's header, in which the metadata lies."""

_COST = {"seconds": NUMBER, "peaks": {"*": int}}

_log = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Takes what people should know of a file."""


@dataclass(frozen=True)
class Origin:
    """What the numbers of a file follow from.

    Attributes
    ----------
    fit
        Its id.
    data
        Content digest of the training data, None where there is no content.
    provenance
        Where they were made, `conditions` among it; empty where that is not known.
    """

    fit: str
    data: str | None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def conditions(self) -> str | None:
        """Digest of the conditions, None where they are not known."""
        return _conditions_digest(self.provenance)

    def gives(self, facts: Mapping[str, Any], *, any_conditions: bool = False) -> bool:
        """Whether a file with these facts holds what would be made here and now; `any_conditions`
        does not ask under which it was made."""
        made = facts.get("origin")
        if (
            self.conditions is None
            or not isinstance(made, dict)
            or (made.get("fit"), made.get("data")) != (self.fit, self.data)
        ):
            return False
        return any_conditions or _conditions_digest(made.get("provenance")) == self.conditions


@dataclass(frozen=True)
class Cost:
    """What a training has taken: wall `seconds`, and `peaks` of memory by name (None where there is
    no such memory)."""

    seconds: float
    peaks: Mapping[str, int | None]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Cost:
        """The cost that a file tells.

        Raises
        ------
        ValueError
            It tells none.
        """
        if absent(told, _COST) or misshapen(told, _COST) or impossible(told) or told["seconds"] < 0:
            raise ValueError("its cost is none")
        return cls(told["seconds"], told["peaks"])

    def after(self, earlier: Cost) -> Cost:
        """This cost and that of earlier attempts: seconds add up, of peaks the highest counts."""
        both = {
            name: [
                peak for peak in (self.peaks.get(name), earlier.peaks.get(name)) if peak is not None
            ]
            for name in self.peaks
        }
        return Cost(
            self.seconds + earlier.seconds,
            {name: max(peaks, default=None) for name, peaks in both.items()},
        )


class Checkpoint:
    """Where a training puts itself by, every so often, so that it can go on from there.

    Parameters
    ----------
    path
        Of its file.
    origin
        Of the training.
    every
        Seconds between two times of writing.
    cost
        What this process has spent on the fit so far.
    tell
        Takes what becomes of the file, where that is not what one expects.
    """

    def __init__(
        self,
        path: Path,
        origin: Origin,
        every: float,
        cost: Callable[[], Cost],
        tell: Tell = _log.warning,
    ) -> None:
        self._tell = tell
        self._path = path
        self._origin = origin
        self._every = every
        self._cost = cost
        self._earlier: Cost | None = None
        self._written = time.monotonic()

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self._written >= self._every

    @property
    def cost(self) -> Cost:
        """What the training has cost so far: up to their last checkpoints, the attempts before this
        one too."""
        return self._cost() if self._earlier is None else self._cost().after(self._earlier)

    def read(self) -> dict[str, Any] | None:
        """What `write` was given last, or None where there is no file, or one that is damaged or
        made under other conditions."""
        found = read(self._path, self._tell)
        if found is None:
            return None
        facts, tensors = found
        if not self._origin.gives(facts):
            self._tell(
                f"{_shown(self._path)}: made under other conditions or on other data; the training "
                "begins anew"
            )
            return None
        try:
            standing: dict[str, Any] = unpack(facts["standing"], tensors)
            self._earlier = Cost.of(facts["cost"])
        except Exception as error:  # who writes a digest can write anything
            tell_of_damage(self._path, error, self._tell)
            return None
        return standing

    def refuse(self, error: Exception) -> None:
        """Take note that nothing can go on from what was read."""
        self._earlier = None
        tell_of_damage(self._path, error, self._tell)

    def tell_resumed(self, iteration: int) -> None:
        """Take note that the training went on from what was read."""
        self._tell(f"went on from iteration {iteration:,}")

    def write(self, standing: Mapping[str, Any]) -> None:
        """Replace the file by one of where the training stands: tables and lists of tensors,
        numbers and strings.

        Raises
        ------
        UnwritableError
            The disk is full, or the folder has vanished; the file before this one is still there.
        """
        tensors: dict[str, Tensor] = {}
        packed = pack(dict(standing), "", tensors)
        write(
            self._path,
            {"origin": asdict(self._origin), "cost": asdict(self.cost), "standing": packed},
            tensors,
        )
        self._written = time.monotonic()

    def delete(self) -> None:
        """Remove the file."""
        self._path.unlink(missing_ok=True)


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
    write_bytes(path, safetensors.torch.save(kept, {_TEXT: text, _DIGEST: _digest(text, kept)}))


def read(path: Path, tell: Tell = _log.warning) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """Facts and tensors of a file, on the CPU; None where there is none, or one that is damaged,
    which is told and left as it is.

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
        if metadata[_DIGEST] != _digest(metadata[_TEXT], tensors):
            raise ValueError("its content is not what was written")
        return _facts(metadata[_TEXT]), tensors
    except IrregularFileError as error:
        tell_of_damage(path, error, tell)
        return None
    except (OSError, MemoryError):
        raise
    except Exception as error:  # a crafted file may fail in any way
        tell_of_damage(path, error, tell)
        return None


def read_facts(path: Path) -> dict[str, Any] | None:
    """The facts of a file alone, from its first bytes and unchecked; None where there are none."""
    try:
        _refuse_strange_sizes(path)
        with safetensors.safe_open(os.fspath(path), "np") as file:
            return _facts((file.metadata() or {})[_TEXT])
    except Exception:  # it will be told when the file is to be used
        return None


def tell_of_damage(path: Path, error: Exception, tell: Tell) -> None:
    """Say that a file is not used, and why."""
    why = one_line(str(error)[:300] or type(error).__name__)
    tell(f"{_shown(path)}: is damaged and not used: {why}")


def _shown(path: Path) -> str:
    """A file as people are told of it."""
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


def _conditions_digest(provenance: Any) -> str | None:
    conditions = provenance.get("conditions") if isinstance(provenance, Mapping) else None
    return conditions.get("conditions_digest") if isinstance(conditions, Mapping) else None


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


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    total = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        total.update(f"\0{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
