"""What a number of seeds can find."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import scipy

from metabench.stats.results import Vector
from metabench.stats.student import critical_value

NODES = 200
"""Quadrature points over the chi-square law: four correct digits of the effect down to n = 2 at one
twentieth of 5 %."""


MOST = 10_000
"""Where the search for a number of seeds ends."""


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


@lru_cache
def legendre(points: int) -> tuple[Vector, Vector]:
    """Return Gauss and Legendre's nodes on [-1, 1], and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return nodes, weights


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
    quadrature = _quadrature(df, alpha)
    upper = 1.0
    while _found(upper, *quadrature) < power:
        upper *= 2
    return float(
        scipy.optimize.brentq(lambda delta: _found(delta, *quadrature) - power, 0.0, upper)
    )


def power_of(effect: float, n: int, *, alpha: float = 0.05) -> float:
    """Return how often a two-sided paired t-test of `n` pairs finds a true d_z of `effect`.

    Raises
    ------
    ValueError
        As `detectable_effect`.
    """
    if n < 2 or not 0 < alpha < 1:
        raise ValueError(f"no power for n = {n}, alpha = {alpha}")
    return _found(effect * n**0.5, *_quadrature(n - 1, alpha))


def seeds_needed(
    sd: float, margin: float, *, alpha: float = 0.05, power: float = 0.8, most: int = MOST
) -> int | None:
    """Return how many paired seeds find a true difference of `margin` with the given power.

    Parameters
    ----------
    sd
        Standard deviation of the differences, as observed or supposed.
    margin
        In the same unit, above 0.
    alpha
        Level of the comparison: with Holm, that of the family over its size.

    Returns
    -------
    int or None
        None where more than `most` are needed.

    Raises
    ------
    ValueError
        A margin or spread that is not above 0, or a level or power outside (0, 1).
    """
    if not (margin > 0 and sd > 0):
        raise ValueError(f"expected a margin and a spread above 0, got {margin} and {sd}")

    def missed(n: int) -> bool:
        return detectable_effect(n, alpha=alpha, power=power) * sd > margin

    low, high = 1, 2
    while missed(high):
        low, high = high, 2 * high
        if low >= most:
            return None
    while high - low > 1:  # low misses, high finds
        middle = (low + high) // 2
        low, high = (middle, high) if missed(middle) else (low, middle)
    return high if high <= most else None


def seeds_for_superiority(superiority: float, *, alpha: float = 0.05, power: float = 0.95) -> int:
    """Return how many pairs show, one-sided, that first is ahead with this probability (Noether
    1987, as Bouthillier et al. 2021 use it): ((z_α + z_β) / (√6 · (½ - γ)))².

    Parameters
    ----------
    superiority
        γ, the probability that first is ahead that would matter: .75 in the source.

    Raises
    ------
    ValueError
        A superiority that is not above one half, or a level or power outside (0, 1).
    """
    if not (0.5 < superiority <= 1 and 0 < alpha < 1 and 0 < power < 1):
        raise ValueError(f"expected a superiority above 0.5, got {superiority}")
    z = scipy.stats.norm.isf(alpha) + scipy.stats.norm.ppf(power)
    return int(np.ceil((z / (6**0.5 * (0.5 - superiority))) ** 2))


def _quadrature(df: float, alpha: float) -> tuple[Vector, Vector]:
    """Critical values c·s at quadrature points of the chi-square law, and the points' weights."""
    nodes, weights = legendre(NODES)
    spread = np.sqrt(2 * scipy.special.gammaincinv(df / 2, (nodes + 1) / 2) / df)
    return critical_value(alpha / 2, df) * spread, weights / 2


def _found(delta: float, critical: Vector, weights: Vector) -> float:
    """Power at a true difference of `delta` standard errors."""
    return float(
        weights @ (scipy.special.ndtr(delta - critical) + scipy.special.ndtr(-delta - critical))
    )
