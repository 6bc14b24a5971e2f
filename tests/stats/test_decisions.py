"""What comes of a family: who is better, what is not decided, and that both agree with Holm."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from metabench import stats

STRONG = [0.9, 0.91, 0.92, 0.93, 0.9]
MIDDLE = [0.85, 0.96, 0.86, 0.95, 0.85]
WEAK = [0.5, 0.52, 0.49, 0.5, 0.51]


def contest(first, second, **settings):
    return stats.Contest(first=first, second=second, **settings)


def verdicts(*declared):
    return [one and one.verdict for one in stats.decide(declared, "here")]


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (STRONG, WEAK, "better"),
        (WEAK, STRONG, "worse"),
        (STRONG, MIDDLE, "not separated"),
        (STRONG[:3], WEAK[:3], "descriptive"),
        (STRONG[:1], WEAK[:1], "untested"),
        (STRONG, [score - 0.1 for score in STRONG], "untested"),
    ],
)
def test_what_comes_of_one_comparison(first, second, verdict):
    assert verdicts(contest(first, second)) == [verdict]


def test_of_errors_the_lower_is_better():
    turned = {"higher_is_better": False}
    assert verdicts(contest(STRONG, WEAK, **turned)) == ["worse"]
    assert verdicts(contest(STRONG, WEAK, scale="log", **turned)) == ["worse"]


@pytest.mark.parametrize("scale", ["linear", "log", "error_rate"])
def test_a_lead_of_what_is_left_is_not_decided_and_a_deficit_is(scale):
    assert verdicts(
        contest(STRONG, WEAK, first_lost=True, scale=scale),
        contest(STRONG, WEAK, second_lost=True, scale=scale),
        contest(WEAK, STRONG, first_lost=True, scale=scale),
        contest(WEAK, STRONG, second_lost=True, scale=scale),
    ) == ["incomplete", "better", "worse", "incomplete"]


def test_it_is_not_decided_before_holm_so_that_it_relaxes_nothing():
    """Left in, its p would be the least of three, and the other would be tested at a half of the
    level and not at a third."""
    near = [score - by for score, by in zip(STRONG, (0.01, 0.06, 0.02, 0.05, 0.03), strict=True)]
    alone = scipy_stats.ttest_rel(STRONG, near).pvalue
    assert 0.05 / 3 < alone < 0.05 / 2
    lost, other, none = stats.decide(
        [contest(STRONG, WEAK, first_lost=True), contest(STRONG, near), None], "here"
    )
    assert (lost.compared.p, lost.compared.p_adjusted, none) == (None, None, None)
    assert other.compared.p_adjusted == pytest.approx(3 * alone)
    assert (other.verdict, other.compared.family_size) == ("not separated", 3)
    whole = verdicts(contest(STRONG, WEAK), contest(STRONG, near), None)
    assert whole == ["better", "better", None]


def test_verdict_and_interval_agree_at_any_level():
    rng = np.random.default_rng(0)
    for confidence in (0.9, 0.95, 0.99):
        declared = [
            contest(rng.normal(gain, 1, 6), rng.normal(0, 1, 6)) for gain in (0, 1, 1.5, 2, 3, 4)
        ]
        found = stats.decide(declared, "here", confidence=confidence)
        for one in found:
            low, high = one.compared.interval
            assert (one.verdict == "not separated") == (low <= 0 <= high)
        assert {one.verdict for one in found} == {"not separated", "better"}
