"""Families: the correction for making several comparisons, and intervals that agree with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import scipy

from metabench.stats.comparison import Comparison

Compared = TypeVar("Compared", bound=Comparison)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's step-down adjusted p-values (1979), in the order given.

    A comparison that was declared but not tested (None) keeps its place in the family, as if its p
    were 1, and stays None: the correction depends on what was declared, not on what happened to
    finish.

    Raises
    ------
    ValueError
        A p outside [0, 1].
    """
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, index) in enumerate(_ascending(p_values)):
        running = max(running, min(1.0, (len(p_values) - rank) * p))
        adjusted[index] = running
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values adjusted for the false discovery rate (Benjamini and Hochberg 1995), in the
    order given: for exploring, never for what was declared.

    What was not tested (None) is left out, and counts for nothing.

    Raises
    ------
    ValueError
        A p outside [0, 1].
    """
    adjusted: list[float | None] = [None] * len(p_values)
    if tested := _ascending(p_values):
        found = scipy.stats.false_discovery_control([p for p, _ in tested])
        for (_, index), p in zip(tested, found, strict=True):
            adjusted[index] = float(p)
    return adjusted


def holm_levels(p_values: Sequence[float | None], level: float = 0.05) -> list[float]:
    """Return the level at which Holm's procedure decided on each hypothesis, in the order given.

    The smallest of m p-values is tested at level / m, the next at level / (m - 1), until one is not
    rejected; that one and all after it were decided at the level where it stopped. An interval at 1
    minus this level leaves out zero if and only if Holm rejects. These are intervals of one
    comparison each: together they cover less often than they say, which only those at level / m for
    all (Bonferroni) would not.

    Raises
    ------
    ValueError
        A p outside [0, 1].
    """
    size, tested = len(p_values), _ascending(p_values)
    levels = [0.0] * size
    step, rejected = level, 0
    for rank, (p, index) in enumerate(tested):
        still_rejecting = rejected == rank
        if still_rejecting and (rank == 0 or p > tested[rank - 1][0]):  # ties share their level
            step = level / (size - rank)
        levels[index] = step
        rejected += still_rejecting and p <= step
    if rejected == len(tested) < size:
        step = level / (size - rejected)
    return [step if p is None else found for p, found in zip(p_values, levels, strict=True)]


def correct_family(comparisons: Sequence[Compared | None], family: str) -> list[Compared | None]:
    """Correct the declared comparisons of one family, and say what each of them could have found.

    `None` is a comparison that was declared and has no pairs; it counts for the family's size. What
    was tested gets its interval at the level at which Holm decided on it (`holm_levels`), so that
    interval and verdict never disagree; what is merely described keeps its own. The smallest
    detectable difference is that at Holm's first, strictest step (level / size), at 80 % power,
    with the observed spread of the differences.

    Raises
    ------
    ValueError
        They were not made at one level.
    """
    declared = {comparison.level for comparison in comparisons if comparison}
    if len(declared) > 1:
        raise ValueError(f"a family is tested at one level, got {sorted(declared)}")
    p_values = [comparison.p if comparison else None for comparison in comparisons]
    size, adjusted = len(comparisons), holm(p_values)
    levels = holm_levels(p_values, *declared)
    corrected: list[Compared | None] = []
    for comparison, p, level in zip(comparisons, adjusted, levels, strict=True):
        if comparison is None:
            corrected.append(None)
            continue
        told = comparison if p is None else comparison.at(1 - level)
        corrected.append(
            replace(
                told,
                family=family,
                family_size=size,
                p_adjusted=p,
                detectable_difference=told.detectable(alpha=told.level / size),
            )
        )
    return corrected


def _ascending(p_values: Sequence[float | None]) -> list[tuple[float, int]]:
    """The tested ones with their places, smallest first."""
    if any(p is not None and not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"expected p-values between 0 and 1, got {list(p_values)}")
    return sorted((p, index) for index, p in enumerate(p_values) if p is not None)
