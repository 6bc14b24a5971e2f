"""Whether two algorithms are alike for every purpose that a margin names."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from metabench.stats.comparison import Comparison
from metabench.stats.results import DESCRIPTIVE, Interval


@dataclass(frozen=True)
class Equivalence:
    """What two one-sided tests say.

    Attributes
    ----------
    equivalent
        Whether the difference is shown to be smaller than the margin. None where nothing was
        tested; False means not shown, which a difference need not be.
    p
        The larger of the two one-sided p; None where nothing was tested.
    interval
        At 1 - 2 · `level`: within the margins if and only if equivalent.
    """

    equivalent: bool | None
    p: float | None
    interval: Interval | None
    margin: float
    level: float
    n: int
    method: str


def equivalence(compared: Comparison, margin: float, *, level: float = 0.05) -> Equivalence:
    """Test by two one-sided t-tests (Schuirmann 1987) whether the true difference is within the
    margin, on both sides.

    A margin is declared, per dataset, before the data; there is none by default. Near the ceiling,
    where a point is much, compare error rates.

    Parameters
    ----------
    compared
        Paired or Welch's; with more than `DESCRIPTIVE` seeds, else nothing is tested.
    margin
        In the unit of the difference; on the scales `log` and `error_rate` a ratio above 1.

    Raises
    ------
    ValueError
        The margin is not above 0, or 1 for a ratio.
    """
    least = 0.0 if compared.scale == "linear" else 1.0
    if not margin > least:
        raise ValueError(f"expected a margin above {least:g}, got {margin}")
    bound = margin if compared.scale == "linear" else log(margin)
    method = f"two one-sided tests by {compared.method}"
    if compared.p is None or compared.n <= DESCRIPTIVE:
        return Equivalence(None, None, None, margin, level, compared.n, method)
    p = max(compared.p_above(-bound), compared.p_below(bound))
    interval = compared.confidence_interval(1 - 2 * level)
    return Equivalence(p <= level, p, interval, margin, level, compared.n, method)
