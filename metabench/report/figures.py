"""The figures, one small panel a block. They draw what the tables hold; no number is computed here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from metabench.report import svg, words
from metabench.report.blocks import Block
from metabench.report.palette import DASHES, GRID, INK, MARKERS, MUTED
from metabench.tables import Curves
from metabench.tables.frames import Row

SIZE = (3.9, 2.75)
"""Inches of a panel, chosen so that text has the size of the page's where panels are shown three abreast or alone on a phone."""

Panel = str
"""One `<svg>` element."""


@dataclass(frozen=True)
class Axis:
    """How scores of a metric are drawn: the label, the factor (fractions in %), and whether on a logarithmic scale."""

    label: str
    factor: float
    log: bool

    @classmethod
    def of(cls, group: Row) -> Axis:
        """The axis for the metric of a group."""
        if group["unit"] == "fraction":
            return cls(f"{group['metric_name']} (%)", 100.0, False)
        return cls(f"{group['metric_name']} (log scale)", 1.0, True)


def seeds_panel(block: Block, scores: pd.DataFrame) -> Panel:
    """Draw every seed's score, and mean and interval of each group."""
    axis, groups = Axis.of(block.head), block.scored
    with _panel(width=3.2, height=0.7 + 0.36 * len(groups)) as (figure, ax):
        inside = scores[scores["group"].isin([group["group"] for group in groups])].dropna(subset="score")
        order = [group["group"] for group in groups]
        values = pd.DataFrame({"score": inside["score"] * axis.factor, "group": inside["group"].astype(str)})
        sns.stripplot(data=values, x="score", y="group", order=order, color=MUTED[0], alpha=0.6, size=3.2, jitter=False, ax=ax)
        for dots in ax.collections:  # below the mean and its interval, not under them
            dots.set_offsets(np.add(np.asarray(dots.get_offsets()), (0.0, 0.24)))
        for place, group in enumerate(groups):
            _point(ax, group["score"] * axis.factor, place - 0.08, group, axis, horizontal=True)
        ax.set_yticks(range(len(groups)), [_short(group["name"]) for group in groups], color=INK[0])
        ax.set_ylim(len(groups) - 0.45, -0.55)
        ax.set(xlabel=axis.label, ylabel="")
        ax.tick_params(axis="y", length=0)
        _scale(ax, "x", axis.log)
        _chance(ax, block, axis, vertical=True)
        told = [f"{group['name']} {_told(group)}" for group in groups]
        return svg.inline(figure, f"{block.key}-seeds", f"Scores of every seed, {block.title}", "; ".join(told))


def curve_panel(block: Block, curves: Curves, kind: str, x_label: str) -> Panel | None:
    """Draw mean curves with their bands, and each seed's own thin behind them. None where no group has such a curve of two points."""
    axis = Axis.of(block.head) if kind != "loss" else Axis("training loss", 1.0, False)
    drawn = []
    with _panel() as (figure, ax):
        for group in block.groups:
            mine = curves.seeds[(curves.seeds["group"] == group["group"]) & (curves.seeds["curve"] == kind)]
            band = curves.bands[(curves.bands["group"] == group["group"]) & (curves.bands["curve"] == kind)]
            if mine["x"].nunique() < 2:
                continue
            _curve(ax, group, mine, band, axis)
            drawn.append(f"{group['name']}{_ends(band, axis)}")
        if not drawn:
            return None
        ax.set(xlabel=x_label, ylabel=axis.label)
        _scale(ax, "y", axis.log)
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.xaxis.set_major_formatter(FuncFormatter(_number))
        if kind != "loss":
            _chance(ax, block, axis, vertical=False)
        title = {"validation": "Validation score by iteration", "loss": "Training loss by iteration", "adaptation": "Test score by adaptation step"}
        return svg.inline(figure, f"{block.key}-{kind}", f"{title[kind]}, {block.title}", "; ".join(drawn))


def cost_panel(block: Block, column: str, x_label: str, shown: Callable[[float | None], str], factor: float) -> Panel | None:
    """Draw score against a cost. None where no group has both."""
    axis = Axis.of(block.head)
    groups = [group for group in block.scored if group[column] is not None]
    if not groups:
        return None
    with _panel() as (figure, ax):
        for group in groups:
            _point(ax, group[column] * factor, group["score"] * axis.factor, group, axis, horizontal=False)
        costs = [group[column] * factor for group in groups]
        spread = min(costs) > 0 and max(costs) > 8 * min(costs)
        _scale(ax, "x", spread)
        _scale(ax, "y", axis.log)
        if not spread:
            ax.set_xlim(-0.05 * max(costs), 1.08 * max(costs) or 1.0)
        ax.set(xlabel=x_label, ylabel=axis.label)
        told = [f"{group['name']} {shown(group[column])} for {_told(group)}" for group in groups]
        return svg.inline(figure, f"{block.key}-{column.replace('_', '-')}", f"Score against {x_label}, {block.title}", "; ".join(told))


@contextmanager
def _panel(width: float = SIZE[0], height: float = SIZE[1]) -> Iterator[tuple[Figure, Axes]]:
    """A figure in the report's style. No pyplot, so no state is left behind."""
    style = sns.axes_style("ticks") | {
        **svg.STYLE,
        "font.family": ["DejaVu Sans"],
        "font.size": 8.5,
        "axes.labelsize": 8.5,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "text.color": INK[0],
        "axes.labelcolor": MUTED[0],
        "axes.edgecolor": GRID[0],
        "xtick.color": MUTED[0],
        "ytick.color": MUTED[0],
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "axes.grid": True,
        "grid.color": GRID[0],
        "grid.linewidth": 0.7,
        "axes.linewidth": 0.8,
        "axes.unicode_minus": True,
        "path.simplify": True,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        ax = figure.add_subplot()
        ax.set_axisbelow(True)
        yield figure, ax
        figure.clear()


def _curve(ax: Axes, group: Row, seeds: pd.DataFrame, band: pd.DataFrame, axis: Axis) -> None:
    mark = group["mark"]
    own = seeds.assign(y=seeds["y"] * axis.factor)
    sns.lineplot(data=own, x="x", y="y", units="cell", estimator=None, color=mark.colour, linewidth=0.6, alpha=0.3, sort=False, ax=ax)
    if band.empty:
        return
    if band["low"].notna().all():
        low = (band["low"].astype(float) * axis.factor).clip(lower=_floor(own["y"]) if axis.log else None)
        ax.fill_between(band["x"], low, band["high"].astype(float) * axis.factor, color=mark.colour, alpha=0.16, linewidth=0)
    few = band if len(band) <= 12 else band.iloc[[-1]]
    ax.plot(band["x"], band["mean"] * axis.factor, color=mark.colour, linewidth=1.7, linestyle=DASHES[mark.dash % len(DASHES)])
    ax.plot(few["x"], few["mean"] * axis.factor, color=mark.colour, linestyle="", marker=MARKERS[mark.marker], markersize=4.5)


def _point(ax: Axes, x: float, y: float, group: Row, axis: Axis, *, horizontal: bool) -> None:
    """A mean with the interval of its score, which lies along x in the panel of seeds and along y in those of costs."""
    mark = group["mark"]
    error: list[list[float]] | None = None
    if group["score_low"] is not None:
        low, high = group["score_low"] * axis.factor, group["score_high"] * axis.factor
        centre = group["score"] * axis.factor
        error = [[centre - (max(low, centre / 20) if axis.log else low)], [high - centre]]
    bars: dict[str, Any] = {"xerr" if horizontal else "yerr": error}
    style = {"color": mark.colour, "markersize": 5.2, "elinewidth": 1.6, "capsize": 0, "markeredgewidth": 0}
    ax.errorbar(x, y, **bars, fmt=MARKERS[mark.marker], **style)


def _chance(ax: Axes, block: Block, axis: Axis, *, vertical: bool) -> None:
    """Mark chance, where it is known and near enough to what is shown."""
    chance = block.head["chance"]
    if chance is None:
        return
    at = chance * axis.factor
    low, high = ax.get_xlim() if vertical else sorted(ax.get_ylim())
    if at < low - 0.75 * (high - low):
        return
    draw = ax.axvline if vertical else ax.axhline
    draw(at, color=MUTED[0], linewidth=0.9, linestyle=(0, (1, 2)))
    if not vertical:
        ax.annotate("chance", (1, at), (-2, 3), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right", color=MUTED[0], size=7.5)


def _scale(ax: Axes, which: Literal["x", "y"], log: bool) -> None:
    """Few ticks and plain numbers; on a logarithmic scale at 1, 2 and 5 where decades are too far apart."""
    axis = ax.xaxis if which == "x" else ax.yaxis
    if log:
        ax.set(**{f"{which}scale": "log"})
        low, high = sorted(axis.get_view_interval())
        decades = math.log10(high / low) if low > 0 else 9.0
        axis.set_major_locator(LogLocator(subs=(1,) if decades > 2 else (1, 2, 5)) if decades > 0.8 else MaxNLocator(4))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(5))
    axis.set_major_formatter(FuncFormatter(_number))


def _number(value: float, _: int) -> str:
    return f"{value:,.10g}".replace(",", words.THIN).replace("-", words.MINUS)


def _floor(values: pd.Series[float]) -> float:
    return float(values[values > 0].min()) / 5 if (values > 0).any() else 1e-12


def _short(name: str, limit: int = 18) -> str:
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[1 - limit // 2 :]}"


def _told(group: Row) -> str:
    unit = group["unit"]
    sign = "%" if unit == "fraction" else group["metric_name"]
    return f"{words.score(group['score'], unit)} {sign} {words.interval(group['score_low'], group['score_high'], unit)}, {group['scored']} seeds"


def _ends(band: pd.DataFrame, axis: Axis) -> str:
    if band.empty:
        return ": no completed seed"
    first, last = band.iloc[0], band.iloc[-1]
    return " from {} to {}".format(*(f"{point['mean'] * axis.factor:.4g} at {_number(point['x'], 0)}" for point in (first, last)))


def legend(blocks: Sequence[Block]) -> list[Row]:
    """Return one entry an algorithm: its name and mark."""
    entries = {group["algorithm"]: group["mark"] for block in reversed(blocks) for group in reversed(block.groups)}
    return [{"name": name, "mark": mark} for name, mark in sorted(entries.items(), key=lambda entry: entry[1].series)]
