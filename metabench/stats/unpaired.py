"""Two algorithms whose runs do not share seeds or test episodes: Welch's t-test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metabench.stats.comparison import Comparison
from metabench.stats.results import DESCRIPTIVE, Interval, checked, counted, spread
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


def welch_t_test(
    first: Sequence[float],
    second: Sequence[float],
    *,
    confidence: float = 0.95,
    unit: str = "",
    scale: Scale = "linear",
    bounds: Interval = UNBOUNDED,
) -> Comparison:
    """Compare the means of two independent samples, first minus second, without supposing that they
    spread alike.

    For runs that share no seeds; where they do, `paired_t_test` finds more. `n` counts the seeds of
    both sides. With `DESCRIPTIVE` seeds or fewer on a side there is no test; with one, or no spread
    on either, no interval.

    Parameters
    ----------
    first, second
        ``[n]`` and ``[m]``, a number a seed.
    scale, bounds
        As in `paired_t_test`.

    Raises
    ------
    ValueError
        No values, one that is not finite, or one that has no logarithm.
    """
    a, b = checked(first), checked(second)
    analysed = to_scale(a, scale), to_scale(b, scale)
    location = float(analysed[0].mean() - analysed[1].mean())
    described = Comparison(
        difference_from_scale(location, scale),
        None,
        confidence,
        None,
        a.size + b.size,
        method=f"Welch's t-test{ON_SCALE[scale]} over {a.size} and {counted(b.size, 'seed')}",
        unit=unit if scale == "linear" else "ratio",
        difference=float(a.mean() - b.mean()),
        scale=scale,
        bounds=bounds_of_difference(bounds, scale),
        location=location,
        level=1 - confidence,
    )
    fewest = min(a.size, b.size)
    if fewest == 1:
        return replace(described, caveats=("one seed on a side: no inference",))
    spreads = [spread(side, magnitude(side, scale)) for side in analysed]
    if not any(spreads):
        return replace(described, caveats=("no spread on either side: nothing is tested",))
    parts = np.array(spreads) ** 2 / (a.size, b.size)
    error = float(parts.sum()) ** 0.5
    df = float(error**4 / (parts**2 / (a.size - 1, b.size - 1)).sum())  # Welch and Satterthwaite
    estimated = replace(described, standard_error=error, df=df).at(confidence)
    if fewest <= DESCRIPTIVE:
        return replace(estimated, caveats=(f"{fewest} seeds on a side: descriptive, not tested",))
    statistic = location / error
    return replace(estimated, statistic=statistic, p=two_sided_p(statistic, df))
