"""Intervals over seeds, of one mean and of a curve of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metabench.stats.results import DESCRIPTIVE, Estimate, Interval, checked, counted, spread
from metabench.stats.student import critical_value


def t_interval(
    values: Sequence[float],
    *,
    confidence: float = 0.95,
    unit: str = "",
    scale: float | None = None,
    over: str = "seed",
) -> Estimate:
    """Student's t interval of a mean over seeds: mean ± t(n - 1) · sd / √n.

    One value, and values that are all the same, give no interval but a caveat.

    Parameters
    ----------
    scale
        Size of the numbers that the values were computed from, which tells spread from rounding; by
        default their own.
    over
        What the values are one of each.

    Raises
    ------
    ValueError
        No values, or one that is not finite.
    """
    array = checked(values)
    n, mean = array.size, float(array.mean())
    method = f"mean with Student t interval over {counted(n, over)}"
    if n == 1:
        return Estimate(
            mean,
            None,
            confidence,
            None,
            1,
            method,
            unit,
            (f"one {over}: no interval over {over}s",),
        )
    sd = spread(array, float(np.abs(array).max()) if scale is None else scale)
    if sd == 0.0:
        return Estimate(
            mean,
            None,
            confidence,
            0.0,
            n,
            method,
            unit,
            (f"all {counted(n, over)} gave the same value: their spread is unknown, not zero",),
        )
    half = critical_value((1 - confidence) / 2, n - 1) * sd / n**0.5
    caveats = (f"{counted(n, over)}: descriptive",) if n <= DESCRIPTIVE else ()
    return Estimate(mean, (mean - half, mean + half), confidence, sd, n, method, unit, caveats)


def standard_error(interval: Interval, n: int, *, confidence: float = 0.95) -> float:
    """Return the standard error of a mean of `n` values whose Student t interval is this."""
    return (interval[1] - interval[0]) / 2 / float(critical_value((1 - confidence) / 2, n - 1))


@dataclass(frozen=True)
class Band:
    """A mean curve with pointwise intervals over seeds.

    Attributes
    ----------
    mean
        ``[X]``.
    low, high
        ``[X]``, or None for a single curve.
    n
        Number of curves.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64] | None
    high: NDArray[np.float64] | None
    n: int


def t_band(curves: NDArray[np.float64], *, confidence: float = 0.95) -> Band:
    """Student t intervals at every point of curves that share their x; pointwise, so not a band for
    the whole curve.

    Parameters
    ----------
    curves
        ``[S, X]``, one row a seed.

    Raises
    ------
    ValueError
        Not two-dimensional, no curve, or a value that is not finite.
    """
    if curves.ndim != 2 or curves.size == 0 or not np.isfinite(curves).all():
        raise ValueError(
            f"expected finite curves of shape [seeds, points], got shape {curves.shape}"
        )
    n, mean = curves.shape[0], curves.mean(0)
    if n == 1:
        return Band(mean, None, None, 1)
    half = critical_value((1 - confidence) / 2, n - 1) * curves.std(0, ddof=1) / n**0.5
    return Band(mean, mean - half, mean + half, n)
