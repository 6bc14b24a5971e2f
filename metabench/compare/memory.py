"""What became of a group's memory between two runs: on one machine, over enough seeds, by the peaks
that every cell has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from metabench.compare.joining import Joined, Refused
from metabench.compare.sides import SideCell
from metabench.compare.verdicts import Judged
from metabench.quantities import PEAKS, Quantity
from metabench.stats import memory_regressed
from metabench.stats.costs import MEMORY_SEEDS


def with_memory(judged: Judged, group: Joined | Refused) -> Judged:
    """Add what became of its memory, where that can be told."""
    lost = judged.verdict == "regressed" and judged.score is None
    if isinstance(group, Refused) or lost or judged.verdict == "identical":
        return judged
    sides = [[cell for cell in pair if cell.completed] for pair in zip(*group.pairs, strict=True)]
    if not all(sides):
        return judged
    if why := _incomparable(sides):
        return replace(judged, notes=(*judged.notes, f"memory is not compared: {why}"))
    for quantity in PEAKS:
        before, after = (_values(side, quantity) for side in sides)
        if len(before) == len(sides[0]) and len(after) == len(sides[1]):
            means = (fmean(before), fmean(after))
            return replace(judged, memory=memory_regressed(before, after), memory_means=means)
    return judged


def _incomparable(sides: Sequence[Sequence[SideCell]]) -> str:
    """Why the memory of two sides is not compared, or nothing."""
    cells = [cell for side in sides for cell in side]
    machines = {cell.row.machine for cell in cells}
    if len(machines) != 1 or None in machines:
        return "the machines, or how they were used, differ"
    if any(cell.kept is not None and cell.kept.peaks is None for cell in cells):
        return "the entry of the history does not tell it seed by seed"
    trainings = [{cell.row.fit or cell.row.cell for cell in side} for side in sides]
    if min(map(len, trainings)) < MEMORY_SEEDS:
        return f"{MEMORY_SEEDS} seeds a side are needed"
    return ""


def _values(cells: Sequence[SideCell], quantity: Quantity) -> list[float]:
    return [value for cell in cells if (value := cell.row[quantity]) is not None]
