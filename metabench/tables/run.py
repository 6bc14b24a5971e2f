"""A run folder, read: exactly the suite's cells, whatever else lies there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from metabench.io.files import make_folder, write_text
from metabench.records import (
    TABLES,
    RecordStore,
    Timings,
    read_cells,
    read_timings,
    refuse_links,
)
from metabench.tables.all_pairs import pair_rows, with_ranks
from metabench.tables.cells import block_of, cell_row
from metabench.tables.claim_row import ClaimRow
from metabench.tables.claims import claim_rows
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.comparisons import comparison_rows
from metabench.tables.declared import declared
from metabench.tables.frames import csv_text, first_seen, frame, printable
from metabench.tables.groups import group_rows
from metabench.tables.margins import margins_kept_in
from metabench.tables.over_settings import OverSettings, over_settings
from metabench.tables.spread import SpreadRow, spread_rows
from metabench.tables.timed import Alone, TimedRow, timed_rows
from metabench.tables.typed_rows import CellRow, GroupRow, Scalar

if TYPE_CHECKING:
    from metabench.records.arrays import Arrays

CSV = ("cells", "groups", "comparisons", "pairs", "claims", "spread", "over_settings")
"""The tables that are files of a run too."""

Index = Mapping[str, tuple[Path, ...]]
"""Files of a store by the beginning of a cell's id."""


@dataclass(frozen=True)
class Rows:
    """The tables of a run, row by row: what statistics and report work on."""

    cells: Sequence[CellRow]
    groups: Sequence[GroupRow]
    comparisons: Sequence[ComparisonRow]
    pairs: Sequence[ComparisonRow]
    claims: Sequence[ClaimRow]
    spread: Sequence[SpreadRow]
    over_settings: Sequence[OverSettings]
    timed: Sequence[TimedRow] = ()


@dataclass(frozen=True)
class Run:
    """The tables of one run.

    Attributes
    ----------
    folder
        Where it lies.
    info
        What `cells.json` says of the suite (`suite`, `title`, `description`, `reference`, `claims`
        ...), without the cells, and what of it was declared only after the first data (see
        `declared`).
    confidence
        Of every interval and test here.
    rows
        The tables by row.
    places
        Names of the coordinates that cells of a group share.
    blocks
        For each value of the column `block` the coordinates of the data that it stands for.
    records
        Path of the record of every cell that has one, by cell id.
    foreign
        Files among the records that belong to no cell of the suite, or are second files of one.
        They are listed and not used.
    timings
        What was timed alone (see `timed_rows`); None where nothing was.
    """

    folder: Path
    info: Mapping[str, Any]
    confidence: float
    rows: Rows = field(repr=False)
    places: Sequence[str] = field(repr=False)
    blocks: Mapping[str, Mapping[str, Scalar]] = field(repr=False)
    records: Mapping[str, Path] = field(repr=False)
    foreign: tuple[Path, ...] = ()
    timings: Timings | None = field(default=None, repr=False)

    @cached_property
    def cells(self) -> pd.DataFrame:
        """One row a cell of the suite, with `outcome` "missing" or "damaged" where there is no
        record to read."""
        return frame([row.columns() for row in self.rows.cells], CellRow.names(self.places))

    @cached_property
    def groups(self) -> pd.DataFrame:
        """One row a group of cells that differ in seed alone."""
        return frame([row.columns() for row in self.rows.groups], GroupRow.names(self.places))

    @cached_property
    def comparisons(self) -> pd.DataFrame:
        """One row a declared comparison with the reference (see `comparison_rows`)."""
        return self._comparisons(self.rows.comparisons)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """One row a pair of groups on the same data (see `pair_rows`)."""
        return self._comparisons(self.rows.pairs)

    @cached_property
    def claims(self) -> pd.DataFrame:
        """One row a claim of the suite and setting that it is about (see `claim_rows`)."""
        names = ClaimRow.names(list(block_of(dict.fromkeys(self.places))))
        return frame([row.columns() for row in self.rows.claims], names)

    @cached_property
    def spread(self) -> pd.DataFrame:
        """One row a group, where others let other random streams follow the seed (see
        `spread_rows`)."""
        return frame([row.columns() for row in self.rows.spread], SpreadRow.names(self.places))

    @cached_property
    def over_settings(self) -> pd.DataFrame:
        """One row an algorithm and family of settings that one number can be made of (see
        `over_settings`)."""
        families = enumerate(self.rows.over_settings, start=1)
        found = [row for number, family in families for row in family.columns(number)]
        return frame(found, OverSettings.names())

    @cached_property
    def timed(self) -> pd.DataFrame:
        """One row a group whose training step was timed alone (see `timed_rows`)."""
        names = TimedRow.names(list(block_of(dict.fromkeys(self.places))))
        return frame([row.columns() for row in self.rows.timed], names)

    def _comparisons(self, found: Sequence[ComparisonRow]) -> pd.DataFrame:
        names = ComparisonRow.names(list(block_of(dict.fromkeys(self.places))))
        return frame([row.columns() for row in found], names)

    def record(self, cell: str) -> dict[str, Any]:
        """Return the whole record of a cell.

        Raises
        ------
        KeyError
            It has none.
        RecordError
            It has become unreadable since.
        """
        return RecordStore(self.folder).load(self.records[cell])

    def arrays(self, cell: str) -> Arrays:
        """Open the arrays of a cell (`result/scores`, `result/prediction` ...); each is read when
        it is asked for.

        Raises
        ------
        KeyError
            The cell has no record.
        RecordError
            The file is damaged.
        """
        return RecordStore(self.folder).arrays(self.records[cell])

    def each_record(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield cell id and record of every cell that has one, in the suite's order."""
        for cell in self.records:
            yield cell, self.record(cell)

    def write_csv(self) -> None:
        """Write `tables/cells.csv`, `groups.csv`, `comparisons.csv`, `pairs.csv`, `claims.csv`,
        `spread.csv` and `over_settings.csv` beside the records, each whole or not at all; and
        `timed.csv` where something was timed alone.

        Raises
        ------
        UnwritableError
            The disk is full, or the folder is read-only.
        FolderError
            Something in it is a link.
        """
        refuse_links(self.folder)
        folder = self.folder / TABLES
        make_folder(folder)
        for name in (*CSV, *(("timed",) if self.rows.timed else ())):
            table: pd.DataFrame = getattr(self, name)
            write_text(folder / f"{name}.csv", csv_text(table))


def load(folder: str | Path, confidence: float | None = None) -> Run:
    """Read a run folder into tables.

    Parameters
    ----------
    confidence
        Of the intervals; by default that which the run declared.

    Raises
    ------
    FolderError
        `folder` is none of a run.
    """
    folder = Path(folder)
    described = printable(read_cells(folder))
    entries = described.pop("cells")
    level = confidence if confidence is not None else float(described.get("confidence") or 0.95)
    store = RecordStore(folder)
    index = store.index()
    records, cells = _read(store, index, entries)
    places = first_seen(key for entry in entries for key in entry["group"])
    groups = group_rows(cells, described["reference"], level)
    pairs = pair_rows(cells, groups, level)
    groups = with_ranks(groups, pairs)
    info = {**described, **declared(described, level)}
    comparisons = comparison_rows(cells, groups, level, margins_kept_in(folder))
    timings = read_timings(folder)
    alone = Alone.of(timings, cells)
    return Run(
        folder=folder,
        info=info,
        confidence=level,
        rows=Rows(
            cells=cells,
            groups=groups,
            comparisons=comparisons,
            pairs=pairs,
            claims=claim_rows(info["claims"], cells, groups, level, alone),
            spread=spread_rows(cells, groups, level),
            over_settings=over_settings(cells, groups, level, int(described.get("root_seed") or 0)),
            timed=timed_rows(alone, groups, comparisons, level),
        ),
        places=places,
        blocks={row.block: row.at(block_of(dict.fromkeys(places))) for row in groups},
        records=records,
        foreign=_foreign(store, index, entries, records),
        timings=timings,
    )


def _read(
    store: RecordStore, index: Index, entries: list[dict[str, Any]]
) -> tuple[dict[str, Path], list[CellRow]]:
    """Read the record of every entry; a cell whose labels changed since keeps its record under the
    old stem."""
    records: dict[str, Path] = {}
    cells = []
    for entry in entries:
        found = store.find(entry["cell"], entry["stem"], index)
        cells.append(
            cell_row(
                entry,
                found.record,
                str(found.error).replace(f"{store.folder}/", "") if found.error else None,
            )
        )
        records |= {entry["cell"]: found.path} if found.path and found.record else {}
    return records, cells


def _foreign(
    store: RecordStore, index: Index, entries: list[dict[str, Any]], records: Mapping[str, Path]
) -> tuple[Path, ...]:
    """Files that are no record of the suite's cells, further ones of a cell that has a record among
    them."""
    damaged = (
        path
        for entry in entries
        if entry["cell"] not in records
        for path in index.get(entry["cell"][:12], ())
    )
    own = {*records.values(), *damaged}
    return tuple(
        sorted(
            path
            for path in store.folder.glob("*.json")
            if path not in own and not path.name.startswith(".")
        )
    )
