"""What must hold for any numbers, and what is refused."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from metabench.stats import (
    contrast_interval,
    correct_family,
    detectable_effect,
    holm,
    judge,
    paired_t_test,
    t_band,
    t_interval,
)

numbers = st.floats(-100, 100, allow_nan=False).map(lambda value: round(value, 3))
samples = st.lists(numbers, min_size=2, max_size=12)
pairs = st.lists(st.tuples(numbers, numbers), min_size=4, max_size=12)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=8)


@given(samples, st.floats(0.5, 0.999))
def test_interval_is_around_the_mean_and_grows_with_confidence(values, confidence):
    result = t_interval(values, confidence=confidence)
    assert result.estimate == pytest.approx(np.mean(values))
    if result.interval is None:
        assert max(values) == min(values)
        assert result.caveats
    else:
        low, high = result.interval
        assert low <= result.estimate <= high
        assert low + high == pytest.approx(2 * result.estimate, abs=1e-9)
        wider = t_interval(values, confidence=(1 + confidence) / 2).interval
        assert wider[1] - wider[0] >= high - low


@pytest.mark.slow
@given(pairs)
def test_swapping_the_sides_turns_the_sign(values):
    a, b = zip(*values, strict=True)
    forth, back = paired_t_test(a, b), paired_t_test(b, a)
    assert forth.estimate == pytest.approx(-back.estimate)
    assert forth.ahead == pytest.approx(1 - back.ahead)
    assert (forth.p is None) == (back.p is None)
    if forth.p is not None:
        assert forth.p == pytest.approx(back.p)
        assert forth.interval == pytest.approx((-back.interval[1], -back.interval[0]))


@pytest.mark.slow
@given(pairs, st.floats(0.1, 10))
def test_p_and_effect_do_not_depend_on_the_unit(values, factor):
    a, b = (np.array(side) for side in zip(*values, strict=True))
    plain, scaled = paired_t_test(a, b), paired_t_test(a * factor, b * factor)
    assume(plain.p is not None and scaled.p is not None)
    assert scaled.p == pytest.approx(plain.p, rel=1e-6)
    assert scaled.effect == pytest.approx(plain.effect, rel=1e-6)
    assert scaled.estimate == pytest.approx(plain.estimate * factor, abs=1e-9)


@pytest.mark.slow
@given(pairs)
def test_direction_touches_the_share_ahead_alone(values):
    a, b = zip(*values, strict=True)
    up, down = paired_t_test(a, b), paired_t_test(a, b, higher_is_better=False)
    assert down.ahead == pytest.approx(1 - up.ahead)
    assert (down.estimate, down.interval, down.p) == (up.estimate, up.interval, up.p)


@given(pairs, st.floats(-50, 50))
def test_a_bound_is_refuted_where_its_opposite_is_supported(values, bound):
    a, b = zip(*values, strict=True)
    contrast = contrast_interval([a], [b])
    below, above = judge(contrast, -math.inf, bound), judge(contrast, bound, math.inf)
    assume(contrast.interval is None or bound not in contrast.interval)
    assert {below, above} in ({"supported", "refuted"}, {"inconclusive"}, {"not judged"})
    assert (below == "not judged") == (contrast.interval is None)


@pytest.mark.slow
@given(pairs, st.floats(0.01, 100))
def test_ratios_turn_round_with_their_sides_and_know_no_unit(values, factor):
    a, b = (np.abs(np.array(side)) + 0.5 for side in zip(*values, strict=True))
    forth, back = (
        contrast_interval([a], [b], ratio=True),
        contrast_interval([b * factor], [a * factor], ratio=True),
    )
    assert forth.estimate == pytest.approx(1 / back.estimate)
    assume(forth.interval is not None and back.interval is not None)
    assert forth.interval == pytest.approx((1 / back.interval[1], 1 / back.interval[0]), rel=1e-6)


@given(p_values, st.randoms())
def test_holm_is_cautious_monotone_and_blind_to_order(values, random):
    adjusted = holm(values)
    assert all(raw <= new <= 1 or new == 1 for raw, new in zip(values, adjusted, strict=True))
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)
    random.shuffle(order)
    assert holm([values[i] for i in order]) == pytest.approx([adjusted[i] for i in order])


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.floats(0.001, 0.2))
def test_more_seeds_find_smaller_effects(n, alpha):
    assert detectable_effect(n + 1, alpha=alpha) < detectable_effect(n, alpha=alpha)
    assert detectable_effect(n, alpha=alpha / 2) > detectable_effect(n, alpha=alpha)


@pytest.mark.parametrize("values", [[], [1.0, math.nan], [math.inf, 1.0], [[1.0, 2.0]]])
def test_bad_values_are_refused(values):
    with pytest.raises(ValueError, match="expected"):
        t_interval(values)
    with pytest.raises(ValueError, match="expected"):
        paired_t_test(values, values)


def test_other_refusals():
    with pytest.raises(ValueError, match="got 2 and 3"):
        paired_t_test([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, 1.5])
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([math.nan])
    with pytest.raises(ValueError, match="shape"):
        t_band(np.empty((0, 3)))
    for bad in ({"n": 1}, {"n": 5, "alpha": 0.0}, {"n": 5, "power": 1.0}):
        with pytest.raises(ValueError, match="no detectable effect"):
            detectable_effect(**bad)


def test_contrasts_that_are_none_are_refused():
    with pytest.raises(ValueError, match="one length, got 2, 3"):
        contrast_interval([[1, 2]], [[1, 2, 3]])
    with pytest.raises(ValueError, match="positive"):
        contrast_interval([[1, 2]], [[0, 3]], ratio=True)
    with pytest.raises(ValueError, match="smaller one first"):
        judge(t_interval([1, 2, 3, 4]), 1.0, 0.0)


def test_one_seed_gives_no_inference():
    assert t_interval([0.5]).interval is None
    assert "no interval" in t_interval([0.5]).caveats[0]
    result = paired_t_test([0.5], [0.4])
    assert (result.interval, result.p, result.effect, result.sd) == (None, None, None, None)
    assert "no inference" in result.caveats[0]
    (corrected,) = correct_family([result], "accuracy")
    assert corrected.p_adjusted is None
    assert corrected.separated is None
    assert corrected.detectable_difference is None


@pytest.mark.parametrize("n", [2, 3])
def test_few_seeds_are_described(n):
    result = paired_t_test([0.5, 0.7, 0.6][:n], [0.4, 0.5, 0.55][:n])
    assert result.interval is not None
    assert result.p is None
    assert "descriptive" in result.caveats[0]
    assert "descriptive" in t_interval([0.5, 0.7, 0.6][:n]).caveats[0]


def test_no_spread_is_not_certainty():
    assert t_interval([0.9, 0.9, 0.9, 0.9]).interval is None
    equal = paired_t_test([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4])
    assert (equal.estimate, equal.p, equal.ahead) == (0.0, None, 0.5)
    # differences equal up to rounding
    rounded = paired_t_test([0.3, 0.4, 0.7, 1.1], [0.1, 0.2, 0.5, 0.9])
    assert rounded.p is None
    assert "same amount" in rounded.caveats[0]
    assert rounded.ahead == 1.0
