"""What validation chose for each group: settings and steps, and whether training had come to an
end when its budget had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metabench.identity import canonical
from metabench.quantities import ITERATIONS
from metabench.report.blocks import Block, Group
from metabench.tables import Run
from metabench.tables.typed_rows import CellRow
from metabench.text import listed, plural

FEW = 4
"""Settings that are told one by one."""


@dataclass(frozen=True)
class Choices:
    """What was chosen for the cells of a group.

    Attributes
    ----------
    trained, improving
        How many were trained, and of how many the best checkpoint was the last.
    edges
        What was chosen at the edge of what was tried, and for how many seeds.
    chosen
        Settings and steps in words, with the number of seeds that they were chosen for.
    """

    group: Group
    trained: int
    improving: int
    edges: Mapping[str, int]
    chosen: Sequence[tuple[str, int]]


def choices_of(run: Run, blocks: Sequence[Block]) -> list[tuple[Block, list[Choices]]]:
    """Return what was chosen, for the blocks in which anything was."""
    told: dict[str, Counter[str]] = {}
    groups: dict[str, list[str]] = {}
    for row in run.rows.cells:
        groups.setdefault(row.cell, []).append(row.group)
    for cell, record in run.each_record():
        if chosen := _told(record["result"].get("choice") or {}):
            for group in groups[cell]:
                told.setdefault(group, Counter())[chosen] += 1
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
    told = [f"{some} of {plural(every, 'fit')} on {block.title}" for block, some, every in counted]
    if len(told) > FEW:
        some = sum(improving for _, improving, _ in counted)
        every = sum(trained for _, _, trained in counted)
        told = [f"{some} of {every} fits in {len(told)} settings"]
    return [
        f"Still improving when stopped: {listed(told)}. More iterations might change the order."
    ]


def _choices(run: Run, group: Group, chosen: Counter[str]) -> Choices:
    own = [cell for cell in run.rows.cells if cell.group == group.group]
    done = [cell for cell in own if cell.outcome == "completed" and cell[ITERATIONS]]
    trained = list({cell.fit: cell for cell in done}.values())
    improving = sum("iterations" in cell.at_edge for cell in trained)
    return Choices(group, len(trained), improving, _edges(own), chosen.most_common())


def _edges(cells: Sequence[CellRow]) -> Mapping[str, int]:
    """How many seeds chose the least or the greatest that was tried, by what was chosen."""
    return Counter(edge for cell in cells for edge in cell.at_edge if edge != "iterations")


def _told(choice: Mapping[str, Any]) -> str:
    """`inner_lr 0.01, 20 steps`."""
    settings = choice.get("settings") or {}
    told = [f"{key} {_plain(value)}" for key, value in settings.items()]
    step = choice.get("step")
    return ", ".join([*told, *([plural(step, "step")] if isinstance(step, int) else [])])


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
