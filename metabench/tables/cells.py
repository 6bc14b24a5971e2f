"""One row a cell: its coordinates from `cells.json`, its numbers from its record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from metabench.errors import MESSAGE, shortened
from metabench.identity import canonical, digest
from metabench.records import FINISHED
from metabench.tables.frames import Row, first_seen

VARIANT = ("model", "batch_norm", "steps")
"""Coordinates in which several groups of one algorithm may differ on the same data, the weightier
first."""

SUBJECT = frozenset({"algorithm", "method", *VARIANT})
"""Coordinates that tell what is compared. The others tell on what; cells that agree in those form
one block of the tables."""

MEASURED = (
    "seconds_per_iteration",
    "seconds_per_task",
    "seconds_per_episode",
    "training_seconds",
    "validation_seconds",
    "test_seconds",
    "wall_seconds",
)
PEAKS = tuple(
    f"peak_{kind}_bytes_{phase}"
    for kind in ("resident", "gpu_allocated", "gpu_reserved")
    for phase in ("training", "test")
)
SPENT = ("tasks", "images", "gradient_evaluations")
DIFFERENT_DATA = "made on different data"
DIFFERENT_MACHINES = (
    "made on different machines, or with other numbers of threads or of cells at once"
)
"""Caveats of what should not be compared or averaged: scores of the one kind, times and memory of
the other."""

NUMBERS = (
    "score",
    "episode_low",
    "episode_high",
    "episodes_tested",
    "transductive",
    "iterations",
    "stopped",
    "best_iteration",
    "target",
    "iterations_to_target",
    "gain_first_step",
    "chosen_step",
    "weights_trained",
    "weights_adapted",
    *(f"{name}_spent" for name in SPENT),
    *MEASURED,
    *PEAKS,
    "workers",
)
"""Columns of a cell that come from its record."""


def coordinates(entry: Mapping[str, Any]) -> Row:
    """Return the coordinates of a cell that cells of its group share; lists and tables as canonical
    text, so that they can be compared."""
    return {
        key: canonical(value) if isinstance(value, list | dict) else value
        for key, value in entry["group"].items()
    }


def block_of(place: Mapping[str, Any]) -> Row:
    """Return the coordinates of the data alone: data set, shape, test episodes, axes. Algorithms
    are compared within these."""
    return {
        key: value
        for key, value in place.items()
        if key not in SUBJECT and not key.startswith("evaluate.")
    }


def cell_row(
    entry: Mapping[str, Any], record: Mapping[str, Any] | None, problem: str | None
) -> Row:
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
    row = {
        "cell": entry["cell"],
        "fit": entry["fit"],
        "group": digest(place)[:12],
        "block": digest(block_of(place))[:12],
        **place,
        "seed": entry["seed"],
        "told": entry.get("told", False),
        **{
            f"metric_{key}" if key == "name" else key: value
            for key, value in entry["metric"].items()
        },
        "stem": entry["stem"],
        "outcome": "missing" if problem is None else "damaged",
        "error_message": problem,
    }
    return row if record is None else row | _numbers(record) | _target(entry, record)


def on_different_data(cells: Iterable[Row]) -> bool:
    """Whether the datasets of these cells, which have records, differed in content. Data made on
    the fly has none to tell apart."""
    return len({cell["made_on"] for cell in cells}) > 1


def machines_of(cells: Iterable[Row]) -> list[str]:
    """Return what these cells ran on, each once: processor, device, threads, cells at once. Costs
    compare within one of them."""
    return first_seen(cell["machine"] for cell in cells if "machine" in cell)


def _numbers(record: Mapping[str, Any]) -> Row:
    result, measured = record["result"], record["measured"] or {}
    ends: list[float | None] = result.get("interval") or []
    low, high = ends if len(ends) == 2 else (None, None)
    error, choice, made_on = (
        result.get("error") or {},
        result.get("choice") or {},
        record["provenance"],
    )
    weights, spent = result.get("weights") or {}, result.get("spent") or {}
    return {
        "outcome": result["outcome"],
        "error_type": error.get("type"),
        "error_message": shortened(error["message"], MESSAGE) if error.get("message") else None,
        **{key: result.get(key) for key in NUMBERS if key in result},
        "made_on": (made_on.get("training_data_digest"), made_on.get("data_digest")),
        "machine": _machines(made_on, measured.get("workers")),
        "episode_low": low,
        "episode_high": high,
        "episodes_tested": result.get("episodes"),
        "gain_first_step": _gain(result.get("adaptation")),
        "chosen_step": choice.get("step"),
        "weights_trained": weights.get("trained"),
        "weights_adapted": weights.get("adapted"),
        **{f"{name}_spent": spent.get(name) for name in SPENT},
        **{key: measured.get(key) for key in (*MEASURED, "workers")},
        **{peak: _peak(measured, peak) for peak in PEAKS},
    }


def _target(entry: Mapping[str, Any], record: Mapping[str, Any]) -> Row:
    """The target of a finished cell, and the first validated iteration that reached it; None where
    none did. What an older run declared stands in its records."""
    told: Mapping[str, Any] = entry.get("target") or {}
    if "target" not in entry:
        validate = (record["config"].get("fit") or {}).get("validate") or {}
        told = {**record["metric"], "score": validate.get("target")}
    target, curve = told.get("score"), record["result"].get("validation") or {}
    if target is None or record["result"]["outcome"] not in FINISHED:
        return {}
    sign = 1 if told["higher_is_better"] else -1
    points = zip(*(curve.get(key) or [] for key in ("iteration", "score", "loss")), strict=False)
    reached = (
        iteration
        for iteration, score, loss in points
        if None not in (score, loss) and sign * score >= sign * target
    )
    return {"target": target, "iterations_to_target": next(reached, None)}


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


def _gain(adaptation: Mapping[str, Any] | None) -> float | None:
    """Score after the first adaptation step less that before any, in the metric's own direction;
    None where the curve has no points at 0 and 1."""
    told = adaptation or {}
    steps, scores = (told.get("steps") or [])[:2], (told.get("score") or [])[:2]
    if steps != [0, 1] or len(scores) < 2 or None in scores:
        return None
    return float(scores[1] - scores[0])


def _peak(measured: Mapping[str, Any], column: str) -> int | None:
    name, _, phase = column.rpartition("_")
    value: int | None = (measured.get(name) or {}).get(phase)
    return value
