"""The figures, one small panel a block. They draw what the tables hold; no number is computed
here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from metabench.report import svg, words
from metabench.report.blocks import Block
from metabench.report.canvas import Panel, number, panel, scale
from metabench.report.palette import DASHES, INK, MARKERS, MUTED
from metabench.tables import Curves
from metabench.tables.frames import Row

TITLES = {
    "validation": "Validation score by iteration",
    "loss": "Training loss by iteration",
    "adaptation": "Test score by adaptation step",
}

STEPS = (0, *(factor * 10**power for power in range(6) for factor in (1, 2, 5)))
"""Ticks of adaptation steps where they are drawn closer and closer."""


@dataclass(frozen=True)
class Axis:
    """How numbers of a kind are drawn: the label, the factor (fractions in %), and whether on a
    logarithmic scale."""

    label: str
    factor: float
    log: bool

    @classmethod
    def of(cls, group: Row, values: Iterable[float]) -> Axis:
        """The axis for scores like these of a group's metric: logarithmic for errors that span more
        than a decade."""
        if group["unit"] == "fraction":
            return cls(f"{group['metric_name']} (%)", 100.0, False)
        known = list(values)
        log = bool(known) and 0 < 10 * min(known) < max(known)
        return cls(f"{group['metric_name']}{' (log scale)' if log else ''}", 1.0, log)

    @classmethod
    def of_loss(cls, values: pd.Series[float]) -> Axis:
        """The axis for a training loss: logarithmic wherever that is possible."""
        log = bool((values > 0).all())
        return cls(f"training loss{' (log scale)' if log else ''}", 1.0, log)


def seeds_panel(block: Block, scores: pd.DataFrame) -> Panel:
    """Draw every seed's score, and mean and interval of each group."""
    groups = block.scored
    inside = scores[scores["group"].isin([group["group"] for group in groups])].dropna(
        subset="score"
    )
    axis = Axis.of(block.head, inside["score"])
    with panel(width=3.2, height=0.7 + 0.36 * len(groups)) as (figure, ax):
        # ids are digits that may pass for numbers and dates
        places = {group["group"]: f"row {place}" for place, group in enumerate(groups)}
        values = pd.DataFrame(
            {"score": inside["score"] * axis.factor, "group": inside["group"].map(places)}
        )
        sns.stripplot(
            data=values,
            x="score",
            y="group",
            order=list(places.values()),
            color=MUTED[0],
            alpha=0.6,
            size=3.2,
            jitter=False,
            ax=ax,
        )
        for dots in ax.collections:  # below the mean and its interval, not under them
            dots.set_offsets(np.add(np.asarray(dots.get_offsets()), (0.0, 0.24)))
        for place, group in enumerate(groups):
            _point(ax, group["score"] * axis.factor, place - 0.08, group, axis, horizontal=True)
        ax.set_yticks(range(len(groups)), [_short(group["name"]) for group in groups], color=INK[0])
        ax.set_ylim(len(groups) - 0.45, -0.55)
        ax.set(xlabel=axis.label, ylabel="")
        ax.tick_params(axis="y", length=0)
        scale(ax, "x", axis.log)
        _chance(ax, block, axis, vertical=True)
        told = [f"{group['name']} {_told(group)}" for group in groups]
        return svg.inline(
            figure, f"{block.key}-seeds", f"Scores of every seed, {block.title}", "; ".join(told)
        )


def curve_panel(block: Block, curves: Curves, kind: str, x_label: str) -> Panel | None:
    """Draw mean curves with their bands, and each seed's own thin behind them. None where no group
    has such a curve of two points.

    Beside curves of adaptation, a method that does not adapt is a level across the panel.
    """
    inside = _of_kind(curves.seeds, kind, [group["group"] for group in block.groups])
    axis = Axis.of_loss(inside["y"]) if kind == "loss" else Axis.of(block.head, inside["y"])
    told = {
        group["group"]: (
            inside[inside["group"] == group["group"]],
            _of_kind(curves.bands, kind, [group["group"]]),
        )
        for group in block.groups
    }
    moving = [group for group in block.groups if told[group["group"]][0]["x"].nunique() > 1]
    if not moving:
        return None
    level = [
        group
        for group in block.groups
        if kind == "adaptation" and group not in moving and not told[group["group"]][1].empty
    ]
    with panel() as (figure, ax):
        for group in moving:
            _curve(ax, group, *told[group["group"]], axis)
        for group in level:
            _level(ax, group, told[group["group"]][1].iloc[0], axis)
        ax.set(xlabel=x_label, ylabel=axis.label)
        scale(ax, "y", axis.log)
        _steps(
            ax,
            [told[group["group"]][0]["x"].max() for group in moving]
            if kind == "adaptation"
            else [],
        )
        if kind != "loss":
            _chance(ax, block, axis, vertical=False)
        described = [f"{group['name']}{_ends(told[group['group']][1], axis)}" for group in moving]
        described += [
            f"{group['name']} does not adapt: "
            f"{told[group['group']][1]['mean'].iloc[0] * axis.factor:.4g}"
            for group in level
        ]
        return svg.inline(
            figure, f"{block.key}-{kind}", f"{TITLES[kind]}, {block.title}", "; ".join(described)
        )


def cost_panel(
    block: Block, column: str, x_label: str, shown: Callable[[float | None], str], factor: float
) -> Panel | None:
    """Draw score against a cost. None where no group has both, or where they were not all made on
    one machine."""
    groups = [group for group in block.scored if group[column] is not None]
    if not groups or not block.costs_compare:
        return None
    axis = Axis.of(block.head, [group["score"] for group in groups])
    with panel() as (figure, ax):
        places = _cost_axis(ax, [group[column] * factor for group in groups])
        for group, place in zip(groups, places, strict=True):
            _point(ax, place, group["score"] * axis.factor, group, axis, horizontal=False)
        scale(ax, "y", axis.log)
        ax.set(xlabel=x_label, ylabel=axis.label)
        told = [f"{group['name']} {shown(group[column])} for {_told(group)}" for group in groups]
        return svg.inline(
            figure,
            f"{block.key}-{column.replace('_', '-')}",
            f"Score against {x_label}, {block.title}",
            "; ".join(told),
        )


def _steps(ax: Axes, ends: Sequence[float]) -> None:
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


def _cost_axis(ax: Axes, costs: Sequence[float]) -> list[float]:
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
        ax.axvline(min(paid) / 2, color=MUTED[0], linewidth=0.9, linestyle=(0, (1, 2)))
        ax.xaxis.set_major_locator(FixedLocator([tick or nothing for tick in ticks]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: "0" if value == nothing else number(value))
        )
    return [cost if cost > 0 else nothing for cost in costs]


def _of_kind(curves: pd.DataFrame, kind: str, groups: Sequence[str]) -> pd.DataFrame:
    return curves[(curves["curve"] == kind) & curves["group"].isin(groups)]


def _curve(ax: Axes, group: Row, seeds: pd.DataFrame, band: pd.DataFrame, axis: Axis) -> None:
    mark = group["mark"]
    own = seeds.assign(y=seeds["y"] * axis.factor)
    sns.lineplot(
        data=own,
        x="x",
        y="y",
        units="cell",
        estimator=None,
        color=mark.colour,
        linewidth=0.6,
        alpha=0.3,
        sort=False,
        ax=ax,
    )
    if band.empty:
        return
    if band["low"].notna().all():
        low = (band["low"].astype(float) * axis.factor).clip(
            lower=_floor(own["y"]) if axis.log else None
        )
        ax.fill_between(
            band["x"],
            low,
            band["high"].astype(float) * axis.factor,
            color=mark.colour,
            alpha=0.16,
            linewidth=0,
        )
    few = band if len(band) <= 12 else band.iloc[[-1]]
    ax.plot(
        band["x"],
        band["mean"] * axis.factor,
        color=mark.colour,
        linewidth=1.7,
        linestyle=DASHES[mark.dash % len(DASHES)],
    )
    ax.plot(
        few["x"],
        few["mean"] * axis.factor,
        color=mark.colour,
        linestyle="",
        marker=MARKERS[mark.marker],
        markersize=4.5,
    )


def _level(ax: Axes, group: Row, point: pd.Series[Any], axis: Axis) -> None:
    """One score across the whole panel, with its band."""
    mark, mean = group["mark"], point["mean"] * axis.factor
    if point["low"] is not None and pd.notna(point["low"]):
        low, high = point["low"] * axis.factor, point["high"] * axis.factor
        ax.axhspan(
            max(low, mean / 5) if axis.log else low,
            high,
            color=mark.colour,
            alpha=0.12,
            linewidth=0,
        )
    across = {
        "transform": ax.get_yaxis_transform(),
        "color": mark.colour,
        "linestyle": DASHES[mark.dash % len(DASHES)],
    }
    ax.plot(
        [0, 0.975, 1],
        [mean] * 3,
        linewidth=1.4,
        marker=MARKERS[mark.marker],
        markersize=4.5,
        markevery=[1],
        **across,
    )


def _point(ax: Axes, x: float, y: float, group: Row, axis: Axis, *, horizontal: bool) -> None:
    """A mean with the interval of its score, which lies along x in the panel of seeds and along y
    in those of costs."""
    mark = group["mark"]
    error: list[list[float]] | None = None
    if group["score_low"] is not None:
        low, high = group["score_low"] * axis.factor, group["score_high"] * axis.factor
        centre = group["score"] * axis.factor
        error = [[centre - (max(low, centre / 20) if axis.log else low)], [high - centre]]
    bars: dict[str, Any] = {"xerr" if horizontal else "yerr": error}
    style = {
        "color": mark.colour,
        "markersize": 5.2,
        "elinewidth": 1.6,
        "capsize": 0,
        "markeredgewidth": 0,
    }
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


def _floor(values: pd.Series[float]) -> float:
    return float(values[values > 0].min()) / 5 if (values > 0).any() else 1e-12


def _short(name: str, limit: int = 18) -> str:
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[1 - limit // 2 :]}"


def _told(group: Row) -> str:
    unit = group["unit"]
    sign = "%" if unit == "fraction" else group["metric_name"]
    return (
        f"{words.score(group['score'], unit)} {sign} "
        f"{words.interval(group['score_low'], group['score_high'], unit)}, {group['scored']} seeds"
    )


def _ends(band: pd.DataFrame, axis: Axis) -> str:
    if band.empty:
        return ": no completed seed"
    first, last = band.iloc[0], band.iloc[-1]
    return " from {} to {}".format(
        *(f"{point['mean'] * axis.factor:.4g} at {number(point['x'])}" for point in (first, last))
    )


def legend(blocks: Sequence[Block]) -> list[Row]:
    """Return one entry an algorithm: its name and mark."""
    entries = {
        group["algorithm"]: group["mark"]
        for block in reversed(blocks)
        for group in reversed(block.groups)
    }
    return [
        {"name": name, "mark": mark}
        for name, mark in sorted(entries.items(), key=lambda entry: entry[1].series)
    ]
