"""What the statistics return: frozen, and complete enough to be printed without their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DESCRIPTIVE = 3
"""Up to this many seeds a comparison is described, not tested: the estimate and its interval, no p,
no stars."""

Interval = tuple[float, float]
Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number and how sure it is.

    Attributes
    ----------
    estimate
        In `unit`.
    interval
        (low, high) at `confidence`, or None where none can be given; `caveats` then says why.
    sd
        Standard deviation of the values (n - 1), or None for one value.
    n
        Number of values that went in.
    method
        What was computed, in words that a table's caption can use.
    caveats
        What a reader must know before relying on it; empty where there is nothing.
    """

    estimate: float
    interval: Interval | None
    confidence: float
    sd: float | None
    n: int
    method: str
    unit: str = ""
    caveats: tuple[str, ...] = ()


def checked(values: Sequence[float] | Vector) -> Vector:
    """Return `values` as a float64 vector.

    Raises
    ------
    ValueError
        It is empty, not one-dimensional, or has a value that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"expected a vector of at least one value, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(
            f"expected finite values, got {array[~np.isfinite(array)][0]} at position "
            f"{int(np.argmin(np.isfinite(array)))}"
        )
    return array


def spread(values: Vector, scale: float) -> float:
    """Return the standard deviation (n - 1), and exactly 0 where the values differ by no more than
    rounding of numbers of size `scale`."""
    if float(np.ptp(values)) <= 8 * np.finfo(np.float64).eps * scale:
        return 0.0
    return float(np.std(values, ddof=1))


def counted(n: int, what: str) -> str:
    """Return "1 seed", "5 seeds"."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
