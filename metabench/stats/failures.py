"""How often something does not complete."""

from __future__ import annotations

from functools import lru_cache

import scipy

from metabench.stats.results import Estimate, counted


@lru_cache(maxsize=1024)
def failure_rate(completed: int, total: int, *, confidence: float = 0.95) -> Estimate:
    """Return the share of cells that did not complete, with its exact (Clopper-Pearson) interval.

    The exact interval covers at least as often as it says at any number of cells, and has an end
    that tells something where none failed: 5 of 5 completed leaves up to 52 % (two-sided, 95 %).

    Parameters
    ----------
    completed, total
        Cells that completed, of how many that were tried.

    Raises
    ------
    ValueError
        No cells, or more completed than there were.
    """
    if not 0 <= completed <= total or total == 0:
        raise ValueError(f"expected some cells and no more completed, got {completed} of {total}")
    failed = total - completed
    interval = scipy.stats.binomtest(failed, total).proportion_ci(confidence, method="exact")
    return Estimate(
        failed / total,
        (float(interval.low), float(interval.high)),
        confidence,
        None,
        total,
        f"failure rate with exact (Clopper-Pearson) interval over {counted(total, 'cell')}",
        unit="share",
    )
