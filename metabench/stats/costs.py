"""Whether memory or time got worse between two versions."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from metabench.stats.comparison import Comparison, PairedComparison
from metabench.stats.families import holm
from metabench.stats.paired import paired_t_test
from metabench.stats.regressions import CONFIDENCE, MOST, Change, Regression
from metabench.stats.results import DESCRIPTIVE, checked, counted
from metabench.stats.student import critical_value

MEMORY_FACTOR, MEMORY_BYTES = 1.05, 16 * 2**20
"""What memory may grow by between two runs of the same code: allocators round and threads race."""

MEMORY_SEEDS = 5
"""Seeds a side that the rule for memory was made for."""

TIME_MARGIN = 1.10
"""The ratio of times that matters; machines drift and code moves in caches below it."""

ONE_SIDED = 0.05
"""Level of the limit below which a time is fine."""

BLOCKS = 8
"""Blocks of A B B A from which on times are compared with the power that is promised."""

Block = tuple[float, float, float, float]
"""Seconds of four repetitions beside each other: baseline, head, head, baseline."""


def memory_regressed(baseline: Sequence[float], head: Sequence[float]) -> Regression:
    """Hold the least of head against the most of the baseline, 5 % and 16 MiB.

    Peaks are no sample of a normal law but steps of an allocator: the rule compares extremes, which
    in five seeds a side separate by chance in one of 252 cases even without a margin. Improved is
    the same the other way round. The estimate is the difference of the medians.

    Parameters
    ----------
    baseline, head
        Peak bytes, ``[n]`` and ``[m]``: of a device as allocated, else as resident above what was
        resident before.

    Raises
    ------
    ValueError
        No values, or one that is not finite.
    """
    before, after = checked(baseline), checked(head)
    verdict: Change = "fine"
    if after.min() > before.max() * MEMORY_FACTOR + MEMORY_BYTES:
        verdict = "regressed"
    elif before.min() > after.max() * MEMORY_FACTOR + MEMORY_BYTES:
        verdict = "improved"
    fewest = min(before.size, after.size)
    return Regression(
        float(np.median(after) - np.median(before)),
        None,
        CONFIDENCE,
        None,
        fewest,
        f"least of head against most of baseline over {counted(fewest, 'seed')}",
        "B",
        (f"{counted(fewest, 'seed')} a side: the rule was made for {MEMORY_SEEDS}",)
        if fewest < MEMORY_SEEDS
        else (),
        verdict=verdict,
    )


def time_regressed(
    groups: Sequence[Sequence[Block]], *, margin: float = TIME_MARGIN, level: float = 0.05
) -> list[Regression]:
    """Decide for each group whether head takes more time than the margin allows.

    A block of repetitions A B B A is the unit: what drifts evenly within it leaves its log ratio
    alone. Regressed is where the one-sided t-test of the blocks' mean log ratio against the margin
    rejects, with Holm's correction over the groups; improved the same for a baseline that takes
    more time than the margin; fine is where the one-sided 95 % upper limit lies below the margin.
    The estimate is the geometric mean ratio, with the two-sided 90 % interval whose ends are those
    limits. With `DESCRIPTIVE` blocks or fewer nothing is decided.

    Times of stored runs have no place here: machines drift from run to run by more than the margin
    tells apart.

    Parameters
    ----------
    groups
        For each group its blocks ``[n][4]``: seconds (medians of iterations) of baseline, head,
        head, baseline.

    Raises
    ------
    ValueError
        A margin of no more than 1, a group without blocks, or seconds that are not positive.
    """
    if not margin > 1:
        raise ValueError(f"expected a margin above 1, got {margin}")
    size, bound = len(groups), log(margin)
    seen = [_compared(blocks) for blocks in groups]
    slower = holm([one.p_above(bound) if one.n > DESCRIPTIVE else None for one in seen])
    faster = holm([one.p_below(-bound) if one.n > DESCRIPTIVE else None for one in seen])
    found = []
    for one, p_slower, p_faster in zip(seen, slower, faster, strict=True):
        verdict: Change = "inconclusive"
        if p_slower is not None and p_slower <= level:
            verdict = "regressed"
        elif p_faster is not None and p_faster <= level:
            verdict = "improved"
        elif p_slower is not None and one.p_below(bound) <= ONE_SIDED:
            verdict = "fine"
        caveat = f"{counted(one.n, 'block')}: {BLOCKS} or more are needed to find what matters"
        found.append(
            Regression(
                one.estimate,
                one.interval,
                one.confidence,
                one.sd,
                one.n,
                f"one-sided t-test of log ratios over {counted(one.n, 'block')} A B B A",
                one.unit,
                (caveat,) if one.n < BLOCKS else (),
                verdict=verdict,
                p=one.p_above(bound) if p_slower is not None else None,
                p_adjusted=p_slower,
                family_size=size,
                settled_by=_settled_by(one, bound, level / size)
                if verdict == "inconclusive"
                else None,
            )
        )
    return found


def _compared(blocks: Sequence[Block]) -> PairedComparison:
    """Head against the baseline, block by block."""
    seconds = np.asarray(blocks, dtype=np.float64)
    if seconds.ndim != 2 or seconds.shape[1] != 4:
        raise ValueError(f"expected blocks of four times each, got shape {seconds.shape}")
    if (seconds <= 0).any():
        raise ValueError(f"expected positive times, got {seconds.min()}")
    before, after = (
        np.sqrt(seconds[:, first] * seconds[:, second]) for first, second in ((0, 3), (1, 2))
    )
    return paired_t_test(after.tolist(), before.tolist(), confidence=1 - 2 * ONE_SIDED, scale="log")


def _settled_by(one: Comparison, bound: float, level: float) -> int | None:
    """The least number of blocks with a verdict, if mean and spread stay."""
    n = np.arange(max(one.n, DESCRIPTIVE) + 1, MOST + 1)
    error = (one.sd or 0.0) / np.sqrt(n)
    settled = one.location + critical_value(ONE_SIDED, n - 1) * error < bound
    settled |= one.location - critical_value(level, n - 1) * error > bound
    return int(n[settled.argmax()]) if settled.any() else None
