"""A published figure beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metabench.stats.results import Estimate, Interval, checked, counted, spread
from metabench.stats.scales import (
    ON_SCALE,
    UNBOUNDED,
    Scale,
    magnitude,
    mean_from_scale,
    to_scale,
    within,
)
from metabench.stats.student import critical_value


@dataclass(frozen=True, kw_only=True)
class Prediction(Estimate):
    """Our mean, and the interval that one more model's published score is expected in.

    Attributes
    ----------
    published
        The figure that it is held against.
    """

    published: float

    @property
    def verdict(self) -> Literal["compatible", "above", "below", "not judged"]:
        """Where the published figure lies. Compatible is not equal: the interval of few seeds holds
        much."""
        if self.interval is None:
            return "not judged"
        low, high = self.interval
        if low <= self.published <= high:
            return "compatible"
        return "above" if self.published > high else "below"


def prediction_interval(
    values: Sequence[float],
    published: float,
    *,
    standard_error: float = 0.0,
    confidence: float = 0.95,
    unit: str = "",
    scale: Scale = "linear",
    bounds: Interval = UNBOUNDED,
) -> Prediction:
    """Hold a published figure against the interval in which one more trained model is expected.

    Most published figures are of one model, with an interval over its test episodes: so the spread
    of single models counts, not that of their mean, and the source's own error is added: mean ± t ·
    √(s² · (1 + 1/n) + error²). Cautious where the error counts: t is made for s alone, and 95 % are
    97 where a third of the variance is the source's. Errors are held against each other on their
    logarithms (`scale`), and the interval is told in the unit of the values.

    Parameters
    ----------
    values
        ``[n]``, our score a seed.
    standard_error
        Of the published figure, in the unit of the values (`standard_error` knows it from a 95 %
        interval). 0 where it is not known.

    Raises
    ------
    ValueError
        No values, one that is not finite or has no logarithm, or a negative error.
    """
    analysed = to_scale(checked([*values, published]), scale)
    array = analysed[:-1]
    if not 0 <= standard_error < np.inf:
        raise ValueError(f"expected a standard error of 0 or more, got {standard_error}")
    n = array.size
    sd = spread(array, magnitude(array, scale)) if n > 1 else None
    interval: Interval | None = None
    caveats: tuple[str, ...] = ("no spread over seeds: no prediction interval",)
    if sd:
        error = standard_error / _stretch(published, scale)
        half = float(critical_value((1 - confidence) / 2, n - 1)) * float(
            np.hypot(sd * (1 + 1 / n) ** 0.5, error)
        )
        mean = float(array.mean())
        low, high = sorted(mean_from_scale(end, scale) for end in (mean - half, mean + half))
        interval = within((low, high), bounds)
        caveats = () if standard_error else ("the published figure is taken without an error",)
    return Prediction(
        mean_from_scale(float(array.mean()), scale),
        interval,
        confidence,
        sd,
        n,
        f"prediction interval{ON_SCALE[scale]} for one more model from {counted(n, 'seed')}",
        unit,
        caveats,
        published=published,
    )


def _stretch(value: float, scale: Scale) -> float:
    """By what a small error of `value` is divided on the scale: the delta method."""
    return {"linear": 1.0, "log": value, "error_rate": 1 - value}[scale]
