"""The mean of a group, with its interval made on the scale that fits the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from metabench.stats.intervals import t_interval
from metabench.stats.results import Estimate, Interval, checked, counted
from metabench.stats.scales import UNBOUNDED, Scale, magnitude, mean_from_scale, to_scale, within

_MEANS: dict[Scale, str] = {
    "linear": "mean",
    "log": "geometric mean",
    "error_rate": "mean by geometric mean of the error rates,",
}


def mean_interval(
    values: Sequence[float],
    *,
    confidence: float = 0.95,
    unit: str = "",
    scale: Scale = "linear",
    bounds: Interval = UNBOUNDED,
) -> Estimate:
    """Return a mean over seeds with Student's t interval, made on `scale` and told in the unit of
    the values.

    Skewed numbers need it: raw intervals of a log-normal error cover 94 / 93 / 88 % at σ = .25 /
    .35 / .7 where they say 95 %. On `log` the estimate is the geometric mean, and `sd` that of the
    logarithms.

    Parameters
    ----------
    bounds
        Where a value can lie; no end of the interval is beyond.

    Raises
    ------
    ValueError
        No values, one that is not finite, or one that has no logarithm.
    """
    analysed = to_scale(checked(values), scale)
    found = t_interval(
        analysed.tolist(), confidence=confidence, unit=unit, scale=magnitude(analysed, scale)
    )
    interval = None
    if found.interval is not None:
        low, high = sorted(mean_from_scale(end, scale) for end in found.interval)
        interval = within((low, high), bounds)
    return replace(
        found,
        estimate=mean_from_scale(found.estimate, scale),
        interval=interval,
        method=f"{_MEANS[scale]} with Student t interval over {counted(found.n, 'seed')}",
    )
