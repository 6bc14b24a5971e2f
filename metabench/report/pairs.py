"""All pairs of a block in a square: the second family, to look around in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from metabench.report import words
from metabench.report.blocks import Block, Group
from metabench.stats import Comparing
from metabench.tables import Run
from metabench.tables.comparison_row import ComparisonRow

OPPOSITE: Mapping[Comparing, Comparing] = {"better": "worse", "worse": "better"}


@dataclass(frozen=True)
class Met:
    """How the group of a row stands to that of a column: the difference or the ratio in words, the
    verdict, and Holm's p over all pairs."""

    found: str
    verdict: Comparing
    p: float | None


@dataclass(frozen=True)
class Square:
    """The groups of a block, and for each of them how it stands to each; None to itself."""

    block: Block
    lines: Sequence[tuple[Group, Sequence[Met | None]]]


def squares_of(run: Run, blocks: Sequence[Block]) -> list[Square]:
    """Return the squares of the blocks in which there are more pairs than those with the
    reference."""
    met = {(row.group.group, row.reference.group): row for row in run.rows.pairs}
    squares = []
    for block in blocks:
        groups = [group for group in block.ranked if not group.privileged]
        lines = [(one, [_met(met, one, other) for other in groups]) for one in groups]
        squares += [Square(block, lines)] if len(groups) > 2 else []
    return squares


def _met(met: Mapping[tuple[str, str], ComparisonRow], one: Group, other: Group) -> Met | None:
    if row := met.get((one.group, other.group)):
        return Met(_found(row, turned=False), row.verdict, row.p_holm)
    if row := met.get((other.group, one.group)):
        return Met(_found(row, turned=True), OPPOSITE.get(row.verdict, row.verdict), row.p_holm)
    return None


def _found(row: ComparisonRow, *, turned: bool) -> str:
    """The difference, or where ratios were compared the ratio; the other way round if `turned`."""
    if row.ratio:
        return f"×{words.THIN}{words.ratio(1 / row.ratio if turned else row.ratio)}"
    if row.difference is None:
        return words.DASH
    return words.difference(-row.difference if turned else row.difference, row.metric.unit)
