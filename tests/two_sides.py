"""Sides of a comparison, made of scores alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metabench.compare.sides import Side, SideCell, SideGroup
from metabench.identity import digest
from metabench.quantities import PEAK_ABOVE, SCORE
from metabench.tables.typed_rows import CellRow, Metric

ACCURACY = Metric("accuracy", "fraction", True, 0.2)
MSE = Metric("mse", "squared units of y", False)

Scores = Mapping[str, Sequence[float | str]]
"""Of each algorithm, a score for each seed, or the outcome of one that came to none."""


def side(
    scores: Scores,
    *,
    metric: Metric = ACCURACY,
    first: int = 0,
    root_seed: int = 0,
    peaks: Mapping[str, float] | None = None,
    machine: str = "a machine",
    **place: Any,
) -> Side:
    """A side with these scores on seeds from `first` on, and these peaks of memory."""
    groups = {}
    for algorithm, values in scores.items():
        where = {
            "algorithm": algorithm,
            "model": "conv4",
            "dataset": "glyphs",
            "on": "same",
            "ways": 5,
            "shots": 1,
            "method": algorithm,
            "episodes": 600,
            **place,
        }
        key = digest(where)[:12]
        cells = {}
        for seed, value in enumerate(values, start=first):
            numbers = {} if isinstance(value, str) else {SCORE.name: value}
            numbers |= {PEAK_ABOVE.name: peaks[algorithm]} if peaks else {}
            row = CellRow(
                cell=f"{algorithm}-{seed}",
                fit=f"{algorithm}-{seed}",
                group=key,
                block="block",
                place=where,
                seed=seed,
                privileged=False,
                metric=metric,
                stem=f"{algorithm}-{seed}",
                outcome=value if isinstance(value, str) else "completed",
                numbers=numbers,
                made_on=(None, "content"),
                machine=machine,
            )
            cells[seed] = SideCell(row, result=digest([algorithm, seed, value, root_seed]))
        groups[key] = SideGroup(where, metric, cells)
    return Side("a run", "ci", root_seed, groups)
