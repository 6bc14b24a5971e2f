"""Records: what one cell left on disk, the store that keeps them, and the `cells.json` that lists them.

A record is `<stem>.json` with `<stem>.npz` beside it: it exists whole or not at all. Both are written to temporary names in the same folder and
flushed to disk; then the JSON of an earlier record goes, the arrays are renamed into place, and the new JSON comes last. A finished record always has
arrays; one of a failure has none. Nothing here imports torch.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, get_args

from metabench.errors import FolderError, RecordError, UnreadableRecordError
from metabench.files import flush, flush_folder, temporary, told_when_unwritable
from metabench.shapes import CELLS, ENTRY, LABELS, RECORD, absent, misshapen

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1
"""Schema of the records written now. Records of earlier schemas are read, those of later ones refused."""

CELLS_SCHEMA = 1
"""Schema of `cells.json`."""

WEIGHTS, CHECKPOINTS = "weights", "checkpoints"
"""Folders beside the records: of finished fits, and of those under way."""

Outcome = Literal["completed", "diverged", "failed", "timeout", "out_of_memory", "killed"]
FINISHED: frozenset[str] = frozenset({"completed", "diverged"})
"""Outcomes that are results: a divergence is one, and counts. Cells with any other run again."""

_OUTCOMES = frozenset(get_args(Outcome))
_RECORD_NAME = re.compile(r".*-([0-9a-f]{12})\.json")
_REQUIRED = ("cell", "fit", "labels", "seed", "config", "metric", "result", "measured", "provenance")


@dataclass(frozen=True)
class Scan:
    """All records of a store: `records` by cell id, and one line about each file that could not be read."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)


class RecordStore:
    """The records of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "records"

    def path(self, stem: str) -> Path:
        """Where the record of this stem lies, or would lie."""
        return self.folder / f"{stem}.json"

    def index(self) -> dict[str, Path]:
        """Path of every record by the first 12 hex digits of its cell id, from file names alone.

        Raises
        ------
        FolderError : the folder cannot be read.
        """
        try:
            paths = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise FolderError(f"{self.folder}: cannot be read: {error.strerror}") from error
        return {match[1]: path for path in paths if (match := _RECORD_NAME.fullmatch(path.name))}

    def read(self, cell_id: str) -> dict[str, Any] | None:
        """Record of the cell with this id, or None where there is none."""
        path = self.index().get(cell_id[:12])
        return None if path is None else self.load(path)

    def load(self, path: Path) -> dict[str, Any]:
        """Read one record.

        Raises
        ------
        RecordError : the file is damaged, is no record or that of another cell, lacks the arrays of a finished cell, or has a schema from the future.
        """
        try:
            record = json.loads(path.read_bytes())
        except OSError as error:
            raise UnreadableRecordError(f"{path}: cannot be read: {error.strerror or error}") from error
        except ValueError as error:
            raise RecordError(f"{path}: is damaged: {error}. `metabench run` makes it again") from error
        schema = record.get("schema") if isinstance(record, dict) else None
        if not isinstance(schema, int):
            raise RecordError(f"{path}: is no record of metabench: it has no schema number")
        if schema > SCHEMA:
            raise UnreadableRecordError(f"{path}: has schema {schema}, and this metabench reads up to {SCHEMA}. Update metabench to read it")
        if problem := _misshapen(record, path) or _without_arrays(record, path):
            raise RecordError(f"{path}: is damaged: {problem}. `metabench run` makes it again")
        return dict(record)

    def arrays(self, path: Path) -> Mapping[str, np.ndarray]:
        """Open the arrays beside the record at `path`; each is read when it is asked for. A record without arrays gives an empty mapping.

        Raises
        ------
        RecordError : the file is damaged; a damaged array raises it when it is read.
        """
        import numpy as np

        npz = path.with_suffix(".npz")
        if not npz.exists():
            return {}
        with _told_when_damaged(npz):
            opened = np.load(npz, allow_pickle=False)
        if not isinstance(opened, Mapping):
            raise RecordError(f"{npz}: is damaged: it is no archive of arrays")
        return _Arrays(npz, opened)

    def scan(self, wanted: Iterable[str] | None = None) -> Scan:
        """Read every record, or those of the cells with the ids `wanted`; damaged files are told, and stop nothing."""
        found = Scan()
        index = self.index()
        paths = index.values() if wanted is None else [index[cell[:12]] for cell in wanted if cell[:12] in index]
        for path in paths:
            try:
                record = self.load(path)
            except RecordError as error:
                found.damaged.append(str(error))
            else:
                found.records[record["cell"]] = record
        return found

    def write(self, stem: str, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None) -> Path:
        """Write a record and its arrays, whole or not at all; an earlier record of the stem stays until the new one is safe on disk.

        Raises
        ------
        UnwritableError : the disk is full, or the folder has vanished or turned read-only.
        """
        path = self.path(stem)
        npz = path.with_suffix(".npz")
        with told_when_unwritable(path):
            try:
                if arrays:
                    with temporary(npz).open("wb") as file:
                        _write_arrays(file, arrays)
                        flush(file)
                with temporary(path).open("wb") as file:
                    file.write(_dumps(record).encode())
                    flush(file)
                path.unlink(missing_ok=True)
                if arrays:
                    temporary(npz).replace(npz)
                else:
                    npz.unlink(missing_ok=True)
                temporary(path).replace(path)
            finally:
                for leftover in (temporary(npz), temporary(path)):
                    with suppress(OSError):
                        leftover.unlink(missing_ok=True)
            flush_folder(self.folder)
        return path

    def sweep(self) -> None:
        """Delete the temporary files that a killed run has left, of weights and checkpoints too. Only for the holder of the folder's lock."""
        for folder in (self.folder, self.folder.with_name(WEIGHTS), self.folder.with_name(CHECKPOINTS)):
            for leftover in folder.glob(".*.tmp"):
                leftover.unlink(missing_ok=True)


class _Arrays(Mapping[str, "np.ndarray"]):
    """The arrays of an open file, each read when it is asked for."""

    def __init__(self, path: Path, opened: Mapping[str, np.ndarray]) -> None:
        self._path = path
        self._opened = opened

    def __getitem__(self, name: str) -> np.ndarray:
        with _told_when_damaged(self._path):  # a KeyError passes
            return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)


def read_cells(folder: Path) -> dict[str, Any]:
    """Read the `cells.json` of a run folder.

    Raises
    ------
    FolderError : the folder is none of a run, or the file is damaged.
    """
    path = folder / "cells.json"
    try:
        described = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise FolderError(f"{folder}: is no run folder: it has no cells.json. `metabench run` makes one") from None
    except OSError as error:
        raise FolderError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise FolderError(f"{path}: is damaged: {error}. `metabench run` writes it again once it is deleted") from error
    if not isinstance(described, dict) or described.get("schema") != CELLS_SCHEMA:
        raise FolderError(f"{path}: is not a cells.json that this metabench can read (schema {CELLS_SCHEMA})")
    wrong = absent(described, ("reference", "cells")) or misshapen(described, CELLS)
    wrong = wrong or ("" if 0 < (described.get("confidence") or 0.95) < 1 else "confidence")
    if wrong := wrong or next((key for entry in described["cells"] if (key := _absent_from_entry(entry))), ""):
        raise FolderError(f"{path}: is damaged: {wrong} is not as it should be. `metabench run` writes it again once it is deleted")
    return described


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: numbers of NumPy as Python's own, and null for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _absent_from_entry(entry: Mapping[str, Any]) -> str:
    """The first key that an entry of `cells.json` lacks, or nothing."""
    return (
        absent(entry, ENTRY)
        or absent(entry["labels"], LABELS)
        or absent(entry["group"], LABELS)
        or absent(entry["metric"], ("name", "unit", "higher_is_better"))
    )


def _misshapen(record: Mapping[str, Any], path: Path) -> str:
    """Say what in a record is not of the shape that every reader relies on, or nothing."""
    if wrong := absent(record, _REQUIRED) or misshapen(record, RECORD):
        return f"{wrong} is not as it should be"
    if record["result"].get("outcome") not in _OUTCOMES:
        return f"it has no outcome of {', '.join(sorted(_OUTCOMES))}"
    named = _RECORD_NAME.fullmatch(path.name)
    if named and not record["cell"].startswith(named[1]):
        return "it is the record of another cell"
    return ""


def _without_arrays(record: Mapping[str, Any], path: Path) -> str:
    """Say that a finished record has lost its arrays, or nothing. Of thousands of archives the ends alone are read: one cut off has none."""
    if record["result"]["outcome"] not in FINISHED:
        return ""
    try:
        with path.with_suffix(".npz").open("rb") as archive:
            archive.seek(-22, os.SEEK_END)  # the record that ends a zip archive without a comment
            return "" if archive.read(4) == b"PK\5\6" else "its arrays are cut off"
    except OSError:
        return "its arrays are missing"


def _dumps(record: Mapping[str, Any]) -> str:
    """JSON with one line a top-level key: quick to read for programs, and bearable for people."""
    lines = (f"{json.dumps(key)}: {json.dumps(plain(value), allow_nan=False)}" for key, value in record.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _write_arrays(file: IO[bytes], arrays: Mapping[str, np.ndarray]) -> None:
    import numpy as np

    np.savez_compressed(file, allow_pickle=False, **arrays)


@contextmanager
def _told_when_damaged(path: Path) -> Iterator[None]:
    """A truncated archive shows in many ways: no directory, a check sum that is wrong, a stream that breaks off."""
    import zipfile
    import zlib

    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RecordError(f"{path}: is damaged: {error}. Delete the record, and `metabench run` makes it again") from error
