"""How many seeds, how many looks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

from metabench.stats import (
    detectable_effect,
    error_of_looks,
    level_per_look,
    power_of,
    seeds_for_superiority,
    seeds_needed,
)


def test_published_sample_sizes():
    """33.367 pairs for d .5, and Noether's 28.86."""
    assert seeds_needed(2.0, 1.0) == 34
    assert seeds_for_superiority(0.75) == 29
    assert TTestPower().solve_power(0.5, power=0.8, alpha=0.05) == pytest.approx(33.367, abs=5e-4)


@pytest.mark.parametrize(("effect", "n"), [(0.5, 34), (1.0, 8), (2.0, 5)])
def test_power_is_that_of_a_second_implementation(effect, n):
    assert power_of(effect, n) == pytest.approx(TTestPower().power(effect, n, 0.05), abs=1e-4)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.2, 5), st.floats(0.005, 0.2))
def test_the_seeds_needed_are_the_fewest_that_do(effect, alpha):
    n = seeds_needed(1.0, effect, alpha=alpha)
    assert detectable_effect(n, alpha=alpha) <= effect
    assert n == 2 or detectable_effect(n - 1, alpha=alpha) > effect
    assert power_of(effect, n, alpha=alpha) >= 0.8 - 1e-6


def test_more_seeds_than_anyone_has_are_not_told():
    assert seeds_needed(1.0, 0.01, most=1000) is None
    assert seeds_needed(1.0, 100.0) == 2


@pytest.mark.parametrize(
    ("looks", "level"), [(1, 0.05), (2, 0.0294), (3, 0.0221), (4, 0.0182), (5, 0.0158)]
)
def test_pococks_table(looks, level):
    assert level_per_look(range(1, looks + 1)) == pytest.approx(level, abs=5e-5)
    assert level_per_look([5 * look for look in range(1, looks + 1)]) == pytest.approx(
        level, abs=5e-5
    )


def test_undeclared_looks_find_too_much():
    """8.3 % by the normal law; 8.7 % by t-tests of five and of ten seeds."""
    assert error_of_looks([5, 10], 0.05) == pytest.approx(0.083, abs=5e-4)
    draws = np.random.default_rng(0).standard_normal((100_000, 10))

    def rejected(n):
        part = draws[:, :n]
        t = part.mean(1) / part.std(1, ddof=1) * n**0.5
        return np.abs(t) > stats.t.isf(0.025, n - 1)

    assert np.mean(rejected(5) | rejected(10)) == pytest.approx(0.087, abs=0.003)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=2, max_size=4, unique=True), st.floats(0.01, 0.2))
def test_a_level_per_look_lies_between_bonferroni_and_the_whole(looks, level):
    each = level_per_look(sorted(looks), level=level)
    assert level / len(looks) <= each <= level
    assert error_of_looks(sorted(looks), each) == pytest.approx(level, abs=1e-6)


def test_plans_that_are_none_are_refused():
    with pytest.raises(ValueError, match="above 0"):
        seeds_needed(1.0, 0.0)
    with pytest.raises(ValueError, match="superiority above"):
        seeds_for_superiority(0.5)
    with pytest.raises(ValueError, match="rising"):
        level_per_look([10, 5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        level_per_look([5], level=1.0)
    with pytest.raises(ValueError, match="no power"):
        power_of(1.0, 1)
