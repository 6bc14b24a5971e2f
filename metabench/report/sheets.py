"""What tests keep to be looked at: what each algorithm made of the same few episodes, and what it
is like inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure

from metabench import registry
from metabench.errors import PluginError
from metabench.figures import Canvas, Drawing, Section
from metabench.report import canvas
from metabench.report.blocks import Block, Mark
from metabench.report.palette import INK
from metabench.report.svg import Pen
from metabench.tables import Run, Shown, known_figures, shown

BLOCKS = 6
"""Settings of a run that get a sheet: they are to look at, and more of them show nothing new."""


@dataclass(frozen=True)
class Panel:
    """One drawing of a sheet: whose it is (no mark: what all share), what to know about it, and the
    `<svg>`."""

    name: str
    mark: Mark | None
    caption: str
    drawing: Markup


@dataclass(frozen=True)
class Sheet:
    """The panels of one block, all of the same episodes, of one seed; in which section of the
    report they stand, how to read them, and whether they are as wide as they need."""

    section: Section
    title: str
    seed: int
    legend: Markup
    wide: bool
    panels: list[Panel]


def sheets_of(
    pen: Pen, run: Run, blocks: Sequence[Block], tell: Callable[[str], object] = lambda why: None
) -> list[Sheet]:
    """Return the sheets of the first blocks whose records keep anything for figures; `tell` takes
    why a figure is left out whose class cannot be made, or cannot draw."""
    figures = known_figures(lambda error: tell(str(error)))
    sheets: list[Sheet] = []
    drawn = 0
    for block in blocks:
        found: list[Sheet] = []
        for one in shown(run, block.data, figures) if drawn < BLOCKS else ():
            try:
                found += _sheet(pen, block, one)
            except PluginError as error:
                tell(str(error))
                figures = [figure for figure in figures if figure is not one.figure]
        drawn += bool(found)
        sheets += found
    return sheets


def _sheet(pen: Pen, block: Block, one: Shown) -> Iterator[Sheet]:
    figure, lent = one.figure, BlockCanvas(pen, block, one)
    with registry.blamed("figures", figure.name):
        panels = [_panel(block, drawing) for drawing in figure.draw(lent, one.kept)]
        legend = Markup(figure.legend(lent))
    if panels:
        title = f"{figure.heading} · {block.title}" if figure.heading else block.title
        yield Sheet(figure.section, title, one.kept[0].seed, legend, figure.wide, panels)


def _panel(block: Block, drawing: Drawing) -> Panel:
    group = next((group for group in block.groups if group.group == drawing.group), None)
    return Panel(
        group.name if group else drawing.title,
        group.mark if group else None,
        drawing.caption,
        Markup(drawing.svg),
    )


class BlockCanvas(Canvas):
    """What a figure is lent to draw a block."""

    def __init__(self, pen: Pen, block: Block, one: Shown) -> None:
        self._pen = pen
        self.key = f"{block.key}-{one.figure.name}"
        self.title = block.title
        self.ink = INK[0]
        self._groups = {group.group: group for group in block.groups}

    def name(self, group: str) -> str:
        """What a group is called."""
        return self._groups[group].name

    def colour(self, group: str) -> str:
        """The colour of a group."""
        return self._groups[group].mark.colour

    def plots(
        self, rows: int, columns: int, *, tall: float = 1.0, left: float = 30
    ) -> AbstractContextManager[tuple[Figure, np.ndarray]]:
        """A matplotlib figure of a panel's width, and its axes."""
        width, height = canvas.SIZE
        margins = canvas.Margins(left=left, bottom=22)
        return canvas.grid(rows, columns, width, tall * height, margins)

    def scale(self, ax: Any, which: Literal["x", "y"], log: bool, ticks: int = 5) -> None:
        """Few ticks and plain numbers on an axis."""
        canvas.scale(ax, which, log, ticks)

    def svg(self, figure: Figure, key: str, title: str, description: str) -> str:
        """A matplotlib figure as an ``<svg>`` with a text alternative."""
        return self._pen.inline(figure, f"{self.key}-{key}", title, description)

    def line(self, dashes: str = "", width: float = 1.6) -> str:
        """A line for a legend."""
        dashed = f"; stroke-dasharray: {dashes}" if dashes else ""
        return (
            '<svg class="key line" viewBox="0 0 26 12" aria-hidden="true"><path d="M0 6h26" '
            f'style="stroke: var(--ink); stroke-width: {width}{dashed}"/></svg>'
        )

    def symbol(self, path: str, *, bad: bool = False) -> str:
        """A shape for a legend."""
        style = "stroke: var(--bad); fill: none; stroke-width: 1.8" if bad else "fill: var(--ink)"
        return (
            f'<svg class="key" viewBox="0 0 12 12" aria-hidden="true" style="{style}">'
            f'<path d="{path}"/></svg>'
        )
