"""All pairs of groups on the same data: a second family, for exploring, and its tie groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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


def with_ranks(groups: Sequence[GroupRow], pairs: Sequence[ComparisonRow]) -> list[GroupRow]:
    """Return groups with the letters of their tie groups, from the best mean on, and within which
    ranks each lies. Two that share a letter are not separated, which does not mean equal; ranks lie
    between those shown to be better and those shown to be worse, for all of a block at once. None
    where nothing was tested.

    Parameters
    ----------
    pairs
        What `pair_rows` returned for them.
    """
    found: dict[str, tuple[str, tuple[int, int]]] = {}
    for inside in in_blocks(groups):
        ids = [group.group for group in sorted(inside, key=_best_first) if not group.privileged]
        met = [row for row in pairs if row.group.group in ids]
        if any(row.p is not None for row in met):
            worse = list(_worse(met, {group: place for place, group in enumerate(ids)}))
            letters = stats.compact_letters(len(ids), worse)
            ranks = stats.rank_intervals(len(ids), worse)
            found |= dict(zip(ids, zip(letters, ranks, strict=True), strict=True))
    return [_with_rank(group, *found.get(group.group, (None, None))) for group in groups]


def _worse(met: Iterable[ComparisonRow], places: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Pairs of places (worse, better) that were told apart."""
    for row in met:
        pair = places[row.group.group], places[row.reference.group]
        if row.verdict in ("better", "worse"):
            yield pair if row.verdict == "worse" else pair[::-1]


def _with_rank(group: GroupRow, letters: str | None, ranks: tuple[int, int] | None) -> GroupRow:
    best, worst = ranks or (None, None)
    return replace(group, letters=letters, rank_best=best, rank_worst=worst)


def _best_first(group: GroupRow) -> float:
    if group.score.value is None:
        return float("inf")
    return -group.score.value if group.metric.higher_is_better else group.score.value
