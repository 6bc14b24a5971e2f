"""One row a cell: its coordinates from `cells.json`, its numbers from its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metabench.errors import MESSAGE, shortened
from metabench.identity import canonical, digest
from metabench.quantities import TABLE
from metabench.records import FINISHED
from metabench.tables.frames import first_seen
from metabench.tables.typed_rows import VARIANT, CellRow, Metric, Scalar

METRIC = ("name", "unit", "higher_is_better", "chance")

SUBJECT = frozenset({"algorithm", "method", *VARIANT})
"""Coordinates that tell what is compared. The others tell on what; cells that agree in those form
one block of the tables."""

DIFFERENT_DATA = "made on different data"
DIFFERENT_MACHINES = (
    "made on different machines, or with other numbers of threads or of cells at once"
)
"""Caveats of what should not be compared or averaged: scores of the one kind, times and memory of
the other."""


def coordinates(entry: Mapping[str, Any]) -> dict[str, Scalar]:
    """Return the coordinates of a cell that cells of its group share; lists and tables as canonical
    text, so that they can be compared."""
    return {key: coordinate(value) for key, value in entry["group"].items()}


def coordinate(value: Any) -> Scalar:
    """Return a value as the tables have it."""
    scalar: Scalar = canonical(value) if isinstance(value, list | dict) else value
    return scalar


def block_of(place: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return the coordinates of the data alone: data set, shape, test episodes, axes. Algorithms
    are compared within these."""
    return {
        key: value
        for key, value in place.items()
        if key not in SUBJECT and not key.startswith("evaluate.")
    }


def cell_row(
    entry: Mapping[str, Any], record: Mapping[str, Any] | None, problem: str | None
) -> CellRow:
    """Return the row of one cell.

    Parameters
    ----------
    entry
        The cell's entry in `cells.json`.
    record
        Its record, or None.
    problem
        Why there is none although there is a file, or None.
    """
    place = coordinates(entry)
    without = {"outcome": "missing" if problem is None else "damaged", "error_message": problem}
    return CellRow(
        cell=entry["cell"],
        fit=entry["fit"],
        group=digest(place)[:12],
        block=digest(block_of(place))[:12],
        place=place,
        seed=entry["seed"],
        # before 0.2 the word was another
        privileged=entry.get("privileged", entry.get("told", False)),
        metric=Metric(**{key: entry["metric"].get(key) for key in METRIC}),
        stem=entry["stem"],
        **(without if record is None else _found({**record, "target": _target(entry, record)})),
    )


def on_different_data(cells: Iterable[CellRow]) -> bool:
    """Whether the datasets of these cells, which have records, differed in content. Data made on
    the fly has none to tell apart."""
    return len({cell.made_on for cell in cells}) > 1


def machines_of(cells: Iterable[CellRow]) -> list[str]:
    """Return what these cells ran on, each once: processor, device, threads, cells at once. Costs
    compare within one of them."""
    return first_seen(cell.machine for cell in cells if cell.machine is not None)


def _found(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of a cell says, its target beside it, by the names of the row."""
    result, made_on = record["result"], record["provenance"]
    error, workers = result.get("error") or {}, (record["measured"] or {}).get("workers")
    numbers = {quantity.name: quantity.value(record) for quantity in TABLE}
    return {
        "outcome": result["outcome"],
        "error_type": error.get("type"),
        "error_message": shortened(error["message"], MESSAGE) if error.get("message") else None,
        "transductive": result.get("transductive"),
        "stopped": result.get("stopped"),
        "numbers": {name: value for name, value in numbers.items() if value is not None},
        "made_on": (made_on.get("training_data_digest"), made_on.get("data_digest")),
        "machine": _machines(made_on, workers),
    }


def _target(entry: Mapping[str, Any], record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The target that a finished cell is held against: `score`, and `higher_is_better`. What an
    older run declared stands in its records."""
    if record["result"]["outcome"] not in FINISHED:
        return None
    if "target" in entry:
        target: Mapping[str, Any] | None = entry["target"]
        return target
    validate = (record["config"].get("fit") or {}).get("validate") or {}
    return {**record["metric"], "score": validate.get("target")}


def _machines(made_on: Mapping[str, Any], workers: int | None) -> str:
    """What a cell was measured on; where its weights were kept from a training elsewhere, both
    machines."""
    trained = {
        **made_on,
        **(made_on.get("training_machine") or {}),
        "conditions": made_on.get("training_conditions") or made_on.get("conditions"),
    }
    return " and ".join(first_seen((_machine(trained, workers), _machine(made_on, workers))))


def _machine(made_on: Mapping[str, Any], workers: int | None) -> str:
    """All that times and memory depend on, and commits and libraries do not count among: those are
    what one compares."""
    conditions = made_on.get("conditions") or {}
    threads = conditions.get("threads")
    parts = [
        made_on.get("cpu"),
        made_on.get("gpu"),
        made_on.get("driver"),
        conditions.get("device"),
    ]
    parts += [
        threads and f"{threads} thread{'s' if threads != 1 else ''}",
        workers and f"{workers} at once",
    ]
    return ", ".join(str(part) for part in parts if part)
