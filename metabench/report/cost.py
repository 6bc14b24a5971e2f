"""The sentence on training time against the reference's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from metabench.quantities import ITERATIONS
from metabench.report import words
from metabench.report.blocks import Block, Comparison, Span
from metabench.text import listed

MANY = 4
"""More algorithms than these are not told one by one."""


def cost(blocks: Sequence[Block], reference: str) -> str | None:
    """Return a sentence on training time against the reference's, about those that intervals tell
    from it everywhere; None where there are none."""
    compared = [group for block in blocks for group in block.scored if group.compared]
    rows: dict[str, list[Comparison]] = {}
    for group in compared:
        if group.compared and group[ITERATIONS].value != 0:
            rows.setdefault(group.algorithm, []).append(group.compared)
    ratios = {name: _ratios(found) for name, found in rows.items() if _told_apart(found)}
    if not ratios:
        return None
    idle = [
        name for name in dict.fromkeys(group.algorithm for group in compared) if name not in rows
    ]
    none = f"; {listed(idle)} {'does' if len(idle) == 1 else 'do'} not train" if idle else ""
    return f"Training time against that of {reference}: {_told(ratios)}{none}."


def _told(ratios: Mapping[str, Span]) -> str:
    """Each algorithm with its ratios; of many the fastest and the slowest."""
    times = f"×{words.NBSP}"
    if len(ratios) <= MANY:
        return listed(
            [f"{name} {times}{words.span(ends, words.ratio)}" for name, ends in ratios.items()]
        )
    fast = min(ratios, key=lambda name: ratios[name][0])
    slow = max(ratios, key=lambda name: ratios[name][1])
    return (
        f"from {times}{words.ratio(ratios[fast][0])} ({fast}) to "
        f"{times}{words.ratio(ratios[slow][1])} ({slow})"
    )


def _told_apart(rows: Sequence[Comparison]) -> bool:
    """Whether every interval is there and lies on the same side of 1."""
    found = [row.time_interval for row in rows]
    ends = [interval for interval in found if interval is not None]
    apart = all(high < 1 for _, high in ends) or all(low > 1 for low, _ in ends)
    return apart and len(ends) == len(found)


def _ratios(rows: Sequence[Comparison]) -> Span:
    """The least and the greatest ratio over the settings."""
    ratios = [row.time_ratio for row in rows if row.time_ratio is not None]
    return min(ratios), max(ratios)
