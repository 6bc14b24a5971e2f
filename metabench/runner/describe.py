"""What cells and their scores are called on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metabench import registry
from metabench.cells import Cell

SHOWN = 3
"""Scores of one fit that are shown in a line; more are counted."""


def score_text(metric: Mapping[str, Any], score: float | None) -> str:
    """A score for people: `accuracy 95.1 %`, `mse 0.412`."""
    if score is None:
        return f"{metric['name']} -"
    return (
        f"{metric['name']} {score:.1%}".replace("%", " %")
        if metric["unit"] == "fraction"
        else f"{metric['name']} {score:.4g}"
    )


def score_lines(scores: Sequence[tuple[Cell, str]]) -> str:
    """The scores of a fit's cells in one line: `5w1s query: accuracy 95.1 %; 5w1s running: ...`; a
    single one needs no name."""
    if len(scores) < 2:
        return "".join(text for _, text in scores)
    names = _apart([cell for cell, _ in scores])
    shown = [f"{name}: {text}" for name, (_, text) in list(zip(names, scores, strict=True))[:SHOWN]]
    return "; ".join(shown) + (f"; and {len(scores) - SHOWN} more" if len(scores) > SHOWN else "")


def _apart(cells: Sequence[Cell]) -> list[str]:
    """What tells cells of one fit apart, in a few words each: their shape, and whatever else is not
    the same for all of them."""
    names = [
        {
            "shape": cell.shape,
            "seed": f"seed {cell.seed}",
            "on": f"on {cell.labels.get('on')}",
            "batch_norm": str(cell.evaluate.batch_norm).replace("_", " "),
            "steps": "own steps"
            if (steps := cell.evaluate.steps) is None
            else f"{steps} step{'s' if steps != 1 else ''}",
            "episodes": f"{cell.evaluate.episodes} episodes",
            "query_shots": f"{_queries(cell)} queries",
            "sampling": cell.evaluate.sampling.replace("_", " "),
        }
        for cell in cells
    ]
    telling = [key for key in names[0] if key == "shape" or len({name[key] for name in names}) > 1]
    return [" ".join(name[key] for key in telling) for name in names]


def _queries(cell: Cell) -> str:
    """`15`, or `45+5` where classes have different numbers of them."""
    queries = cell.evaluate.query_shots
    return str(queries) if isinstance(queries, int) else "+".join(map(str, queries))


def name_of(cell: Cell) -> str:
    """What a fit is called on the screen: the stem of its first cell's record, with what else tells
    it apart in place of the id: its model, where it is not the dataset's usual one, and axes."""
    labels = cell.labels
    model, usual = labels["model"], registry.get("datasets", cell.fit.dataset.name).default_model
    models = [] if cell.fit.model is None or model == usual else [f"model={model}"]
    axes = [f"{key.rpartition('.')[2]}={value}" for key, value in labels.items() if "." in key]
    return " ".join([cell.stem.rpartition("-")[0], *models, *axes])
