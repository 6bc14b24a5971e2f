"""How much of the spread over seeds the test episodes put there."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metabench.stats import noise_share, spread_interval


def draw(rng, seeds, episodes, sd_seed, sd_episode):
    return rng.normal(0.6 + rng.normal(0, sd_seed, (seeds, 1)), sd_episode, (seeds, episodes))


def test_moments_by_hand():
    """Two seeds of two episodes: means 2 and 5 (variance 4.5), variances within 2 and 8."""
    result = noise_share([[1, 3], [3, 7]])
    assert result.estimate == pytest.approx((2 / 2 + 8 / 2) / 2 / 4.5)
    assert result.sd_episodes == pytest.approx(2.5**0.5)
    assert result.sd_seeds == pytest.approx(2.0**0.5)
    assert (result.n, result.unit) == (2, "share")


def test_components_are_found_again_where_there_is_much_to_find_them_in():
    result = noise_share(draw(np.random.default_rng(0), 2000, 50, 0.02, 0.1))
    assert result.sd_seeds == pytest.approx(0.02, rel=0.05)
    assert result.sd_episodes == pytest.approx(0.1 / 50**0.5, rel=0.05)
    assert result.estimate == pytest.approx(1 / 3, abs=0.03)
    assert not result.dominates


@pytest.mark.parametrize(("sd_seed", "share"), [(0.02, 1 / 3), (0.0, 1.0)])
def test_the_interval_covers_the_true_share(sd_seed, share):
    rng = np.random.default_rng(1)
    found = [noise_share(draw(rng, 5, 50, sd_seed, 0.1)).interval for _ in range(2000)]
    covered = np.mean([low <= share <= high for low, high in found])
    assert covered == pytest.approx(0.95 if sd_seed else 0.975, abs=0.015)  # no upper end beyond 1


def test_episodes_that_explain_everything_are_said_to():
    result = noise_share([[0.0, 1.0] * 10, [0.0, 1.0] * 9 + [1.0, 1.0]])
    assert (result.estimate, result.sd_seeds) == (1.0, 0.0)
    assert result.dominates
    assert "all of the spread" in result.caveats[0]


@given(st.integers(0, 2**32), st.floats(0.1, 10))
def test_a_share_has_no_unit_and_seeds_no_order(seed, factor):
    rng = np.random.default_rng(seed)
    scores = draw(rng, 4, 7, 0.1, 0.1)
    result = noise_share(scores)
    assert noise_share(rng.permutation(scores) * factor).estimate == pytest.approx(result.estimate)
    assert 0 <= result.interval[0] <= result.estimate <= result.interval[1] <= 1


@pytest.mark.parametrize("scores", [[[1, 2]], [[1, 2], [3]], [[1, 2], [2, 1]], []])
def test_nothing_is_made_of_nothing(scores):
    assert noise_share(scores) is None


def test_a_spread_and_what_is_known_of_it():
    result = spread_interval([1.0, 2.0, 3.0, 4.0, 5.0], unit="points")
    assert result.estimate == pytest.approx(2.5**0.5)
    assert result.interval == pytest.approx(  # 4 · 2.5 over the chi-square quantiles
        ((10 / 11.1433) ** 0.5, (10 / 0.484419) ** 0.5), rel=1e-5
    )
    draws = np.random.default_rng(0).normal(0, 3, (2000, 4))
    found = [spread_interval(draw).interval for draw in draws]
    assert np.mean([low <= 3 <= high for low, high in found]) == pytest.approx(0.95, abs=0.015)
    assert spread_interval([1.0]).interval is None
    assert "not zero" in spread_interval([1.0, 1.0]).caveats[0]
