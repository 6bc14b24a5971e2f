"""What was timed alone, beside what it was timed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from statistics import median_low

from metabench.records import Timings
from metabench.report.blocks import Block, Group, Span
from metabench.report.cost import told_ratios
from metabench.tables import Run
from metabench.tables.timed import TimedRow

Rows = Sequence[tuple[Group, TimedRow]]


@dataclass(frozen=True)
class Timed:
    """What the page tells of it.

    Attributes
    ----------
    blocks
        The rows of each block in which something was timed.
    iterations
        Of each short training.
    facts
        Where, with what and beside what it was measured, in words.
    told
        Ratios of those that differ from the reference everywhere, in a sentence; or nothing.
    """

    blocks: Sequence[tuple[Block, Rows]]
    iterations: int
    facts: Sequence[str]
    told: str


def timed_of(run: Run, blocks: Sequence[Block]) -> Timed | None:
    """Return what was timed alone; None where nothing was."""
    by_group = {row.group.group: row for row in run.rows.timed}
    rows = [
        (block, [(group, by_group[group.group]) for group in block.rows if group.group in by_group])
        for block in blocks
    ]
    rows = [(block, found) for block, found in rows if found]
    if run.timings is None or not rows:
        return None
    told = _told([row for _, found in rows for _, row in found], str(run.info["reference"]))
    return Timed(rows, run.timings.iterations, _facts(run.timings), told)


def _told(rows: Sequence[TimedRow], reference: str) -> str:
    """`Timed alone, a training task against that of maml: fomaml × 0.66.`"""
    found: dict[str, list[TimedRow]] = {}
    for row in rows:
        if row.ratio is not None:
            found.setdefault(row.group.algorithm, []).append(row)
    ratios: dict[str, Span] = {}
    for name, all_of_it in found.items():
        values = [row.ratio for row in all_of_it if row.ratio is not None]
        ends = [(row.ratio_low or 0.0, row.ratio_high or inf) for row in all_of_it]
        if all(high < 1 for _, high in ends) or all(low > 1 for low, _ in ends):
            ratios[name] = min(values), max(values)
    if not ratios:
        return ""
    return f"Timed alone, a training task against that of {reference}: {told_ratios(ratios)}."


def _facts(timings: Timings) -> list[str]:
    machine, blocks = timings.machine, timings.blocks
    libraries = machine.get("libraries") or {}
    threads = machine.get("threads")
    days = sorted({block.started[:10] for block in blocks})
    commits = sorted({block.commit[:12] for block in blocks if block.commit})
    busy = [block.busy_cores for block in blocks if block.busy_cores is not None]
    load = [block.load for block in blocks if block.load is not None]
    return [
        *filter(None, [machine.get("cpu"), machine.get("gpu")]),
        f"machine {str(machine.get('machine_id'))[:6]}",
        f"{threads} thread{'' if threads == 1 else 's'} on {machine.get('device')}",
        f"torch {libraries.get('torch')}, Python {machine.get('python')}",
        *([f"commit {' and '.join(commits)}"] if commits else []),
        " to ".join(dict.fromkeys((days[0], days[-1]))),
        *(
            [
                f"others kept at most {max(busy):.1f} of {machine.get('cores')} cores busy between "
                f"the passes of a round, in half of the rounds no more than {median_low(busy):.1f}"
            ]
            if busy
            else []
        ),
        *([f"load average up to {max(load):.1f}"] if load else []),
    ]
