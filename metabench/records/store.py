"""The store of records: what one cell left on disk.

A record is `<stem>.json` with `<stem>.npz` beside it: it exists whole or not at all. Both are
written to temporary names in the same folder and flushed to disk; then the JSON of an earlier
record goes, the arrays are renamed into place, and the new JSON comes last. A finished record
always has arrays; one of a failure has none. The last line of the JSON holds digests of all before
it, and of the arrays: whoever reads a record knows that it says what was written.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from metabench.errors import FolderError, RecordError, UnreadableRecordError
from metabench.io.files import flush, flush_folder, open_temporary, temporary, told_when_unwritable
from metabench.io.shapes import absent, misshapen
from metabench.io.untrusted import plain, read_json
from metabench.records.folder import CHECKPOINTS, RECORDS, WEIGHTS
from metabench.records.format import RECORD
from metabench.records.migrations import migrated
from metabench.records.seal import SEAL, broken, sealed

if TYPE_CHECKING:
    import numpy as np

    from metabench.records.arrays import Arrays

SCHEMA = 3
"""Schema of the records written now. Older ones are read (see `migrations`), newer ones refused."""

_SIZE = 16 * 2**20
"""Bytes of a record's JSON."""

_COPIES = 8
"""Files of one cell that are tried until one can be read."""

Outcome = Literal[
    "completed", "diverged", "failed", "timeout", "out_of_memory", "killed", "needs_failed"
]
FINISHED: frozenset[str] = frozenset({"completed", "diverged"})
"""Outcomes that are results: a divergence is one, and counts. Cells with any other run again."""

_OUTCOMES = frozenset(get_args(Outcome))
_RECORD_NAME = re.compile(r".*-([0-9a-f]{12})\.json")
_REQUIRED = (
    "cell",
    "fit",
    "labels",
    "seed",
    "config",
    "metric",
    "result",
    "measured",
    "provenance",
)


@dataclass(frozen=True)
class Found:
    """What there is of a cell.

    Attributes
    ----------
    path
        Where it lies, or a file that should be it and cannot be read; None where there is nothing.
    record
        The record; None where none can be read.
    error
        Why not, or None.
    spare
        Further files that carry the name of this cell, and are not used.
    """

    path: Path | None = None
    record: dict[str, Any] | None = None
    error: RecordError | None = None
    spare: tuple[Path, ...] = ()

    @property
    def remarks(self) -> list[str]:
        """A line about the spare files, if there are any."""
        if self.path is None or not self.spare:
            return []
        more = f" (and {len(self.spare) - 1} more)" if len(self.spare) > 1 else ""
        return [
            f"{self.spare[0]}{more}: is another file of the cell of {self.path.name}, and is not "
            "used; keep one of them alone"
        ]


@dataclass(frozen=True)
class Scan:
    """Records of a store by cell id, and one line about each file that could not be read, or that
    is not used."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


class RecordStore:
    """The records of one run folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / RECORDS

    def path(self, stem: str) -> Path:
        """Where the record of this stem lies, or would lie."""
        return self.folder / f"{stem}.json"

    def index(self) -> dict[str, tuple[Path, ...]]:
        """Paths of the records by the first 12 hex digits of their cell ids, from file names alone;
        of copies all, sorted by name.

        Raises
        ------
        FolderError
            The folder cannot be read.
        """
        try:
            paths = sorted(self.folder.iterdir())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise FolderError(f"{self.folder}: cannot be read: {error.strerror}") from error
        index: dict[str, list[Path]] = {}
        for path in paths:
            if match := _RECORD_NAME.fullmatch(path.name):
                index.setdefault(match[1], []).append(path)
        return {key: tuple(found) for key, found in index.items()}

    def find(
        self, cell_id: str, stem: str = "", index: Mapping[str, tuple[Path, ...]] | None = None
    ) -> Found:
        """Return what there is of a cell: of several files that carry its name the first that can
        be read.

        Parameters
        ----------
        stem
            Of the file to try before the others.
        index
            Of this store, where it has been made already.
        """
        paths = (self.index() if index is None else index).get(cell_id[:12], ())
        failed: list[Found] = []
        for path in sorted(paths, key=lambda path: path.stem != stem)[:_COPIES]:
            try:
                found = Found(path, self.load(path))
                break
            except RecordError as error:
                failed.append(Found(path, None, error))
        else:
            found = next(
                (found for found in failed if isinstance(found.error, UnreadableRecordError)),
                failed[0] if failed else Found(),
            )
        return replace(found, spare=tuple(path for path in paths if path != found.path))

    def read(self, cell_id: str) -> dict[str, Any] | None:
        """Record of the cell with this id, or None where there is none that can be read."""
        return self.find(cell_id).record

    def load(self, path: Path) -> dict[str, Any]:
        """Read one record.

        Raises
        ------
        RecordError
            The file is damaged, is no record or that of another cell, has lost or changed arrays,
            or has a schema that is not known here.
        """
        try:
            record, content = read_json(path, _SIZE)
        except OSError as error:
            raise UnreadableRecordError(
                f"{path}: cannot be read: {error.strerror or error}"
            ) from error
        except ValueError as error:
            raise RecordError(
                f"{path}: is damaged: {error}. `metabench run` makes it again"
            ) from error
        schema = record.get("schema") if isinstance(record, dict) else None
        if type(schema) is not int or schema < 1:
            raise RecordError(
                f"{path}: is no record of metabench: it has no schema number that is known"
            )
        if schema > SCHEMA:
            raise UnreadableRecordError(
                f"{path}: has schema {schema}, and this metabench reads up to {SCHEMA}. Update "
                "metabench to read it"
            )
        seal = record.pop(SEAL, None)
        changed = "" if schema == 1 and seal is None else broken(seal, "record", content)
        record = migrated(record, schema) | {"schema": SCHEMA}
        if problem := _misshapen(record, path) or changed or _other_arrays(record, seal, path):
            raise RecordError(f"{path}: is damaged: {problem}. `metabench run` makes it again")
        return dict(record)

    def arrays(self, path: Path) -> Arrays:
        """Open the arrays beside the record at `path`; each is read when it is asked for. A record
        without arrays has none.

        Raises
        ------
        RecordError
            The file is damaged; a damaged array raises it when it is read.
        """
        from metabench.records.arrays import Arrays

        return Arrays(path.with_suffix(".npz"))

    def scan(self, wanted: Iterable[str] | None = None) -> Scan:
        """Read every record, or those of the cells with the ids `wanted`; damaged files are told,
        and stop nothing."""
        scan, index = Scan(), self.index()
        for key in index if wanted is None else wanted:
            found = self.find(key, index=index)
            scan.damaged.extend([str(found.error)] if found.error else [])
            scan.remarks.extend(found.remarks)
            if found.record is not None:
                scan.records[found.record["cell"]] = found.record
        return scan

    def write(
        self, stem: str, record: Mapping[str, Any], arrays: Mapping[str, np.ndarray] | None = None
    ) -> Path:
        """Write a record and its arrays, whole or not at all; an earlier record of the stem stays
        until the new one is safe on disk.

        Raises
        ------
        UnwritableError
            The disk is full, or the folder has vanished or turned read-only.
        """
        from metabench.records.arrays import archive_of

        path = self.path(stem)
        npz = path.with_suffix(".npz")
        archive = archive_of(arrays) if arrays else None
        with told_when_unwritable(path):
            try:
                for target, content in ((npz, archive), (path, _sealed(record, archive))):
                    if content is not None:
                        with open_temporary(target) as file:
                            file.write(content)
                            flush(file)
                path.unlink(missing_ok=True)
                if archive is not None:
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
        """Delete the temporary files that a killed run has left, of weights and checkpoints too.
        Only for the holder of the folder's lock."""
        for folder in (
            self.folder,
            self.folder.with_name(WEIGHTS),
            self.folder.with_name(CHECKPOINTS),
        ):
            for leftover in folder.glob(".*.tmp"):
                with suppress(OSError):  # somebody's folder of that name
                    leftover.unlink()


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


def _other_arrays(record: Mapping[str, Any], seal: Mapping[str, Any] | None, path: Path) -> str:
    """Say that a finished record has lost its arrays, or that they are not those that were written
    with it, or nothing."""
    if record["result"]["outcome"] not in FINISHED:
        return ""
    from metabench.io.zips import is_cut_off
    from metabench.records.arrays import digest_of

    npz = path.with_suffix(".npz")
    try:
        if seal is not None:
            return (
                ""
                if digest_of(npz) == seal.get("arrays")
                else "its arrays are not what was written"
            )
        return "its arrays are cut off" if is_cut_off(npz) else ""
    except FileNotFoundError:
        return "its arrays are missing"
    except OSError as error:
        return f"its arrays cannot be read: {error.strerror or error}"


def _sealed(record: Mapping[str, Any], archive: bytes | None) -> bytes:
    """JSON with one line a top-level key, quick to read for programs and bearable for people, the
    last one with the digests."""
    lines = (
        f"{json.dumps(key)}: {json.dumps(plain(value), allow_nan=False)}"
        for key, value in record.items()
    )
    arrays = hashlib.sha256(archive).hexdigest() if archive is not None else None
    return sealed(lines, "record", arrays=arrays)
