"""How cells are written down: the configuration and metric in a record, and a suite's
`cells.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from metabench.cells import Cell, Fit, Part
from metabench.records import SCHEMA, plain

if TYPE_CHECKING:
    from metabench.suite import Suite

SHOWN = 3
"""Scores of one fit that are shown in a line; more are counted."""


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
        "seed": cell.fit.seed,
        "config": config_of(cell),
        "metric": metric_of(cell),
        "result": result,
        "measured": measured,
        "provenance": provenance,
    }


def failed_result(outcome: str, error: Mapping[str, Any]) -> dict[str, Any]:
    """The `result` of a cell that came to none: every field of a result, empty, and the error."""
    empty: dict[str, Any] = dict.fromkeys(
        (
            "score",
            "interval",
            "episodes",
            "iterations",
            "stopped",
            "best_iteration",
            "validation",
            "target",
        )
    )
    empty |= dict.fromkeys(
        (
            "iterations_to_target",
            "training",
            "adaptation",
            "choice",
            "spent",
            "weights",
            "transductive",
        )
    )
    return {"outcome": outcome, **empty, "error": dict(error)}


def config_of(cell: Cell) -> dict[str, Any]:
    """Everything that shapes the numbers of a cell, defaults included."""
    evaluate = cell.evaluate
    return {
        "fit": _config_of_fit(cell.fit),
        "evaluate": {
            **dataclasses.asdict(dataclasses.replace(evaluate, on=None)),
            "on": _part(evaluate.on) if evaluate.on else None,
        },
    }


def _config_of_fit(fit: Fit) -> dict[str, Any]:
    needs = {role: _config_of_fit(need) for role, need in fit.needs.items()}
    return {
        "method": _part(fit.method),
        "model": _part(fit.model),
        "dataset": _part(fit.dataset),
        "train": dataclasses.asdict(fit.train),
        "validate": dataclasses.asdict(fit.validate),
        "seed": fit.seed,
        "root_seed": fit.root_seed,
        **({"needs": needs} if needs else {}),
    }


def declaration_of(suite: Suite, confidence: float) -> dict[str, Any]:
    """What has to be settled before the data: claims, reference and level of confidence, as they go
    to disk and into a digest."""
    return {
        "claims": [plain(dataclasses.asdict(claim)) for claim in suite.claims],
        "reference": suite.reference,
        "confidence": confidence,
    }


def metric_of(cell: Cell) -> dict[str, Any]:
    """What the score of a cell is: name, unit, direction, and what a guess would score."""
    from metabench import registry

    name = (cell.evaluate.on or cell.fit.dataset).name
    metric = registry.get("datasets", name).metric
    with registry.blamed("datasets", name):
        return {
            "name": metric.name,
            "unit": metric.unit,
            "higher_is_better": metric.higher_is_better,
            "chance": metric.chance(cell.evaluate.ways),
        }


def score_text(metric: Mapping[str, Any], score: float | None) -> str:
    """A score for people: `accuracy 95.1 %`, `mse 0.412`."""
    if score is None:
        return f"{metric['name']} -"
    return (
        f"{metric['name']} {score:.1%}".replace("%", " %")
        if metric["unit"] == "fraction"
        else f"{metric['name']} {score:.4g}"
    )


def score_lines(told: Sequence[tuple[Cell, str]]) -> str:
    """The scores of a fit's cells in one line: `5w1s query: accuracy 95.1 %; 5w1s running: ...`; a
    single one needs no name."""
    if len(told) < 2:
        return "".join(text for _, text in told)
    names = _apart([cell for cell, _ in told])
    shown = [f"{name}: {text}" for name, (_, text) in list(zip(names, told, strict=True))[:SHOWN]]
    return "; ".join(shown) + (f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else "")


def _apart(cells: Sequence[Cell]) -> list[str]:
    """What tells cells of one fit apart, in a few words each: their shape, and whatever else is not
    the same for all of them."""
    words = [
        {
            "shape": cell.shape,
            "on": f"on {cell.labels.get('on')}",
            "batch_norm": str(cell.evaluate.batch_norm).replace("_", " "),
            "steps": "own steps"
            if (steps := cell.evaluate.steps) is None
            else f"{steps} step{'s' if steps != 1 else ''}",
            "episodes": f"{cell.evaluate.episodes} episodes",
            "query_shots": f"{cell.evaluate.query_shots} queries",
            "sampling": cell.evaluate.sampling.replace("_", " "),
        }
        for cell in cells
    ]
    telling = [key for key in words[0] if key == "shape" or len({told[key] for told in words}) > 1]
    return [" ".join(told[key] for key in telling) for told in words]


def name_of(cell: Cell) -> str:
    """What a fit is called on the screen: the stem of its first cell's record, with axes in place
    of the id."""
    axes = [f"{key.rpartition('.')[2]}={value}" for key, value in cell.labels.items() if "." in key]
    return " ".join([cell.stem.rpartition("-")[0], *axes])


def _part(part: Part) -> dict[str, Any]:
    return {"name": part.name, "version": part.version, "settings": dict(part.settings)}


def plugin_targets(fit: Fit, on: Part | None = None) -> tuple[str, ...]:
    """The `module:Class` of every part of a fit, and of those that it needs, that comes from
    outside of this package, and of the dataset that it is tested `on`."""
    from metabench import registry

    parts = [
        (group, part.name)
        for one in fit.family()
        for group, part in (
            ("methods", one.method),
            ("models", one.model),
            ("datasets", one.dataset),
        )
    ]
    parts += [("datasets", on.name)] if on else []
    targets = {registry.target(group, name) for group, name in parts}  # type: ignore[arg-type]
    return tuple(sorted(target for target in targets if not target.startswith("metabench.")))
