"""Paired comparisons over seeds, and the correction for making several of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from metabench.stats.power import detectable_effect
from metabench.stats.results import DESCRIPTIVE, PairedComparison, checked, spread

Vector = NDArray[np.float64]


def paired_t_test(
    first: Sequence[float],
    second: Sequence[float],
    *,
    confidence: float = 0.95,
    unit: str = "",
    higher_is_better: bool = True,
) -> PairedComparison:
    """Compare two algorithms by their differences, first minus second, seed by seed.

    With one pair there is the difference alone. With two or three (`DESCRIPTIVE`) there is an
    interval and no test: so few seeds find only differences of more than two standard deviations,
    and a p invites more. Pairs that all differ by the same amount are not tested either.

    Parameters
    ----------
    first, second
        ``[n]``, in the same order of seeds.

    Raises
    ------
    ValueError
        Different lengths, no pairs, or a value that is not finite.
    """
    a, b = checked(first), checked(second)
    if a.size != b.size:
        raise ValueError(f"pairs need as many values on both sides, got {a.size} and {b.size}")
    differences = a - b
    n, mean = a.size, float(differences.mean())
    scale = float(max(np.abs(a).max(), np.abs(b).max()))
    sd = spread(differences, scale) if n > 1 else None
    described = PairedComparison(
        mean,
        None,
        confidence,
        sd,
        n,
        method=f"paired t-test over {n} {'seed' if n == 1 else 'seeds'}",
        unit=unit,
        ahead=_ahead(differences if higher_is_better else -differences, scale),
        correlation=_correlation(a, b) if n > 2 else None,
    )
    if sd is None:
        return replace(described, caveats=("one pair of seeds: no inference",))
    if sd == 0.0:
        return replace(
            described,
            caveats=(
                f"all {n} pairs differ by the same amount: their spread is unknown, nothing is "
                "tested",
            ),
        )
    test = stats.ttest_rel(a, b)
    low, high = test.confidence_interval(confidence)
    effect = mean / sd
    estimated = replace(
        described,
        interval=(float(low), float(high)),
        effect=effect,
        effect_corrected=effect * (1 - 3 / (4 * (n - 1) - 1)) if n > 2 else None,
    )
    if n <= DESCRIPTIVE:
        return replace(estimated, caveats=(f"{n} pairs of seeds: descriptive, not tested",))
    return replace(estimated, statistic=float(test.statistic), df=n - 1, p=float(test.pvalue))


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
    if any(p is not None and not 0 <= p <= 1 for p in p_values):
        raise ValueError(f"expected p-values between 0 and 1, got {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    tested = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    for rank, (p, index) in enumerate(tested):
        running = max(running, min(1.0, (len(p_values) - rank) * p))
        adjusted[index] = running
    return adjusted


def correct_family(
    comparisons: Sequence[PairedComparison | None], family: str
) -> list[PairedComparison | None]:
    """Correct the declared comparisons of one family, and say what each of them could have found.

    `None` is a comparison that was declared and has no pairs; it counts for the family's size. The
    smallest detectable difference is that at Holm's first, strictest step (level / size), at 80 %
    power, with the observed spread of the differences.
    """
    adjusted = holm([comparison.p if comparison else None for comparison in comparisons])
    corrected: list[PairedComparison | None] = []
    for comparison, p in zip(comparisons, adjusted, strict=True):
        if comparison is None:
            corrected.append(None)
            continue
        detectable = None
        if comparison.sd:
            detectable = comparison.sd * detectable_effect(
                comparison.n, alpha=(1 - comparison.confidence) / len(comparisons)
            )
        corrected.append(
            replace(
                comparison,
                family=family,
                family_size=len(comparisons),
                p_adjusted=p,
                detectable_difference=detectable,
            )
        )
    return corrected


def _ahead(advantage: Vector, scale: float) -> float:
    tolerance = 8 * np.finfo(np.float64).eps * scale
    return float(np.mean(np.where(np.abs(advantage) <= tolerance, 0.5, advantage > 0)))


def _correlation(a: Vector, b: Vector) -> float | None:
    if spread(a, float(np.abs(a).max())) == 0.0 or spread(b, float(np.abs(b).max())) == 0.0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
