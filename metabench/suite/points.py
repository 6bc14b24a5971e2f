"""The points of a grid: the product of its lists, without what cannot be together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from metabench.errors import ConfigError
from metabench.registry import get
from metabench.suite.layers import Point, checked_axes
from metabench.suite.schema import GridTable
from metabench.suite.wants import lacking
from metabench.suite.written import Written

MAX_CELLS = 100_000


def points_of(written: Written) -> list[tuple[int, Point]]:
    """Return every point of the suite with the number of its grid: grid by grid, algorithms
    fastest.

    Raises
    ------
    ConfigError
        A grid names what nobody registered, or what cannot be together.
    """
    refuse_explosion(
        written,
        sum(math.prod(_factors(grid, written.seeds).values()) for grid in written.table.grid),
    )
    return [
        (number, point)
        for number, grid in enumerate(written.table.grid)
        for point in _points(written, number, grid)
    ]


def refuse_explosion(written: Written, total: int) -> None:
    """Refuse a suite of more cells than anybody can have meant."""
    if total > MAX_CELLS:
        factors = "; ".join(
            " x ".join(f"{count} {name}" for name, count in _factors(grid, written.seeds).items())
            for grid in written.table.grid
        )
        why = f"more than {MAX_CELLS:,} cells: {factors}, and lists in [evaluate] multiply these"
        raise written.error(("grid",), why)


def _points(written: Written, number: int, grid: GridTable) -> Iterator[Point]:
    models = {dataset: _models(written, number, grid, dataset) for dataset in grid.datasets}
    kinds = {
        dataset: get("datasets", written.registered(number, "datasets", dataset)).kind
        for dataset in grid.datasets
    }
    ways = _ways(written, number, grid, kinds)
    checked_axes(written.document, number, grid.axes)
    axes = [
        dict(zip(grid.axes, point, strict=True)) for point in itertools.product(*grid.axes.values())
    ]
    for algorithm in grid.algorithms:
        refuse_pairs(written, number, algorithm, kinds)
    methods = written.labels["methods"]
    for dataset in grid.datasets:
        for model, way, shot, axis, algorithm in itertools.product(
            models[dataset], ways[dataset], grid.shots, axes, grid.algorithms
        ):
            yield Point(algorithm, methods[algorithm], model, dataset, way, shot, axis)


def _models(written: Written, number: int, grid: GridTable, dataset: str) -> Sequence[str]:
    """Return the models for a dataset: the grid's, or the dataset's default."""
    found = get("datasets", written.registered(number, "datasets", dataset))
    models = grid.models or [found.default_model]
    for label in models:
        kinds = get("models", written.registered(number, "models", label)).kinds
        if found.kind not in kinds:
            why = (
                f"the model '{label}' is for {' and '.join(sorted(kinds))}, and the "
                f"dataset '{dataset}' is {found.kind}"
            )
            raise written.error(("grid", number, "models"), why)
    return models


def _ways(
    written: Written, number: int, grid: GridTable, kinds: Mapping[str, str]
) -> dict[str, Sequence[int | None]]:
    """Return the ways of each dataset: the grid's for classification, none for regression."""
    classification = [dataset for dataset, kind in kinds.items() if kind == "classification"]
    if grid.ways and not classification:
        why = f"regression has no ways, and {', '.join(kinds)} is all regression; take it out"
        raise written.error(("grid", number, "ways"), why)
    if classification and not grid.ways:
        why = (
            f"lacks 'ways', which {', '.join(classification)} needs: classes an episode, such as 5"
        )
        raise written.error(("grid", number), why)
    return {dataset: grid.ways or [] if dataset in classification else [None] for dataset in kinds}


def refuse_pairs(written: Written, number: int, algorithm: str, kinds: Mapping[str, str]) -> None:
    """Refuse an algorithm beside a dataset that it cannot learn from."""

    def refused(why: str) -> ConfigError:
        return written.error(
            ("grid", number, "algorithms"), f"'{algorithm}' {why}; give them grids of their own"
        )

    method = get("methods", written.registered(number, "methods", algorithm))
    for dataset, kind in kinds.items():
        found = get("datasets", written.labels["datasets"][dataset])
        if what := lacking(method, found):
            raise refused(f"wants {what}, and the dataset '{dataset}' does not offer that")
        if kind not in method.kinds:
            raise refused(
                f"serves {' and '.join(sorted(method.kinds))} only, and the dataset '{dataset}' "
                f"is {kind}"
            )


def _factors(grid: GridTable, seeds: Sequence[int] | None) -> dict[str, int]:
    """Return what multiplies to the number of points of a grid, seeds included."""
    lists: dict[str, Sequence[Any] | None] = {
        "algorithms": grid.algorithms,
        "models": grid.models,
        "datasets": grid.datasets,
        "ways": grid.ways,
        "shots": grid.shots,
        "seeds": seeds or grid.seeds,
        **grid.axes,
    }
    return {name: len(items) for name, items in lists.items() if items}
