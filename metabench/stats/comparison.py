"""What a comparison of two samples returns, and all that follows from its standard error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from metabench.stats.power import detectable_noncentrality
from metabench.stats.results import Estimate, Interval
from metabench.stats.scales import UNBOUNDED, Scale, difference_from_scale, within
from metabench.stats.student import critical_value, upper_tail


@dataclass(frozen=True, kw_only=True)
class Comparison(Estimate):
    """One sample against another, first minus second.

    On the scale `linear` the `estimate` is the mean difference. On the others it is a ratio (of
    geometric means, or of error rates), the analysis was made on logarithms, and `sd` is that of
    the logarithms' differences.

    Attributes
    ----------
    difference
        Mean difference in the unit of the values, on whatever scale the analysis was made.
    scale, bounds
        What was analysed, and where `estimate` can lie: no interval reaches beyond.
    location, standard_error
        Of the mean difference, on the analysed scale.
    level
        Of the test, with its family: 5 % where nothing else was said. `confidence` is that of the
        interval, and stricter in a corrected family.
    statistic, df, p
        Of the t-test; None where nothing was tested.
    family, family_size, p_adjusted
        The declared comparisons that p was corrected for; None until `correct_family` has done so.
    detectable_difference
        Smallest true difference (or ratio above 1) that this many seeds find with 80 % power at the
        family's strictest level, if the spread is as observed.
    """

    difference: float = 0.0
    scale: Scale = "linear"
    bounds: Interval = UNBOUNDED
    location: float = 0.0
    standard_error: float | None = None
    level: float = 0.05
    statistic: float | None = None
    df: float | None = None
    p: float | None = None
    family: str | None = None
    family_size: int | None = None
    p_adjusted: float | None = None
    detectable_difference: float | None = None

    @property
    def separated(self) -> bool | None:
        """Whether the two differ at the family's level; None where that was not tested. Not
        separated does not mean equal."""
        return None if self.p_adjusted is None else self.p_adjusted <= self.level

    def advantage(self, *, higher_is_better: bool) -> float:
        """Return how much better first is than second, on the analysed scale: above 0, it leads."""
        larger = -self.location if self.scale == "error_rate" else self.location
        return larger if higher_is_better else -larger

    def p_above(self, bound: float) -> float:
        """Return the one-sided p for a true difference above `bound`, on the analysed scale.

        Where nothing spreads it is the limit of little spread: 0 or 1.
        """
        beyond = self.location - bound
        if not self.standard_error or self.df is None:
            return 0.0 if beyond > 0 else 1.0
        return upper_tail(beyond / self.standard_error, self.df)

    def p_below(self, bound: float) -> float:
        """Return the one-sided p for a true difference below `bound`, as `p_above`."""
        return replace(self, location=-self.location).p_above(-bound)

    def confidence_interval(self, confidence: float) -> Interval | None:
        """Return the interval at another confidence; None where there is no spread to make one of.

        Raises
        ------
        ValueError
            A confidence outside (0, 1).
        """
        if not 0 < confidence < 1:
            raise ValueError(f"expected a confidence between 0 and 1, got {confidence}")
        if not self.standard_error or self.df is None:
            return None
        half = float(critical_value((1 - confidence) / 2, self.df)) * self.standard_error
        low, high = (
            difference_from_scale(end, self.scale)
            for end in (self.location - half, self.location + half)
        )
        return within((low, high), self.bounds)

    def at(self, confidence: float) -> Self:
        """Return the same comparison with its interval at another confidence."""
        return replace(self, confidence=confidence, interval=self.confidence_interval(confidence))

    def detectable(self, *, alpha: float, power: float = 0.8) -> float | None:
        """Return the smallest true difference (or ratio above 1) that is found at level `alpha`, if
        the spread is as observed."""
        if not self.standard_error or self.df is None:
            return None
        found = self.standard_error * detectable_noncentrality(self.df, alpha=alpha, power=power)
        return difference_from_scale(found, self.scale)


@dataclass(frozen=True, kw_only=True)
class PairedComparison(Comparison):
    """One algorithm against another over the seeds that both have.

    Attributes
    ----------
    effect
        d_z, the mean difference in standard deviations of the differences; `effect_corrected` is
        free of its small-sample bias (Hedges).
    ahead
        Share of seeds with first better than second, ties counting half: the paired probability of
        superiority. The one field that knows which direction is better.
    correlation
        Pearson's, of the pairs; None where one side does not vary. Pairs that are not related only
        cost power.
    """

    df: int | None = None
    effect: float | None = None
    effect_corrected: float | None = None
    ahead: float = 0.5
    correlation: float | None = None
