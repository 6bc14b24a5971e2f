"""How numbers stand on the axes of the report's panels: in which unit, on which scale, and within
which ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from metabench.report import words
from metabench.report.canvas import number
from metabench.report.palette import MUTED
from metabench.tables.typed_rows import Metric

STEPS = (0, *(factor * 10**power for power in range(6) for factor in (1, 2, 5)))
"""Ticks of adaptation steps where they are drawn closer and closer."""

DOTTED = (0, (1, 2))

ROOM = 1.5
"""How far beyond its points an axis follows their intervals, in spans of the points, unless most
intervals are longer. What reaches further is cut, and ends in an arrowhead."""


@dataclass(frozen=True)
class Axis:
    """How numbers of a kind are drawn.

    Attributes
    ----------
    label
        Of the axis.
    factor
        From a number to what is drawn: fractions in %.
    log
        Whether on a logarithmic scale.
    least, most
        The ends of the scale, before the factor: nothing can lie beyond them, whatever an interval
        says.
    """

    label: str
    factor: float = 1.0
    log: bool = False
    least: float = -math.inf
    most: float = math.inf

    @classmethod
    def of(cls, metric: Metric, values: Iterable[float]) -> Axis:
        """The axis for scores like these: logarithmic for errors that span more than a decade."""
        known = list(values)
        least, most = metric.scale(known)
        name = words.metric(metric.name)
        if metric.unit == "fraction":
            return cls(f"{name} (%)", 100.0, False, least, most)
        log = bool(known) and 0 < 10 * min(known) < max(known)
        return cls(f"{name}{' (log scale)' if log else ''}", 1.0, log, least, most)

    @classmethod
    def of_loss(cls, values: Iterable[float]) -> Axis:
        """The axis for a training loss: logarithmic wherever that is possible. No loss here is
        below 0 where none of these is."""
        known = list(values)
        log = min(known, default=0.0) > 0
        least = 0.0 if min(known, default=-1.0) >= 0 else -math.inf
        return cls(f"Training loss{' (log scale)' if log else ''}", 1.0, log, least)

    def drawn(self, value: float) -> float:
        """A number as it is drawn."""
        return value * self.factor

    def ends(
        self, low: Iterable[float], high: Iterable[float]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends of intervals as they are drawn, within the scale."""
        lower, upper = (np.asarray(list(end), dtype=np.float64) for end in (low, high))
        return (
            np.clip(lower, self.least, self.most) * self.factor,
            np.clip(upper, self.least, self.most) * self.factor,
        )

    def window(
        self, points: Iterable[float], intervals: Iterable[tuple[float | None, float | None]] = ()
    ) -> tuple[float, float]:
        """Return what to show, as it is drawn: all points, and of their intervals as much as leaves
        the points apart."""
        known = [self._place(self.drawn(point)) for point in points]
        found = [(low, high) for low, high in intervals if low is not None and high is not None]
        lows, highs = (
            [self._place(end) for end in ends.tolist()]
            for ends in self.ends([low for low, _ in found], [high for _, high in found])
        )
        first, last = min(known), max(known)
        span = last - first or (0.3 if self.log else 0.1 * abs(first) or 1.0)
        long = [high - low for low, high in zip(lows, highs, strict=True) if math.isfinite(low)]
        room = max(ROOM * span, median_low(long or [0.0]))
        low = max(min([first, *lows]), first - room)
        high = min(max([last, *highs]), last + room)
        margin = 0.06 * (high - low) + (0.5 * span if last == first else 0.0)
        low, high = low - margin, high + margin
        return (10**low, 10**high) if self.log else (low, high)

    def _place(self, drawn: float) -> float:
        """Where a drawn number stands along the axis."""
        if not self.log:
            return drawn
        return math.log10(drawn) if drawn > 0 else -math.inf


def mark_chance(ax: Axes, metric: Metric, axis: Axis, which: Literal["x", "y"]) -> None:
    """Mark chance, where it is known and within what is shown."""
    if metric.chance is None:
        return
    at = axis.drawn(metric.chance)
    low, high = sorted(ax.get_xlim() if which == "x" else ax.get_ylim())
    if not low <= at <= high:
        return
    draw = ax.axvline if which == "x" else ax.axhline
    draw(at, color=MUTED[0], linewidth=0.9, linestyle=DOTTED)
    if which == "y":
        place: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "textcoords": "offset points",
        }
        ax.annotate("chance", (1, at), (-2, 3), **place, ha="right", color=MUTED[0], size=10)


def scale_steps(ax: Axes, ends: Sequence[float]) -> None:
    """Whole numbers along x; where some curves end long before others, closer to one another the
    further out they are."""
    if ends and max(ends) >= 5 * min(ends):
        ax.set_xscale("symlog", linthresh=1, linscale=0.5)
        ax.set_xlim(-0.3, 1.3 * max(ends))
        ax.xaxis.set_major_locator(FixedLocator([step for step in STEPS if step <= max(ends)]))
        ax.xaxis.set_minor_locator(NullLocator())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(number))
