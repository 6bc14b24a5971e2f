"""Comparisons and means on logarithms and error rates, and ends that stay within the scale."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import (
    SHARE,
    mean_interval,
    paired_t_test,
    scale_of_accuracies,
    welch_t_test,
)

accuracies = st.lists(st.tuples(*[st.integers(1, 999)] * 2), min_size=4, max_size=12)


def test_logarithms_compare_ratios():
    """Differences of logarithms by scipy, told as ratios: 2, 3, 4.5 and 2."""
    first, second = np.array([2.0, 3.0, 9.0, 8.0]), np.array([1.0, 1.0, 2.0, 4.0])
    result = paired_t_test(first, second, scale="log", bounds=(0, math.inf), unit="mse")
    reference = stats.ttest_1samp(np.log(first) - np.log(second), 0)
    assert result.p == pytest.approx(reference.pvalue)
    assert result.interval == pytest.approx(tuple(np.exp(reference.confidence_interval())))
    assert result.estimate == pytest.approx((2 * 3 * 4.5 * 2) ** 0.25)
    assert result.difference == pytest.approx(np.mean(first - second))
    assert (result.unit, result.ahead) == ("ratio", 1.0)


def test_error_rates_compare_what_is_left_to_the_ceiling():
    """.99 against .98 is half the errors, and the sides know which of them is better."""
    result = paired_t_test(
        [0.99, 0.985, 0.991, 0.995], [0.98, 0.97, 0.982, 0.99], scale="error_rate", bounds=SHARE
    )
    assert result.estimate == pytest.approx(0.5)
    assert result.difference > 0
    assert result.ahead == 1.0
    assert result.sd == 0.0  # of the ratios, which are all one half
    assert "same amount" in result.caveats[0]


@pytest.mark.parametrize("scale", ["log", "error_rate"])
def test_welch_on_a_scale_is_welch_of_what_is_analysed(scale):
    rng = np.random.default_rng(0)
    first, second = rng.uniform(0.9, 0.99, 6), rng.uniform(0.9, 0.99, 9)
    analysed = [np.log(x if scale == "log" else 1 - x) for x in (first, second)]
    result = welch_t_test(first, second, scale=scale)
    reference = stats.ttest_ind(*analysed, equal_var=False)
    assert (result.statistic, result.p) == pytest.approx((reference.statistic, reference.pvalue))
    assert result.interval == pytest.approx(tuple(np.exp(reference.confidence_interval())))


@given(accuracies)
def test_no_interval_reaches_beyond_the_scale(pairs):
    first, second = (np.array(side) / 1000 for side in zip(*pairs, strict=True))
    for scale, (low, high) in (("linear", (-1, 1)), ("error_rate", (0, math.inf))):
        for result in (
            paired_t_test(first, second, scale=scale, bounds=SHARE),
            welch_t_test(first, second, scale=scale, bounds=SHARE),
        ):
            if result.interval is not None:
                assert low <= result.interval[0] <= result.interval[1] <= high
    for scale in ("linear", "log", "error_rate"):
        mean = mean_interval(first, scale=scale, bounds=SHARE)
        if mean.interval is not None:
            assert 0 <= mean.interval[0] <= mean.estimate <= mean.interval[1] <= 1


@given(accuracies, st.sampled_from(["linear", "log", "error_rate"]))
def test_swapping_the_sides_turns_sign_or_ratio(pairs, scale):
    first, second = (np.array(side) / 1000 for side in zip(*pairs, strict=True))
    forth = paired_t_test(first, second, scale=scale)
    back = paired_t_test(second, first, scale=scale)
    turned = (lambda value: -value) if scale == "linear" else (lambda value: 1 / value)
    assert back.estimate == pytest.approx(turned(forth.estimate))
    assert back.difference == pytest.approx(-forth.difference)
    assert back.ahead == pytest.approx(1 - forth.ahead)
    assume(forth.interval is not None and back.interval is not None)
    low, high = forth.interval
    assume((low > 0 and high < math.inf) or scale == "linear")
    assert back.interval == pytest.approx((turned(high), turned(low)), rel=1e-6)


def test_the_interval_of_skewed_numbers_covers_on_logarithms_and_not_else():
    """Lognormal errors of σ = .7 at n = 5: 88 % as they are."""
    draws = np.random.default_rng(0).lognormal(0.0, 0.7, (2000, 5))
    on_logs = [mean_interval(draw, scale="log").interval for draw in draws]
    assert np.mean([low <= 1 <= high for low, high in on_logs]) == pytest.approx(0.95, abs=0.015)
    raw, truth = [mean_interval(draw).interval for draw in draws], math.exp(0.7**2 / 2)
    assert np.mean([low <= truth <= high for low, high in raw]) == pytest.approx(0.883, abs=0.02)


def test_the_scale_of_accuracies_does_not_know_who_leads():
    near, middle, perfect = [0.96, 0.98], [0.8, 0.9], [0.99, 1.0]
    assert scale_of_accuracies(near, near) == "error_rate"
    for other in (middle, perfect):
        assert scale_of_accuracies(near, other) == scale_of_accuracies(other, near) == "linear"


def test_what_has_no_logarithm_is_refused():
    with pytest.raises(ValueError, match="positive values, got 0"):
        paired_t_test([0.0, 1.0], [1.0, 2.0], scale="log")
    with pytest.raises(ValueError, match="errors, got 1"):
        mean_interval([0.5, 1.0], scale="error_rate")
