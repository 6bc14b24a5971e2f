"""What is to be done: every cell of a suite against the records on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from metabench.cells import Cell, Fit, each_once
from metabench.errors import StaleError, UnreadableRecordError, some
from metabench.provenance.conditions import Conditions, counted, differing_conditions
from metabench.records import FINISHED, WEIGHTS, RecordStore
from metabench.runner.needs import needed_by, wanted

if TYPE_CHECKING:
    from metabench.suite import Suite

State = Literal["done", "stale", "failed", "missing", "needed"]
STATES: tuple[State, ...] = ("done", "stale", "failed", "missing")
"""Of the cells of a suite."""
Stale = Literal["keep", "rerun"]


@dataclass(frozen=True)
class PlannedCell:
    """A cell and what is on disk of it.

    Attributes
    ----------
    state
        `done`, `stale` (finished, under other conditions), `failed` (ended without a result) or
        `missing`; `needed` where it is not to be run, and stands for a fit whose weights others
        want.
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


ToRun = list[tuple[Fit, list[PlannedCell]]]
"""Fits, each with its cells that are to be run, or one that is `needed`."""


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

    def fits(self, states: Iterable[State] = STATES) -> ToRun:
        """Fits with cells of these states, in the order of the suite, each with those cells."""
        wanted = set(states)
        grouped: dict[str, list[PlannedCell]] = {}
        for planned in self.cells:
            if planned.state in wanted:
                grouped.setdefault(planned.cell.fit.id, []).append(planned)
        return [(cells[0].cell.fit, cells) for cells in grouped.values()]

    def to_run(self, stale: Stale | None) -> ToRun:
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


def with_needs(suite: Suite, fits: ToRun, kept: Collection[str]) -> ToRun:
    """Return these fits, and before them those that have to be run for their weights alone."""
    there = {fit.id for fit, _ in fits} | set(kept)
    cells = {cell.fit.id: cell for cell in (*suite.cells, *suite.needed)}
    needed = needed_by((fit for fit, _ in fits), kept)
    alone: list[tuple[Fit, list[PlannedCell]]] = [
        (fit, [PlannedCell(cells[fit_id], "needed", cells[fit_id].stem)])
        for fit_id, fit in needed.items()
        if fit_id not in there
    ]
    return [*alone, *fits]


def fits_with_weights(
    suite: Suite,
    store: RecordStore,
    fits: Iterable[Fit],
    conditions_of: Conditions,
    *,
    any_conditions: bool = False,
) -> frozenset[str]:
    """Ids of those of `fits`, and of what they need, whose weights the store has kept: there is
    nothing to train. A suite that keeps no weights has those of needs alone, until a run is over.

    Judged by the first bytes of each file. Where the data has changed, or the file is damaged, the
    fit trains all the same.
    """
    from metabench.experiment.weights import has_weights, weights_path

    fits = list(fits)
    needed = needed_by(fits)
    folder = store.folder.with_name(WEIGHTS)
    found = (
        fit
        for fit in {**{fit.id: fit for fit in fits if suite.keep_weights}, **needed}.values()
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
    changed = differing_conditions(
        record,
        conditions_of(cell),
        conditions_of.fit(cell.fit),
        {role: conditions_of.fit(need) for role, need in wanted(cell.fit, ())},
    )
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
