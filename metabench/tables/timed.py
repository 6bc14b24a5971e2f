"""What training steps take, measured alone and in turn (`timing.json`): a row a group, against the
reference over rounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import groupby
from math import inf
from typing import Any

import numpy as np

from metabench import stats
from metabench.quantities import BY_NAME, Quantity
from metabench.records import TimedBlock, TimedSetting, Timings
from metabench.stats import DESCRIPTIVE
from metabench.tables.comparison_row import ComparisonRow
from metabench.tables.typed_rows import VARIANT, CellRow, Columns, GroupRow
from metabench.text import plural

TIMED: tuple[Quantity, ...] = (BY_NAME["seconds_per_iteration"], BY_NAME["seconds_per_task"])
"""Of which claims use what was timed alone, where it was."""

FAMILY = "seconds per task, timed alone"


@dataclass(frozen=True, kw_only=True)
class TimedRow:
    """A group whose training step was timed alone.

    Attributes
    ----------
    group, reference
        The group; and that of the suite's reference that it was timed in turn with, or None.
    rounds
        Blocks, each a round of its setting.
    seconds_per_iteration, seconds_per_task
        Geometric means over rounds, of typical iterations.
    gradient_evaluations_per_task
        Counted, not timed.
    total_seconds
        Extrapolated: the mean iteration times the iterations of the budget; None where that is in
        seconds.
    peak_bytes
        Highest peak of memory above what was there before training: of the GPU where there is one,
        else resident.
    ratio, ratio_low, ratio_high
        Geometric mean of seconds per task over the reference's, with a t interval of the logarithms
        over rounds, at the level at which Holm's procedure decides in its family: the comparisons
        of one block of tables.
    p, p_holm, family_size
        Of the paired t-test over rounds; None where nothing was tested.
    busy_cores
        How many cores others kept busy in the worst round.
    caveats
        What to know before relying on it.
    """

    group: GroupRow
    reference: GroupRow | None = None
    rounds: int
    seconds_per_iteration: float
    seconds_per_task: float
    gradient_evaluations_per_task: float | None = None
    total_seconds: float | None = None
    peak_bytes: float | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    family_size: int | None = None
    busy_cores: float | None = None
    caveats: str = ""

    @staticmethod
    def names(data: Sequence[str]) -> list[str]:
        """Columns of the table; `data` are the coordinates of the data."""
        own = [one.name for one in fields(TimedRow) if one.name not in ("group", "reference")]
        return ["group", "block", "algorithm", *VARIANT, *data, "reference_algorithm", *own]

    def columns(self) -> Columns:
        """By the names of the table's columns."""
        rival = self.reference.algorithm if self.reference else None
        own = {key: value for key, value in vars(self).items() if key not in ("group", "reference")}
        where = {"group": self.group.group, "block": self.group.block}
        return {**self.group.place, **where, "reference_algorithm": rival, **own}


@dataclass(frozen=True)
class Alone:
    """What was timed alone, and the fits of each group by which it is found.

    Attributes
    ----------
    compiled
        Whether the steps of a group's fits were compiled, of those that are known: what was timed
        the other way does not speak for them.
    """

    timings: Timings
    fits: Mapping[str, Sequence[str]]
    compiled: Mapping[str, frozenset[bool]]

    @classmethod
    def of(cls, timings: Timings | None, cells: Iterable[CellRow]) -> Alone | None:
        """Return it; None where nothing was timed."""
        if timings is None or not timings.blocks:
            return None
        fits: dict[str, list[str]] = {}
        compiled: dict[str, frozenset[bool]] = {}
        for cell in cells:
            fits.setdefault(cell.group, []).append(cell.fit)
            if cell.conditions:
                known = frozenset({"compiler" in dict(cell.conditions)})
                compiled[cell.group] = compiled.get(cell.group, frozenset()) | known
        return cls(timings, fits, compiled)

    def setting_of(self, *groups: str) -> TimedSetting | None:
        """Return the setting in which all of these groups were timed in turn, that with the most
        rounds; None where there is none."""
        found = [
            setting
            for setting in self.timings.settings
            if all(self.kind(setting, group) for group in groups)
            and self.timings.blocks_of(setting)
        ]
        return max(found, key=lambda one: len(self.timings.blocks_of(one)), default=None)

    def kind(self, setting: TimedSetting, group: str) -> str | None:
        """Return what a group is called in a setting."""
        wanted = self.compiled.get(group, (False, True))
        known = (setting.algorithm_of(fit) for fit in self.fits.get(group, ()))
        return next((one.kind for one in known if one and bool(one.compiler) in wanted), None)

    def samples(self, groups: Sequence[GroupRow], quantity: Quantity) -> list[list[float]] | None:
        """Return the seconds of these groups, ``[groups][rounds]``, of the rounds in which those on
        the same data were timed in turn; None where some were not, or they are seconds of something
        else. Rounds of several settings are taken by their numbers."""
        if quantity not in TIMED:
            return None
        by_number: list[dict[int, float]] = []
        for group in groups:
            beside = [other.group for other in groups if other.block == group.block]
            setting = self.setting_of(*beside)
            if setting is None:
                return None
            kind = str(self.kind(setting, group.group))
            blocks = self.timings.blocks_of(setting)
            seconds = {block.number: block.of(kind, quantity.name) for block in blocks}
            by_number.append({number: found for number, found in seconds.items() if found})
        numbers = sorted(set.intersection(*(set(known) for known in by_number)))
        return [[known[number] for number in numbers] for known in by_number] if numbers else None

    @property
    def told(self) -> str:
        """What a reader is told of a claim that stands on it."""
        return (
            f"timed alone and in turn: short trainings of {self.timings.iterations} iterations, "
            "in place of the times of the run"
        )


def timed_rows(
    alone: Alone | None,
    groups: Sequence[GroupRow],
    comparisons: Sequence[ComparisonRow],
    confidence: float,
) -> list[TimedRow]:
    """Return a row for each group that was timed alone, in the suite's order.

    Those that the suite compares with its reference, and that were timed in turn with it, have a
    ratio. A family is that of the comparison of scores, so that an algorithm that could not be
    timed keeps its place in it.
    """
    if alone is None:
        return []
    found: dict[str, TimedRow] = {}
    for group in groups:
        setting = alone.setting_of(group.group)
        if setting is not None:
            found[group.group] = _row(alone, setting, group)
    families = groupby(sorted(comparisons, key=_family), key=_family)
    for _, members in families:
        for row, result in _compared(alone, list(members), confidence):
            if row.group.group in found:
                found[row.group.group] = _with_ratio(found[row.group.group], row, result)
    return list(found.values())


def _family(row: ComparisonRow) -> tuple[str, bool]:
    return row.group.block, row.group.privileged


def _row(alone: Alone, setting: TimedSetting, group: GroupRow) -> TimedRow:
    kind, blocks = str(alone.kind(setting, group.group)), alone.timings.blocks_of(setting)
    mean = _mean(blocks, kind, "mean_seconds_per_iteration")
    budgets = [
        one.fits[fit]
        for one in setting.algorithms
        for fit in alone.fits[group.group]
        if fit in one.fits
    ]
    budget = budgets[0] if budgets else None
    passes = [one for block in blocks for one in block.passes if one["kind"] == kind]
    peaks = [
        one.get("peak_gpu_allocated_bytes") or one.get("peak_resident_above_bytes")
        for one in passes
    ]
    evaluations = [one.get("gradient_evaluations_per_task") for one in passes]
    return TimedRow(
        group=group,
        rounds=len(blocks),
        seconds_per_iteration=_mean(blocks, kind, "seconds_per_iteration"),
        seconds_per_task=_mean(blocks, kind, "seconds_per_task"),
        gradient_evaluations_per_task=evaluations[0],
        total_seconds=None if budget is None else mean * budget,
        peak_bytes=max((peak for peak in peaks if peak is not None), default=None),
        busy_cores=max(
            (block.busy_cores for block in blocks if block.busy_cores is not None), default=None
        ),
    )


def _mean(blocks: Sequence[TimedBlock], kind: str, what: str) -> float:
    seconds = [found for block in blocks if (found := block.of(kind, what))]
    return float(np.exp(np.mean(np.log(seconds))))


def _compared(
    alone: Alone, members: Sequence[ComparisonRow], confidence: float
) -> list[tuple[ComparisonRow, stats.PairedComparison | None]]:
    """Each comparison of a family with what its times come to; None where it has none."""
    per_task = BY_NAME["seconds_per_task"]
    found: list[stats.PairedComparison | None] = []
    for row in members:
        samples = alone.samples([row.group, row.reference], per_task)
        found.append(
            stats.paired_t_test(*samples, confidence=confidence, scale="log", bounds=(0.0, inf))
            if samples
            else None
        )
    return list(zip(members, stats.correct_family(found, FAMILY), strict=True))


def _with_ratio(
    row: TimedRow, compared: ComparisonRow, result: stats.PairedComparison | None
) -> TimedRow:
    if result is None:
        why = f"not timed in turn with {compared.reference.algorithm}: no ratio"
        return replace(row, caveats=why)
    if result.p is None and result.family_size:
        result = result.at(1 - result.level / result.family_size)
    low, high = result.interval or (None, None)
    few = result.n <= DESCRIPTIVE
    told: dict[str, Any] = {"p": result.p, "p_holm": result.p_adjusted}
    return replace(
        row,
        reference=compared.reference,
        rounds=result.n,
        ratio=result.estimate,
        ratio_low=low,
        ratio_high=high,
        family_size=result.family_size,
        caveats=f"{plural(result.n, 'round')}: descriptive, not tested" if few else "",
        **told,
    )
