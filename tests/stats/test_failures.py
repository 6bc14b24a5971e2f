"""Failure rates: exact at any number of cells."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import failure_rate


def test_none_of_five_failed_and_half_of_them_still_may():
    """1 - .025 to the power of 1/5 is .5218."""
    rate = failure_rate(5, 5)
    assert rate.estimate == 0.0
    assert rate.interval == pytest.approx((0.0, 1 - 0.025**0.2))
    assert failure_rate(0, 5).interval == pytest.approx((0.025**0.2, 1.0))


def test_published_interval_of_binomial_data():
    """Four of twenty: [.0573, .4366], the beta quantiles of Clopper and Pearson 1934."""
    rate = failure_rate(16, 20)
    assert rate.interval == pytest.approx((0.0573, 0.4366), abs=5e-5)
    assert (rate.estimate, rate.n, rate.unit) == (0.2, 20, "share")


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 30), st.data())
def test_the_exact_interval_covers_at_least_as_often_as_it_says(total, data):
    truth = data.draw(st.floats(0.01, 0.99))
    covered = sum(
        stats.binom.pmf(failed, total, truth)
        for failed in range(total + 1)
        if (ends := failure_rate(total - failed, total).interval)[0] <= truth <= ends[1]
    )
    assert covered >= 0.95 - 1e-9


@pytest.mark.parametrize(("completed", "total"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(completed, total):
    with pytest.raises(ValueError, match="no more completed"):
        failure_rate(completed, total)
