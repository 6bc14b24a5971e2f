"""Student's t law, by SciPy's own special functions: `scipy.stats.t` spends a hundred times as long
on its checks, which tables of thousands of comparisons would wait for."""

from __future__ import annotations

from typing import Any

import scipy


def upper_tail(t: float, df: float) -> float:
    """Return how likely a value above `t` is, with `df` degrees of freedom."""
    return float(scipy.special.stdtr(df, -t))


def two_sided_p(t: float, df: float) -> float:
    """Return how likely a value at least as far from 0 as `t` is."""
    return 2 * upper_tail(abs(t), df)


def critical_value(p: float, df: Any) -> Any:
    """Return the value above which lies a share `p`, elementwise in `df`."""
    return -scipy.special.stdtrit(df, p)
