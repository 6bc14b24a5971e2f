"""One number over many settings, and intervals by resampling."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import (
    bca_interval,
    improvement_interval,
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
    assert (result.estimate, result.interval) == (0.5, None)
    assert "unknown, not zero" in result.caveats[0]


def test_the_interval_of_a_mean_of_runs_that_all_settings_share_is_students():
    """Of the mean of one stratum the bootstrap's standard error is known: with its correction that
    of the mean over runs."""
    runs = np.array([0.2, 0.5, 0.9, 1.4, 1.1])
    table = np.stack([runs, runs + 1], axis=1)
    told = stratified_bootstrap(
        np.mean, table, rng=np.random.default_rng(0), strata=[0, 0], resamples=4_000
    )
    expected = stats.t.interval(0.95, 4, table.mean(), stats.sem(table.mean(1)))
    assert told.interval == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize("strata", [None, (0, 0, 0, 0)])
def test_intervals_over_settings_cover_what_they_say(strata):
    """Four settings of three runs each, of their own or shared by all: percentile intervals cover
    80 and 74 % here."""
    rng, level = np.random.default_rng(3), np.linspace(0.5, 0.8, 4)
    found = []
    for _ in range(200):
        noise = rng.normal(size=(3, 1) if strata else (3, 4))
        interval = stratified_bootstrap(
            np.mean, level + 0.02 * noise, rng=rng, strata=strata, resamples=80
        ).interval
        found.append(interval[0] <= level.mean() <= interval[1])
    assert np.mean(found) == pytest.approx(0.95, abs=0.035)


def test_an_interval_ends_where_the_statistic_does():
    scores = [[0.99, 0.98], [0.2, 0.999], [0.99, 0.97]]
    told = stratified_bootstrap(
        np.mean, scores, rng=np.random.default_rng(0), bounds=(0.0, 1.0), strata=[0, 0]
    )
    assert told.interval[1] == 1.0
    assert "described, not tested" in told.caveats[0]


def test_who_is_ahead_in_every_run_is_not_sure_to_be():
    """Newcombe's equation at the end of the scale, by hand: with z² reach and n = m = 5,
    1 - share = reach · share / 25 · (1 + 4 · ((1 - share) / (2 - share) + share / (1 + share)))."""
    ahead, behind = np.ones((5, 2)), np.zeros((5, 2))
    told = improvement_interval(ahead, behind)
    low, high = told.interval
    assert (told.estimate, high) == (1.0, 1.0)
    inner = 1 + 4 * ((1 - low) / (2 - low) + low / (1 + low))
    assert 1 - low == pytest.approx(1.959964**2 / 2 * low / 25 * inner)
    assert improvement_interval(behind, ahead).interval == pytest.approx((0, 1 - low))
    shared = improvement_interval(ahead, behind, strata=[0, 0]).interval
    assert shared[0] < low


@pytest.mark.parametrize("runs", [3, 5])
def test_intervals_of_improvements_cover_what_they_say(runs):
    rng, true = np.random.default_rng(runs), stats.norm.cdf(0.8 / 2**0.5)
    covered = []
    for _ in range(400):
        first, second = rng.normal(0.8, 1, (runs, 4)), rng.normal(0, 1, (runs, 4))
        low, high = improvement_interval(first, second).interval
        covered.append(low <= true <= high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.03)


def test_strata_are_of_the_settings():
    with pytest.raises(ValueError, match="a stratum for each of 2 settings"):
        improvement_interval(X, Y, strata=[0])


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
