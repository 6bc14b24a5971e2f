"""A row of the tables of comparisons, and what can come of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from metabench.stats import Comparing, Scale
from metabench.tables.typed_rows import METRIC, VARIANT, Columns, GroupRow, Metric


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One group against another on the same data: the reference's, or in the family of all pairs
    each.

    Attributes
    ----------
    group, reference
        The two.
    family, family_size
        The declared comparisons that p was corrected for.
    pairs
        Seeds for which both have a score, on the same data.
    difference, low, high
        Mean difference, group minus reference, in the metric's unit; with its interval where the
        `scale` of the comparison is linear.
    scale, ratio, ratio_low, ratio_high
        What was compared: scores, their logarithms (`log`) or those of their distances from 1
        (`error_rate`); and, where these, the ratio of the two with its interval.
    confidence
        Of the interval, which agrees with the corrected verdict.
    level
        That `p_holm` is held against: of the whole family.
    sd
        Standard deviation of the differences, on the scale.
    ahead
        Share of seeds with the group better, ties counting half.
    correlation
        Of the pairs.
    t, df, p, p_holm
        Of the paired t-test.
    p_sign_flip, p_wilcoxon
        Second opinions on it, uncorrected: by turning the signs of the differences, and by their
        ranks. None below six pairs, which cannot reach 5 %, where nothing was tested, and in the
        family of all pairs.
    d_z, d_z_corrected
        The difference in standard deviations of the differences; the second free of its bias.
    detectable_difference, detectable_ratio
        Smallest true difference, or ratio above 1, that so many seeds find if the spread is as
        observed.
    margin, seeds_for_margin
        The difference, or ratio, that the suite says must not pass unnoticed, and how many seeds
        find it at the same level and power, if the spread is as observed. None in the family of all
        pairs.
    selective_pairs, selective_difference, selective_low, selective_high
        The same over the seeds that both completed, where others count at chance: a selection.
    verdict
        What came of it; it knows which way is better.
    method, caveats
        What was computed, and what to know before relying on it.
    time_ratio, time_ratio_low, time_ratio_high
        Geometric mean of the training time over the reference's, with an interval that is corrected
        for the family; `cost_caveats` says why there is none.
    fit_ratio, episode_ratio
        The same of a whole fit, and of a test episode, with their intervals.
    """

    group: GroupRow
    reference: GroupRow
    family: str | None = None
    family_size: int | None = None
    pairs: int = 0
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    scale: Scale | None = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    confidence: float | None = None
    level: float = 0.05
    sd: float | None = None
    ahead: float | None = None
    correlation: float | None = None
    t: float | None = None
    df: int | None = None
    p: float | None = None
    p_holm: float | None = None
    p_sign_flip: float | None = None
    p_wilcoxon: float | None = None
    d_z: float | None = None
    d_z_corrected: float | None = None
    detectable_difference: float | None = None
    detectable_ratio: float | None = None
    margin: float | None = None
    seeds_for_margin: int | None = None
    selective_pairs: int | None = None
    selective_difference: float | None = None
    selective_low: float | None = None
    selective_high: float | None = None
    verdict: Comparing
    method: str | None = None
    caveats: str
    time_ratio: float | None = None
    time_ratio_low: float | None = None
    time_ratio_high: float | None = None
    fit_ratio: float | None = None
    fit_ratio_low: float | None = None
    fit_ratio_high: float | None = None
    episode_ratio: float | None = None
    episode_ratio_low: float | None = None
    episode_ratio_high: float | None = None
    cost_caveats: str | None = None

    @property
    def metric(self) -> Metric:
        """What is compared."""
        return self.group.metric

    @staticmethod
    def names(data: Sequence[str]) -> list[str]:
        """Columns of the table; `data` are the coordinates of the data."""
        found = [
            one.name for one in fields(ComparisonRow) if one.name not in ("group", "reference")
        ]
        return [
            *("block", *METRIC[:3], "seeds", "group", "algorithm", "privileged", *VARIANT, *data),
            *(f"reference_{key}" for key in ("group", "algorithm", *VARIANT)),
            *found,
        ]

    def columns(self) -> Columns:
        """By the names of the table's columns."""
        reference = {"group": self.reference.group, **self.reference.place}
        return {
            **self.group.columns(),
            **{f"reference_{key}": value for key, value in reference.items()},
            **{
                key: value for key, value in vars(self).items() if key not in ("group", "reference")
            },
        }
