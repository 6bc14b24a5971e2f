"""All pairs of groups on the same data: a second family, for exploring, and its tie groups."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

from metabench import stats
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.comparisons import family_rows, scored_cells
from metabench.tables.groups import in_blocks
from metabench.tables.typed_rows import CellRow, GroupRow


def pair_rows(
    cells: Iterable[CellRow], groups: Sequence[GroupRow], confidence: float
) -> list[ComparisonRow]:
    """Return the comparisons of all pairs within each block, with Holm's correction for all of
    them. Groups with privileged inputs are left out."""
    scored = scored_cells(cells)
    table: list[ComparisonRow] = []
    for inside in in_blocks(groups):
        contenders = [group for group in inside if not group.privileged]
        pairs = list(combinations(contenders, 2))
        table += family_rows(pairs, scored, confidence, "of all pairs")
    return table


def with_letters(groups: Sequence[GroupRow], pairs: Sequence[ComparisonRow]) -> list[GroupRow]:
    """Return groups with the letters of their tie groups, from the best mean on: two that share a
    letter are not separated, which does not mean equal. None where nothing was tested.

    Parameters
    ----------
    pairs
        What `pair_rows` returned for them.
    """
    letters: dict[str, str] = {}
    for inside in in_blocks(groups):
        ids = [group.group for group in sorted(inside, key=_best_first) if not group.privileged]
        met = [row for row in pairs if row.group.group in ids]
        places = {group: place for place, group in enumerate(ids)}
        separated = [
            (places[row.group.group], places[row.reference.group])
            for row in met
            if row.verdict in ("better", "worse")
        ]
        if any(row.p is not None for row in met):
            letters |= dict(zip(ids, stats.compact_letters(len(ids), separated), strict=True))
    return [replace(group, letters=letters.get(group.group)) for group in groups]


def _best_first(group: GroupRow) -> float:
    if group.score.value is None:
        return float("inf")
    return -group.score.value if group.metric.higher_is_better else group.score.value
