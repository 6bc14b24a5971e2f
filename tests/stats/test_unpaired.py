"""Welch's test, where runs share no seeds."""

import numpy as np
import pytest

from metabench.stats import correct_family, detectable_noncentrality, welch_t_test

SLEEP_A = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_B = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


def test_student_sleep_data_unpaired():
    result = welch_t_test(SLEEP_A, SLEEP_B, unit="hours")
    assert result.statistic == pytest.approx(-1.8608, abs=5e-5)
    assert result.df == pytest.approx(17.776, abs=5e-4)
    assert result.p == pytest.approx(0.07939, abs=5e-6)
    assert (result.n, result.method) == (20, "Welch's t-test over 10 and 10 seeds")
    (corrected,) = correct_family([result], "hours")
    assert corrected.separated is False
    assert corrected.detectable_difference == pytest.approx(
        result.standard_error * detectable_noncentrality(result.df)
    )


def test_detectable_differences_of_two_samples_have_the_power_that_they_claim():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 20_000, 5))
    shift = detectable_noncentrality(8) * (2 / 5) ** 0.5
    p = np.array(
        [welch_t_test(a + shift, b).p for a, b in zip(first[:3000], second[:3000], strict=True)]
    )
    assert np.mean(p <= 0.05) == pytest.approx(0.8, abs=0.03)


def test_few_seeds_and_no_spread_are_not_tested():
    assert welch_t_test([1.0], [1.0, 2.0, 3.0]).interval is None
    few = welch_t_test([1.0, 2.0, 2.5], [4.0, 5.0, 6.0, 7.0])
    assert few.interval is not None
    assert few.p is None
    assert "descriptive" in few.caveats[0]
    equal = welch_t_test([1.0] * 5, [2.0] * 5)
    assert (equal.interval, equal.p, equal.estimate) == (None, None, -1.0)
