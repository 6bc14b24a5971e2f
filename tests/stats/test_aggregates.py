"""One number over many settings, and intervals by resampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import (
    bca_interval,
    interquartile_mean,
    performance_profile,
    probability_of_improvement,
    stratified_bootstrap,
)

X = [[1, 2], [2, 2], [1, 1], [2, 1]]
Y = [[1, 1], [2, 2], [3, 3]]


def test_rliables_examples():
    assert interquartile_mean(X) == 1.5
    assert interquartile_mean(Y) == 2.0
    assert probability_of_improvement(X, Y) == pytest.approx(1 / 3)


def test_a_profile_by_hand():
    assert performance_profile(X, [0, 1, 1.5, 2]) == pytest.approx([1, 0.5, 0.5, 0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_improvement_is_mann_whitneys_u_a_setting(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 5, (4, 3)), rng.integers(0, 5, (6, 3))
    by_scipy = [stats.mannwhitneyu(first[:, i], second[:, i]).statistic / 24 for i in range(3)]
    assert probability_of_improvement(first, second) == pytest.approx(np.mean(by_scipy))
    assert probability_of_improvement(second, first) == pytest.approx(1 - np.mean(by_scipy))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_neither_the_order_of_runs_nor_an_outlier_moves_the_interquartile_mean(seed):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(6, 4))
    moved = rng.permutation(scores)
    moved[moved == moved.max()] += 100
    assert interquartile_mean(moved) == pytest.approx(interquartile_mean(scores))


def test_a_bootstrap_resamples_runs_within_settings():
    """Settings that are far apart and do not vary within: nothing to resample."""
    constant = np.tile([0.1, 0.9], (5, 1))
    result = stratified_bootstrap(np.mean, constant, rng=np.random.default_rng(0))
    assert result.interval == pytest.approx((0.5, 0.5))
    assert "covers less" in result.caveats[0]
    rng = np.random.default_rng(1)
    varied = stratified_bootstrap(
        probability_of_improvement, rng.normal(0.5, 1, (12, 4)), rng.normal(0, 1, (12, 4)), rng=rng
    )
    low, high = varied.interval
    assert low < varied.estimate < high
    assert varied.caveats == ()


def test_aggregates_that_are_none_are_refused():
    with pytest.raises(ValueError, match="finite scores"):
        interquartile_mean([1.0, 2.0])
    with pytest.raises(ValueError, match="same settings"):
        probability_of_improvement([[1.0]], [[1.0, 2.0]])


def test_bca_is_scipys_and_covers_what_t_covers_from_twenty_values_on():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        low, high = bca_interval([rng.normal(size=20)], np.mean, rng=rng, resamples=499).interval
        covered.append(low <= 0 <= high)
    assert np.mean(covered) == pytest.approx(0.93, abs=0.035)


def test_pairs_stay_together():
    """The ratio of what is exactly proportional does not vary, however seeds are drawn."""
    first = np.arange(1.0, 25.0)

    def ratio(a, b, axis=-1):
        return a.mean(axis) / b.mean(axis)

    result = bca_interval([2 * first, first], ratio, rng=np.random.default_rng(0))
    assert result.estimate == pytest.approx(2)
    assert result.interval is None or result.interval == pytest.approx((2, 2))


def test_the_generator_is_used_and_few_values_are_marked():
    values = [1.0, 2.0, 4.0, 8.0, 9.0]
    one, same, other = (
        bca_interval([values], np.median, rng=np.random.default_rng(seed), resamples=999)
        for seed in (1, 1, 2)
    )
    assert one == same
    assert "covers less" in one.caveats[0]
    assert other.estimate == one.estimate == 4.0
    assert bca_interval([[1.0]], np.mean, rng=np.random.default_rng(0)).interval is None
    with pytest.raises(ValueError, match="one length"):
        bca_interval([[1.0, 2.0], [1.0]], np.mean, rng=np.random.default_rng(0))
