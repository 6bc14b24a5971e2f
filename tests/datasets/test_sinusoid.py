"""Sinusoids: the ranges of Finn et al., and y that is what it says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from metabench.datasets.sinusoid import Sinusoid, SinusoidSettings
from metabench.tasks.episodes import EpisodeShape

SHAPE, CPU = EpisodeShape(None, 5, 10), torch.device("cpu")


def test_draws_are_uniform_over_the_ranges_of_the_paper() -> None:
    draw = Sinusoid(SinusoidSettings()).draw("train", SHAPE, 5000, np.random.default_rng(3))
    for name, low, high in (
        ("amplitude", 0.1, 5.0),
        ("phase", 0.0, math.pi),
        ("support_x", -5.0, 5.0),
        ("query_x", -5.0, 5.0),
    ):
        assert draw[name].dtype == np.float64
        assert kstest(draw[name].ravel(), "uniform", args=(low, high - low)).pvalue > 1e-3


def test_gathered_y_is_the_sine_in_double_precision() -> None:
    dataset = Sinusoid(SinusoidSettings())
    draw = dataset.draw("test", SHAPE, 7, np.random.default_rng(0))
    episodes = dataset.gather(draw, CPU)
    assert episodes.support_x.shape == episodes.support_y.shape == (7, 5, 1)
    assert episodes.query_x.shape == episodes.query_y.shape == (7, 10, 1)
    assert {tensor.dtype for tensor in vars(episodes).values()} == {torch.float32}
    for e, (amplitude, phase) in enumerate(zip(draw["amplitude"], draw["phase"], strict=True)):
        expected = [np.float32(amplitude * math.sin(x - phase)) for x in draw["query_x"][e, :, 0]]
        np.testing.assert_allclose(episodes.query_y[e, :, 0].numpy(), expected, rtol=2e-7)


def test_it_is_a_regression_without_data() -> None:
    dataset = Sinusoid(SinusoidSettings())
    dataset.load(Path("nowhere"))
    assert dataset.content_digest() is None
    assert (
        dataset.task(None).kind,
        dataset.task(None).input_shape,
        dataset.task(None).outputs,
    ) == ("regression", (1,), 1)
    assert dataset.metric == "mse"


@pytest.mark.parametrize(
    "said",
    [{"amplitude_low": 6.0}, {"x_high": -6.0}, {"phase_high": math.inf}, {"x_low": math.nan}],
)
def test_impossible_ranges_are_refused(said: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(said))):
        SinusoidSettings(**said)


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.0, 1e300), (-1e300, 1e300), (-1.1e6, 0.0), (0.0, math.inf), (math.nan, 1.0), (2.0, 1.0)],
)
@pytest.mark.parametrize("name", ["amplitude", "phase", "x"])
def test_ranges_beyond_what_can_be_computed_are_refused(name: str, low: float, high: float) -> None:
    with pytest.raises(ValueError, match=f"{name}_low is .* and {name}_high is "):
        SinusoidSettings(**{f"{name}_low": low, f"{name}_high": high})


def test_the_widest_ranges_give_finite_errors() -> None:
    dataset = Sinusoid(
        SinusoidSettings(
            **{
                f"{name}_{end}": sign * 1e6
                for name in ("amplitude", "phase", "x")
                for end, sign in (("low", -1), ("high", 1))
            }
        )
    )
    episodes = dataset.gather(dataset.draw("test", SHAPE, 1_000, np.random.default_rng(0)), CPU)
    assert episodes.query_y.square().mean().isfinite()
    assert episodes.query_y.sum(1).square().sum().isfinite()
