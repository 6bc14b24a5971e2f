"""The panels of curves, one a block: learning, adaptation, and scores over numbers of shots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from metabench.quantities import BY_NAME, SCORE
from metabench.report.axis import Axis, mark_chance, scale_steps
from metabench.report.blocks import Block, Group
from metabench.report.canvas import Margins, Panel, number, panel, scale
from metabench.report.marks import LETTER, interval, name_ends, point, short
from metabench.report.palette import DASHES, MARKERS
from metabench.report.panels import told_score
from metabench.report.svg import Pen
from metabench.tables import Curves
from metabench.tables.typed_rows import CellRow

CHOSEN_STEP = BY_NAME["chosen_step"]

TITLES = {
    "validation": "Validation score by iteration",
    "training": "Training score by iteration",
    "loss": "Training loss by iteration",
    "adaptation": "Test score by adaptation step",
}
IN_TRAINING = ("training", "loss")
"""Kinds that are of training tasks: many points, and of the ways of training."""
POINTS = 120
"""Points of a curve that are drawn: more than that are nearer to one another than pixels."""
FAR = 8
"""Factor between what was spent from which on its axis is logarithmic."""
FEW = 12
"""Points up to which each is marked."""
NAMED = 12
"""Lines that are named at their ends; more have no room there, and the legend tells them."""


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


def curve_panel(
    pen: Pen,
    block: Block,
    curves: Curves,
    kind: str,
    x_label: str,
    cells: Sequence[CellRow],
    over: str = "x",
) -> Panel | None:
    """Draw mean curves with their bands, and each seed's own thin behind them, but for those of
    training, which are many points, and beside what was spent, which differs between seeds. None
    where no group has such a curve of two points. `over` is the column along x.

    Beside curves of adaptation, a method that does not adapt is a level across the panel, and a
    ring marks the score that counts, at the step that most seeds count.
    """
    courses = [
        _Course(group, *(_of(table, kind, group, over) for table in (curves.seeds, curves.bands)))
        for group in block.groups
    ]
    moving = [course for course in courses if course.moves]
    if not moving:
        return None
    adapting = kind == "adaptation"
    values = pd.concat([course.seeds["y"] for course in moving]).astype(float)
    axis = Axis.of_loss(values) if kind == "loss" else Axis.of(block.metric, values)
    level = [course for course in courses if adapting and not course.moves and len(course.band)]
    margins = _margins([course.group.name for course in (*moving, *level)])
    with panel(margins=margins) as (figure, ax):
        scale(ax, "y", axis.log, limits=_window(axis, kind, moving, level))
        scale_steps(ax, [course.seeds["x"].max() for course in moving] if adapting else [])
        if over != "x":
            _scale_spent(ax, moving)
        for place, course in enumerate(moving):
            _curve(ax, course, axis, place, alone=kind in IN_TRAINING or over != "x")
        for course in level:
            _level(ax, course, axis)
        for course in moving if adapting else []:
            _ring(ax, course, axis, cells)
        ax.set(xlabel=x_label, ylabel=axis.label)
        if kind not in IN_TRAINING:
            mark_chance(ax, block.metric, axis, "y")
        _name_lines(ax, [*moving, *level], axis)
        timed = f" and {over}" if over != "x" else ""
        key = f"{block.key}-{kind}{f'-{over}' if timed else ''}"
        title = f"{TITLES[kind]}{timed}, {block.title}"
        return pen.inline(figure, key, title, _told(moving, level, axis))


def _name_lines(ax: Axes, courses: Sequence[_Course], axis: Axis) -> None:
    """Name the mean curves at their ends, unless they are too many."""
    ends = [
        (axis.drawn(course.band["mean"].iloc[-1]), course.group.name, course.group.mark)
        for course in courses
        if len(course.band)
    ]
    if len(ends) <= NAMED:
        name_ends(ax, ends)


def _told(moving: Sequence[_Course], level: Sequence[_Course], axis: Axis) -> str:
    """Where curves begin and end, in words."""
    told = [f"{course.group.name}{_ends(course.band, axis)}" for course in moving]
    told += [
        f"{course.group.name} does not adapt: {axis.drawn(course.band['mean'].iloc[0]):.4g}"
        for course in level
    ]
    return "; ".join(told)


def shots_panel(pen: Pen, title: str, blocks: Sequence[Block]) -> Panel | None:
    """Draw the score of every algorithm against the number of shots, over blocks that differ in
    nothing else. None where fewer than two of them have scores."""
    places = [(float(str(block.shots)), block) for block in blocks if block.scored]
    if len(places) < 2:
        return None
    places.sort(key=lambda place: place[0])
    metric = places[0][1].metric
    lines: dict[str, list[tuple[float, Group]]] = {}
    for shots, block in places:
        for group in block.scored:
            lines.setdefault(group.name, []).append((shots, group))
    known = [group for line in lines.values() for _, group in line]
    scores = [group.score.value for group in known if group.score.value is not None]
    axis = Axis.of(metric, scores)
    window = axis.window(scores, [(one.score.low, one.score.high) for one in known])
    key = f"{places[0][1].key}-shots"
    with panel(margins=_margins(list(lines))) as (figure, ax):
        scale(ax, "y", axis.log, limits=window)
        ax.set_xscale("log")
        numbers = [shots for shots, _ in places]
        ax.set_xticks(numbers, [number(shots) for shots in numbers])
        ax.set_xticks([], minor=True)
        ax.set_xlim(numbers[0] / 1.15, numbers[-1] * 1.15)
        for line in lines.values():
            _line_over_shots(ax, line, axis, window)
        if len(lines) <= NAMED:
            last = [(line[-1][1], name) for name, line in lines.items()]
            name_ends(
                ax, [(axis.drawn(one.score.value or 0), name, one.mark) for one, name in last]
            )
        ax.set(xlabel="shots" if places[0][1].ways else "points given", ylabel=axis.label)
        told = "; ".join(
            f"{name}: " + ", ".join(f"{number(x)}: {told_score(group)}" for x, group in line)
            for name, line in lines.items()
        )
        return pen.inline(figure, key, f"Score by number of shots, {title}", told)


def _margins(names: Sequence[str]) -> Margins:
    """With room for the names of lines at their ends."""
    if len(names) > NAMED:
        return Margins()
    return Margins(right=20 + LETTER * max(len(short(name)) for name in names))


def _line_over_shots(
    ax: Axes, line: Sequence[tuple[float, Group]], axis: Axis, window: tuple[float, float]
) -> None:
    mark = line[0][1].mark
    means = [axis.drawn(group.score.value or 0.0) for _, group in line]
    dashes = DASHES[mark.dash % len(DASHES)]
    ax.plot([x for x, _ in line], means, color=mark.colour, linewidth=1.5, linestyle=dashes)
    for (x, group), mean in zip(line, means, strict=True):
        if group.score.low is not None and group.score.high is not None:
            low, high = axis.ends([group.score.low], [group.score.high])
            interval(ax, x, low[0], high[0], window, mark.colour, "y")
        if window[0] <= mean <= window[1]:
            point(ax, x, mean, mark, 6)


def _scale_spent(ax: Axes, moving: Sequence[_Course]) -> None:
    """A logarithmic axis where some spent far more than others."""
    spent = pd.concat([course.band["x"] for course in moving])
    spent = spent[spent > 0].astype(float)
    if len(spent) and spent.max() > FAR * spent.min():
        scale(ax, "x", True, limits=(spent.min() / 1.2, spent.max() * 1.2))


def _window(
    axis: Axis, kind: str, moving: Sequence[_Course], level: Sequence[_Course]
) -> tuple[float, float]:
    """All means that are not of the privileged, and their bands as far as there is room."""
    shown = [one for one in (*moving, *level) if not one.group.privileged and len(one.band)]
    shown = shown or [one for one in (*moving, *level) if len(one.band)] or list(moving)
    bands = pd.concat([one.band for one in shown])
    if bands.empty or kind == "loss":
        return axis.window(pd.concat([one.seeds["y"] for one in shown]).astype(float))
    ends = bands[["low", "high"]].dropna().astype(float).itertuples(index=False, name=None)
    return axis.window(bands["mean"].astype(float), list(ends))


def _of(table: pd.DataFrame, kind: str, group: Group, over: str) -> pd.DataFrame:
    own = table[(table["curve"] == kind) & (table["group"] == group.group)]
    return own.assign(x=own[over]).dropna(subset=["x"])


def _thinned(table: pd.DataFrame) -> pd.DataFrame:
    """The points that are drawn: first and last, and others at equal numbers of points."""
    if len(table) <= POINTS:
        return table
    return table.iloc[np.unique(np.linspace(0, len(table) - 1, POINTS).round().astype(int))]


def _curve(ax: Axes, course: _Course, axis: Axis, place: int, *, alone: bool) -> None:
    mark, band = course.group.mark, _thinned(course.band)
    if not alone:
        for _, own in course.seeds.groupby("cell", sort=False):
            thin = _thinned(own)
            y = thin["y"].astype(float) * axis.factor
            ax.plot(thin["x"], y, color=mark.colour, linewidth=0.6, alpha=0.3)
    if band.empty:
        return
    if band["low"].notna().all():
        low, high = axis.ends(band["low"], band["high"])
        floor = min(ax.get_ylim())  # where a logarithmic axis ends, whatever a band says
        low = np.maximum(low, floor) if axis.log else low
        ax.fill_between(band["x"], low, high, color=mark.colour, alpha=0.13, linewidth=0)
    # marks at every point where these are few; else at some, elsewhere for each algorithm
    every = 1 if len(band) <= FEW else (place * 3 % (len(band) // 4), len(band) // 4)
    ax.plot(
        band["x"],
        band["mean"] * axis.factor,
        color=mark.colour,
        linewidth=1.7,
        linestyle=DASHES[mark.dash % len(DASHES)],
        marker=MARKERS[mark.marker],
        markersize=5,
        markevery=every,
        markeredgewidth=0,
    )


def _level(ax: Axes, course: _Course, axis: Axis) -> None:
    """One score across the whole panel, with its band."""
    mark, point_ = course.group.mark, course.band.iloc[0]
    mean = axis.drawn(point_["mean"])
    if pd.notna(point_["low"]):
        low, high = axis.ends([point_["low"]], [point_["high"]])
        floor = min(ax.get_ylim())
        bottom = max(low[0], floor) if axis.log else low[0]
        ax.axhspan(bottom, high[0], color=mark.colour, alpha=0.12, linewidth=0)
    ax.axhline(mean, color=mark.colour, linewidth=1.4, linestyle=DASHES[mark.dash % len(DASHES)])


def _ring(ax: Axes, course: _Course, axis: Axis, cells: Sequence[CellRow]) -> None:
    """The score that counts, where most seeds took it."""
    counted = [
        step
        for cell in cells
        if cell.group == course.group.group and (step := _counting(cell, course.seeds)) is not None
    ]
    if not counted or course.group.score.value is None:
        return
    ax.plot(
        max(sorted(set(counted)), key=counted.count),
        axis.drawn(course.group.score.value),
        color=course.group.mark.colour,
        marker="o",
        markersize=11,
        markerfacecolor="none",
        markeredgewidth=1.4,
    )


def _counting(cell: CellRow, seeds: pd.DataFrame) -> float | None:
    """The step whose score is that of the cell: the one that validation chose, or else the last
    with that score."""
    if (chosen := cell[CHOSEN_STEP]) is not None:
        return chosen
    own: Any = seeds[(seeds["cell"] == cell.cell) & (seeds["y"] == cell[SCORE])]["x"]
    return float(own.max()) if len(own) else None


def _ends(band: pd.DataFrame, axis: Axis) -> str:
    if band.empty:
        return ": no completed seed"
    points = [band.iloc[0], band.iloc[-1]]
    first, last = (f"{axis.drawn(at['mean']):.4g} at {number(at['x'])}" for at in points)
    return f" from {first} to {last}"
