"""Two algorithms over seeds that both have: differences seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metabench.stats.comparison import PairedComparison
from metabench.stats.results import DESCRIPTIVE, Interval, Vector, checked, counted, spread
from metabench.stats.scales import (
    ON_SCALE,
    UNBOUNDED,
    Scale,
    bounds_of_difference,
    difference_from_scale,
    magnitude,
    to_scale,
)
from metabench.stats.student import two_sided_p


def paired_t_test(
    first: Sequence[float],
    second: Sequence[float],
    *,
    confidence: float = 0.95,
    unit: str = "",
    higher_is_better: bool = True,
    scale: Scale = "linear",
    bounds: Interval = UNBOUNDED,
) -> PairedComparison:
    """Compare two algorithms by their differences, first minus second, seed by seed.

    With one pair there is the difference alone. With two or three (`DESCRIPTIVE`) there is an
    interval and no test: so few seeds find only differences of more than two standard deviations,
    and a p invites more. Pairs that all differ by the same amount are not tested either.

    Parameters
    ----------
    first, second
        ``[n]``, in the same order of seeds.
    confidence
        Of the interval; the test is made at 1 - `confidence`.
    scale
        What is compared: the values, their logarithms, or those of the error rates. On the latter
        two the estimate is a ratio.
    bounds
        Where a value of either sample can lie.

    Raises
    ------
    ValueError
        Different lengths, no pairs, a value that is not finite, or one that has no logarithm.
    """
    a, b = checked(first), checked(second)
    if a.size != b.size:
        raise ValueError(f"pairs need as many values on both sides, got {a.size} and {b.size}")
    described = _described(a, b, confidence, unit, higher_is_better, scale, bounds)
    n, sd = described.n, described.sd
    if sd is None:
        return replace(described, caveats=("one pair of seeds: no inference",))
    if sd == 0.0:
        return replace(described, caveats=(_same_amount(n),))
    effect = described.location / sd
    estimated = replace(
        described,
        standard_error=sd / n**0.5,
        df=n - 1,
        effect=effect,
        effect_corrected=effect * (1 - 3 / (4 * (n - 1) - 1)) if n > 2 else None,
    ).at(confidence)
    if n <= DESCRIPTIVE:
        return replace(estimated, caveats=(f"{n} pairs of seeds: descriptive, not tested",))
    statistic = effect * n**0.5
    return replace(estimated, statistic=statistic, p=two_sided_p(statistic, n - 1))


def _described(
    a: Vector,
    b: Vector,
    confidence: float,
    unit: str,
    higher_is_better: bool,
    scale: Scale,
    bounds: Interval,
) -> PairedComparison:
    """What any number of pairs can say: difference, spread, share ahead, correlation."""
    analysed = to_scale(a, scale), to_scale(b, scale)
    differences = analysed[0] - analysed[1]
    size = max(magnitude(side, scale) for side in analysed)
    n, location = a.size, float(differences.mean())
    sd = spread(differences, size) if n > 1 else None
    larger = differences if scale != "error_rate" else -differences
    return PairedComparison(
        difference_from_scale(location, scale),
        None,
        confidence,
        sd,
        n,
        method=f"paired t-test{ON_SCALE[scale]} over {counted(n, 'seed')}",
        unit=unit if scale == "linear" else "ratio",
        difference=float(np.mean(a - b)),
        scale=scale,
        bounds=bounds_of_difference(bounds, scale),
        location=location,
        level=1 - confidence,
        ahead=_ahead(larger if higher_is_better else -larger, size),
        correlation=_correlation(*analysed, size) if n > 2 else None,
    )


def _same_amount(n: int) -> str:
    return f"all {n} pairs differ by the same amount: their spread is unknown, nothing is tested"


def _ahead(advantage: Vector, size: float) -> float:
    tolerance = 8 * np.finfo(np.float64).eps * size
    return float(np.mean(np.where(np.abs(advantage) <= tolerance, 0.5, advantage > 0)))


def _correlation(a: Vector, b: Vector, size: float) -> float | None:
    if spread(a, size) == 0.0 or spread(b, size) == 0.0:
        return None
    return float(np.corrcoef(a, b)[0, 1])
