"""A published figure beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from metabench.stats.results import Estimate, Interval, checked, counted, spread
from metabench.stats.scales import UNBOUNDED, within
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
    bounds: Interval = UNBOUNDED,
) -> Prediction:
    """Hold a published figure against the interval in which one more trained model is expected.

    Most published figures are of one model, with an interval over its test episodes: so the spread
    of single models counts, not that of their mean, and the source's own error is added: mean ± t ·
    √(s² · (1 + 1/n) + error²). Cautious where the error counts: t is made for s alone, and 95 % are
    97 where a third of the variance is the source's.

    Parameters
    ----------
    values
        ``[n]``, our score a seed.
    standard_error
        Of the published figure, over the source's episodes: its half-width / 1.96 where that is a
        95 % interval. 0 where it is not known.

    Raises
    ------
    ValueError
        No values, one that is not finite, or a negative error.
    """
    array = checked([*values, published])[:-1]
    if not 0 <= standard_error < np.inf:
        raise ValueError(f"expected a standard error of 0 or more, got {standard_error}")
    n = array.size
    sd = spread(array, float(np.abs(array).max())) if n > 1 else None
    interval: Interval | None = None
    caveats: tuple[str, ...] = ("no spread over seeds: no prediction interval",)
    if sd:
        half = float(critical_value((1 - confidence) / 2, n - 1)) * float(
            np.hypot(sd * (1 + 1 / n) ** 0.5, standard_error)
        )
        mean = float(array.mean())
        interval = within((mean - half, mean + half), bounds)
        caveats = () if standard_error else ("the published figure is taken without an error",)
    return Prediction(
        float(array.mean()),
        interval,
        confidence,
        sd,
        n,
        f"prediction interval for one more model from {counted(n, 'seed')}",
        unit,
        caveats,
        published=published,
    )
