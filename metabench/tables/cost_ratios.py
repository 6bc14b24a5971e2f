"""What an algorithm costs in terms of the reference's costs, as a family of its own for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from metabench import stats
from metabench.quantities import (
    SECONDS_PER_EPISODE,
    TRAINING_SECONDS,
    WALL_SECONDS,
    Quantity,
)
from metabench.tables.cells import unlike_costs
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.typed_rows import CellRow

Members = Sequence[tuple[CellRow, CellRow]]
"""The cells of two groups, seed by seed."""

RATIOS: Mapping[str, Quantity] = {
    "time_ratio": TRAINING_SECONDS,
    "fit_ratio": WALL_SECONDS,
    "episode_ratio": SECONDS_PER_EPISODE,
}
"""Column of a ratio -> what it is of."""


def with_costs(
    family: Sequence[ComparisonRow], met: Sequence[Members], confidence: float
) -> list[ComparisonRow]:
    """Return the comparisons of one family with what each costs in terms of the reference.

    Ratios of geometric means over the seeds that both completed, each pair on one machine under
    like conditions. The intervals of one cost are at the levels of Holm's procedure over the
    family, so that "takes longer" is said falsely of any of its algorithms at the level of the run;
    where so few seeds are not tested, at that level over its size.
    """
    told: list[dict[str, Any]] = [{} for _ in family]
    for column, quantity in RATIOS.items():
        found = [_paired(members, quantity) for members in met]
        tested = [
            stats.paired_t_test(*sides, confidence=confidence, scale="log", bounds=(0.0, inf))
            if not why and sides[0]
            else None
            for sides, why in found
        ]
        corrected = stats.correct_family(tested, quantity.label)
        for row, result, (_, why) in zip(told, corrected, found, strict=True):
            row |= _columns(column, result) | ({"cost_caveats": why} if why else {})
    return [replace(row, **columns) for row, columns in zip(family, told, strict=True)]


def _paired(
    members: Members, quantity: Quantity
) -> tuple[tuple[list[float], list[float]], str | None]:
    """The costs of both sides seed by seed, and why they do not compare."""
    known = [
        (pair, mine, theirs)
        for pair in members
        if all(cell.outcome == "completed" for cell in pair)
        and (mine := pair[0][quantity])
        and (theirs := pair[1][quantity])
    ]
    sides = [mine for _, mine, _ in known], [theirs for _, _, theirs in known]
    return sides, unlike_costs([pair for pair, _, _ in known])


def _columns(column: str, result: stats.PairedComparison | None) -> dict[str, Any]:
    if result is None:
        return {}
    if result.p is None and result.family_size:
        result = result.at(1 - result.level / result.family_size)
    low, high = result.interval or (None, None)
    return {column: result.estimate, f"{column}_low": low, f"{column}_high": high}
