"""Corrections for several comparisons, and intervals that agree with them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from metabench.stats import (
    benjamini_hochberg,
    correct_family,
    holm,
    holm_levels,
    paired_t_test,
    welch_t_test,
)

families = st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=8)


def test_levels_are_those_that_holm_stopped_at():
    assert holm_levels([0.01, 0.04, 0.03, 0.005]) == pytest.approx(
        [0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4]
    )
    assert holm_levels([0.001, None, 0.02]) == pytest.approx([0.05 / 3, 0.05, 0.05 / 2])
    assert holm_levels([0.2, 0.3]) == pytest.approx([0.025, 0.025])
    assert holm_levels([]) == []


@given(families, st.floats(0.01, 0.2), st.randoms())
def test_level_and_adjusted_p_agree_in_any_order(p_values, level, random):
    adjusted, levels = holm(p_values), holm_levels(p_values, level)
    for p, corrected, own in zip(p_values, adjusted, levels, strict=True):
        assert level / len(p_values) <= own <= level
        if p is not None and abs(corrected - level) > 1e-9:
            assert (p <= own) == (corrected <= level)
    order = list(range(len(p_values)))
    random.shuffle(order)
    shuffled = holm_levels([p_values[i] for i in order], level)
    assert shuffled == pytest.approx([levels[i] for i in order])


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.sampled_from(["linear", "log"]))
def test_an_interval_leaves_out_no_difference_exactly_where_holm_rejects(seed, size, scale):
    rng = np.random.default_rng(seed)
    none = 0.0 if scale == "linear" else 1.0
    compared = []
    for _ in range(size):
        first = rng.normal(rng.uniform(0, 0.3), 0.1, 6) + 5
        test = rng.choice([paired_t_test, welch_t_test])
        compared.append(test(first, rng.normal(5, 0.1, 6), scale=scale))
    for result in correct_family(compared, "family"):
        low, high = result.interval
        assert (low <= none <= high) == (not result.separated)
        assert result.confidence >= 0.95 - 1e-12


def test_what_is_described_keeps_its_interval():
    described = paired_t_test([0.5, 0.7, 0.6], [0.4, 0.5, 0.55])
    tested = paired_t_test([0.5, 0.7, 0.6, 0.8], [0.4, 0.5, 0.55, 0.7])
    (told, corrected) = correct_family([described, tested], "accuracy")
    assert told.interval == described.interval
    assert corrected.confidence == pytest.approx(0.975)
    assert corrected.level == pytest.approx(0.05)


def test_a_family_has_one_level():
    values = [0.1, 0.2, 0.4, 0.3], [0.2, 0.1, 0.1, 0.2]
    with pytest.raises(ValueError, match="at one level"):
        correct_family([paired_t_test(*values), paired_t_test(*values, confidence=0.9)], "x")


def test_benjamini_and_hochbergs_example():
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p_values += [0.324, 0.4262, 0.5719, 0.6528, 0.759, 1.0]
    adjusted = benjamini_hochberg(p_values)
    assert adjusted[:8] == pytest.approx(
        [0.0015, 0.003, 0.0095, 0.035625, 0.0603, 0.063857, 0.063857, 0.0645], abs=5e-7
    )
    assert sum(p <= 0.05 for p in adjusted) == 4
    assert sum(p * len(p_values) <= 0.05 for p in p_values) == 3  # by Bonferroni


@given(families, st.randoms())
def test_false_discoveries_are_counted_over_what_was_tested_in_any_order(p_values, random):
    adjusted = benjamini_hochberg(p_values)
    tested = [p for p in p_values if p is not None]
    by_statsmodels = multipletests(tested, method="fdr_bh")[1] if tested else []
    assert [p for p in adjusted if p is not None] == pytest.approx(list(by_statsmodels))
    order = list(range(len(p_values)))
    random.shuffle(order)
    assert benjamini_hochberg([p_values[i] for i in order]) == [adjusted[i] for i in order]
