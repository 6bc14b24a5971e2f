"""Whether scores got worse: what the screen lets pass, and what fresh seeds decide."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import (
    ACCURACY,
    SQUARED_ERROR,
    Margins,
    Versions,
    confirm,
    confirmation_seeds,
    screen,
)

BASE = np.array([0.90, 0.91, 0.92, 0.93, 0.94])
SHAPE = np.array([-1.0, 0.5, 1.0, -0.75, 0.25])
"""Changes with mean 0 and standard deviation .829."""

changes = st.lists(st.integers(-100, 100).map(lambda x: x / 1000), min_size=5, max_size=15)


def versions(mean, sd, margins=ACCURACY, seeds=5):
    """Scores whose changes have exactly this mean and spread."""
    shape = np.resize(SHAPE, seeds)
    shape = (shape - shape.mean()) / shape.std(ddof=1)
    base = np.resize(BASE, seeds)
    return Versions(base, base + mean + sd * shape, margins)


@pytest.mark.parametrize(
    ("mean", "sd", "verdict"),
    [
        (0.0, 0.01, "fine"),
        (-0.001, 0.01, "fine"),  # lower limit -1.3 points, p .41
        (-0.01, 0.01, "escalated"),  # lower limit -2.2 points, but p .045
        (0.0, 0.03, "escalated"),  # p .5, but lower limit -3.7 points
        (-0.03, 0.01, "escalated"),
        (-0.3, 0.01, "escalated"),
        (0.03, 0.005, "improved"),
        (0.005, 0.0005, "fine"),  # sure, and trivial
    ],
)
def test_the_screen_lets_pass_what_is_surely_no_great_loss(mean, sd, verdict):
    (found,) = screen([versions(mean, sd)])
    assert found.verdict == verdict
    assert found.estimate == pytest.approx(mean)
    half = stats.t.isf(0.025, 4) * sd / 5**0.5
    assert found.interval == pytest.approx((mean - half, mean + half))
    assert found.p == pytest.approx(stats.t.cdf(mean / sd * 5**0.5, 4))


@pytest.mark.parametrize(
    ("mean", "sd", "verdict"),
    [
        (-0.03, 0.015, "regressed"),
        (-0.012, 0.005, "regressed"),  # beyond trivial and sure
        (-0.008, 0.005, "fine"),  # sure, and trivial
        (-0.005, 0.02, "fine"),
        (-0.01, 0.06, "inconclusive"),
        (0.02, 0.01, "improved"),
    ],
)
def test_fresh_seeds_decide(mean, sd, verdict):
    (found,) = confirm([versions(mean, sd, seeds=15)])
    assert found.verdict == verdict
    assert (found.settled_by is not None) == (verdict == "inconclusive")


def test_the_correction_is_over_the_groups_given_or_the_whole_family():
    one = versions(-0.02, 0.04, seeds=15)  # p .037 alone
    assert confirm([one])[0].verdict == "regressed"
    (first, second) = confirm([one, versions(0.0, 0.01, seeds=15)])
    assert (first.verdict, second.verdict) == ("inconclusive", "fine")
    assert first.p_adjusted == pytest.approx(2 * first.p)
    assert confirm([one], family_size=2)[0].p_adjusted == pytest.approx(2 * first.p)
    with pytest.raises(ValueError, match="family of 2"):
        confirm([one, one], family_size=1)


def test_the_number_of_seeds_that_would_settle_it_does_and_one_less_does_not():
    mean, sd = -0.01, 0.06
    (found,) = confirm([versions(mean, sd, seeds=15)])
    n = found.settled_by

    def verdict(seeds):
        shape = stats.norm.ppf((np.arange(seeds) + 0.5) / seeds)
        base = np.full(seeds, 0.8) + np.linspace(0, 0.01, seeds)
        change = mean + sd * (shape - shape.mean()) / shape.std(ddof=1)
        return confirm([Versions(base, base + change)])[0].verdict

    assert verdict(n) != "inconclusive"
    assert verdict(n - 1) == "inconclusive"


def test_errors_are_compared_as_ratios_with_the_better_end_below():
    base = np.array([0.2, 0.3, 0.5, 0.4, 0.25])
    wobble = np.exp(0.02 * SHAPE)
    (found,) = screen([Versions(base, base * 1.02 * wobble, SQUARED_ERROR)])
    assert (found.verdict, found.unit) == ("escalated", "ratio")  # p .035 for worse
    assert found.estimate == pytest.approx(1.02, abs=0.002)
    (worse, better, same) = confirm(
        [Versions(base, base * factor * wobble, SQUARED_ERROR) for factor in (1.3, 0.8, 1.0)]
    )
    assert [one.verdict for one in (worse, better, same)] == ["regressed", "improved", "fine"]


def test_three_seeds_meet_a_tolerance_that_is_called_a_rule_of_thumb():
    def three(loss):
        return Versions([0.9, 0.8, 0.85], np.array([0.9, 0.8, 0.85]) - loss)

    for found in (*screen([three(0.02)]), *confirm([three(0.02)])):
        assert (found.p, found.p_adjusted) == (None, None)
        assert "rule of thumb" in found.caveats[0]
    assert [one.verdict for one in screen([three(0.005), three(0.02)])] == ["fine", "escalated"]
    losses = [three(0.005), three(0.02), three(0.031)]
    assert [one.verdict for one in confirm(losses)] == ["fine", "inconclusive", "regressed"]


def test_a_loss_that_is_the_same_in_all_seeds_is_no_less_of_one():
    def shifted(loss):
        return Versions(BASE, BASE - loss)

    groups = [shifted(0.0), shifted(0.005), shifted(0.02)]
    assert [one.verdict for one in screen(groups)] == ["fine", "fine", "escalated"]
    assert [one.verdict for one in confirm(groups)] == ["fine", "fine", "regressed"]
    assert "same amount" in screen(groups)[2].caveats[0]


def test_more_spread_asks_for_more_fresh_seeds():
    assert confirmation_seeds([versions(-0.02, 0.02)]) == 15
    assert confirmation_seeds([versions(-0.02, 0.02), versions(0, 0.031)]) == 20


@pytest.mark.slow
@given(changes, st.integers(0, 40).map(lambda x: x / 1000))
def test_a_greater_loss_is_never_judged_better(change, loss):
    order = {"escalated": 0, "regressed": 0, "inconclusive": 1, "fine": 2, "improved": 3}
    base = np.linspace(0.4, 0.6, len(change))

    def verdicts(shift):
        group = [Versions(base, base + np.array(change) + shift)]
        return [screen(group)[0].verdict, confirm(group)[0].verdict]

    for better, worse in zip(verdicts(0.0), verdicts(-loss), strict=True):
        assert order[worse] <= order[better]


@pytest.mark.slow
@given(st.integers(0, 2**32), st.floats(0.011, 0.2))
def test_a_wider_margin_lets_more_pass_and_order_does_not_matter(seed, wider):
    rng = np.random.default_rng(seed)
    pairs = [(b := rng.normal(0.5, 0.05, 6), b + rng.normal(-0.01, 0.02, 6)) for _ in range(3)]

    def found(look, unnoticed, order=(0, 1, 2)):
        margins = Margins(unnoticed, 0.01)
        return [one.verdict for one in look([Versions(*pairs[i], margins) for i in order])]

    for look in (screen, confirm):
        narrow, wide = found(look, 0.0105), found(look, wider)
        for one, other in zip(narrow, wide, strict=True):
            assert other == one or (one, other) in {
                ("escalated", "fine"),
                ("inconclusive", "fine"),
                ("escalated", "improved"),
            }
        assert found(look, wider, (2, 0, 1)) == [wide[i] for i in (2, 0, 1)]


@pytest.mark.parametrize("arguments", [(0.01, 0.01), (0.03, -0.1), (1.25, 0.9, "log")])
def test_margins_that_are_none_are_refused(arguments):
    with pytest.raises(ValueError, match="trivial margin below"):
        Margins(*arguments)
