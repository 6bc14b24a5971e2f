"""How numbers of a comparison are written. Unknown is always a dash."""

from __future__ import annotations

from metabench.stats import Regression
from metabench.stats.costs import MEMORY_BYTES
from metabench.tables.typed_rows import Metric

DASH, MINUS, TIMES = "–", "\N{MINUS SIGN}", "×"


def score(value: float | None, metric: Metric) -> str:
    """A score without its unit: fractions in per cent."""
    if value is None:
        return DASH
    return f"{100 * value:.2f}" if metric.unit == "fraction" else f"{value:.4g}"


def change(change: Regression | None, metric: Metric) -> str:
    """In points for fractions, as a ratio for errors."""
    if change is None:
        return DASH
    if metric.unit == "fraction":
        return _signed(100 * change.estimate)
    return f"{TIMES}{change.estimate:.3f}"


def interval(change: Regression | None, metric: Metric) -> str:
    """The interval of a change, as the change itself."""
    if change is None or change.interval is None:
        return DASH
    low, high = change.interval
    if metric.unit == "fraction":
        return f"[{_signed(100 * low)}, {_signed(100 * high)}]"
    return f"[{low:.3f}, {high:.3f}]"


def growth(means: tuple[float, float] | None) -> str:
    """How much more the second is: `+3 %`; unknown of so little that the rule lets it pass."""
    if means is None or means[0] <= 0 or max(means) < MEMORY_BYTES:
        return DASH
    return f"{_signed(100 * (means[1] / means[0] - 1), 0)} %"


def seconds(value: float | None) -> str:
    """In milliseconds."""
    return DASH if value is None else f"{1000 * value:.4g} ms"


def _signed(value: float, decimals: int = 2) -> str:
    return f"{value:+.{decimals}f}".replace("-", MINUS)
