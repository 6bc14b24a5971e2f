"""Second opinions without a normal law, held against published answers and brute force."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import mann_whitney_test, sign_flip_test, wilcoxon_test

WILCOXON = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75]
C45 = [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1, 0.94, 0.619, 0.972, 0.957]
C45_M = [
    *[0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668],
    *[0.583, 0.838, 1, 0.962, 0.666, 0.981, 0.978],
]

pairs = st.lists(st.tuples(*[st.integers(-9, 9)] * 2), min_size=6, max_size=8)


def patterns(n):
    return np.array(list(product([-1, 1], repeat=n)))


def test_scipys_wilcoxon_example():
    result = wilcoxon_test(WILCOXON, [0] * 15)
    assert (result.statistic, result.p) == (24.0, pytest.approx(0.041259765625))
    assert (result.n, result.least_p) == (15, 2 / 2**15)
    assert result.superiority == pytest.approx(13 / 15)
    assert result.cliffs_delta == pytest.approx(11 / 15)


def test_demsars_wilcoxon_example():
    """R+ 93, R- 12, in differences that float arithmetic would not tie."""
    for first, second in ((C45, C45_M), (C45_M, C45)):
        assert wilcoxon_test(first, second).statistic == 12.0


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(pairs)
def test_ties_and_pairs_without_a_difference_are_gone_through(values):
    """All patterns of signs over the ranks, zeros counting half to either sum."""
    first, second = np.array(values).T
    d = first - second
    ranks = stats.rankdata(np.abs(d))
    signs = patterns(len(d))
    smaller = np.minimum(((signs * d) > 0) @ ranks, ((signs * d) < 0) @ ranks)
    smaller += ranks[d == 0].sum() / 2
    result = wilcoxon_test(first, second)
    assert result.p == pytest.approx(np.mean(smaller <= result.statistic + 1e-9))


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(pairs)
def test_sign_flips_are_all_gone_through(values):
    first, second = np.array(values, dtype=float).T
    d = first - second
    means = np.abs(patterns(len(d)) @ d)
    result = sign_flip_test(first, second)
    assert result.p == pytest.approx(np.mean(means >= abs(d.sum()) - 1e-9))
    assert result.statistic == pytest.approx(d.mean())


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(pairs, st.randoms())
def test_neither_order_nor_sides_matter(values, random):
    first, second = zip(*values, strict=True)
    random.shuffle(values)
    shuffled = zip(*values, strict=True)
    mixed = tuple(shuffled)
    for test in (sign_flip_test, wilcoxon_test):
        there, back, other = test(first, second), test(second, first), test(*mixed)
        assert there.p == pytest.approx(back.p) == pytest.approx(other.p)
        assert there.superiority == pytest.approx(1 - back.superiority)


@pytest.mark.parametrize("test", [sign_flip_test, wilcoxon_test])
def test_below_six_seeds_there_is_no_p_and_it_is_said_why(test):
    five = test([1.0, 2.0, 3.0, 4.0, 5.0], [0.0] * 5)
    assert (five.p, five.least_p) == (None, 0.0625)
    assert "0.0625" in five.caveats[0]
    six = test([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 6)
    assert six.p == six.least_p == pytest.approx(0.03125)
    assert six.caveats == ()


def test_many_pairs_are_flipped_at_random_by_the_generator_given():
    rng = np.random.default_rng(0)
    first = rng.normal(0.4, 1, 30)
    with pytest.raises(ValueError, match="generator"):
        sign_flip_test(first, np.zeros(30))
    one, same, other = (
        sign_flip_test(first, np.zeros(30), rng=np.random.default_rng(seed)).p for seed in (1, 1, 2)
    )
    assert one == same != other
    assert one == pytest.approx(stats.ttest_1samp(first, 0).pvalue, rel=0.15)


def test_published_mann_whitney_examples():
    result = mann_whitney_test([19, 22, 16, 29, 24], [20, 11, 17, 12])
    assert (result.statistic, result.p) == (17.0, pytest.approx(0.1111, abs=5e-5))
    assert result.superiority == pytest.approx(17 / 20)
    small = mann_whitney_test([1, 2, 3, 4], [0.9, 1.1, 0.7])
    assert (small.statistic, small.p) == (11.0, None)  # .1142857, and at least .0571
    assert small.least_p == pytest.approx(2 / 35)


def test_a_single_generous_case_is_no_evidence():
    assert wilcoxon_test([1.0] * 8, [1.0] * 8).p == 1.0
    assert sign_flip_test([1.0] * 8, [1.0] * 8).p == 1.0


def test_other_refusals():
    with pytest.raises(ValueError, match="got 2 and 3"):
        wilcoxon_test([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="expected"):
        mann_whitney_test([], [1])
