"""How much of the spread over seeds is noise of the test episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from metabench.stats.results import Estimate, checked, counted, spread


def spread_interval(
    values: Sequence[float], *, confidence: float = 0.95, unit: str = ""
) -> Estimate:
    """Return the standard deviation over seeds with its chi-square interval: what a component of
    variance is known to, when that alone was varied. For normal scores; five seeds leave a factor
    of 4.8 between the ends.

    Raises
    ------
    ValueError
        No values, or one that is not finite.
    """
    array = checked(values)
    n = array.size
    method = f"standard deviation with chi-square interval over {counted(n, 'seed')}"
    sd = spread(array, float(np.abs(array).max())) if n > 1 else 0.0
    if sd == 0.0:
        none = ("no spread over seeds: it is unknown, not zero",)
        return Estimate(0.0, None, confidence, None, n, method, unit, none)
    tail = (1 - confidence) / 2
    low, high = (
        sd * float((n - 1) / scipy.stats.chi2.isf(p, n - 1)) ** 0.5 for p in (tail, 1 - tail)
    )
    return Estimate(sd, (low, high), confidence, None, n, method, unit)


@dataclass(frozen=True, kw_only=True)
class NoiseShare(Estimate):
    """The share of the variance over seeds that finitely many test episodes put there.

    Attributes
    ----------
    sd_seeds
        Standard deviation over seeds that would be left with endlessly many episodes; 0 where the
        episodes explain all of the spread.
    sd_episodes
        Standard deviation over seeds that the episodes alone would cause.
    """

    sd_seeds: float
    sd_episodes: float

    @property
    def dominates(self) -> bool:
        """Whether more episodes, not more seeds, would narrow an interval over seeds most."""
        return self.estimate > 0.5


def noise_share(
    scores: Sequence[Sequence[float]], *, confidence: float = 0.95
) -> NoiseShare | None:
    """Estimate, by the method of moments, which share of the variance of seeds' mean scores is due
    to the sampling of test episodes.

    Parameters
    ----------
    scores
        ``[S][E_s]``: a score an episode, for each seed. Episodes of different seeds must have been
        drawn apart, as metabench's are.

    Returns
    -------
    NoiseShare or None
        None where there is nothing to estimate it from: fewer than two seeds, fewer than two
        episodes in one of them, or no spread over seeds.
    """
    seeds = [checked(episodes) for episodes in scores]
    if min((episodes.size for episodes in seeds), default=0) < 2:
        return None
    return noise_share_of(
        [float(episodes.mean()) for episodes in seeds],
        [float(episodes.std(ddof=1)) / episodes.size**0.5 for episodes in seeds],
        [episodes.size for episodes in seeds],
        confidence=confidence,
    )


def noise_share_of(
    scores: Sequence[float],
    standard_errors: Sequence[float],
    episodes: Sequence[int],
    *,
    confidence: float = 0.95,
) -> NoiseShare | None:
    """Estimate the same from what each seed's mean comes with.

    The variance over seeds is σ²_seed + σ²_episode / E. Its second part is estimated by the mean of
    the squared standard errors; the rest is the seeds'. The interval is that of the ratio of
    variances (F), exact for normal scores and as many episodes a seed; both are cut at 1, where the
    episodes explain the whole spread.

    Parameters
    ----------
    scores, standard_errors, episodes
        ``[S]``: of each seed the mean over its test episodes, how sure that is, and how many there
        were, two at least.
    """
    if len(scores) < 2:
        return None
    means = checked(scores)
    sd = spread(means, float(np.abs(means).max()))
    if sd == 0.0:
        return None
    noise = float(np.square(checked(standard_errors)).mean())
    share, n = noise / sd**2, len(means)
    within = sum(number - 1 for number in episodes)
    tail = (1 - confidence) / 2
    low, high = (
        min(1.0, share * float(scipy.special.fdtri(n - 1, within, p))) for p in (tail, 1 - tail)
    )
    return NoiseShare(
        min(1.0, share),
        (low, high),
        confidence,
        None,
        n,
        f"share of the variance over {counted(n, 'seed')} by moments, with F interval",
        unit="share",
        caveats=("test episodes explain all of the spread over seeds",) if share >= 1 else (),
        sd_seeds=max(0.0, sd**2 - noise) ** 0.5,
        sd_episodes=noise**0.5,
    )
