"""The scale that numbers are compared on: as they are, as logarithms, or as error rates."""

from __future__ import annotations

from typing import Literal

import numpy as np

from metabench.stats.results import Interval, Vector

Scale = Literal["linear", "log", "error_rate"]
"""`log` for what is skewed and knows ratios (squared errors, times); `error_rate` for accuracies
near the ceiling, whose errors are compared as ratios."""

NEAR_CEILING = 0.95
"""From this mean on, on both sides, accuracies are compared as error rates: .98 against .99 is half
the errors, and a margin in points no longer means what it means in the middle of the scale."""

ON_SCALE: dict[Scale, str] = {
    "linear": "",
    "log": " of logarithms",
    "error_rate": " of logarithms of the error rates",
}
"""What a method's name says of it."""

UNBOUNDED: Interval = (float("-inf"), float("inf"))
SHARE: Interval = (0.0, 1.0)
"""Where accuracies, failure rates and probabilities lie."""


def scale_of_accuracies(first: Vector, second: Vector) -> Scale:
    """Choose how accuracies are compared, by a rule that does not know who leads: as error rates
    where both means are at least `NEAR_CEILING` and no score is without an error."""
    samples = (np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64))
    near = all(sample.mean() >= NEAR_CEILING and sample.max() < 1 for sample in samples)
    return "error_rate" if near else "linear"


def to_scale(values: Vector, scale: Scale) -> Vector:
    """Return `values` as they are analysed: themselves, or logarithms of them or of their errors.

    Raises
    ------
    ValueError
        A logarithm is asked for of what is not positive.
    """
    if scale == "linear":
        return values
    if scale == "error_rate":
        if (values >= 1).any():
            raise ValueError(f"error rates are compared where there are errors, got {values.max()}")
        return np.log1p(-values)
    if (values <= 0).any():
        raise ValueError(f"logarithms need positive values, got {values.min()}")
    return np.log(values)


def mean_from_scale(location: float, scale: Scale) -> float:
    """Return a mean in the unit of the values: on `log` the geometric one, on `error_rate` what the
    geometric mean of the error rates leaves."""
    if scale == "linear":
        return location
    value = as_ratio(location)
    return 1 - value if scale == "error_rate" else value


def difference_from_scale(location: float, scale: Scale) -> float:
    """Return a difference of means as it is told: itself, or the ratio that its logarithm is."""
    return location if scale == "linear" else as_ratio(location)


def bounds_of_difference(bounds: Interval, scale: Scale) -> Interval:
    """Return where a difference can lie, as it is told, whose sides lie within `bounds`."""
    if scale != "linear":
        return (0.0, float("inf"))
    return bounds[0] - bounds[1], bounds[1] - bounds[0]


def as_ratio(logarithm: float) -> float:
    """Return e to the power of `logarithm`: infinite where it fits into no number."""
    with np.errstate(over="ignore"):
        return float(np.exp(logarithm))


def within(interval: Interval, bounds: Interval) -> Interval:
    """Return `interval` cut to where the quantity can lie; what is outside was never possible."""
    low, high = (float(min(max(end, bounds[0]), bounds[1])) for end in interval)
    return low, high


def magnitude(values: Vector, scale: Scale) -> float:
    """Return the size of analysed numbers, which tells spread from rounding (`results.spread`)."""
    return max(float(np.abs(values).max()), 0.0 if scale == "linear" else 1.0)
