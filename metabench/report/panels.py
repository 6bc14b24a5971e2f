"""The panels of scores, differences and costs, one a block. They draw what the tables hold; no
number is computed here, and nothing is placed by an id, which may look like a number or a date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes

from metabench.quantities import SCORE, Quantity
from metabench.report import words
from metabench.report.axis import Axis, mark_chance
from metabench.report.blocks import Block, Comparison, Group
from metabench.report.canvas import SIZE, Margins, Panel, panel, scale
from metabench.report.marks import LETTER, interval, name_points, point, short
from metabench.report.palette import GRID, INK, MUTED
from metabench.report.svg import Pen
from metabench.tables.typed_rows import CellRow
from metabench.text import plural

UNITS: Mapping[str, tuple[str, float]] = {"seconds": ("s", 1.0), "bytes": ("MiB", 2.0**-20)}
"""Unit of a cost -> what its axis is in, and the factor."""

WORTH_DRAWING = 1.25
"""Costs that differ by less than this factor are not drawn: there is nothing to see."""


def seeds_panel(pen: Pen, block: Block, cells: Sequence[CellRow]) -> Panel:
    """Draw every seed's score, and mean and interval of each group."""
    groups = block.ranked
    scores = {
        group.group: [
            score
            for cell in cells
            if cell.group == group.group and (score := cell[SCORE]) is not None
        ]
        for group in groups
    }
    axis = Axis.of(block.metric, [score for found in scores.values() for score in found])
    shown = [group for group in groups if not group.privileged] or groups
    window = axis.window(
        [score for group in shown for score in (*scores[group.group], _mean(group))],
        [(group.score.low, group.score.high) for group in shown],
    )
    margins = Margins(left=_names(groups))
    with panel(height=0.75 + 0.36 * len(groups), margins=margins) as (figure, ax):
        scale(ax, "x", axis.log)
        ax.set_xlim(*window)
        for place, group in enumerate(groups):
            drawn = [axis.drawn(score) for score in scores[group.group]]
            within = [score for score in drawn if window[0] <= score <= window[1]]
            below = [place + 0.26] * len(within)  # the mean and its interval, not under them
            ax.plot(within, below, "o", color=MUTED[0], markersize=3.4, markeredgewidth=0)
            _mean_of(ax, group, axis, place - 0.08, window)
        _rows(ax, [group.name for group in groups])
        ax.set(xlabel=axis.label, ylabel="")
        scale(ax, "x", axis.log, limits=window)
        mark_chance(ax, block.metric, axis, "x")
        told = "; ".join(f"{group.name} {told_score(group)}" for group in groups)
        title = f"Scores of every seed, {block.title}"
        return pen.inline(figure, f"{block.key}-seeds", title, told)


@dataclass(frozen=True)
class _Effect:
    """What came of a comparison on the axis of a forest: a difference about 0, or a ratio about 1,
    its interval, and the ends of what could not have been found."""

    row: Comparison
    value: float
    interval: tuple[float | None, float | None]
    hidden: tuple[float, float] | None

    @classmethod
    def of(cls, row: Comparison, ratio: bool) -> _Effect | None:
        """None where there is none of that kind."""
        if ratio and row.ratio:
            least = row.detectable_ratio
            hidden = (1 / least, least) if least else None
            return cls(row, row.ratio, (row.ratio_low, row.ratio_high), hidden)
        if ratio or row.difference is None:
            return None
        reach = row.detectable_difference
        hidden = (-reach, reach) if reach is not None else None
        return cls(row, row.difference, (row.low, row.high), hidden)


def forest_panel(pen: Pen, block: Block) -> Panel | None:
    """Draw the differences to the reference with their intervals, or the ratios where errors were
    compared; what so many seeds could not have found as a band; and how long each took. None where
    there is nothing to draw."""
    ratio = block.compares_ratios
    effects = [found for row in block.by_difference if (found := _Effect.of(row, ratio))]
    if not effects:
        return None
    axis, zero = _effect_axis(block, effects[0].row.reference_name, ratio), 1.0 if ratio else 0.0
    shown = [one for one in effects if not one.row.group.privileged] or effects
    window = axis.window([zero, *(one.value for one in shown)], [one.interval for one in shown])
    margins = Margins(left=_names([one.row for one in effects]), right=62, top=24)
    with panel(SIZE[0] + 0.5, 0.95 + 0.34 * len(effects), margins) as (figure, ax):
        scale(ax, "x", axis.log, limits=window)
        ax.axvline(zero, color=INK[0], linewidth=1)
        for place, one in enumerate(effects):
            _effect(ax, one, axis, place, window)
        _rows(ax, [one.row.name for one in effects])
        side = int(block.metric.higher_is_better)
        style: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        style |= {"ha": ("left", "right")[side], "color": MUTED[0], "size": 10}
        ax.annotate(("← better", "better →")[side], (side, 1), (0, 3), **style)
        if any(one.row.time_ratio is not None for one in effects):
            _beside(ax, -0.72, "× time", MUTED[0])
        ax.set(xlabel=axis.label, ylabel="")
        told = "; ".join(_told_difference(one.row) for one in effects)
        kind = "Ratios" if ratio else "Differences"
        title = f"{kind} to {effects[0].row.reference_name}, {block.title}"
        return pen.inline(figure, f"{block.key}-forest", title, told)


def _effect_axis(block: Block, reference: str, ratio: bool) -> Axis:
    name, fraction = words.metric(block.metric.name), block.metric.unit == "fraction"
    if ratio:
        return Axis(f"Ratio of {name} to {short(reference)} (log scale)", log=True, least=0.0)
    unit = "points" if fraction else name
    return Axis(f"Difference to {short(reference)} ({unit})", 100.0 if fraction else 1.0)


def cost_panel(pen: Pen, block: Block, cost: Quantity, x_label: str) -> Panel | None:
    """Draw score against a cost, and the front of those that none is better and cheaper than. None
    where no group has both, where they were not all made on one machine, or where costs hardly
    differ."""
    known = [
        (group, value)
        for group in block.ranked
        if (value := group[cost].value) is not None and value > 0
    ]
    values = [value for _, value in known]
    if len(known) < 2 or not block.costs_compare or max(values) < WORTH_DRAWING * min(values):
        return None
    unit, factor = UNITS[cost.unit]
    axis = Axis.of(block.metric, [_mean(group) for group, _ in known])
    shown = [group for group, _ in known if not group.privileged] or [group for group, _ in known]
    window = axis.window(
        [_mean(group) for group in shown],
        [(group.score.low, group.score.high) for group in shown],
    )
    across = Axis("", factor, max(values) > 8 * min(values), 0.0)
    with panel() as (figure, ax):
        scale(ax, "x", across.log, limits=across.window(values))
        scale(ax, "y", axis.log, limits=window)
        _scores_by_cost(ax, known, axis, across, window)
        ax.set(xlabel=f"{x_label} ({unit})", ylabel=axis.label)
        told = "; ".join(
            f"{group.name} {words.quantity(value, cost.unit)} for {told_score(group)}"
            for group, value in known
        )
        key, title = cost.name.replace("_", "-"), f"Score against {x_label}, {block.title}"
        return pen.inline(figure, f"{block.key}-{key}", title, told)


def _scores_by_cost(
    ax: Axes,
    known: Sequence[tuple[Group, float]],
    axis: Axis,
    across: Axis,
    window: tuple[float, float],
) -> None:
    """Each mean at its cost, named, and the front dashed."""
    front = [(across.drawn(value), axis.drawn(_mean(group))) for group, value in pareto(known)]
    dashed: dict[str, Any] = {"linestyle": (0, (4, 2)), "drawstyle": "steps-post"}
    ax.plot(*zip(*front, strict=True), color=MUTED[0], linewidth=1, **dashed)
    names = []
    for group, value in known:
        place = across.drawn(value)
        _mean_of(ax, group, axis, place, window, along="y")
        height = min(max(axis.drawn(_mean(group)), window[0]), window[1])
        names.append((place, height, group.name))
    name_points(ax, names, (0, 0, 250, 168))


def pareto(known: Sequence[tuple[Group, float]]) -> list[tuple[Group, float]]:
    """Return those that no other of equal rights is better than at no higher cost, the cheapest
    first."""
    front: list[tuple[Group, float]] = []
    rivals = [one for one in known if not one[0].privileged] or list(known)
    sign = 1 if rivals[0][0].metric.higher_is_better else -1
    for group, value in sorted(rivals, key=lambda one: (one[1], -sign * _mean(one[0]))):
        if not front or sign * _mean(group) > sign * _mean(front[-1][0]):
            front.append((group, value))
    return front


def told_score(group: Group) -> str:
    """A score in words, for a text alternative."""
    unit, score = group.metric.unit, group.score
    sign = "%" if unit == "fraction" else words.metric(group.metric.name)
    return (
        f"{words.score(score.value, unit)} {sign} "
        f"{words.interval(score.low, score.high, unit)}, {plural(group.scored, 'seed')}"
    )


def _names(rows: Sequence[Group | Comparison]) -> float:
    """Units that the names of rows take."""
    return 14 + LETTER * max(len(short(row.name)) for row in rows)


def _rows(ax: Axes, names: Sequence[str]) -> None:
    """One row a name, the first on top."""
    ax.set_yticks(range(len(names)), [short(name) for name in names], color=INK[0])
    ax.set_ylim(len(names) - 0.45, -0.55)
    ax.grid(visible=False, axis="y")
    ax.spines["left"].set_visible(False)


def _mean_of(
    ax: Axes,
    group: Group,
    axis: Axis,
    place: float,
    window: tuple[float, float],
    along: Literal["x", "y"] = "x",
) -> None:
    """A mean with the interval of its score; one beyond the window is named at its edge."""
    mean = axis.drawn(_mean(group))
    if not window[0] <= mean <= window[1]:
        edge, text = _edge(mean, window), words.score(group.score.value, group.metric.unit)
        arrow = {("x", 0): "◂ {}", ("x", 1): "{} ▸", ("y", 0): "{} ▾", ("y", 1): "{} ▴"}
        label = arrow[along, edge].format(text if along == "x" else f"{short(group.name)} {text}")
        at = (window[edge], place) if along == "x" else (place, window[edge])
        style: dict[str, Any] = {"color": group.mark.colour, "va": "center_baseline", "size": 10}
        ax.text(*at, label, ha=("left", "right")[edge] if along == "x" else "center", **style)
        return
    score = group.score
    if score.low is not None and score.high is not None:
        low, high = axis.ends([score.low], [score.high])
        interval(ax, place, low[0], high[0], window, group.mark.colour, along)
    point(ax, *((mean, place) if along == "x" else (place, mean)), group.mark)


def _edge(value: float, window: tuple[float, float]) -> int:
    return int(value > window[1])


def _effect(ax: Axes, one: _Effect, axis: Axis, place: int, window: tuple[float, float]) -> None:
    row, found = one.row, axis.drawn(one.value)
    if one.hidden:
        low, high = (min(max(axis.drawn(end), window[0]), window[1]) for end in one.hidden)
        ax.barh(place, high - low, 0.72, low, color=GRID[0], alpha=0.8, linewidth=0, zorder=0.5)
    if window[0] <= found <= window[1]:
        first, last = one.interval
        if first is not None and last is not None:
            interval(ax, place, axis.drawn(first), axis.drawn(last), window, row.mark.colour)
        point(ax, found, place, row.mark)
    else:
        edge = _edge(found, window)
        style: dict[str, Any] = {"va": "center_baseline", "size": 10, "ha": ("left", "right")[edge]}
        text = words.ratio(one.value) if axis.log else words.difference(one.value, row.metric.unit)
        ax.text(
            window[edge], place, ("◂ {}", "{} ▸")[edge].format(text), color=row.mark.colour, **style
        )
    if row.time_ratio is not None:
        _beside(ax, place, f"×{words.THIN}{words.ratio(row.time_ratio)}", INK[0])


def _beside(ax: Axes, place: float, text: str, colour: str) -> None:
    """A word right of a row."""
    style: dict[str, Any] = {"va": "center_baseline", "ha": "right", "color": colour, "size": 10.5}
    at = ax.get_yaxis_transform()
    ax.annotate(text, (1, place), (54, 0), xycoords=at, textcoords="offset points", **style)


def _told_difference(row: Comparison) -> str:
    told = f"{row.name} {words.effect(row)}"
    if (found := words.effect_interval(row)) != words.DASH:
        told += f" {found}"
    if (least := words.least(row)) != words.DASH:
        told += f", could have found {least}"
    time = f", × {words.ratio(row.time_ratio)} of the time" if row.time_ratio is not None else ""
    return f"{told}, {row.verdict}{time}"


def _mean(group: Group) -> float:
    """The score of a group that has one."""
    assert group.score.value is not None
    return group.score.value
