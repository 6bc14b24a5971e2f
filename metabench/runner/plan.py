"""What is to be done: every cell of a suite against the records on disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from metabench.cells import Cell, Fit, Part
from metabench.errors import ConfigError, StaleError, UnreadableRecordError
from metabench.provenance import environment
from metabench.records import FINISHED, WEIGHTS, RecordStore
from metabench.runner.describe import plugin_targets
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
            what = "; ".join(
                sorted({difference for planned in found for difference in planned.differences})
            )
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
    for cell in suite.cells:
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


class Conditions:
    """Conditions of each cell and fit under given threads and device; computed once for each set of
    plugins."""

    def __init__(self, threads: int, device: str) -> None:
        self._threads = threads
        self._device = device
        self._known: dict[tuple[str, ...], dict[str, Any]] = {}

    def __call__(self, cell: Cell) -> dict[str, Any]:
        """Those of a cell: training and test."""
        return self._of(cell.fit, cell.evaluate.on)

    def fit(self, fit: Fit) -> dict[str, Any]:
        """Those of a fit: what it is tested on does not count."""
        return self._of(fit, None)

    def _of(self, fit: Fit, on: Part | None) -> dict[str, Any]:
        plugins = plugin_targets(fit, on)
        if plugins not in self._known:
            try:
                self._known[plugins] = environment.conditions(self._threads, self._device, plugins)
            except OSError as error:
                why = error.strerror or str(error)
                place = f"{error.filename}: " if error.filename else ""
                raise ConfigError(
                    f"the source of a plugin ({', '.join(plugins)}) cannot be read: {place}{why}"
                ) from error
        return self._known[plugins]


def _planned(
    cell: Cell, stem: str, record: Mapping[str, Any] | None, conditions_of: Conditions
) -> PlannedCell:
    if record is None:
        return PlannedCell(cell, "missing", stem)
    if record["result"]["outcome"] not in FINISHED:
        return PlannedCell(cell, "failed", stem, record)
    differences = differing_conditions(cell, record, conditions_of)
    return PlannedCell(cell, "stale" if differences else "done", stem, record, differences)


def differing_conditions(
    cell: Cell, record: Mapping[str, Any], conditions_of: Conditions
) -> tuple[str, ...]:
    """What was not as it is now when a record was made, or when the weights were made that it took;
    nothing where all was the same."""
    made_on = record["provenance"]
    pairs = [(made_on.get("conditions") or {}, conditions_of(cell))]
    if isinstance(made_on.get("training_conditions"), dict):
        pairs.append((made_on["training_conditions"], conditions_of.fit(cell.fit)))
    differing = [
        (then, now)
        for then, now in pairs
        if then.get("conditions_digest") != now["conditions_digest"]
    ]
    told = tuple(
        dict.fromkeys(
            difference
            for then, now in differing
            for difference in environment.differences(then, now)
        )
    )
    taken = made_on.get("needs") or {}
    needs = tuple(
        f"the weights of its {role}"
        for role, need in wanted(cell.fit, ())
        if role in taken
        and taken[role].get("conditions_digest") != conditions_of.fit(need)["conditions_digest"]
    )
    return told + needs or (("conditions",) if differing else ())


def _slim(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without its curves and most of its configuration: thousands of them are held at
    once."""
    kept = ("outcome", "iterations", "episodes", "score")
    return {
        **record,
        "config": {"evaluate": record["config"].get("evaluate")},
        "result": {key: record["result"].get(key) for key in kept},
    }
