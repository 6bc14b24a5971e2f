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


@dataclass(frozen=True)
class PairedComparison(Estimate):
    """One algorithm against another over the seeds that both have; `estimate` is the mean
    difference, first minus second.

    Attributes
    ----------
    statistic, df, p
        Of the paired t-test; None where nothing was tested.
    effect
        D_z, the mean difference in standard deviations of the differences; `effect_corrected` is
        free of its small-sample bias (Hedges).
    ahead
        Share of seeds with first better than second, ties counting half. The one field that knows
        which direction is better.
    correlation
        Pearson's, of the pairs; None where one side does not vary. Pairs that are not related only
        cost power.
    family, family_size, p_adjusted
        The declared comparisons that p was corrected for; None until `correct_family` has done so.
    detectable_difference
        Smallest true difference that this many seeds find with 80 % power at the family's strictest
        level.
    """

    statistic: float | None = None
    df: int | None = None
    p: float | None = None
    effect: float | None = None
    effect_corrected: float | None = None
    ahead: float = 0.5
    correlation: float | None = None
    family: str | None = None
    family_size: int | None = None
    p_adjusted: float | None = None
    detectable_difference: float | None = None

    @property
    def separated(self) -> bool | None:
        """Whether the two differ at the family's level; None where that was not tested. Not
        separated does not mean equal."""
        return None if self.p_adjusted is None else self.p_adjusted <= 1 - self.confidence


def checked(values: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
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


def spread(values: NDArray[np.float64], scale: float) -> float:
    """Return the standard deviation (n - 1), and exactly 0 where the values differ by no more than
    rounding of numbers of size `scale`."""
    if float(np.ptp(values)) <= 8 * np.finfo(np.float64).eps * scale:
        return 0.0
    return float(np.std(values, ddof=1))
