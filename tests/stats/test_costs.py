"""Whether memory or time got worse."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from metabench.stats import memory_regressed, time_regressed

MIB = 2**20


@pytest.mark.parametrize(
    ("factor", "extra", "verdict"),
    [
        (1.0, 0, "fine"),
        (1.05, 15, "fine"),
        (1.05, 17, "regressed"),
        (1.5, 0, "regressed"),
        (0.5, 0, "improved"),
    ],
)
def test_memory_regresses_beyond_five_percent_and_sixteen_mebibytes(factor, extra, verdict):
    baseline = np.full(5, 1000.0 * MIB)
    found = memory_regressed(baseline, baseline * factor + extra * MIB)
    assert found.verdict == verdict
    assert found.estimate == pytest.approx((1000 * (factor - 1) + extra) * MIB)
    assert found.caveats == ()


def test_one_run_that_took_no_more_is_enough_to_be_fine():
    assert memory_regressed([100 * MIB] * 5, [900 * MIB] * 4 + [100 * MIB]).verdict == "fine"
    assert memory_regressed([0.0] * 5, [17 * MIB] * 5).verdict == "regressed"
    assert "made for 5" in memory_regressed([1.0], [2.0]).caveats[0]


def blocks(ratio, noise, n=8, drift=0.0):
    """Blocks of exactly this geometric mean ratio, noise of its logarithms and drift a step."""
    shape = stats.norm.ppf((np.arange(n) + 0.5) / n)
    ratios = ratio * np.exp(noise * shape / shape.std(ddof=1))
    steps = np.exp(drift * np.arange(4 * n)).reshape(n, 4)
    return np.stack([np.ones(n), ratios, ratios, np.ones(n)], 1) * steps


@pytest.mark.parametrize(
    ("ratio", "noise", "verdict"),
    [
        (1.0, 0.03, "fine"),
        (1.3, 0.04, "regressed"),
        (1.1, 0.001, "inconclusive"),
        (1.05, 0.2, "inconclusive"),
        (0.7, 0.04, "improved"),
        (1.09, 0.001, "fine"),
        (1.11, 0.001, "regressed"),
    ],
)
def test_time_is_held_against_its_margin(ratio, noise, verdict):
    (found,) = time_regressed([blocks(ratio, noise)])
    assert found.verdict == verdict
    assert found.estimate == pytest.approx(ratio)
    half = stats.t.isf(0.05, 7) * noise / 8**0.5
    assert found.interval == pytest.approx((ratio * np.exp(-half), ratio * np.exp(half)))
    assert found.p == pytest.approx(stats.t.sf((np.log(ratio) - np.log(1.1)) / noise * 8**0.5, 7))


@given(st.floats(-0.2, 0.2))
def test_an_even_drift_of_the_machine_changes_nothing(drift):
    (still,), (moving,) = (time_regressed([blocks(1.2, 0.05, drift=d)]) for d in (0.0, drift))
    assert moving.estimate == pytest.approx(still.estimate)
    assert moving.p == pytest.approx(still.p)


def test_groups_are_corrected_together():
    alone = time_regressed([blocks(1.16, 0.07)])[0]
    together = time_regressed([blocks(1.16, 0.07), *[blocks(1.0, 0.03)] * 5])
    assert alone.verdict == "regressed"
    assert [one.verdict for one in together] == ["inconclusive", *["fine"] * 5]
    assert together[0].p_adjusted == pytest.approx(6 * alone.p)
    assert together[0].settled_by > 8


def test_few_blocks_decide_nothing_and_less_than_eight_are_marked():
    (few,) = time_regressed([blocks(2.0, 0.01, n=3)])
    assert (few.verdict, few.p) == ("inconclusive", None)
    assert few.settled_by == 4
    (some,) = time_regressed([blocks(2.0, 0.01, n=5)])
    assert some.verdict == "regressed"
    assert "8 or more" in some.caveats[0]


def test_bad_times_are_refused():
    with pytest.raises(ValueError, match="margin above 1"):
        time_regressed([], margin=1.0)
    with pytest.raises(ValueError, match="four times"):
        time_regressed([[(1.0, 2.0)]])
    with pytest.raises(ValueError, match="positive"):
        time_regressed([[(1.0, 0.0, 1.0, 1.0)]])
    with pytest.raises(ValueError, match="at least one"):
        memory_regressed([], [1.0])
