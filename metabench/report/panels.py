"""The panels, one a block. They draw what the tables hold; no number is computed here, and nothing
is placed by an id, which may look like a number or a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes

from metabench.quantities import SCORE, Quantity
from metabench.report import svg, words
from metabench.report.axis import Axis, mark_chance, scale_costs, scale_steps
from metabench.report.blocks import Block, Group, Mark
from metabench.report.canvas import Panel, number, panel, scale
from metabench.report.palette import DASHES, INK, MARKERS, MUTED
from metabench.tables import Curves
from metabench.tables.typed_rows import CellRow

TITLES = {
    "validation": "Validation score by iteration",
    "loss": "Training loss by iteration",
    "adaptation": "Test score by adaptation step",
}

UNITS: Mapping[str, tuple[str, float]] = {"seconds": ("s", 1.0), "bytes": ("MiB", 2.0**-20)}
"""Unit of a cost -> what its axis is in, and the factor."""


def seeds_panel(block: Block, cells: Sequence[CellRow]) -> Panel:
    """Draw every seed's score, and mean and interval of each group."""
    groups = block.scored
    scores = {
        group.group: [
            score
            for cell in cells
            if cell.group == group.group and (score := cell[SCORE]) is not None
        ]
        for group in groups
    }
    axis = Axis.of(block.metric, [score for found in scores.values() for score in found])
    with panel(width=3.2, height=0.7 + 0.36 * len(groups)) as (figure, ax):
        for place, group in enumerate(groups):
            drawn = [axis.drawn(score) for score in scores[group.group]]
            below = [place + 0.24] * len(drawn)  # the mean and its interval, not under them
            ax.plot(drawn, below, **_dots(MUTED[0]), alpha=0.6)
            _point(ax, axis.drawn(_mean(group)), place - 0.08, group, axis, horizontal=True)
        ax.set_yticks(range(len(groups)), [_short(group.name) for group in groups], color=INK[0])
        ax.set_ylim(len(groups) - 0.45, -0.55)
        ax.set(xlabel=axis.label, ylabel="")
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False, axis="y")
        scale(ax, "x", axis.log)
        mark_chance(ax, block.metric, axis, vertical=True)
        told = "; ".join(f"{group.name} {_told(group)}" for group in groups)
        title = f"Scores of every seed, {block.title}"
        return svg.inline(figure, f"{block.key}-seeds", title, told)


@dataclass(frozen=True)
class _Course:
    """The curves of one group: each seed's own, and their mean with its band."""

    group: Group
    seeds: pd.DataFrame
    band: pd.DataFrame

    @property
    def moves(self) -> bool:
        """Whether it has two points or more."""
        return self.seeds["x"].nunique() > 1


def curve_panel(block: Block, curves: Curves, kind: str, x_label: str) -> Panel | None:
    """Draw mean curves with their bands, and each seed's own thin behind them. None where no group
    has such a curve of two points.

    Beside curves of adaptation, a method that does not adapt is a level across the panel.
    """
    courses = [
        _Course(group, *(_of(table, kind, group) for table in (curves.seeds, curves.bands)))
        for group in block.groups
    ]
    moving = [course for course in courses if course.moves]
    if not moving:
        return None
    values = pd.concat([course.seeds["y"] for course in courses]).astype(float)
    axis = Axis.of_loss(values) if kind == "loss" else Axis.of(block.metric, values)
    level = [
        course
        for course in courses
        if kind == "adaptation" and not course.moves and not course.band.empty
    ]
    with panel() as (figure, ax):
        for course in moving:
            _curve(ax, course, axis)
        for course in level:
            _level(ax, course, axis)
        ax.set(xlabel=x_label, ylabel=axis.label)
        scale(ax, "y", axis.log)
        adapting = moving if kind == "adaptation" else []
        scale_steps(ax, [course.seeds["x"].max() for course in adapting])
        if kind != "loss":
            mark_chance(ax, block.metric, axis, vertical=False)
        told = [f"{course.group.name}{_ends(course.band, axis)}" for course in moving]
        told += [
            f"{course.group.name} does not adapt: {axis.drawn(course.band['mean'].iloc[0]):.4g}"
            for course in level
        ]
        title = f"{TITLES[kind]}, {block.title}"
        return svg.inline(figure, f"{block.key}-{kind}", title, "; ".join(told))


def cost_panel(block: Block, cost: Quantity, x_label: str) -> Panel | None:
    """Draw score against a cost. None where no group has both, or where they were not all made on
    one machine."""
    known = [(group, value) for group in block.scored if (value := group[cost].value) is not None]
    if not known or not block.costs_compare:
        return None
    unit, factor = UNITS[cost.unit]
    axis = Axis.of(block.metric, [_mean(group) for group, _ in known])
    with panel() as (figure, ax):
        places = scale_costs(ax, [value * factor for _, value in known])
        for (group, _), place in zip(known, places, strict=True):
            _point(ax, place, axis.drawn(_mean(group)), group, axis, horizontal=False)
        scale(ax, "y", axis.log)
        ax.set(xlabel=f"{x_label} ({unit})", ylabel=axis.label)
        told = [
            f"{group.name} {words.quantity(value, cost.unit)} for {_told(group)}"
            for group, value in known
        ]
        key, title = cost.name.replace("_", "-"), f"Score against {x_label}, {block.title}"
        return svg.inline(figure, f"{block.key}-{key}", title, "; ".join(told))


def legend(blocks: Sequence[Block]) -> list[tuple[str, Mark]]:
    """Return the name and the mark of each algorithm."""
    entries = {
        group.algorithm: group.mark
        for block in reversed(blocks)
        for group in reversed(block.groups)
    }
    return sorted(entries.items(), key=lambda entry: entry[1].series)


def _of(table: pd.DataFrame, kind: str, group: Group) -> pd.DataFrame:
    return table[(table["curve"] == kind) & (table["group"] == group.group)]


def _curve(ax: Axes, course: _Course, axis: Axis) -> None:
    mark, band = course.group.mark, course.band
    for _, own in course.seeds.groupby("cell", sort=False):
        y = own["y"].astype(float) * axis.factor
        ax.plot(own["x"], y, color=mark.colour, linewidth=0.6, alpha=0.3)
    if band.empty:
        return
    if band["low"].notna().all():
        low, high = axis.ends(band["low"], band["high"], _floor(course.seeds["y"], axis))
        ax.fill_between(band["x"], low, high, color=mark.colour, alpha=0.16, linewidth=0)
    few = band if len(band) <= 12 else band.iloc[[-1]]
    mean, dashes = band["mean"] * axis.factor, DASHES[mark.dash % len(DASHES)]
    ax.plot(band["x"], mean, color=mark.colour, linewidth=1.7, linestyle=dashes)
    ax.plot(few["x"], few["mean"] * axis.factor, **_dots(mark.colour, MARKERS[mark.marker], 4.5))


def _level(ax: Axes, course: _Course, axis: Axis) -> None:
    """One score across the whole panel, with its band."""
    mark, point = course.group.mark, course.band.iloc[0]
    mean = axis.drawn(point["mean"])
    if pd.notna(point["low"]):
        low, high = axis.ends([point["low"]], [point["high"]], mean / 5)
        ax.axhspan(low[0], high[0], color=mark.colour, alpha=0.12, linewidth=0)
    across: dict[str, Any] = {
        "transform": ax.get_yaxis_transform(),
        "color": mark.colour,
        "linestyle": DASHES[mark.dash % len(DASHES)],
        "marker": MARKERS[mark.marker],
        "markersize": 4.5,
        "markevery": [1],
    }
    ax.plot([0, 0.975, 1], [mean] * 3, linewidth=1.4, **across)


def _point(ax: Axes, x: float, y: float, group: Group, axis: Axis, *, horizontal: bool) -> None:
    """A mean with the interval of its score, which lies along x in the panel of seeds and along y
    in those of costs."""
    error: list[list[float]] | None = None
    score = group.score
    if score.low is not None and score.high is not None:
        centre = axis.drawn(_mean(group))
        low, high = axis.ends([score.low], [score.high], centre / 20)
        error = [[centre - low[0]], [high[0] - centre]]
    bars: dict[str, Any] = {"xerr" if horizontal else "yerr": error}
    style: dict[str, Any] = {
        "color": group.mark.colour,
        "markersize": 5.2,
        "elinewidth": 1.6,
        "capsize": 0,
        "markeredgewidth": 0,
    }
    ax.errorbar(x, y, **bars, fmt=MARKERS[group.mark.marker], **style)


def _dots(colour: str, marker: str = "o", size: float = 3.2) -> dict[str, Any]:
    """Marks without a line."""
    return {"color": colour, "linestyle": "", "marker": marker, "markersize": size} | (
        {"markeredgewidth": 0} if marker == "o" and size < 4 else {}
    )


def _floor(values: pd.Series[float], axis: Axis) -> float:
    """Where a band ends on a logarithmic scale that passes 0."""
    positive = values[values > 0]
    return float(positive.min()) * axis.factor / 5 if len(positive) else 1e-12


def _mean(group: Group) -> float:
    """The score of a group that has one."""
    assert group.score.value is not None
    return group.score.value


def _short(name: str, limit: int = 18) -> str:
    return name if len(name) <= limit else f"{name[: limit // 2]}…{name[1 - limit // 2 :]}"


def _told(group: Group) -> str:
    unit, score = group.metric.unit, group.score
    sign = "%" if unit == "fraction" else group.metric.name
    return (
        f"{words.score(score.value, unit)} {sign} "
        f"{words.interval(score.low, score.high, unit)}, {group.scored} seeds"
    )


def _ends(band: pd.DataFrame, axis: Axis) -> str:
    if band.empty:
        return ": no completed seed"
    points = [band.iloc[0], band.iloc[-1]]
    first, last = (f"{axis.drawn(at['mean']):.4g} at {number(at['x'])}" for at in points)
    return f" from {first} to {last}"
