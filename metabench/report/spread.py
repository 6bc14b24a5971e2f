"""Where the spread over seeds comes from: one drawing and one table for the groups that differ in
which random streams follow the seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from metabench.report import words
from metabench.report.axis import Axis
from metabench.report.blocks import Block, Group
from metabench.report.canvas import SIZE, Margins, panel, scale
from metabench.report.coordinates import shape_of
from metabench.report.marks import LETTER, interval, point
from metabench.report.palette import INK
from metabench.report.svg import Pen
from metabench.tables import Run
from metabench.tables.spread import SpreadRow
from metabench.tables.streams import STREAMS, TOGETHER, over_words

GAP = 0.8
"""Rows of a drawing between what is over one and over another."""


@dataclass(frozen=True)
class Over:
    """What the spread is over, in words, and the groups that it was found in."""

    told: str
    rows: Sequence[tuple[Group, SpreadRow]]

    def held(self, group: Group, row: SpreadRow) -> str:
        """At which seeds the rest of a row is held, where that alone tells it from others of its
        name: `test episodes at seed 1`."""
        twins = [other.held for one, other in self.rows if one.name == group.name]
        names = [name for name in STREAMS if len({other.get(name) for other in twins}) > 1]
        told = [f"{STREAMS[name]} at seed {row.held[name]}" for name in names if name in row.held]
        return ", ".join(told)


@dataclass(frozen=True)
class Spread:
    """How far the scores of one setting spread, by what follows the seed: as a drawing, and by
    row."""

    title: str
    overs: Sequence[Over]
    drawing: Markup

    @property
    def unit(self) -> str:
        """What the standard deviations are in."""
        _, row = self.overs[0].rows[0]
        return _unit(row)


def spreads_of(pen: Pen, run: Run, blocks: Sequence[Block]) -> list[Spread]:
    """Return the spreads of a run, one a setting; none where all groups let the same streams follow
    the seed."""
    groups = {group.group: group for block in blocks for group in block.groups}
    settings: dict[str, dict[tuple[str, ...], list[tuple[Group, SpreadRow]]]] = {}
    for row in run.rows.spread:
        title = f"{row.place['dataset']} · {shape_of(row.place)}"
        over = settings.setdefault(title, {}).setdefault(row.over, [])
        over.append((groups[row.group], row))
    found = []
    for title, members in settings.items():
        overs = [Over(_told(over), rows) for over, rows in members.items()]
        found.append(Spread(title, overs, Markup(_panel(pen, title, overs))))
    return found


def deviation(row: SpreadRow) -> str:
    """A standard deviation with its interval: `1.2 [0.7, 3.4]`."""
    if row.low is None or row.high is None:
        return _digits(row, row.sd)
    return f"{_digits(row, row.sd)} [{_digits(row, row.low)}, {_digits(row, row.high)}]"


def _told(over: tuple[str, ...]) -> str:
    if over == TOGETHER:
        return "all three together"
    return "all four together" if over == tuple(STREAMS) else over_words(over)


def _unit(row: SpreadRow) -> str:
    if row.scale == "log":
        return "of logarithms"
    return "points" if row.metric.unit == "fraction" else words.metric(row.metric.name)


def _factor(row: SpreadRow) -> float:
    return 100.0 if row.scale != "log" and row.metric.unit == "fraction" else 1.0


def _digits(row: SpreadRow, value: float) -> str:
    return words.ratio(_factor(row) * value)


def _panel(pen: Pen, title: str, overs: Sequence[Over]) -> str:
    found = [row for over in overs for _, row in over.rows]
    axis = Axis(f"Standard deviation ({_unit(found[0])})", _factor(found[0]), least=0.0)
    window = axis.window([0.0, *(row.sd for row in found)], [(row.low, row.high) for row in found])
    window = (0.0, window[1])
    high = len(found) + GAP * len(overs)
    left = 14 + LETTER * max(len(over.told) for over in overs)
    with panel(SIZE[0] + 0.8, 0.65 + 0.22 * high, Margins(left=left)) as (figure, ax):
        scale(ax, "x", log=False, limits=window)
        place, middles = 0.0, []
        for over in overs:
            middles.append(place + (len(over.rows) - 1) / 2)
            for group, row in over.rows:
                if row.low is not None and row.high is not None:
                    ends = axis.drawn(row.low), axis.drawn(row.high)
                    interval(ax, place, *ends, window, group.mark.colour)
                point(ax, min(axis.drawn(row.sd), window[1]), place, group.mark)
                place += 1
            place += GAP
        ax.set_yticks(middles, [over.told for over in overs], color=INK[0])
        ax.set_ylim(place - GAP - 0.4, -0.6)
        ax.grid(visible=False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.set(xlabel=axis.label, ylabel="")
        told = "; ".join(
            f"{over.told}: "
            + ", ".join(
                " ".join(filter(None, (group.name, over.held(group, row), deviation(row))))
                for group, row in over.rows
            )
            for over in overs
        )
        return pen.inline(figure, f"spread-{words.slug(title)}", f"Spread, {title}", told)
