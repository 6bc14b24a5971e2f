"""Tests without a normal law, to stand beside the t-test: sign flips, Wilcoxon, Mann-Whitney.

Which test counts is fixed before the data; these are a second opinion, never the one that is taken
because it came out better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy

from metabench.stats.results import Matrix, Vector, checked, counted

EXACT_UP_TO = 16
"""Pairs up to which all 2ⁿ patterns of signs are gone through; beyond, random ones are."""

DIGITS = 12
"""To which differences must agree to tie."""

RESAMPLES = 99_999


@dataclass(frozen=True)
class ExactTest:
    """What a test by permutation or ranks says.

    Attributes
    ----------
    p
        Two-sided; None where no data of this size could have reached 5 %.
    least_p
        The smallest p that this many values can give.
    superiority
        Probability that first is larger than second, ties counting half.
    n
        Number of pairs, or of values on both sides.
    """

    statistic: float
    p: float | None
    least_p: float
    superiority: float
    n: int
    method: str
    caveats: tuple[str, ...] = ()

    @property
    def cliffs_delta(self) -> float:
        """Cliff's δ: how much more often first is larger than smaller, from -1 to 1."""
        return 2 * self.superiority - 1


def sign_flip_test(
    first: Sequence[float], second: Sequence[float], *, rng: np.random.Generator | None = None
) -> ExactTest:
    """Compare pairs by turning the signs of their differences: as likely as not, if the two are
    alike. The statistic is the mean difference.

    Below six pairs no pattern has a p of 5 % or less, and none is given.

    Parameters
    ----------
    first, second
        ``[n]``, in the same order of seeds.
    rng
        Needed from more than `EXACT_UP_TO` pairs on, where 99,999 random patterns are drawn.

    Raises
    ------
    ValueError
        Different lengths, no pairs, a value that is not finite, or many pairs and no `rng`.
    """
    differences = _differences(first, second)
    n = differences.size
    if n > EXACT_UP_TO and rng is None:
        raise ValueError(f"{n} pairs have too many patterns of signs: a generator is needed")
    if rng is None or n <= EXACT_UP_TO:
        how, p = "exact", _share_as_extreme(differences, _all_signs(n))
    else:
        signs = np.ones((RESAMPLES + 1, n))  # what was seen is one of the patterns
        signs[1:] = rng.choice([-1.0, 1.0], (RESAMPLES, n))
        how, p = f"{RESAMPLES:,} random patterns of a", _share_as_extreme(differences, signs)
    return _paired(float(differences.mean()), p, differences, f"{how} sign-flip test")


def wilcoxon_test(first: Sequence[float], second: Sequence[float]) -> ExactTest:
    """Compare pairs by Wilcoxon's signed ranks; the statistic is the smaller rank sum.

    Pairs without a difference are split between the two sums (Demšar 2006), and differences that
    agree to twelve digits tie. Up to `EXACT_UP_TO` pairs all patterns of signs are gone through,
    with ties too, where scipy turns to the normal law, which is off at these sizes; beyond, scipy
    does it. Below six pairs no p is given.

    Raises
    ------
    ValueError
        Different lengths, no pairs, or a value that is not finite.
    """
    differences = _differences(first, second)
    n, ranks = differences.size, scipy.stats.rankdata(np.abs(differences))
    signed = np.sign(differences) * ranks
    if n <= EXACT_UP_TO:
        p = _share_as_extreme(signed, _all_signs(n))
    else:
        found = scipy.stats.wilcoxon(differences, zero_method="zsplit") if signed.any() else None
        p = float(found.pvalue) if found else 1.0
    smaller = (ranks.sum() - abs(signed.sum())) / 2
    return _paired(float(smaller), p, differences, "Wilcoxon's signed-rank test")


def mann_whitney_test(first: Sequence[float], second: Sequence[float]) -> ExactTest:
    """Compare two independent samples by ranks; the statistic is the U of the first.

    The exact law without ties, the normal approximation with them.

    Raises
    ------
    ValueError
        No values, or one that is not finite.
    """
    a, b = checked(first), checked(second)
    tied = np.unique(np.concatenate([a, b])).size < a.size + b.size
    test = scipy.stats.mannwhitneyu(a, b, method="asymptotic" if tied else "exact")
    least = (
        2
        * scipy.stats.mannwhitneyu(
            np.arange(a.size), np.arange(b.size) + a.size, alternative="less", method="exact"
        ).pvalue
    )
    return _told(
        float(test.statistic),
        float(test.pvalue),
        min(1.0, float(least)),
        float(test.statistic) / (a.size * b.size),
        a.size + b.size,
        f"Mann-Whitney test over {a.size} and {counted(b.size, 'seed')}",
    )


def _differences(first: Sequence[float], second: Sequence[float]) -> Vector:
    """First minus second, free of what rounding adds."""
    a, b = checked(first), checked(second)
    if a.size != b.size:
        raise ValueError(f"pairs need as many values on both sides, got {a.size} and {b.size}")
    size = float(max(np.abs(a).max(), np.abs(b).max())) or 1.0
    rounded: Vector = np.round((a - b) / size, DIGITS) * size
    return rounded


@lru_cache(maxsize=4)
def _all_signs(n: int) -> Matrix:
    """``[2ⁿ, n]``: every pattern of 1 and -1. Kept, for the comparisons of a run have mostly as
    many pairs; nothing may write to it."""
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    signs = 1 - 2 * bits.astype(np.float64)
    signs.flags.writeable = False
    return signs


def _share_as_extreme(values: Vector, signs: Matrix) -> float:
    """The share of patterns whose sum is at least as far from 0 as that of the values."""
    sums, tolerance = np.abs(signs @ values), 1e-9 * np.abs(values).sum()
    return float(np.mean(sums >= abs(values.sum()) - tolerance))


def _paired(statistic: float, p: float, differences: Vector, method: str) -> ExactTest:
    n = differences.size
    return _told(
        statistic,
        p,
        min(1.0, 2 / 2**n),
        float(np.mean(np.where(differences == 0, 0.5, differences > 0))),
        n,
        f"{method} over {counted(n, 'pair')} of seeds",
    )


def _told(
    statistic: float, p: float, least_p: float, superiority: float, n: int, method: str
) -> ExactTest:
    hopeless = least_p > 0.05
    caveat = f"the least p that so few seeds can give is {least_p:.3g}: none is given"
    return ExactTest(
        statistic,
        None if hopeless else p,
        least_p,
        superiority,
        n,
        method,
        (caveat,) if hopeless else (),
    )
