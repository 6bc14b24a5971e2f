"""The records of a run folder, found by the ids of their cells. What one of them is on disk stands
in `record_file`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabench.errors import FolderError, RecordError, UnreadableRecordError
from metabench.records.folder import CHECKPOINTS, RECORDS, WEIGHTS
from metabench.records.record_file import RECORD_NAME, read_record, write_record

if TYPE_CHECKING:
    import numpy as np

    from metabench.records.arrays import Arrays

_COPIES = 8
"""Files of one cell that are tried until one can be read."""


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
            if match := RECORD_NAME.fullmatch(path.name):
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
        """Read one record (see `read_record`)."""
        return read_record(path)

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
        """Write the record of a stem with its arrays (see `write_record`), and return its path."""
        path = self.path(stem)
        write_record(path, record, arrays)
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
