"""Published answers, and those of a second implementation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import ttost_paired

from metabench.stats import (
    Estimate,
    contrast_interval,
    correct_family,
    detectable_effect,
    holm,
    judge,
    judge_all,
    paired_t_test,
    t_band,
    t_interval,
)

SLEEP_A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
WILCOXON = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]


def test_student_sleep_data():
    result = paired_t_test(SLEEP_A, SLEEP_B, unit="hours")
    assert result.statistic == pytest.approx(-4.0621, abs=5e-5)
    assert result.df == 9
    assert result.p == pytest.approx(0.002833, abs=5e-7)
    assert result.interval == pytest.approx((-2.4599, -0.7001), abs=5e-5)
    assert result.effect == pytest.approx(-1.2846, abs=5e-5)
    assert result.effect_corrected == pytest.approx(-1.2846 * (1 - 3 / 35), abs=5e-5)
    assert result.ahead == pytest.approx(0.05)  # nine worse, one tie


def test_scipy_wilcoxon_example_by_t():
    result = paired_t_test(WILCOXON, [0] * 15)
    assert result.statistic == pytest.approx(2.1480, abs=5e-5)
    assert result.p == pytest.approx(0.049703, abs=5e-7)
    assert result.interval == pytest.approx((0.0312, 41.8355), abs=5e-5)
    assert result.ahead == pytest.approx(13 / 15)
    assert result.correlation is None  # one side does not vary
    interval = t_interval(WILCOXON)
    assert interval.interval == pytest.approx(result.interval)
    assert (interval.n, interval.method) == (15, "mean with Student t interval over 15 seeds")


@pytest.mark.slow
def test_holm_example_and_second_implementation():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 20):
        p_values = list(rng.uniform(0, 0.2, size))
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_keeps_the_place_of_what_was_not_tested():
    assert holm([0.01, None, 0.04, None]) == [pytest.approx(0.04), None, pytest.approx(0.12), None]
    assert holm([]) == []


@pytest.mark.parametrize(
    ("n", "effect"), [(3, 3.26), (5, 1.68), (8, 1.16), (10, 1.00), (20, 0.66), (30, 0.53)]
)
def test_published_detectable_effects(n, effect):
    assert detectable_effect(n) == pytest.approx(effect, abs=0.005)


def test_detectable_effect_at_holms_first_step():
    assert detectable_effect(5, alpha=0.05 / 6) == pytest.approx(2.76, abs=0.005)


@pytest.mark.parametrize(("n", "alpha"), [(3, 0.05 / 6), (4, 0.0025), (10, 0.05)])
def test_detectable_effect_has_the_power_that_it_claims(n, alpha):
    draws = np.random.default_rng(n).standard_normal((100_000, n)) + detectable_effect(
        n, alpha=alpha
    )
    statistic = draws.mean(1) / draws.std(1, ddof=1) * n**0.5
    assert np.mean(np.abs(statistic) > stats.t.isf(alpha / 2, n - 1)) == pytest.approx(
        0.8, abs=0.005
    )


@pytest.mark.parametrize("n", [3, 5, 10])
def test_simulated_coverage(n):
    band = t_band(np.random.default_rng(n).normal(0.9, 0.02, (n, 10_000)))
    assert 0.935 <= np.mean((band.low <= 0.9) & (band.high >= 0.9)) <= 0.965


def test_band_is_the_interval_at_every_point():
    curves = np.random.default_rng(1).normal(size=(4, 3))
    band = t_band(curves, confidence=0.9)
    for point in range(3):
        expected = t_interval(curves[:, point], confidence=0.9)
        assert (band.low[point], band.high[point]) == pytest.approx(expected.interval)
    single = t_band(curves[:1])
    assert (single.low, single.high, single.n) == (None, None, 1)


def test_family_carries_its_size_into_p_and_power():
    one = paired_t_test(SLEEP_B, SLEEP_A)
    (alone,) = correct_family([one], "accuracy")
    corrected, missing = correct_family([one, None], "accuracy")
    assert missing is None
    assert alone.p_adjusted == pytest.approx(one.p)
    assert corrected.p_adjusted == pytest.approx(2 * one.p)
    assert (corrected.family, corrected.family_size, corrected.separated) == ("accuracy", 2, True)
    assert corrected.detectable_difference == pytest.approx(
        one.sd * detectable_effect(10, alpha=0.025)
    )
    assert corrected.detectable_difference > alone.detectable_difference


def test_a_paired_contrast_is_the_paired_t_interval():
    contrast = contrast_interval([SLEEP_A], [SLEEP_B], unit="hours")
    assert contrast.interval == pytest.approx((-2.4599, -0.7001), abs=5e-5)
    assert (contrast.n, contrast.unit) == (10, "hours")
    assert contrast.method == "mean difference with Student t interval over 10 seeds"


def test_a_difference_of_differences_is_a_t_interval_of_four_samples():
    a, b, c, d = np.random.default_rng(0).normal(size=(4, 6))
    contrast = contrast_interval([a, d], [b, c], confidence=0.9)
    expected = stats.ttest_1samp((a - b) - (c - d), 0).confidence_interval(0.9)
    assert contrast.interval == pytest.approx((expected.low, expected.high))
    assert contrast.estimate == pytest.approx(np.mean(a - b) - np.mean(c - d))


def test_ratios_are_estimated_on_logarithms():
    """2, 4 and 8 times: four times in the geometric mean, whose interval has ends that multiply to
    its square."""
    ratio = contrast_interval([[2.0, 12.0, 40.0]], [[1.0, 3.0, 5.0]], ratio=True)
    assert ratio.estimate == pytest.approx(4)
    low, high = np.exp(stats.t.interval(0.95, 2, np.log(4), np.log(2) / np.sqrt(3)))
    assert ratio.interval == pytest.approx((low, high))
    assert (ratio.unit, ratio.sd) == ("ratio", None)


def test_equivalence_as_two_one_sided_tests():
    """Statsmodels' own example: a bound of .5, paired, p .954854; and random samples at a level
    that both know."""
    a, b = [4, 7, 8, 6, 3, 2], [6, 8, 7, 10, 11, 9]
    assert ttost_paired(np.array(a), np.array(b), -0.5, 0.5)[0] == pytest.approx(0.954854, abs=5e-7)
    assert judge(contrast_interval([a], [b], confidence=0.9), -0.5, 0.5) != "supported"
    rng = np.random.default_rng(0)
    verdicts = set()
    for _ in range(200):
        first, second = rng.normal(0, 0.3, 8), rng.normal(rng.uniform(-0.5, 0.5), 0.3, 8)
        verdict = judge(contrast_interval([first], [second], confidence=0.9), -0.5, 0.5)
        assert (verdict == "supported") == (ttost_paired(first, second, -0.5, 0.5)[0] <= 0.05)
        verdicts.add(verdict)
    assert verdicts == {"supported", "refuted", "inconclusive"}


@pytest.mark.parametrize(
    ("interval", "n", "verdict"),
    [
        ((0.1, 0.4), 5, "supported"),
        ((0.0, 1.0), 5, "supported"),
        ((-0.1, 0.4), 5, "inconclusive"),
        ((0.5, 1.5), 5, "inconclusive"),
        ((-2.0, 2.0), 5, "inconclusive"),
        ((-0.4, -0.1), 5, "refuted"),
        ((1.1, 1.2), 5, "refuted"),
        ((0.1, 0.4), 3, "not judged"),
        ((1.1, 1.2), 2, "not judged"),
        (None, 5, "not judged"),
    ],
)
def test_verdicts(interval, n, verdict):
    assert judge(Estimate(0.0, interval, 0.95, None, n, ""), 0.0, 1.0) == verdict


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        (["supported", "supported"], "supported"),
        (["supported", "inconclusive"], "inconclusive"),
        (["supported", "not judged"], "inconclusive"),
        (["inconclusive", "refuted", "not judged"], "refuted"),
        (["not judged", "not judged"], "not judged"),
        ([], "not judged"),
    ],
)
def test_a_claim_about_several_settings_must_hold_in_each(verdicts, whole):
    assert judge_all(verdicts) == whole


def test_rounding_is_no_spread():
    """0.3 - 0.1 and 1.1 - 0.9 differ in the last digit alone."""
    contrast = contrast_interval([[0.3, 0.4, 0.7, 1.1]], [[0.1, 0.2, 0.5, 0.9]])
    assert contrast.interval is None
    assert judge(contrast, 0.0, 1.0) == "not judged"
    assert (
        contrast_interval([[2.0, 4.0, 6.0, 8.0]], [[1.0, 2.0, 3.0, 4.0]], ratio=True).interval
        is None
    )
