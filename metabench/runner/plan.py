"""What is to be done: every cell of a suite against the records on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from metabench.cells import Cell, Fit, each_once
from metabench.errors import StaleError, UnreadableRecordError, some
from metabench.provenance.conditions import Conditions, counted, differing_conditions
from metabench.records import FINISHED, WEIGHTS, RecordStore

if TYPE_CHECKING:
    from metabench.suite import Suite

State = Literal["done", "stale", "failed", "missing"]
STATES: tuple[State, ...] = ("done", "stale", "failed", "missing")
Stale = Literal["keep", "rerun"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what is on disk of it.

    Attributes
    ----------
    state
        `done`, `stale` (finished, under other conditions), `failed` (ended without a result) or
        `missing`.
    stem
        Of the record: that of the record there is, which may carry an earlier label, or of the one
        to be written.
    record
        The record without its curves, or None.
    differences
        What the conditions of a stale record were, and are.
    """

    cell: Cell
    state: State
    stem: str
    record: Mapping[str, Any] | None = None
    differences: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The selected cells of a suite, in their order; its other cells; and what is wrong with their
    records.

    Attributes
    ----------
    damaged, remarks
        A line about each record that could not be read, and about each file that is not used.
    unreadable
        Why one of them cannot be read here though it may be whole, so that nothing may take its
        place; None where there is none.
    """

    cells: tuple[PlannedCell, ...]
    others: tuple[PlannedCell, ...]
    damaged: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    unreadable: UnreadableRecordError | None = None

    @cached_property
    def counts(self) -> dict[State, int]:
        """How many cells there are of each state."""
        counted = Counter(planned.state for planned in self.cells)
        return {state: counted[state] for state in STATES}

    def fits(self, states: Iterable[State] = STATES) -> list[tuple[Fit, list[PlannedCell]]]:
        """Fits with cells of these states, in the order of the suite, each with those cells."""
        wanted = set(states)
        grouped: dict[str, list[PlannedCell]] = {}
        for planned in self.cells:
            if planned.state in wanted:
                grouped.setdefault(planned.cell.fit.id, []).append(planned)
        return [(cells[0].cell.fit, cells) for cells in grouped.values()]

    def to_run(self, stale: Stale | None) -> list[tuple[Fit, list[PlannedCell]]]:
        """Fits that are to be run, each with the cells that lack a result.

        Raises
        ------
        StaleError
            There are stale records, and nobody has said what to do about them.
        UnreadableRecordError
            A record cannot be read here though it may be whole, and running its cell again would
            replace it.
        """
        if self.unreadable is not None:
            raise self.unreadable
        if stale is None and (
            found := [
                planned for planned in (*self.cells, *self.others) if planned.state == "stale"
            ]
        ):
            what = some(counted(planned.differences for planned in found))
            raise StaleError(
                f"{len(found)} of {len(self.cells) + len(self.others)} cells have records made "
                f"under other conditions ({what}). "
                "Say --stale keep to let them count, --stale rerun to make them again, or --out "
                "FOLDER to begin another run"
            )
        return self.fits(
            ("failed", "missing", "stale") if stale == "rerun" else ("failed", "missing")
        )


def survey(suite: Suite, store: RecordStore, conditions_of: Conditions) -> Plan:
    """Hold the cells of a suite against the records of a store."""
    index = store.index()
    planned: list[PlannedCell] = []
    damaged: list[str] = []
    remarks: list[str] = []
    unreadable: UnreadableRecordError | None = None
    for cell in each_once(suite.cells):
        found = store.find(cell.id, cell.stem, index)
        unreadable = unreadable or (
            found.error if isinstance(found.error, UnreadableRecordError) else None
        )
        damaged += [str(found.error)] if found.error else []
        remarks += found.remarks
        stem = found.path.stem if found.path else cell.stem
        planned.append(
            _planned(cell, stem, _slim(found.record) if found.record else None, conditions_of)
        )
    selected = tuple(one for one in planned if one.cell.id in suite.selected)
    others = tuple(one for one in planned if one.cell.id not in suite.selected)
    return Plan(selected, others, tuple(damaged), tuple(remarks), unreadable)


def fits_with_weights(
    suite: Suite,
    store: RecordStore,
    fits: Iterable[Fit],
    conditions_of: Conditions,
    *,
    any_conditions: bool = False,
) -> frozenset[str]:
    """Ids of those of `fits` whose weights the store has kept: their cells need no training.

    Judged by the first bytes of each file. Where the data has changed, or the file is damaged, the
    fit trains all the same.
    """
    from metabench.experiment.weights import has_weights, weights_path

    if not suite.keep_weights:
        return frozenset()
    folder = store.folder.with_name(WEIGHTS)
    found = (
        fit
        for fit in fits
        if has_weights(
            weights_path(folder, fit.id),
            fit.id,
            conditions_of.fit(fit),
            any_conditions=any_conditions,
        )
    )
    return frozenset(fit.id for fit in found)


def _planned(
    cell: Cell, stem: str, record: Mapping[str, Any] | None, conditions_of: Conditions
) -> PlannedCell:
    if record is None:
        return PlannedCell(cell, "missing", stem)
    if record["result"]["outcome"] not in FINISHED:
        return PlannedCell(cell, "failed", stem, record)
    changed = differing_conditions(record, conditions_of(cell), conditions_of.fit(cell.fit))
    return PlannedCell(cell, "stale" if changed else "done", stem, record, changed)


def _slim(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without its curves and most of its configuration: thousands of them are held at
    once."""
    kept = ("outcome", "iterations", "episodes", "score")
    return {
        **record,
        "config": {"evaluate": record["config"].get("evaluate")},
        "result": {key: record["result"].get(key) for key in kept},
    }
