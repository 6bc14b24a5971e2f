"""Which differences of a score matter: what `[compare]` of a suite says, or 3 points and a ratio of
1.25."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from pathlib import Path

from metabench.errors import ConfigError
from metabench.stats import ACCURACY, SQUARED_ERROR, Margins, Scale
from metabench.suite.kept import NAME, kept_margins
from metabench.tables.typed_rows import Metric


@dataclass(frozen=True)
class MarginPair:
    """The margins of both kinds of scores.

    Attributes
    ----------
    margin, trivial
        Of scores that are fractions: the loss that must not pass unnoticed, and below which none
        matters.
    margin_ratio, trivial_ratio
        The same of errors, which are compared as ratios.
    """

    margin: float = ACCURACY.unnoticed
    trivial: float = ACCURACY.trivial
    margin_ratio: float = SQUARED_ERROR.unnoticed
    trivial_ratio: float = SQUARED_ERROR.trivial

    def of(self, metric: Metric) -> Margins:
        """Those of one metric, between two runs."""
        better = metric.higher_is_better
        if metric.unit == "fraction":
            return Margins(self.margin, self.trivial, "linear", better)
        return Margins(self.margin_ratio, self.trivial_ratio, "log", better)

    def unnoticed(self, metric: Metric, scale: Scale) -> float | None:
        """Return the difference, or the ratio, that must not pass unnoticed where two algorithms
        are compared on `scale`: that of errors for error rates too, of which points say little.
        None of a score in a unit of its own, for which no margin is declared."""
        if scale != "linear":
            return self.margin_ratio
        return self.margin if metric.unit == "fraction" else None


def on_scale(margin: float, scale: Scale) -> float:
    """Return a margin as it is analysed: itself, or the logarithm of the ratio."""
    return margin if scale == "linear" else log(margin)


def margins_kept_in(folder: Path) -> MarginPair:
    """Return the margins of the suite that a run folder keeps; the default ones where it says none
    or cannot be read. Those of `benchmark.toml` are no part of a run: its report must not depend on
    where it is made."""
    try:
        return MarginPair(**({} if (folder / NAME).is_symlink() else kept_margins(folder)))
    except ConfigError:
        return MarginPair()
