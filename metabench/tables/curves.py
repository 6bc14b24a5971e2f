"""Learning and adaptation curves, read from the records when somebody asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metabench import stats
from metabench.quantities import IMAGES_SPENT, ITERATIONS, TASKS_SPENT, TRAINING_SECONDS
from metabench.tables.frames import frame
from metabench.tables.run import Run
from metabench.tables.typed_rows import CellRow, Metric

KINDS = {
    "validation": ("validation", "iteration", "score"),
    "training": ("training", "iteration", "score"),
    "loss": ("training", "iteration", "loss"),
    "adaptation": ("adaptation", "steps", "score"),
}
"""Curve → the part of a result that holds it, its x and its y."""

Points = tuple[NDArray[np.float64], NDArray[np.float64]]


class SeedPoint(NamedTuple):
    """A point of the curve of one cell; a learning curve also says what training had taken by
    then."""

    group: str
    curve: str
    cell: str
    seed: int
    x: float
    y: float
    tasks: float | None = None
    images: float | None = None
    seconds: float | None = None


class BandPoint(NamedTuple):
    """A point of the mean curve of a group, with its interval over `n` seeds, and what training had
    taken by then, as a mean over these."""

    group: str
    curve: str
    x: float
    mean: float
    low: float | None
    high: float | None
    n: int
    tasks: float | None = None
    images: float | None = None
    seconds: float | None = None


class Rates(NamedTuple):
    """What an iteration of a training took: tasks, images, seconds, each as a mean over the
    iterations; None where nothing is known of it."""

    tasks: float | None = None
    images: float | None = None
    seconds: float | None = None

    def at(self, iteration: float) -> dict[str, float | None]:
        """What so many iterations took."""
        return {
            name: None if rate is None else rate * iteration
            for name, rate in self._asdict().items()
        }


TAKEN = (TASKS_SPENT, IMAGES_SPENT, TRAINING_SECONDS)
"""The quantities that `Rates` are of."""


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
    """Return the curves of every group: validation score, training score and training loss by
    iteration, test score by adaptation step. A score in training is accuracy or mean squared error,
    whatever the metric of the test.

    Methods whose iterations are not alike compare by the tasks or images that they met, or by the
    seconds that they took (on one machine): these stand beside each point of a learning curve, at
    the mean rate of its training, validation left out. A band ends where the first of its seeds
    stopped; seeds whose points lie elsewhere are interpolated onto those of that seed. Bands of
    scores are made on the scale that the score is averaged on.
    """
    seeds: list[SeedPoint] = []
    complete: dict[tuple[str, str], list[tuple[Points, Rates]]] = {}
    known = {row.cell: row for row in run.rows.cells}
    for cell, record in run.each_record():
        row, result = known[cell], record["result"]
        for kind in KINDS:
            x, y = _points(result, kind)
            if x.size == 0:
                continue
            rates = _rates(row) if KINDS[kind][1] == "iteration" else Rates()
            seeds += [
                SeedPoint(row.group, kind, cell, row.seed, float(a), float(b), **rates.at(a))
                for a, b in zip(x.tolist(), y.tolist(), strict=True)
            ]
            if result["outcome"] == "completed":
                complete.setdefault((row.group, kind), []).append(((x, y), rates))
    metrics = {row.group: row.metric for row in run.rows.groups}
    bands = [
        point
        for (group, kind), members in complete.items()
        for point in _band(group, kind, members, metrics[group], run.confidence)
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


def _band(
    group: str,
    kind: str,
    members: Sequence[tuple[Points, Rates]],
    metric: Metric,
    confidence: float,
) -> list[BandPoint]:
    x, y = align([points for points, _ in members])
    if x.size == 0:
        return []
    on_logs = kind != "loss" and metric.analysed(y.ravel().tolist()) == "log"
    band = stats.t_band(np.log(y) if on_logs else y, confidence=confidence)
    rates = _mean_rates([rates for _, rates in members])

    def told(line: NDArray[np.float64] | None) -> list[Any]:
        if line is None:
            return [None] * len(x)
        values: list[Any] = (np.exp(line) if on_logs else line).tolist()
        return values

    points = zip(x.tolist(), told(band.mean), told(band.low), told(band.high), strict=True)
    return [
        BandPoint(group, kind, place, mean, low, high, band.n, **rates.at(place))
        for place, mean, low, high in points
    ]


def _rates(cell: CellRow) -> Rates:
    iterations = cell[ITERATIONS]
    if not iterations:
        return Rates()
    taken = [cell[quantity] for quantity in TAKEN]
    return Rates(*(None if total is None else total / iterations for total in taken))


def _mean_rates(members: Sequence[Rates]) -> Rates:
    columns = [
        [rate for rate in column if rate is not None] for column in zip(*members, strict=True)
    ]
    return Rates(
        *(sum(column) / len(column) if len(column) == len(members) else None for column in columns)
    )


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
