"""Which methods became slower between two checkouts: both run the same workload in turn on this
machine, A B B A, one process at a time.

A machine drifts by the hour, and by more than what matters; what drifts evenly within a block of
four passes leaves its ratio alone.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Literal

from metabench.compare.checkouts import Checkout, differing_requirements
from metabench.compare.sides import Side, SideGroup, read_side
from metabench.compare.verdicts import Verdict
from metabench.errors import ConfigError
from metabench.quantities import BY_NAME, PEAKS, Quantity
from metabench.stats import Block, Regression, memory_regressed, time_regressed
from metabench.tables.typed_rows import Metric, Scalar

SECONDS = (BY_NAME["seconds_per_iteration"], BY_NAME["seconds_per_episode"])
"""What is timed: the typical iteration; of a method that trains nothing, a test episode."""

ORDER: tuple[Literal[0, 1], ...] = (0, 1, 1, 0)
"""Of a block's passes: baseline, head, head, baseline."""


@dataclass(frozen=True)
class Workload:
    """What both checkouts run, each with its own sources.

    Attributes
    ----------
    arguments
        Of `metabench run`: the suite, and what restricts it.
    data
        Where datasets lie.
    """

    arguments: tuple[str, ...]
    data: Path

    def once(self, checkout: Checkout) -> Side:
        """Run it from a checkout, and read what came of it.

        Raises
        ------
        RunFailedError
            It did not come to its end.
        """
        with tempfile.TemporaryDirectory(prefix="metabench-ab-") as temporary:
            out = Path(temporary) / "run"
            checkout.run(
                self.data,
                *("run", *self.arguments, "--out", str(out), "--no-report", "--workers", "1"),
            )
            return read_side(out)


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What became of a group's time and memory.

    Attributes
    ----------
    place, metric
        Its coordinates, and what its score is.
    verdict
        On its time.
    what
        What was timed; None where nothing could be.
    time, memory
        The changes; None where they could not be measured.
    seconds, bytes_
        Of baseline and head: medians of the passes.
    notes
        Why it was not timed, and what to know.
    """

    place: Mapping[str, Scalar]
    metric: Metric
    verdict: Verdict
    what: Quantity | None = None
    time: Regression | None = None
    seconds: tuple[float, float] | None = None
    memory: Regression | None = None
    bytes_: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    @property
    def worst(self) -> Verdict:
        """The graver of the verdicts on time and on memory."""
        gone = self.memory is not None and self.memory.verdict == "regressed"
        return "regressed" if gone else self.verdict


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Two checkouts, timed in turn."""

    baseline: Checkout
    head: Checkout
    workload: Workload
    blocks: int
    margin: float
    groups: Sequence[Timed]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> Counter[Verdict]:
        """How many groups there are of each verdict."""
        return Counter(group.worst for group in self.groups)


@dataclass
class _Passes:
    """What the passes of both checkouts measured of one group, in the order of a block."""

    group: SideGroup
    what: Quantity | None
    seconds: list[list[float | None]] = field(default_factory=list)
    memory: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))


def measure(
    baseline: Checkout,
    head: Checkout,
    workload: Workload,
    *,
    blocks: int,
    margin: float,
    tell: Callable[[str], None],
) -> Timing:
    """Run a workload from two checkouts in turn, and compare their times and peaks of memory.

    A pass of each that does not count comes first: it fills caches, and shows what can be compared.

    Parameters
    ----------
    blocks
        Of four passes each.
    margin
        The ratio of times that matters.
    tell
        Shown a line before each block.

    Raises
    ------
    RunFailedError
        A pass did not come to its end.
    """
    sides = (baseline, head)
    tell(f"a first pass of each: {baseline.said}, then {head.said}")
    began = time.monotonic()
    first = [workload.once(one) for one in sides]
    seconds = time.monotonic() - began
    passes, others = _comparable(*first)
    if not passes:
        raise ConfigError("the two checkouts have no cell of this workload in common")
    for block in range(blocks):
        tell(
            f"block {block + 1} of {blocks}, about {_minutes(2 * seconds * (blocks - block))} left"
        )
        for found in passes.values():
            found.seconds.append([])
        for side in ORDER:
            _add(passes, workload.once(sides[side]), side)
    other = differing_requirements(baseline, head)
    return Timing(
        baseline=baseline,
        head=head,
        workload=workload,
        blocks=blocks,
        margin=margin,
        groups=[*_timed(list(passes.values()), margin), *others],
        notes=(other,) if other else (),
    )


def _comparable(baseline: Side, head: Side) -> tuple[dict[str, _Passes], list[Timed]]:
    """The groups that both sides completed, and what is to be said of the others."""
    passes, others = {}, []
    for key, group in baseline.groups.items():
        there = head.groups.get(key)
        if not group.was_run and not (there is not None and there.was_run):
            continue  # the workload leaves it out
        lost = [
            f"seed {seed} in {name}: {cell.row.outcome}"
            for name, side in (("the baseline", group), ("head", there))
            if side is not None
            for seed, cell in side.cells.items()
            if not cell.completed
        ]
        if there is None or lost:
            why = "; ".join(lost) if lost else "head's workload has no such group"
            others.append(
                Timed(
                    place=group.place,
                    metric=group.metric,
                    verdict="inconclusive" if lost else "refused",
                    notes=(why,),
                )
            )
        else:
            what = next((one for one in SECONDS if _typical(group, one) is not None), None)
            passes[key] = _Passes(group, what)
    return passes, others


def _add(passes: Mapping[str, _Passes], side: Side, number: Literal[0, 1]) -> None:
    """Keep what one pass measured."""
    for key, found in passes.items():
        group = side.groups.get(key)
        if group is None or found.what is None:
            continue
        found.seconds[-1].append(_typical(group, found.what))
        peaks = (max(_values(group, quantity), default=None) for quantity in PEAKS)
        found.memory[number].extend(list(filter(None, peaks))[:1])


def _timed(passes: Sequence[_Passes], margin: float) -> list[Timed]:
    whole = {place: _blocks(found) for place, found in enumerate(passes)}
    blocks = {place: found for place, found in whole.items() if found}
    changes = dict(zip(blocks, time_regressed(list(blocks.values()), margin=margin), strict=True))
    timed = []
    for place, found in enumerate(passes):
        group, change = found.group, changes.get(place)
        if change is None or found.what is None:
            timed.append(
                Timed(
                    place=group.place,
                    metric=group.metric,
                    verdict="inconclusive",
                    notes=("a pass measured no time",),
                )
            )
            continue
        memory = memory_regressed(*found.memory) if all(found.memory) else None
        timed.append(
            Timed(
                place=group.place,
                metric=group.metric,
                verdict="inconclusive" if change.verdict == "escalated" else change.verdict,
                what=found.what,
                time=change,
                seconds=_sides_of(blocks[place]),
                memory=memory,
                bytes_=(median(found.memory[0]), median(found.memory[1])) if memory else None,
                notes=change.caveats,
            )
        )
    return timed


def _blocks(found: _Passes) -> list[Block]:
    """The whole blocks of a group; none where a time is missing."""
    kept: list[Block] = []
    for block in found.seconds:
        if len(block) != len(ORDER) or not all(block):
            return []
        a, b, c, d = (float(seconds or math.nan) for seconds in block)
        kept.append((a, b, c, d))
    return kept


def _typical(group: SideGroup, quantity: Quantity) -> float | None:
    """The geometric mean over seeds; None where a seed has no time."""
    values = _values(group, quantity)
    if len(values) < len(group.cells) or min(values, default=0.0) <= 0:
        return None
    return math.exp(sum(map(math.log, values)) / len(values))


def _values(group: SideGroup, quantity: Quantity) -> list[float]:
    return [value for cell in group.completed.values() if (value := cell.row[quantity]) is not None]


def _sides_of(blocks: Sequence[Block]) -> tuple[float, float]:
    """The median seconds of baseline and head."""
    return (
        median(seconds for a, _, _, d in blocks for seconds in (a, d)),
        median(seconds for _, b, c, _ in blocks for seconds in (b, c)),
    )


def _minutes(seconds: float) -> str:
    return f"{max(1, round(seconds / 60))} min"
