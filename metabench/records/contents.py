"""What is written down of a cell: its record, and its entry in `cells.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from metabench import registry
from metabench.cells import Cell, Fit, Part
from metabench.io.untrusted import plain
from metabench.metrics import named_metric
from metabench.records.format import SCHEMA

_RESULTS = (
    "score",
    "interval",
    "metrics",
    "episodes",
    "iterations",
    "stopped",
    "best_iteration",
    "validation",
    "training",
    "adaptation",
    "choice",
    "search",
    "spent",
    "weights",
    "transductive",
)
"""What a result has besides its outcome and error."""


def record_of(
    cell: Cell,
    result: Mapping[str, Any],
    measured: Mapping[str, Any],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of a cell, as it goes to disk."""
    return {
        "schema": SCHEMA,
        "cell": cell.id,
        "fit": cell.fit.id,
        "labels": dict(cell.labels),
        "seed": cell.seed,
        "config": config_of(cell),
        "metric": metric_of(cell),
        "result": result,
        "measured": measured,
        "provenance": provenance,
    }


def failed_result(outcome: str, error: Mapping[str, Any]) -> dict[str, Any]:
    """The `result` of a cell that came to none: every field of a result, empty, and the error."""
    return {"outcome": outcome, **dict.fromkeys(_RESULTS), "error": dict(error)}


def config_of(cell: Cell) -> dict[str, Any]:
    """Everything that shapes the numbers of a cell, defaults included; of a fit that trains
    nothing what is left of its recipe."""
    evaluate = cell.evaluate
    return {
        "fit": _config_of_fit(cell.fit),
        "evaluate": {
            **dataclasses.asdict(dataclasses.replace(evaluate, on=None)),
            "on": _part(evaluate.on),
        },
        **({} if cell.test_seed is None else {"test_seed": cell.test_seed}),
    }


def _config_of_fit(fit: Fit) -> dict[str, Any]:
    train, validate = dataclasses.asdict(fit.train), dataclasses.asdict(fit.validate)
    if not fit.train.has_budget:
        train = {"ways": fit.train.ways}
        validate = {key: validate[key] for key in ("episodes", "query_shots", "metric")}
    needs = {role: _config_of_fit(need) for role, need in fit.needs.items()}
    return {
        "method": _part(fit.method),
        "model": _part(fit.model),
        "dataset": _part(fit.dataset),
        "train": train,
        "validate": validate,
        "seed": fit.seed,
        "root_seed": fit.root_seed,
        **({"needs": needs} if needs else {}),
        **({} if fit.init_seed is None else {"init_seed": fit.init_seed}),
    }


def metric_of(cell: Cell) -> dict[str, Any]:
    """What the score of a cell is: name, unit, direction, and what a guess would score."""
    from metabench.tasks.episodes import EpisodeShape  # which imports torch

    name = (cell.evaluate.on or cell.fit.dataset).name
    metric = named_metric(cell.evaluate.metric or registry.get("datasets", name).metric)
    with registry.blamed("datasets", name):
        return {
            "name": metric.name,
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
            "chance": metric.chance(EpisodeShape.of(cell.evaluate).class_queries),
        }


def entry_of(cell: Cell, name: str) -> dict[str, Any]:
    """What `status`, tables and reports must know of a cell without its record; `name` is what
    people call it."""
    own = registry.get("datasets", cell.fit.dataset.name).metric
    better = named_metric(cell.fit.validate.metric or own).higher_is_better
    target = None if cell.target is None else {"score": cell.target, "higher_is_better": better}
    entry: dict[str, Any] = plain(
        {
            "cell": cell.id,
            "fit": cell.fit.id,
            "stem": cell.stem,
            "name": name,
            "labels": cell.labels,
            "seed": cell.seed,
            "streams": cell.streams,
            "group": cell.group(),
            "metric": metric_of(cell),
            "target": target,
            "privileged": "privileged" in registry.get("methods", cell.fit.method.name).wants,
        }
    )
    return entry


def data_digests(record: Mapping[str, Any] | None) -> tuple[str | None, str | None]:
    """Digests of the content that a cell was trained on, and tested on; None where there is no
    content, or no record."""
    made_on = record["provenance"] if record else {}
    return made_on.get("training_data_digest"), made_on.get("data_digest")


def _part(part: Part | None) -> dict[str, Any] | None:
    if part is None:
        return None
    return {"name": part.name, "version": part.version, "settings": dict(part.settings)}
