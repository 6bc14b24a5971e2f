"""How numbers stand on the axes of the report's panels: in which unit, on which scale, and within
which ends."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from metabench.report.canvas import number, scale
from metabench.report.palette import MUTED
from metabench.tables.typed_rows import Metric

STEPS = (0, *(factor * 10**power for power in range(6) for factor in (1, 2, 5)))
"""Ticks of adaptation steps where they are drawn closer and closer."""

DOTTED = (0, (1, 2))


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
        The ends of the scale, before the factor: an interval reaches beyond them where Student's t
        is a poor approximation, and nothing can lie there.
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
        if metric.unit == "fraction":
            return cls(f"{metric.name} (%)", 100.0, False, least, most)
        log = bool(known) and 0 < 10 * min(known) < max(known)
        return cls(f"{metric.name}{' (log scale)' if log else ''}", 1.0, log, least, most)

    @classmethod
    def of_loss(cls, values: Iterable[float]) -> Axis:
        """The axis for a training loss: logarithmic wherever that is possible. No loss here is
        below 0 where none of these is."""
        known = list(values)
        log, least = (
            min(known, default=0.0) > 0,
            0.0 if min(known, default=-1.0) >= 0 else -math.inf,
        )
        return cls(f"training loss{' (log scale)' if log else ''}", 1.0, log, least)

    def drawn(self, value: float) -> float:
        """A number as it is drawn."""
        return value * self.factor

    def ends(
        self, low: Iterable[float], high: Iterable[float], floor: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Ends of intervals as they are drawn, within the scale; on a logarithmic one from `floor`
        on."""
        least = max(self.least, floor / self.factor) if self.log else self.least
        lower, upper = (np.asarray(list(end), dtype=np.float64) for end in (low, high))
        return (
            np.clip(lower, least, self.most) * self.factor,
            np.clip(upper, least, self.most) * self.factor,
        )


def mark_chance(ax: Axes, metric: Metric, axis: Axis, *, vertical: bool) -> None:
    """Mark chance, where it is known and near enough to what is shown."""
    if metric.chance is None:
        return
    at = axis.drawn(metric.chance)
    low, high = ax.get_xlim() if vertical else sorted(ax.get_ylim())
    if at < low - 0.75 * (high - low):
        return
    draw = ax.axvline if vertical else ax.axhline
    draw(at, color=MUTED[0], linewidth=0.9, linestyle=DOTTED)
    if not vertical:
        ax.annotate(
            "chance",
            (1, at),
            (-2, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            color=MUTED[0],
            size=7.5,
        )


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


def scale_costs(ax: Axes, costs: Sequence[float]) -> list[float]:
    """Set up the axis of a cost, and return where on it each stands.

    Costs that differ by much stand on a logarithmic scale, and what cost nothing in a place of its
    own, marked 0, left of a dotted line. Others stand on an axis that begins at 0.
    """
    paid = [cost for cost in costs if cost > 0]
    if not paid or max(paid) <= 8 * min(paid):
        scale(ax, "x", False)
        ax.set_xlim(-0.05 * max(costs), 1.08 * max(costs) or 1.0)
        return list(costs)
    low, high, nothing = min(paid) / 1.4, max(paid) * 1.4, min(paid) / 4
    ax.set_xlim(low, high)
    scale(ax, "x", True)
    if len(paid) < len(costs):
        ticks = [
            0.0,
            *(
                tick
                for tick in ax.xaxis.get_major_locator().tick_values(low, high)
                if low <= tick <= high
            ),
        ]
        ax.set_xlim(nothing / 1.6, high)
        ax.axvline(min(paid) / 2, color=MUTED[0], linewidth=0.9, linestyle=DOTTED)
        ax.xaxis.set_major_locator(FixedLocator([tick or nothing for tick in ticks]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: "0" if value == nothing else number(value))
        )
    return [cost if cost > 0 else nothing for cost in costs]
