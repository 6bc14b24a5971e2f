"""Learning and adaptation curves, read from the records when somebody asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metabench import stats
from metabench.tables.frames import frame
from metabench.tables.run import Run

KINDS = {
    "validation": ("validation", "iteration", "score"),
    "loss": ("training", "iteration", "loss"),
    "adaptation": ("adaptation", "steps", "score"),
}
"""Curve → the part of a result that holds it, its x and its y."""

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


class SeedPoint(NamedTuple):
    """A point of the curve of one cell."""

    group: str
    curve: str
    cell: str
    seed: int
    x: float
    y: float


class BandPoint(NamedTuple):
    """A point of the mean curve of a group, with its interval over `n` seeds."""

    group: str
    curve: str
    x: float
    mean: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Curves:
    """Curves in long form.

    Attributes
    ----------
    seeds
        Columns as of `SeedPoint`: every finished fit's own curve, diverged ones included as far as
        they go.
    bands
        Columns as of `BandPoint`: pointwise t intervals over the completed seeds of a group.
    """

    seeds: pd.DataFrame
    bands: pd.DataFrame


def curves(run: Run) -> Curves:
    """Return the curves of every group: validation score and training loss by iteration, test score
    by adaptation step.

    A band ends where the first of its seeds stopped; seeds whose points lie elsewhere are
    interpolated onto those of that seed.
    """
    seeds: list[SeedPoint] = []
    complete: dict[tuple[str, str], list[Points]] = {}
    known = {row.cell: row for row in run.rows.cells}
    for cell, record in run.each_record():
        row, result = known[cell], record["result"]
        for kind in KINDS:
            x, y = _points(result, kind)
            if x.size == 0:
                continue
            seeds += [
                SeedPoint(row.group, kind, cell, row.seed, float(a), float(b))
                for a, b in zip(x, y, strict=True)
            ]
            if result["outcome"] == "completed":
                complete.setdefault((row.group, kind), []).append((x, y))
    bands = [
        point
        for (group, kind), members in complete.items()
        for point in _band(group, kind, members, run.confidence)
    ]
    return Curves(
        frame([point._asdict() for point in seeds], SeedPoint._fields),
        frame([point._asdict() for point in bands], BandPoint._fields),
    )


def align(members: Sequence[Points]) -> Points:
    """Return curves on a common x: that of the one that ends first, from where all have begun.

    Returns
    -------
    Points
        X ``[X]`` and y ``[S, X]``.
    """
    shortest = min(members, key=lambda points: points[0][-1])[0]
    x = shortest[shortest >= max(points[0][0] for points in members)]
    return x, np.stack([np.interp(x, *points) for points in members])


def _band(group: str, kind: str, members: Sequence[Points], confidence: float) -> list[BandPoint]:
    x, y = align(members)
    if x.size == 0:
        return []
    band = stats.t_band(y, confidence=confidence)
    ends = [None] * len(x), [None] * len(x)
    low, high = ends if band.low is None or band.high is None else (band.low, band.high)
    return [
        BandPoint(
            group,
            kind,
            float(place),
            float(mean),
            None if least is None else float(least),
            None if most is None else float(most),
            band.n,
        )
        for place, mean, least, most in zip(x, band.mean, low, high, strict=True)
    ]


def _points(result: Mapping[str, Any], kind: str) -> Points:
    """The finite points of one curve; empty arrays where a method has none."""
    part, x_name, y_name = KINDS[kind]
    told = result.get(part) or {}
    pairs = [
        (x, y)
        for x, y in zip(told.get(x_name) or [], told.get(y_name) or [], strict=False)
        if x is not None and y is not None
    ]
    points = np.array(pairs, dtype=np.float64).reshape(-1, 2)
    return points[:, 0], points[:, 1]
