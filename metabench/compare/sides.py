"""One of two runs that are set side by side: its cells by group and seed, with what tells whether
two of them may be compared and whether they are one.

A run folder is read here, an entry of the history in `entries`. Of a cell whose record is gone the
history keeps digests alone (`SideCell.kept`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metabench.errors import UnreadableRecordError
from metabench.history import Entry, GroupEntry, SeedEntry
from metabench.quantities import SCORE
from metabench.records import RecordStore, bits_of, digest_of_result, episodes_of, read_cells
from metabench.suite.kept import kept_margins
from metabench.tables.cells import cell_row, data_of
from metabench.tables.frames import first_seen
from metabench.tables.streams import streams_over
from metabench.tables.typed_rows import CellRow, Metric, Scalar

if TYPE_CHECKING:
    from metabench.records.arrays import Arrays

_COMMIT = re.compile(r"[0-9a-f]{40,64}")


@dataclass(frozen=True)
class SideCell:
    """A cell of one side.

    Attributes
    ----------
    row
        As it stands in the tables.
    result
        Digest of the record's `result`; None without a record.
    config
        The recipe that its record tells.
    sources
        Digest of each source file that its fit used.
    commit, dirty
        What was checked out of its project when it was made, and whether there were changes beside
        it.
    record
        Path of its record, beside which its arrays lie.
    kept
        What the history tells of it, where that is all there is.
    unreadable
        Why its record, which may be a good one, cannot be read here.
    """

    row: CellRow
    result: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    commit: str | None = None
    dirty: bool = False
    record: Path | None = None
    kept: SeedEntry | None = None
    unreadable: str | None = None

    @property
    def completed(self) -> bool:
        """Whether it came to a result of its own: a divergence, which is scored at chance, is none,
        nor is a record that has lost its score."""
        return self.row.outcome == "completed" and self.row[SCORE] is not None

    def arrays(self) -> Arrays | Mapping[str, Any]:
        """Open its arrays; none where it has no record."""
        if self.record is None:
            return {}
        return RecordStore(self.record.parents[1]).arrays(self.record)

    def bits(self) -> str | None:
        """Digest of all that it came to; None where nobody knows.

        Raises
        ------
        RecordError
            An array is damaged.
        """
        if self.kept is not None:
            return self.kept.bits
        return None if self.result is None else bits_of(self.result, self.arrays())

    def episodes(self) -> str | None:
        """Digest of the test episodes that it met; None where nobody knows.

        Raises
        ------
        RecordError
            An array is damaged.
        """
        return self.kept.episodes if self.kept is not None else episodes_of(self.arrays())

    def digest_of_arrays(self) -> str | None:
        """Digest of its archive as it lies there; None where there is none."""
        from metabench.records.arrays import digest_of

        try:
            return None if self.record is None else digest_of(self.record.with_suffix(".npz"))
        except OSError:
            return None


@dataclass(frozen=True)
class SideGroup:
    """Cells of one side that differ in seed alone, by their seeds; and what the history tells of
    the group, where that is all there is."""

    place: Mapping[str, Scalar]
    metric: Metric
    cells: Mapping[int, SideCell]
    kept: GroupEntry | None = None

    @property
    def was_run(self) -> bool:
        """Whether anybody has run one of them."""
        return any(cell.row.outcome != "missing" for cell in self.cells.values())

    @property
    def over(self) -> tuple[str, ...]:
        """The groups of random streams that are not the same in all of its cells."""
        return streams_over(cell.row for cell in self.cells.values())

    @property
    def completed(self) -> dict[int, SideCell]:
        """Those that came to a result of their own."""
        return {seed: cell for seed, cell in self.cells.items() if cell.completed}

    @property
    def data(self) -> str | None:
        """Digest of the content of the data that the completed ones were made on; None where nobody
        knows."""
        if self.kept is not None:
            return self.kept.data
        # one that failed may not have come as far as its data
        return data_of(cell.row for cell in self.completed.values())


@dataclass(frozen=True)
class Side:
    """One of the two runs.

    Attributes
    ----------
    name
        What it is called in what is written: where it lies.
    suite
        Of which suite it is a run.
    root_seed
        Root of its random streams; None where nobody knows.
    groups
        By the digest of their coordinates.
    folder
        Where it lies, if it is a run folder.
    remarks
        A line about each file that could not be read, or is not used.
    entry
        What the history tells of it, if that is all there is.
    """

    name: str
    suite: str
    root_seed: int | None
    groups: Mapping[str, SideGroup]
    folder: Path | None = None
    remarks: tuple[str, ...] = ()
    entry: Entry | None = None

    @property
    def cells(self) -> list[SideCell]:
        """All of them."""
        return [cell for group in self.groups.values() for cell in group.cells.values()]

    @property
    def seeds(self) -> list[int]:
        """The seeds that it declares, in order."""
        return sorted({seed for group in self.groups.values() for seed in group.cells})

    @property
    def seeds_run(self) -> list[int]:
        """Those of which somebody has run a cell, in order."""
        return sorted({cell.row.seed for cell in self.cells if cell.row.outcome != "missing"})

    @property
    def margins(self) -> Mapping[str, float]:
        """What its suite says of changes that matter; nothing where nobody knows.

        Raises
        ------
        ConfigError
            The suite that its folder keeps cannot be read.
        """
        if self.entry is not None:
            return self.entry.margins or {}
        return {} if self.folder is None else kept_margins(self.folder)

    @property
    def commits(self) -> list[str]:
        """The commits that its records name, each once, marked where there were changes beside."""
        if self.entry is not None:
            marked = " with changes" * self.entry.dirty
            return [f"{commit[:12]}{marked}" for commit in self.entry.commits]
        return first_seen(
            f"{cell.commit[:12]}{' with changes' if cell.dirty else ''}"
            for cell in self.cells
            if cell.commit
        )


def read_side(folder: Path) -> Side:
    """Read a run folder as one side of a comparison.

    Raises
    ------
    FolderError
        It is none, or damaged.
    """
    described = read_cells(folder)
    store = RecordStore(folder)
    index = store.index()
    groups: dict[str, dict[int, SideCell]] = {}
    remarks: dict[str, None] = {}
    for entry in described["cells"]:
        found = store.find(entry["cell"], entry["stem"], index)
        problem = str(found.error) if found.error else None
        remarks |= dict.fromkeys([*([problem] if problem else []), *found.remarks])
        row = cell_row(entry, found.record, problem)
        beyond = isinstance(found.error, UnreadableRecordError)
        cell = SideCell(row, unreadable=problem if beyond else None)
        if found.record is not None:
            cell = _side_cell(row, found.record, found.path)
        groups.setdefault(row.group, {})[row.seed] = cell
    return Side(
        name=str(folder),
        suite=str(described.get("suite", "")),
        root_seed=seed if type(seed := described.get("root_seed")) is int else None,
        groups={key: _group(cells) for key, cells in groups.items()},
        folder=folder,
        remarks=tuple(remarks),
    )


def _group(cells: Mapping[int, SideCell]) -> SideGroup:
    head = next(iter(cells.values())).row
    return SideGroup(head.place, head.metric, cells)


def _side_cell(row: CellRow, record: Mapping[str, Any], path: Path | None) -> SideCell:
    made_on = record["provenance"]
    # before 0.2 there was that of the package alone
    of = "project_" if "project_commit" in made_on else ""
    commit = made_on.get(f"{of}commit")
    return SideCell(
        row=row,
        result=digest_of_result(record["result"]),
        config=record["config"],
        sources=(made_on.get("conditions") or {}).get("sources") or {},
        commit=commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None,
        dirty=bool(made_on.get(f"{of}dirty")),
        record=path,
    )
