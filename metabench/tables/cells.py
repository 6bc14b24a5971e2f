"""One row a cell: its coordinates from `cells.json`, its numbers from its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from metabench.errors import MESSAGE, shortened, some
from metabench.identity import canonical, digest
from metabench.quantities import TABLE, gains_of
from metabench.records import FINISHED
from metabench.tables.frames import first_seen
from metabench.tables.typed_rows import VARIANT, CellRow, Conditions, Metric, Scalar

METRIC = ("name", "unit", "higher_is_better", "chance")

SUBJECT = frozenset({"algorithm", "method", *VARIANT})
"""Coordinates that tell what is compared. The others tell on what; cells that agree in those form
one block of the tables."""

DIFFERENT_DATA = "made on different data"
DIFFERENT_MACHINES = (
    "made on different machines, or with other numbers of threads or of cells at once, or some "
    "compiled and some not"
)
"""Caveats of what should not be compared or averaged: scores of the one kind, times and memory of
the other."""

CONDITIONS = (
    "torch",
    "numpy",
    "scipy",
    "device",
    "gpu",
    "threads",
    "cpu_capability",
    "machine",
    "compiler",
)
"""Facts about the conditions of a record, besides the sources and packages that were used."""


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
        streams=entry.get("streams") or dict.fromkeys(("init", "data", "test"), entry["seed"]),
        # before 0.2 the word was another
        privileged=entry.get("privileged", entry.get("told", False)),
        metric=Metric(**{key: entry["metric"].get(key) for key in METRIC}),
        stem=entry["stem"],
        **(without if record is None else _found({**record, "target": _target(entry, record)})),
    )


def unlike_pairs(met: Iterable[Iterable[CellRow]]) -> list[str]:
    """Return the conditions that cells set against each other do not share, each with what it was:
    `torch (2.14.0, 2.15.0)`; a source that both sides use, and in which they found different code,
    by its path.

    Parameters
    ----------
    met
        For each seed the cells of all sides.
    """
    kinds = {frozenset(cell.conditions for cell in cells) for cells in met}
    return sorted({name for kind in kinds for name in _unlike(kind)})


@lru_cache(maxsize=4096)
def _unlike(kinds: frozenset[Conditions]) -> tuple[str, ...]:
    """The same for a few kinds of conditions: of the thousands of pairs of a run most are alike."""
    known: dict[str, set[str]] = {}
    for name, value in (fact for conditions in kinds for fact in conditions):
        known.setdefault(name, set()).add(value)
    return tuple(
        name if name.endswith(".py") else f"{name} ({', '.join(sorted(values))})"
        for name, values in known.items()
        if len(values) > 1
    )


def unlike_costs(met: Sequence[Sequence[CellRow]]) -> str | None:
    """Say why times and memory of cells that are set against each other do not compare; None where
    they do: on one machine used in one way, and under like conditions."""
    if any(len(machines_of(cells)) > 1 for cells in met):
        return DIFFERENT_MACHINES
    if differing := unlike_pairs(met):
        return f"made under unlike conditions: {some(differing)}"
    return None


def on_different_data(cells: Iterable[CellRow]) -> bool:
    """Whether the datasets of these cells, which have records, differed in content. Data made on
    the fly has none to tell apart."""
    return len({cell.made_on for cell in cells}) > 1


def data_of(cells: Iterable[CellRow]) -> str | None:
    """Return a digest of the content of all data that these cells were made on; None where there is
    no cell that tells."""
    content = {cell.made_on for cell in cells if cell.made_on is not None}
    return digest(sorted(map(canonical, content))) if content else None


def machines_of(cells: Iterable[CellRow]) -> list[str]:
    """Return what these cells ran on, each once: processor, device, threads, cells at once. Costs
    compare within one of them."""
    return first_seen(cell.machine for cell in cells if cell.machine is not None)


def _found(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the record of a cell says, its target beside it, by the names of the row."""
    result, made_on = record["result"], record["provenance"]
    error, workers = result.get("error") or {}, (record["measured"] or {}).get("workers")
    numbers = {quantity.name: quantity.value(record) for quantity in TABLE} | gains_of(record)
    return {
        "outcome": result["outcome"],
        "error_type": error.get("type"),
        "error_message": shortened(error["message"], MESSAGE) if error.get("message") else None,
        "transductive": result.get("transductive"),
        "stopped": result.get("stopped"),
        "numbers": {name: value for name, value in numbers.items() if value is not None},
        "made_on": (made_on.get("training_data_digest"), made_on.get("data_digest")),
        "machine": _machines(made_on, workers),
        "conditions": _conditions(made_on),
        "at_edge": _at_edge(record),
    }


def _conditions(made_on: Mapping[str, Any]) -> Conditions:
    """What numbers depend on besides the configuration: versions, device and threads, and by its
    path each source that was used. Where weights were trained under others: both."""
    tested = _facts(made_on.get("conditions") or {})
    trained = _facts(made_on.get("training_conditions") or {})
    return frozenset(
        (name, " after ".join(first_seen((value, trained.get(name, value)))))
        for name, value in {**trained, **tested}.items()
    )


def _facts(conditions: Mapping[str, Any]) -> dict[str, str]:
    facts = {key: conditions.get(key) for key in CONDITIONS}
    for key in ("packages", "sources"):
        used = conditions.get(key)
        facts |= used if isinstance(used, Mapping) else {}
    return {name: str(value) for name, value in facts.items() if value is not None}


def _at_edge(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What was chosen, on validation, at the edge of what was tried: settings, and `iterations`
    where the best weights are those of the last validation."""
    result = record["result"]
    edges = tuple((result.get("search") or {}).get("at_edge") or ())
    validate = (record["config"].get("fit") or {}).get("validate") or {}
    validated = (result.get("validation") or {}).get("iteration") or []
    is_last = len(validated) > 1 and result.get("best_iteration") == validated[-1]
    return (*edges, "iterations") if is_last and validate.get("select") == "best" else edges


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
    compiler = None if made_on.get("not_compiled") else conditions.get("compiler")
    which, since = (str(made_on.get(key) or "") for key in ("machine_id", "boot_id"))
    parts = [
        made_on.get("cpu"),
        which and f"machine {which[:6]} since boot {since[:6]}",
        made_on.get("gpu"),
        made_on.get("driver"),
        conditions.get("device"),
    ]
    parts += [
        threads and f"{threads} thread{'s' if threads != 1 else ''}",
        workers and f"{workers} at once",
        compiler and f"compiled by {compiler}",
    ]
    return ", ".join(str(part) for part in parts if part)
