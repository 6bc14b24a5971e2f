"""How much of the spread over seeds is noise of the test episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

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
    low, high = (sd * float((n - 1) / stats.chi2.isf(p, n - 1)) ** 0.5 for p in (tail, 1 - tail))
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

    The variance over seeds is σ²_seed + σ²_episode / E. Its second part is estimated by the mean of
    the variances within seeds, each over its number of episodes; the rest is the seeds'. The
    interval is that of the ratio of variances (F), exact for normal scores and as many episodes a
    seed; both are cut at 1, where the episodes explain the whole spread.

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
    if len(seeds) < 2 or min(episodes.size for episodes in seeds) < 2:
        return None
    means = np.array([episodes.mean() for episodes in seeds])
    sd = spread(means, float(np.abs(means).max()))
    if sd == 0.0:
        return None
    noise = float(np.mean([episodes.var(ddof=1) / episodes.size for episodes in seeds]))
    share, n = noise / sd**2, len(seeds)
    within = sum(episodes.size - 1 for episodes in seeds)
    tail = (1 - confidence) / 2
    low, high = (min(1.0, share * float(stats.f.isf(p, n - 1, within))) for p in (1 - tail, tail))
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
