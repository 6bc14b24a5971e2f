"""Alike within a margin, and a published figure beside ours."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.weightstats import ttost_ind, ttost_paired

from metabench.stats import equivalence, paired_t_test, prediction_interval, welch_t_test

A, B = [4, 7, 8, 6, 3, 2], [6, 8, 7, 10, 11, 9]


def test_published_equivalence_examples():
    """Paired at .5 within; independent at 1, where the source pools the variances (10 degrees)."""
    assert equivalence(paired_t_test(A, B), 0.5).p == pytest.approx(0.954854, abs=5e-7)
    pooled = replace(welch_t_test(A, B), df=10.0)
    assert equivalence(pooled, 1).p == pytest.approx(0.965097, abs=5e-7)


def test_a_second_implementation_agrees():
    rng = np.random.default_rng(0)
    found = set()
    for _ in range(100):
        first, second = rng.normal(0, 0.3, 8), rng.normal(rng.uniform(-0.5, 0.5), 0.3, 8)
        paired = equivalence(paired_t_test(first, second), 0.5)
        assert paired.p == pytest.approx(ttost_paired(first, second, -0.5, 0.5)[0])
        apart = equivalence(welch_t_test(first, second), 0.5)
        assert apart.p == pytest.approx(ttost_ind(first, second, -0.5, 0.5, usevar="unequal")[0])
        found.add(paired.equivalent)
    assert found == {True, False}


@given(st.integers(0, 2**32), st.floats(1.01, 2), st.sampled_from(["linear", "log"]))
def test_equivalent_is_what_has_its_interval_within_and_wider_margins_never_lose_it(
    seed, margin, scale
):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(10, 2, (2, 7))
    compared = paired_t_test(np.abs(first) + 1, np.abs(second) + 1, scale=scale)
    result = equivalence(compared, margin)
    low, high = result.interval
    within = (1 / margin < low and high < margin) if scale == "log" else max(-low, high) < margin
    assert result.equivalent == within
    assert equivalence(compared, 1.1 * margin).p <= result.p
    turned = paired_t_test(np.abs(second) + 1, np.abs(first) + 1, scale=scale)
    assert equivalence(turned, margin).p == pytest.approx(result.p)


def test_few_seeds_show_no_equivalence():
    result = equivalence(paired_t_test([1, 2, 4], [1, 2, 3]), 5)
    assert (result.equivalent, result.p, result.interval) == (None, None, None)


def test_margins_that_are_none_are_refused():
    compared = paired_t_test(A, B)
    with pytest.raises(ValueError, match="above 0"):
        equivalence(compared, 0)
    with pytest.raises(ValueError, match="above 1"):
        equivalence(paired_t_test(A, B, scale="log"), 0.9)


def test_a_prediction_interval_by_hand():
    values = [0.97, 0.98, 0.985, 0.975]
    sd = np.std(values, ddof=1)
    half = stats.t.isf(0.025, 3) * np.sqrt(sd**2 * 1.25 + 0.004**2)
    result = prediction_interval(values, 0.99, standard_error=0.004)
    assert result.interval == pytest.approx((0.9775 - half, 0.9775 + half))
    assert (result.verdict, result.caveats) == ("compatible", ())
    assert prediction_interval(values, 0.9).verdict == "below"
    cut = prediction_interval(values, 0.99, standard_error=0.02, bounds=(0, 1))
    assert cut.interval[1] == 1.0


def test_one_more_model_falls_into_it_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.9, 0.02, (2000, 6))
    alone = [prediction_interval(d[:5], d[5]).verdict for d in draws]
    assert alone.count("compatible") / 2000 == pytest.approx(0.95, abs=0.015)
    draws[:, 5] += np.random.default_rng(1).normal(0, 0.014, 2000)
    told = [prediction_interval(d[:5], d[5], standard_error=0.014).verdict for d in draws]
    assert 0.95 <= told.count("compatible") / 2000 <= 0.99


def test_nothing_is_predicted_from_one_seed_or_no_spread():
    for values in ([0.9], [0.9] * 4):
        result = prediction_interval(values, 0.95)
        assert (result.interval, result.verdict) == (None, "not judged")
        assert "no spread" in result.caveats[0]
    with pytest.raises(ValueError, match="standard error"):
        prediction_interval([0.9, 0.8], 0.9, standard_error=-1)
    with pytest.raises(ValueError, match="finite"):
        prediction_interval([0.9, 0.8], float("nan"))
