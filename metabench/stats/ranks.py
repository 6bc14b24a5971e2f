"""Average ranks over data sets, and what differences of them mean (Demšar 2006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from metabench.stats.results import Matrix, Vector

FEWEST_DATASETS = 8
"""Independent data sets from which on ranks are tested. Shots of one data set are not independent,
seeds are no data sets, and two subsets of one source are one."""


@dataclass(frozen=True)
class RankAnalysis:
    """Average ranks of k algorithms over N data sets, 1 being the best.

    Attributes
    ----------
    average_ranks
        ``[k]``.
    chi_square
        Friedman's statistic, uncorrected for ties as in the source.
    f, p
        Iman and Davenport's, less conservative than Friedman's; None below `FEWEST_DATASETS`.
    critical_difference
        Nemenyi's, between any two average ranks; None below `FEWEST_DATASETS`.
    bonferroni_dunn
        The smaller one for comparisons with one reference alone.
    """

    average_ranks: Vector
    chi_square: float
    f: float | None
    p: float | None
    critical_difference: float | None
    bonferroni_dunn: float | None
    level: float
    n: int
    caveats: tuple[str, ...] = ()

    def separated(self) -> list[tuple[int, int]]:
        """Return the pairs whose average ranks differ by the critical difference at least."""
        bound, k = self.critical_difference, len(self.average_ranks)
        if bound is None:
            return []
        gaps = np.abs(np.subtract.outer(self.average_ranks, self.average_ranks))
        return [(i, j) for i in range(k) for j in range(i + 1, k) if gaps[i, j] >= bound]


def ranks_of(scores: Sequence[Sequence[float]], *, higher_is_better: bool = True) -> Matrix:
    """Return ranks ``[N][k]`` of k algorithms in each of N rows, 1 being the best; equal ones share
    the mean of theirs."""
    table = np.asarray(scores, dtype=np.float64)
    ranks: Matrix = scipy.stats.rankdata(-table if higher_is_better else table, axis=1)
    return ranks


def rank_analysis(
    scores: Sequence[Sequence[float]], *, higher_is_better: bool = True, level: float = 0.05
) -> RankAnalysis:
    """Rank algorithms on each data set, and test whether their average ranks differ.

    Scipy's `friedmanchisquare` corrects for ties, which Demšar's published figures do not; the
    statistic here is his. Ranks are used for algorithms on different data sets, whose scores know
    no common unit; within one, compare scores.

    Parameters
    ----------
    scores
        ``[N][k]``, a row a data set: means over seeds.

    Raises
    ------
    ValueError
        Not a table of at least one row and two columns, or a score that is not finite.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise ValueError(f"expected finite scores [data sets, algorithms], got {table.shape}")
    n, k = table.shape
    average = ranks_of(table.tolist(), higher_is_better=higher_is_better).mean(0)
    chi_square = float(12 * n / (k * (k + 1)) * (np.sum(average**2) - k * (k + 1) ** 2 / 4))
    if n < FEWEST_DATASETS:
        few = f"ranks over {n} data sets: described, not tested ({FEWEST_DATASETS} are needed)"
        return RankAnalysis(average, chi_square, None, None, None, None, level, n, (few,))
    left = n * (k - 1) - chi_square
    f = (n - 1) * chi_square / left if left > 0 else float("inf")
    error = (k * (k + 1) / (6 * n)) ** 0.5
    return RankAnalysis(
        average,
        chi_square,
        f,
        float(scipy.stats.f.sf(f, k - 1, (k - 1) * (n - 1))),
        float(scipy.stats.studentized_range.isf(level, k, np.inf)) / 2**0.5 * error,
        float(scipy.stats.norm.isf(level / (2 * (k - 1)))) * error,
        level,
        n,
    )
