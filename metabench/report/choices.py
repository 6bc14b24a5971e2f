"""What validation chose for each group: settings and steps, and whether training had come to an
end when its budget had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metabench.identity import canonical
from metabench.quantities import BY_NAME, ITERATIONS
from metabench.report import words
from metabench.report.blocks import Block, Group
from metabench.tables import Run
from metabench.tables.typed_rows import CellRow

FEW = 4
"""Settings that are told one by one."""
BEST_ITERATION = BY_NAME["best_iteration"]


@dataclass(frozen=True)
class Choices:
    """What was chosen for the cells of a group.

    Attributes
    ----------
    trained, improving
        How many were trained with validation, and of how many the last checkpoint was the best.
    chosen
        Settings and steps in words, with the number of seeds that they were chosen for.
    """

    group: Group
    trained: int
    improving: int
    chosen: Sequence[tuple[str, int]]


def choices_of(run: Run, blocks: Sequence[Block]) -> list[tuple[Block, list[Choices]]]:
    """Return what was chosen, for the blocks in which anything was."""
    told: dict[str, Counter[str]] = {}
    known = {row.cell: row for row in run.rows.cells}
    for cell, record in run.each_record():
        if chosen := _told(record["result"].get("choice") or {}):
            told.setdefault(known[cell].group, Counter())[chosen] += 1
    table = []
    for block in blocks:
        rows = [_choices(run, group, told.get(group.group, Counter())) for group in block.rows]
        rows = [row for row in rows if row.trained or row.chosen]
        table += [(block, rows)] if rows else []
    return table


def still_improving(found: Sequence[tuple[Block, Sequence[Choices]]]) -> list[str]:
    """Say how many fits might have gone on learning, of each block where these are few."""
    counted = [
        (block, sum(row.improving for row in rows), sum(row.trained for row in rows))
        for block, rows in found
    ]
    counted = [one for one in counted if one[1]]
    if not counted:
        return []
    told = [
        f"{some} of {words.plural(every, 'fit')} on {block.title}" for block, some, every in counted
    ]
    if len(told) > FEW:
        some = sum(improving for _, improving, _ in counted)
        every = sum(trained for _, _, trained in counted)
        told = [f"{some} of {every} fits in {len(told)} settings"]
    return [
        f"Still improving when stopped: {words.listed(told)}. "
        "More iterations might change the order."
    ]


def _choices(run: Run, group: Group, chosen: Counter[str]) -> Choices:
    trained = [
        (cell, best)
        for cell in run.rows.cells
        if cell.group == group.group and (best := cell[BEST_ITERATION]) is not None and _long(cell)
    ]
    improving = [cell for cell, best in trained if best >= (cell[ITERATIONS] or 0)]
    return Choices(group, len(trained), len(improving), chosen.most_common())


def _long(cell: CellRow) -> bool:
    return cell.outcome == "completed" and bool(cell[ITERATIONS])


def _told(choice: Mapping[str, Any]) -> str:
    """`inner_lr 0.01, 20 steps`."""
    settings = choice.get("settings") or {}
    told = [f"{key} {_plain(value)}" for key, value in settings.items()]
    step = choice.get("step")
    return ", ".join([*told, *([words.plural(step, "step")] if isinstance(step, int) else [])])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
