"""What a number of seeds can find."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import optimize, stats

NODES = 200
"""Quadrature points over the chi-square law: four correct digits of the effect down to n = 2 at one
twentieth of 5 %."""


def detectable_effect(n: int, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return the smallest d_z that a two-sided paired t-test of `n` pairs finds at level `alpha`
    with the given power.

    Raises
    ------
    ValueError
        Fewer than two pairs, or a level or power outside (0, 1).
    """
    if n < 2:
        raise ValueError(f"no detectable effect for n = {n}, alpha = {alpha}, power = {power}")
    return float(detectable_noncentrality(n - 1, alpha=alpha, power=power) / n**0.5)


@lru_cache(maxsize=1024)
def detectable_noncentrality(df: float, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Return how many standard errors a true difference must measure for a two-sided t-test to find
    it at level `alpha` with the given power.

    The noncentral t distribution is integrated over the sample's standard deviation: P(|T| > c) =
    E[Φ(δ - c·s) + Φ(-δ - c·s)] with s² ~ χ²(df) / df. Library solvers (scipy's `nct`, statsmodels'
    `TTestPower`) give NaN or stop short where few seeds meet a strict level, which is where this
    number matters most.

    Raises
    ------
    ValueError
        No degree of freedom, or a level or power outside (0, 1).
    """
    if not df > 0 or not 0 < alpha < 1 or not alpha < power < 1:
        raise ValueError(f"no detectable effect for df = {df}, alpha = {alpha}, power = {power}")
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    critical = stats.t.isf(alpha / 2, df) * np.sqrt(stats.chi2.ppf((nodes + 1) / 2, df) / df)

    def shortfall(delta: float) -> float:
        found = stats.norm.cdf(delta - critical) + stats.norm.cdf(-delta - critical)
        return float(weights @ found / 2) - power

    upper = 1.0
    while shortfall(upper) < 0:
        upper *= 2
    return float(optimize.brentq(shortfall, 0.0, upper))
